PYTHON ?= python3
ARGS ?=

AIRFLOW_3 := 3.3.2
AIRFLOW_2 := 2.11.2
CONSTRAINTS_3 := constraints/airflow-3.3.txt
CONSTRAINTS_2 := constraints/airflow-2.11.txt
# botocore needs an older python-dateutil than Airflow brings, so its tests have an environment of their own.
CONSTRAINTS_PRODUCTION := constraints/airflow-3.3-production.txt
# Airflow 3.0 takes the fields of a connection form from it.
FAB := apache-airflow-providers-fab
PYTEST := -m pytest --numprocesses 2 --no-loadscope-reorder
# The tests on a whole Airflow mostly wait: one process for those that share it, one for the others, one for the rest.
PYTEST_REST := -m pytest --numprocesses 3 --no-loadscope-reorder
# A provider must at least load on each version, show its form and send once on a whole Airflow.
VERSION_TESTS := tests/package/test_provider_info.py tests/compat/test_sdk.py tests/hooks/test_connection.py \
  tests/end_to_end/test_features.py
# What these test is the same on each Airflow, so `make test` is enough; `make matrix` runs them on each.
NO_AIRFLOW := $(addprefix --ignore=tests/,api batch dev docs idempotency sandbox)
FEATURE_SESSIONS := "quick(airflow-2.11, python-3.11)" 3.0 3.1 3.2 "quick(airflow-3.3, python-3.11)"
FEATURE_TESTS := -m feature tests/end_to_end/test_features.py
QUICK := (not airflow and not slow) or smoke
PROJECT := -e '.[sandbox]' --group test --group lint

TOO_NEW_FOR_2 := $(shell $(PYTHON) -c 'import sys; print("yes" if sys.version_info >= (3, 13) else "")')

export PIP_DISABLE_PIP_VERSION_CHECK := 1
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: demo up test test-rest test-full test-versions features matrix lint types signatures check test-2.11 test-production bench docs build constraints clean help

demo: .venv/.ready ## a Dag opens tickets in a local Usedesk, in about a minute
	.venv/bin/python -m dev.demo

up: .venv/.ready ## Airflow with the example Dags and the sandbox inbox, until Ctrl-C
	.venv/bin/python -m dev.up

test: .venv/.ready ## the tests on Airflow 3.3, in minutes; ARGS="-k hook" goes to pytest
	.venv/bin/python $(PYTEST) -m "$(QUICK)" $(ARGS)

test-rest: .venv/.ready ## what make test leaves out: whole Airflows with kills, long seeds
	.venv/bin/python $(PYTEST_REST) -m "not ($(QUICK))" $(ARGS)

test-full: .venv/.ready ## all tests on Airflow 3.3
	.venv/bin/python $(PYTEST_REST) $(ARGS)

lint: .venv/.ready ## style
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

signatures: .venv/.ready ## write the arguments of operators from api/parameters.py
	.venv/bin/python -m dev.signatures

types: .venv/.ready ## types, strictly
	.venv/bin/mypy --strict

check: lint types test-full test-2.11 ## all of it: lint, types, all tests on Airflow 3.3 and 2.11

ifdef TOO_NEW_FOR_2
test-2.11: ## the tests on Airflow 2.11
	@echo "Tests on Airflow $(AIRFLOW_2) left out: it runs on Python up to 3.12, and $(PYTHON) is newer."
	@echo "To run them: make test-2.11 PYTHON=python3.12"
else
test-2.11: .venv-2.11/.ready ## the tests of what depends on Airflow, on Airflow 2.11
	.venv-2.11/bin/python $(PYTEST) -m "not slow" $(NO_AIRFLOW) $(ARGS)
endif

test-versions: .venv/.ready ## provider info, connection form and a whole Airflow, on Airflow 3.0, 3.1 and 3.2
	.venv/bin/python -m dev.matrix 3.0 3.1 3.2 -- -m "$(QUICK)" $(VERSION_TESTS)

features: .venv/.ready ## each feature on a whole Airflow of each version, about half an hour, into docs/compatibility.md
	USEDESK_FEATURES=$(CURDIR)/dev/features .venv/bin/python -m dev.matrix $(FEATURE_SESSIONS) -- $(FEATURE_TESTS)
	.venv/bin/python -m dev.feature_table

matrix: .venv/.ready ## the quick tests on every Airflow, an hour and a half; ARGS="3.0 lowest" runs a part
	.venv/bin/python -m dev.matrix $(ARGS)

test-production: .venv-production/.ready ## kills on Celery, Redis, PostgreSQL and S3; needs redis-server
	.venv-production/bin/python -m pytest --numprocesses 0 -s tests/production $(ARGS)

bench: .venv/.ready ## every benchmark, beside its peers
	.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python -c $(CONSTRAINTS_3) --group bench
	@set -e; for script in $(sort $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))); do \
	  echo "$$script"; .venv/bin/python "$$script"; \
	done

docs: .venv/.ready ## the documentation site, in build/docs
	.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python -c $(CONSTRAINTS_3) --group docs
	AIRFLOW_HOME=$(CURDIR)/build/airflow AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING \
	  .venv/bin/python -m sphinx -q -W --keep-going -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

build: .venv/.ready ## sdist and wheel in dist/, checked as a package index does
	rm -rf dist
	.venv/bin/python -m build --no-isolation
	.venv/bin/twine check --strict dist/*

constraints: .venv/bin/uv ## the dependencies of each Airflow's time, and the newest, into constraints/
	$(call freeze,2.11,$(AIRFLOW_2),)
	$(call freeze,3.0,3.0.6,2025-09-15,,$(FAB))
	$(call freeze,3.1,3.1.8,2026-03-14)
	$(call freeze,3.2,3.2.2,2026-06-02)
	$(call freeze,3.3,$(AIRFLOW_3),,--group docs)
	$(call freeze,3.3-production,$(AIRFLOW_3),,--group production)

clean: ## remove what the other targets made
	rm -rf .venv .venv-2.11 .venv-production .nox build dist .pytest_cache .mypy_cache .ruff_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z0-9.-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | sort -u | expand -t 17

.venv/.ready: pyproject.toml $(CONSTRAINTS_3) | .venv/bin/uv
	.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python \
	  -c $(CONSTRAINTS_3) $(PROJECT) --group dev --group editor --group postgres apache-airflow==$(AIRFLOW_3)
	@touch $@

.venv-production/.ready: pyproject.toml $(CONSTRAINTS_PRODUCTION) | .venv-production/bin/uv
	.venv-production/bin/uv pip install --quiet --compile-bytecode --python .venv-production/bin/python \
	  -c $(CONSTRAINTS_PRODUCTION) $(PROJECT) --group postgres --group production apache-airflow==$(AIRFLOW_3)
	@touch $@

.venv-2.11/.ready: pyproject.toml $(CONSTRAINTS_2) | .venv-2.11/bin/uv
	.venv-2.11/bin/uv pip install --quiet --compile-bytecode --python .venv-2.11/bin/python \
	  -c $(CONSTRAINTS_2) $(PROJECT) apache-airflow==$(AIRFLOW_2)
	@touch $@

%/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear $*
	$*/bin/python -m pip install --quiet 'uv>=0.6'

# For all Pythons from 3.11 on. The newest dependencies break Airflow 3.0 to 3.2, so these have a day; what only
# the tests use may be newer.
define freeze
echo "# Made by 'make constraints' from pyproject.toml and apache-airflow==$(2)$(if $(3), as of $(3))." \
  > constraints/airflow-$(1).txt
printf '%s\n' apache-airflow==$(2) $(5) | .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
  --no-header --no-annotate $(if $(3),--exclude-newer $(3) --exclude-newer-package fakeredis=2026-11-24) - pyproject.toml \
  --extra sandbox --group test --group lint --group dev $(if $(3),,--group editor --group postgres) $(4) \
  >> constraints/airflow-$(1).txt
endef

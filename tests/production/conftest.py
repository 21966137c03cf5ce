"""One production stack for all tests; every service and component that a test kills is started again."""

from __future__ import annotations

import logging
from importlib.util import find_spec

import pytest

from airflow_provider_usedesk.sandbox import Sandbox
from tests.production.services import missing_packages

# Only `make test-production` installs Celery.
collect_ignore_glob = [] if find_spec("airflow.providers.celery") else ["test_*.py"]


@pytest.fixture(scope="session")
def airflow():
    from tests.production.stack import ProductionAirflow

    if missing := missing_packages():
        pytest.fail(f"These tests need Debian packages: apt-get install {' '.join(missing)}")
    with ProductionAirflow() as running:
        yield running


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox_of_mapped():
    """A Usedesk of its own, so that a mapped task searches few tickets after it was killed."""
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _quiet_sandbox():
    logging.getLogger("airflow_provider_usedesk.sandbox").setLevel(logging.WARNING)

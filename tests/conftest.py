"""An Airflow home for the tests, deleted at the end."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
import threading
from itertools import count
from pathlib import Path

import pytest

pytest_plugins = ["tests.support.airflow", "tests.support.delivery", "tests.support.tickets"]

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="usedesk-tests-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

# Airflow reads these when it is imported, so they are set before any test module is.
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(AIRFLOW_HOME / "dags"),
    AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE="False",
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)
(AIRFLOW_HOME / "dags").mkdir()

WHOLE_AIRFLOWS = "tests/end_to_end/"
# Each starts an Airflow of its own, while the others share one.
OWN_AIRFLOWS = tuple(f"{WHOLE_AIRFLOWS}test_{name}.py" for name in ("callbacks", "events", "waiting"))

_folders = count(1)


def pytest_collection_modifyitems(items):
    """Start with the tests that take longest; refuse ids that differ between processes."""
    assert [item.nodeid for item in items if " at 0x" in item.nodeid] == []
    items.sort(
        key=lambda item: (not item.nodeid.startswith(WHOLE_AIRFLOWS), item.nodeid.startswith(OWN_AIRFLOWS))
    )


def pytest_make_parametrize_id(val, argname):
    """Name bytes by their argument: a workbook has the time in it, and all processes need the same ids."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Run the tests of a file in one process, and all tests on the shared Airflow in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            if file in OWN_AIRFLOWS:
                return "own Airflows"
            return WHOLE_AIRFLOWS if file.startswith(WHOLE_AIRFLOWS) else file

    return Scheduling(config, log)


@pytest.fixture(autouse=True)
def rate_limits(monkeypatch):
    """Rate limits of this test alone: a refusal in another test has no effect, and no file stays."""
    from airflow_provider_usedesk.api import rate_limit_stores, rate_limiter

    folder = AIRFLOW_HOME / f"rate-limits-{next(_folders)}"
    monkeypatch.setattr(rate_limit_stores, "folder", lambda: folder)
    rate_limit_stores.machine_store.cache_clear()
    rate_limiter.IN_MEMORY.clear()
    yield folder
    rate_limit_stores.machine_store.cache_clear()


@pytest.fixture(autouse=True)
def requests_of_this_test():
    """Fail a test whose notifier sends requests after it: they would count as those of another test."""
    yield
    # A notifier abandons its thread after its timeout.
    notifiers = [thread for thread in threading.enumerate() if thread.name == "usedesk-notifier"]
    for thread in notifiers:
        thread.join(30)
    assert not any(thread.is_alive() for thread in notifiers)


@pytest.fixture(autouse=True)
def object_stores():
    """Object stores of this test alone: Airflow keeps each that a path has named, also one that failed."""
    yield
    for name in ("airflow.sdk.io.store", "airflow.io.store"):
        getattr(sys.modules.get(name), "_STORE_CACHE", {}).clear()


@pytest.fixture(autouse=True)
def masked_secrets():
    """Masked secrets of this test alone: Airflow 2 masks every value of an extra, even a single letter."""
    yield
    module = sys.modules.get("airflow.utils.log.secrets_masker")
    for masker in logging.getLogger("airflow.task").filters:
        if isinstance(masker, getattr(module, "SecretsMasker", ())):
            masker.patterns, masker.replacer = set(), None


@pytest.fixture(autouse=True, scope="session")
def database_of_airflow_2(request):
    """On Airflow 2 an operator reads from the database whether its attempt is the current one."""
    from airflow_provider_usedesk.compat.version import AIRFLOW

    if AIRFLOW < (3, 0):
        request.getfixturevalue("airflow_db")

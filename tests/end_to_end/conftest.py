"""One whole Airflow for all tests that kill none of its components."""

from __future__ import annotations

import json

import pytest

from airflow_provider_usedesk.sandbox import Sandbox
from tests.end_to_end import cases
from tests.support import features
from tests.support.whole_airflow import all_dags, connect, local_airflow
from tests.support.zones import zone_at_noon

TOKEN = "0123456789abcdef-token"
SECRET = "webhook-secret-of-the-examples"


@pytest.fixture(scope="session")
def batch_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("batches")


@pytest.fixture(scope="session")
def histories_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("histories")


@pytest.fixture(scope="session")
def default_sandbox():
    with Sandbox(token=TOKEN) as running:
        yield running


@pytest.fixture
def sandbox(default_sandbox):
    """The local Usedesk behind ``usedesk_default``, empty."""
    default_sandbox.reset()
    return default_sandbox


@pytest.fixture(scope="session")
def airflow(default_sandbox, batch_folder, histories_folder, tmp_path_factory):
    """The shared Airflow. Tests that kill a component start their own."""
    env = {
        "USEDESK_CHECKPOINT_PATH": str(tmp_path_factory.mktemp("checkpoints")),
        "USEDESK_TIMEZONE": zone_at_noon(),
        "USEDESK_CASES": json.dumps(cases.TICKET_CASES),
        "USEDESK_COMMENT_CASES": json.dumps(cases.COMMENT_CASES),
        "USEDESK_RANDOM_TASKS": str(cases.RANDOM_TASKS),
        "USEDESK_SEED": cases.SEED,
        "USEDESK_HISTORIES": str(histories_folder),
        **cases.batch_env(batch_folder),
        # Most of the tasks wait.
        "AIRFLOW__CORE__PARALLELISM": "16",
        # If a supervisor cannot report a death, only the missing heartbeat shows it. A living task on a busy
        # machine must not be taken for a dead one.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "180",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }
    with local_airflow(all_dags(tmp_path_factory.mktemp("dags")), env=env, parse_every=30) as running:
        connect(running, "usedesk_default", default_sandbox, webhook_secret=SECRET)
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Write the outcome of each test of a feature."""
    report = yield
    for mark in item.iter_markers("feature"):
        name, outcome, _ = mark.args
        if report.failed:
            features.write(name, features.FAILED)
        elif report.when == "call":
            features.write(name, outcome)
    return report

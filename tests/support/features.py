"""What a feature of the compatibility page is, and where its tests write whether a version has it."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from airflow_provider_usedesk.compat.version import AIRFLOW, AIRFLOW_VERSION

FOLDER = "USEDESK_FEATURES"
"""The environment variable with the folder for the outcomes; without it none is written."""
FAILED = "failed"


def feature(name, *, has=True, dag=None):
    """
    Mark the test of a feature, for the versions that have it.

    :param name: its row in the table
    :param has: whether this Airflow has it
    :param dag: a Dag that is started before the first test
    """
    return _mark(name, "yes", dag) if has else pytest.mark.skip(reason="this Airflow lacks it")


def missing(name, *, has, needs, dag=None):
    """Mark the test that an Airflow without a feature says so, or shows nothing of it."""
    return pytest.mark.skip(reason="this Airflow has it") if has else _mark(name, f"no: needs {needs}", dag)


def write(name, outcome):
    """Write the outcome of one test for the page, if a folder is given."""
    if not (folder := os.environ.get(FOLDER)):
        return
    path = Path(folder) / f"{'.'.join(map(str, AIRFLOW))}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    features = {**known.get("features", {}), name: outcome}
    known = {"airflow": AIRFLOW_VERSION, "python": platform.python_version(), "features": features}
    path.write_text(json.dumps(known, indent=2) + "\n")


def _mark(name, outcome, dag):
    return pytest.mark.feature(name, outcome, dag)

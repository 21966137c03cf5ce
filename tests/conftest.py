"""An Airflow of the tests' own, in a folder that goes when they end."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="usedesk-tests-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

# Airflow reads these when it is imported, so they are set before any test module is.
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(AIRFLOW_HOME / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)
(AIRFLOW_HOME / "dags").mkdir()

"""A whole Airflow 2 on this machine, with the interface of the local Airflow 3."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dev.airflow_client import AirflowClientError
from dev.local_airflow import LOOPBACK, LocalAirflow

# Who is not logged in may do everything.
NO_PASSWORD = "from airflow.config_templates.default_webserver_config import *\nAUTH_ROLE_PUBLIC = 'Admin'\n"


class LocalAirflow2(LocalAirflow):
    """Webserver, triggerer, and the scheduler, which reads the Dags, too; one task runs after another."""

    api = "/api/v1"
    components = {
        "webserver": ["webserver", "--workers", "1"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }
    healthy_parts = frozenset({"metadatabase", "scheduler", "triggerer"})

    def health(self):
        parts = self.call("GET", "/health", timeout=5)
        return {name: part["status"] for name, part in parts.items() if part}

    def trigger(self, dag_id, conf=None, *, run_id=None, logical_date=None):
        """Trigger a run; Airflow 2 sets a missing logical date itself."""
        body = {"conf": dict(conf or {}), "dag_run_id": run_id, "logical_date": logical_date}
        created = self.call(
            "POST", f"/dags/{dag_id}/dagRuns", json={name: value for name, value in body.items() if value}
        )
        return self.dag_run(dag_id, created["dag_run_id"])

    def task_log(self, dag_id, run_id, task_id, *, try_number=1, map_index=-1):
        path = f"{self.api}/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        params = {"map_index": map_index, "full_content": "true"}
        return self.request("GET", path, params=params, headers={"Accept": "text/plain"}).text

    def _is_parsed(self, dag_id):
        try:
            return self.call("GET", f"/dags/{dag_id}")["is_active"]
        except AirflowClientError as error:
            if error.status == 404:
                return False
            raise

    def _settings(self):
        (self.home / "webserver_config.py").write_text(NO_PASSWORD)
        return {
            **super()._settings(),
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.default",
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": LOOPBACK,
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.port),
            "AIRFLOW__WEBSERVER__BASE_URL": self.url,
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": str(self._parse_every),
            # A killed task may be noticed by its missing heartbeat only.
            "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "3",
            # The executor starts `airflow`.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def _secrets(self):
        secrets = super()._secrets()
        return {**secrets, "AIRFLOW__WEBSERVER__SECRET_KEY": secrets["AIRFLOW__API__SECRET_KEY"]}

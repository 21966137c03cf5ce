"""Airflow as in production: Celery with two workers, Redis, PostgreSQL and S3, of which all can be killed."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from dev.airflow_client import FINAL_RUN_STATES, AirflowClientError
from dev.local_airflow import COMPONENTS, LocalAirflow
from dev.processes import Processes
from tests.production.services import Service, object_storage, postgres, redis

DAGS = Path(__file__).parent / "dags"
WORKERS = ("worker-1", "worker-2")
BROKER, RATE_LIMIT, DATABASE, STORAGE = "broker", "rate-limit", "postgres", "s3"
BUCKET = "production"
QUEUE = "default"
SLOTS = 4
# Celery delivers a message again that was not acknowledged for so long.
VISIBILITY_TIMEOUT = 20
# Nothing but a server that hangs takes so long, even on a busy machine.
LONGEST_WAIT = 300
# A component may end a few times while a service is away.
MOST_RESTARTS = 10


def worker_command(name: str) -> list[str]:
    # The queue of its own name is for tasks that must run on this worker.
    options = {"--celery-hostname": name, "--concurrency": str(SLOTS), "--queues": f"{QUEUE},{name}"}
    arguments = [part for option in options.items() for part in option]
    return ["celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle", *arguments]


class ProductionAirflow(LocalAirflow):
    """Airflow with CeleryExecutor; components and services that end are started again, as in production."""

    components = {**COMPONENTS, **{name: worker_command(name) for name in WORKERS}}

    def __init__(self) -> None:
        super().__init__(DAGS, parse_every=3600, start_timeout=2 * LONGEST_WAIT)
        self.services: dict[str, Service] = {}
        self._restarts: Counter[str] = Counter()

    def connection(self, name: str) -> str:
        """Return the URL of a service."""
        schemes = {DATABASE: "postgresql+psycopg2://airflow@", STORAGE: "http://"}
        path = {DATABASE: "/postgres", STORAGE: ""}.get(name, "/0")
        return f"{schemes.get(name, 'redis://')}{self.services[name].address}{path}"

    def check_alive(self) -> None:
        assert self._processes
        for name, code in self._processes.ended().items():
            if name not in self.components:
                continue
            self._restarts[name] += 1
            if self._restarts[name] > MOST_RESTARTS:
                raise AirflowClientError(f"airflow {name} ends with {code}:\n{self._processes.tail(name)}")
            self.revive(name)

    def kill_service(self, name: str) -> None:
        """Kill a service with SIGKILL."""
        assert self._processes
        self._processes.kill(name)

    def start_service(self, name: str) -> None:
        """Start a service, and wait until it can be connected to."""
        assert self._processes
        service = self.services[name]
        self._processes.start(name, service.command, user=service.user)
        wait_until(service.is_open, f"{name} does not start")

    def log_of(self, component: str) -> str:
        """Return the log of a component, from its first start on."""
        return (self.home / "components" / f"{component}.log").read_text(errors="replace")

    def worker_of(self, pid: int) -> str:
        """Return the name of the worker that started a process."""
        line = {process.pid for process in [psutil.Process(pid), *psutil.Process(pid).parents()]}
        assert self._processes
        [name] = [name for name in WORKERS if self._processes.pid(name) in line]
        return name

    def freeze(self, component: str, number: signal.Signals) -> None:
        """Send SIGSTOP or SIGCONT to a component and its children."""
        assert self._processes
        self._processes.signal(component, number)

    def wait_for_end(self, dag_id: str, run_id: str) -> str:
        """Wait until a run has ended, and return its state; the API server may be away for a while."""
        states: list[str] = []

        def has_ended() -> bool:
            self.check_alive()
            try:
                states.append(self.dag_run(dag_id, run_id).state)
            except AirflowClientError:
                return False
            return states[-1] in FINAL_RUN_STATES

        try:
            wait_until(has_ended, f"{dag_id} does not end", 3 * LONGEST_WAIT)
        except TimeoutError as error:
            raise AirflowClientError(f"{error}; {self._run_report(dag_id, run_id)}") from None
        return states[-1]

    def _start_components(self, processes: Processes) -> None:
        # PostgreSQL runs as another user.
        self.home.chmod(0o755)
        brokers = [redis(name, self.home / name) for name in (BROKER, RATE_LIMIT)]
        for service in [postgres(self.home / DATABASE), object_storage(), *brokers]:
            self.services[service.name] = service
            self.start_service(service.name)
        super()._start_components(processes)

    def _settings(self) -> dict[str, str]:
        database = self.connection(DATABASE)
        storage = {"endpoint_url": self.connection(STORAGE), "region_name": "us-east-1"}
        return {
            **super()._settings(),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(len(WORKERS) * SLOTS),
            "AIRFLOW__CELERY__BROKER_URL": self.connection(BROKER),
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT),
            # A task of a dead worker is noticed by its missing heartbeat, one of a dead broker as it does
            # not start in time. A message that is delivered later has a token that has expired.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
            "AIRFLOW_CONN_RATE_LIMIT": self.connection(RATE_LIMIT),
            "AIRFLOW_CONN_S3": json.dumps(
                {"conn_type": "aws", "login": "key", "password": "secret", "extra": storage}
            ),
            "USEDESK_BUCKET": f"s3://s3@{BUCKET}",
        }

    def _database_settings(self, timeout: int, connect_args: str) -> dict[str, str]:
        return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.connection(DATABASE)}

    def _component_settings(self, name: str) -> dict[str, str]:
        if name not in WORKERS:
            return super()._component_settings(name)
        # Each worker stands for a machine, which keeps to the rate limit alone without Redis.
        temporary = self.home / f"tmp-{name}"
        temporary.mkdir(exist_ok=True)
        return {"TMPDIR": str(temporary)}


def wait_until(condition: Callable[[], Any], problem: str, seconds: float = LONGEST_WAIT) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{problem} within {seconds} s")
        time.sleep(0.2)

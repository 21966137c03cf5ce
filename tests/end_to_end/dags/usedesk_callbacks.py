"""Dags that fail in one way each, with a notifier in every callback; the subject names way and callback."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_usedesk.compat.sdk import AirflowSkipException
from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier
from tests.support.dags import DAG, task
from tests.support.version import HAS_DEADLINES

DEADLINE = timedelta(seconds=10)


def notifier(way: str, callback: str) -> UsedeskNotifier:
    return UsedeskNotifier(subject=f"{way}/{callback}")


def task_callbacks(way: str) -> dict[str, Any]:
    kinds = ("failure", "retry", "skipped")
    return {f"on_{kind}_callback": notifier(way, f"task {kind}") for kind in kinds}


def deadline(way: str) -> dict[str, Any]:
    if not HAS_DEADLINES:
        return {}
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

    kwargs = {"subject": f"{way}/deadline"}
    callback = AsyncCallback(UsedeskNotifier, kwargs=kwargs)
    reference = DeadlineReference.DAGRUN_QUEUED_AT
    return {"deadline": DeadlineAlert(reference=reference, interval=DEADLINE, callback=callback)}


def sleep_long() -> None:
    time.sleep(300)


def raise_error() -> None:
    raise ValueError("no orders")


def kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_worker() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def skip() -> None:
    raise AirflowSkipException


WAYS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "raises": (raise_error, {}, {}),
    "execution_timeout": (sleep_long, {"execution_timeout": timedelta(seconds=2)}, {}),
    "process killed": (kill_process, {}, {}),
    "worker killed": (kill_worker, {}, {}),
    "task marked failed": (sleep_long, {}, {}),
    "run marked failed": (sleep_long, {}, {}),
    "dagrun_timeout": (sleep_long, {}, {"dagrun_timeout": timedelta(seconds=5)}),
    "skips itself": (skip, {}, {}),
}


def dag_id(way: str) -> str:
    return f"usedesk_callbacks_{way.replace(' ', '_')}"


def dag(way: str, **options: Any) -> DAG:
    return DAG(
        dag_id(way),
        schedule=None,
        start_date=datetime(2026, 1, 1),
        on_failure_callback=notifier(way, "Dag failure"),
        **deadline(way),
        **options,
    )


for way, (function, task_options, dag_options) in WAYS.items():
    with dag(way, **dag_options):
        task(task_id="work", **task_options, **task_callbacks(way))(function)()

with dag("upstream failed"):
    failed = task(task_id="before")(raise_error)()
    failed >> task(task_id="work", **task_callbacks("upstream failed"))(skip)()

with dag("skipped by another task"):

    @task.short_circuit
    def nothing_to_do() -> bool:
        return False

    nothing_to_do() >> task(task_id="work", **task_callbacks("skipped by another task"))(skip)()

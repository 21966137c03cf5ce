"""Batches whose first attempts die, each at another point; each has its own Usedesk and connection."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from tests.support.dags import DAG

ROWS = int(os.environ.get("USEDESK_BATCH_ROWS", "120"))
FOLDER = Path(os.environ.get("USEDESK_BATCH_FOLDER", "."))
# Least duration of the quiet hours, so that they do not end before the batch notices them.
QUIET_SECONDS = 60


def rows() -> Iterator[dict[str, Any]]:
    for number in range(1, ROWS + 1):
        yield {"id": number, "subject": f"Row {number}"}


def die(*args: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(go_on: Callable[[], Any]) -> None:
    go_on()
    die()


def before_checkpoint_write(at: int) -> None:
    _at_a_write(at, die)


def after_manifest_write(at: int) -> None:
    _at_a_write(at, then_die, lambda key, value: _is_manifest(key) and value["open"])


def before_chunk_write(at: int) -> None:
    _at_a_write(at, die, lambda key, value: "chunk-" in key)


def between_chunk_and_manifest(at: int) -> None:
    _at_a_write(at, then_die, lambda key, value: "chunk-" in key)


def between_draft_and_file(at: int) -> None:
    _at_call(at, Path, "replace", die)


def after_half_a_request(at: int) -> None:
    from urllib3.connection import HTTPConnection

    def half(send: partial[None]) -> None:
        connection, data = send.args
        send.func(connection, data[: len(data) // 2])
        time.sleep(0.2)
        die()

    _at_call(at, HTTPConnection, "send", half, lambda self, data: b"api_token" in bytes(data))


def before_a_response(at: int) -> None:
    from urllib3.connection import HTTPConnection

    def wait(response: Any) -> None:
        time.sleep(0.5)
        die()

    _at_call(at, HTTPConnection, "getresponse", wait)


def while_loading(at: int) -> None:
    from airflow_provider_usedesk.batch.row_store import RowStore

    _at_call(at, RowStore, "register_key", die)


def while_looking_up(at: int) -> None:
    from airflow_provider_usedesk.api.client import UsedeskClient

    _at_call(at, UsedeskClient, "ticket", die)


def after_the_last_row(at: int) -> None:
    from airflow_provider_usedesk.batch.runner import BatchRun

    _at_call(1, BatchRun, "run", then_die)


def after_xcom(at: int) -> None:
    _at_call(1, CreateTicketBatchOperator, "post_execute", die)


def stopped_by_signal(at: int) -> None:
    from airflow_provider_usedesk.batch.sender import MessageSender

    def terminate(send: Callable[[], Any]) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return send()

    _at_call(at, MessageSender, "send", terminate)


def _is_manifest(key: str) -> bool:
    return key.endswith("manifest")


def _at_a_write(
    at: int, instead: Callable[..., Any], which: Callable[[str, Any], Any] = lambda key, value: True
) -> None:
    from airflow_provider_usedesk.compat.stores import FolderStore, TaskStateStore

    for store in (TaskStateStore, FolderStore):
        _at_call(at, store, "set", instead, lambda self, key, value: which(key, value))


def _at_call(
    at: int,
    owner: Any,
    name: str,
    instead: Callable[..., Any],
    which: Callable[..., Any] = lambda *args: True,
) -> None:
    """Replace one call of a method, given by its number."""
    method, numbers = getattr(owner, name), count(1)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        go_on = partial(method, *args, **kwargs)
        return instead(go_on) if which(*args) and next(numbers) == at else go_on()

    setattr(owner, name, replaced)


DEATHS: dict[str, Callable[[int], None]] = {
    function.__name__: function
    for function in (
        before_checkpoint_write,
        after_manifest_write,
        before_chunk_write,
        between_chunk_and_manifest,
        after_half_a_request,
        before_a_response,
        while_loading,
        while_looking_up,
        after_the_last_row,
        after_xcom,
        stopped_by_signal,
    )
}
# The task state store has no draft.
DRAFT_DEATHS = {between_draft_and_file.__name__: between_draft_and_file}

CASES = {
    "before_the_first_checkpoint_write": [("before_checkpoint_write", 1)],
    "before_any_row_is_sent": [("after_manifest_write", 1)],
    "after_half_a_request": [("after_half_a_request", 20)],
    "before_a_response": [("before_a_response", 20)],
    "before_chunk_write": [("before_chunk_write", 4)],
    "between_chunk_and_manifest": [("between_chunk_and_manifest", 3)],
    "while_loading": [("while_loading", 30)],
    "while_looking_up": [("before_a_response", 20), ("while_looking_up", 1)],
    "after_the_last_row": [("after_the_last_row", 1)],
    "after_xcom": [("after_xcom", 1)],
    "stopped_by_signal": [("stopped_by_signal", 20)],
}
ROW_BY_ROW = {"row_by_row_between_chunk_and_manifest": [("between_chunk_and_manifest", 3)]}
IN_FOLDER = {"folder_between_draft_and_file": [("between_draft_and_file", 7)]}


class DyingBatchOperator(CreateTicketBatchOperator):
    """
    A batch that dies in its first attempts, and writes down how many rows it looks up.

    :param deaths: where to die in each attempt, and at which call
    :param report_seconds: time between two reports of the progress; default: 30
    """

    def __init__(
        self, *, deaths: list[tuple[str, int]] | None = None, report_seconds: float = 30.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.deaths = deaths or []
        self.report_seconds = report_seconds

    def execute(self, context: Any) -> dict[str, Any]:
        from airflow_provider_usedesk.batch.sender import MessageSender

        self._note("began", os.getpid())
        look_up = MessageSender.look_up

        def noted(sender: Any, rows: Any, *args: Any) -> Any:
            self._note("asked", len(rows))
            return look_up(sender, rows, *args)

        MessageSender.look_up = noted  # type: ignore[method-assign]
        for death, at in self.deaths[context["ti"].try_number - 1 :][:1]:
            (DEATHS | DRAFT_DEATHS)[death](at)
        return super().execute(context)

    def execute_complete(self, context: Any, event: Any = None) -> dict[str, Any]:
        self._note("began", os.getpid())
        return super().execute_complete(context, event)

    def _note(self, what: str, number: float) -> None:
        with (FOLDER / f"{self.task_id}.{what}").open("a") as file:
            file.write(f"{number}\n")

    def _options(self) -> Any:
        return replace(super()._options(), report_seconds=self.report_seconds)


class QuietBatchOperator(DyingBatchOperator):
    """A batch that begins in quiet hours, which end soon after, at a full minute."""

    def execute(self, context: Any) -> dict[str, Any]:
        self.timezone = "UTC"
        self.quiet_hours = self._quiet_hours()
        return super().execute(context)

    def _quiet_hours(self) -> tuple[str, str]:
        place = FOLDER / f"{self.task_id}.quiet"
        if not place.exists():
            now = datetime.now(UTC)
            end = now + timedelta(minutes=1, seconds=QUIET_SECONDS)
            place.write_text(f"{now - timedelta(minutes=1):%H:%M} {end:%H:%M}")
        start, stop = place.read_text().split()
        return start, stop


def batch(task_id: str, kind: type[DyingBatchOperator] = DyingBatchOperator, **kwargs: Any) -> None:
    shared: dict[str, Any] = {
        "task_id": task_id,
        "recipients": rows,
        "row_key": "id",
        "message": "m",
        "max_in_flight": 4,
        "usedesk_conn_id": f"usedesk_batch_{task_id}",
        "results_path": str(FOLDER / f"{task_id}.csv"),
        "checkpoint_path": os.environ.get("USEDESK_CHECKPOINT_PATH"),
    }
    kind(**{**shared, **kwargs})


def random_deaths(case: str) -> list[tuple[str, int]]:
    dice = Random(f"{os.environ.get('USEDESK_BATCH_SEED')}/{case}")
    return [(dice.choice([*DEATHS]), dice.randint(1, 12)) for _ in range(2)]


with DAG(
    "usedesk_batches",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    max_active_tasks=32,
    default_args={"retries": 5, "retry_delay": timedelta(seconds=1)},
):
    for number, case in enumerate(json.loads(os.environ.get("USEDESK_BATCH_CASES", "[]"))):
        # The longest first.
        options: dict[str, Any] = {"priority_weight": 1000 - number}
        if case in IN_FOLDER:
            batch(case, deaths=IN_FOLDER[case], checkpoint_path=str(FOLDER / "checkpoints"), **options)
        elif case in ROW_BY_ROW:
            batch(case, deaths=ROW_BY_ROW[case], validate="row", **options)
        elif case.startswith("random_"):
            batch(case, deaths=random_deaths(case), **options)
        else:
            batch(case, deaths=CASES.get(case, []), **options)


with DAG("usedesk_batch_in_quiet_hours", start_date=datetime(2026, 1, 1), schedule=None):
    batch("quiet", QuietBatchOperator, deferrable=True)


with DAG("usedesk_batches_stopped", start_date=datetime(2026, 1, 1), schedule=None):
    for case in ("stopped", "stopped_meanwhile"):
        suffix = "{{ '_slow' if ti.try_number == 1 else '' }}"
        batch(case, report_seconds=1, usedesk_conn_id=f"usedesk_batch_{case}{suffix}")

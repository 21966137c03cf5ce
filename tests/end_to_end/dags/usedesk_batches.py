"""Batches whose first tries die, each at another point; each has a Usedesk and a connection of its own."""

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
# So many seconds are left at least of quiet hours, so that they do not end before they are noticed.
QUIET_SECONDS = 20


def rows() -> Iterator[dict[str, Any]]:
    for number in range(1, ROWS + 1):
        yield {"id": number, "subject": f"Row {number}"}


def die(*args: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(go_on: Callable[[], Any]) -> None:
    go_on()
    die()


def before_a_ledger_write(at: int) -> None:
    _at_a_write(at, die)


def after_open_rows_were_written(at: int) -> None:
    _at_a_write(at, then_die, lambda name, value: name == "head" and value["open"])


def before_answers_were_written(at: int) -> None:
    _at_a_write(at, die, lambda name, value: name != "head")


def between_answers_and_open_rows(at: int) -> None:
    _at_a_write(at, then_die, lambda name, value: name != "head")


def between_draft_and_ledger(at: int) -> None:
    _at_call(at, Path, "replace", die)


def after_half_a_request(at: int) -> None:
    from urllib3.connection import HTTPConnection

    def half(send: partial[None]) -> None:
        connection, data = send.args
        send.func(connection, data[: len(data) // 2])
        time.sleep(0.2)
        die()

    _at_call(at, HTTPConnection, "send", half, lambda self, data: b"api_token" in bytes(data))


def before_an_answer(at: int) -> None:
    from urllib3.connection import HTTPConnection

    def wait(answer: Any) -> None:
        time.sleep(0.5)
        die()

    _at_call(at, HTTPConnection, "getresponse", wait)


def while_planning(at: int) -> None:
    from airflow_provider_usedesk.batch.row_store import RowStore

    _at_call(at, RowStore, "claim", die)


def while_asking(at: int) -> None:
    from airflow_provider_usedesk.api.client import UsedeskClient

    _at_call(at, UsedeskClient, "ticket", die)


def after_the_last_row(at: int) -> None:
    from airflow_provider_usedesk.batch.runner import BatchRun

    _at_call(1, BatchRun, "run", then_die)


def after_xcom(at: int) -> None:
    _at_call(1, CreateTicketBatchOperator, "post_execute", die)


def told_to_stop(at: int) -> None:
    from airflow_provider_usedesk.batch.sender import MessageSender

    def terminate(send: Callable[[], Any]) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return send()

    _at_call(at, MessageSender, "send", terminate)


def _at_a_write(
    at: int, instead: Callable[..., Any], which: Callable[[str, Any], Any] = lambda name, value: True
) -> None:
    from airflow_provider_usedesk.batch.checkpoint import FolderStore, TaskStateStore

    for store in (TaskStateStore, FolderStore):
        _at_call(at, store, "set", instead, lambda self, name, value: which(name, value))


def _at_call(
    at: int,
    owner: Any,
    name: str,
    instead: Callable[..., Any],
    which: Callable[..., Any] = lambda *args: True,
) -> None:
    """Do something else instead of the call of a method with this number."""
    method, numbers = getattr(owner, name), count(1)

    def replaced(*args: Any, **kwargs: Any) -> Any:
        go_on = partial(method, *args, **kwargs)
        return instead(go_on) if which(*args) and next(numbers) == at else go_on()

    setattr(owner, name, replaced)


DEATHS: dict[str, Callable[[int], None]] = {
    function.__name__: function
    for function in (
        before_a_ledger_write,
        after_open_rows_were_written,
        before_answers_were_written,
        between_answers_and_open_rows,
        after_half_a_request,
        before_an_answer,
        while_planning,
        while_asking,
        after_the_last_row,
        after_xcom,
        told_to_stop,
    )
}
# There is none in the task state store.
DRAFT_DEATHS = {between_draft_and_ledger.__name__: between_draft_and_ledger}

CASES = {
    "before_the_first_ledger_write": [("before_a_ledger_write", 1)],
    "before_any_row_is_sent": [("after_open_rows_were_written", 1)],
    "after_half_a_request": [("after_half_a_request", 20)],
    "before_an_answer": [("before_an_answer", 20)],
    "before_answers_are_written": [("before_answers_were_written", 4)],
    "between_answers_and_open_rows": [("between_answers_and_open_rows", 3)],
    "while_planning": [("while_planning", 30)],
    "while_asking": [("before_an_answer", 20), ("while_asking", 1)],
    "after_the_last_row": [("after_the_last_row", 1)],
    "after_xcom": [("after_xcom", 1)],
    "told_to_stop": [("told_to_stop", 20)],
}
ROW_BY_ROW = {"row_by_row_between_answers_and_open_rows": [("between_answers_and_open_rows", 3)]}
IN_FOLDER = {"folder_between_draft_and_ledger": [("between_draft_and_ledger", 4)]}


class DyingBatchOperator(CreateTicketBatchOperator):
    """
    Die in the first tries, and note how many rows are asked about.

    :param deaths: where to die in the first try, in the second …, at the call with which number
    :param report_seconds: between two reports of the progress
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

    def _note(self, what: str, number: float) -> None:
        with (FOLDER / f"{self.task_id}.{what}").open("a") as file:
            file.write(f"{number}\n")

    def _rules(self) -> Any:
        return replace(super()._rules(), report_seconds=self.report_seconds)


class QuietBatchOperator(DyingBatchOperator):
    """Have quiet hours when it is begun, which end at a full minute soon after."""

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
        # In their order: the longest first.
        options: dict[str, Any] = {"priority_weight": 1000 - number}
        if case in IN_FOLDER:
            batch(case, deaths=IN_FOLDER[case], checkpoint_path=str(FOLDER / "ledgers"), **options)
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

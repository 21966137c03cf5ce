"""The text of Dags with operators, what their tasks pushed, and stand-ins for one attempt of a task."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tests.support.airflow import Run
from tests.support.dags import DAG

HEAD = """
from datetime import datetime, timedelta

from tests.support.dags import DAG, XComArg, task
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.operators.batch import (
    CreateTicketBatchOperator,
    SendWhatsAppTemplateBatchOperator,
)
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.message import (
    SendTelegramMessageOperator,
    SendViberMessageOperator,
    SendWhatsAppMessageOperator,
    SendWhatsAppTemplateOperator,
)
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator, UpdateTicketOperator

"""


def dag(body: str, options: str = "", dag_id: str = "example") -> str:
    """Return the text of a Dag file: the operators are imported, and the body stands in the Dag."""
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    arguments = f"{dag_id!r}, start_date=datetime(2026, 1, 1), schedule=None, {options}"
    return f"{HEAD}\nwith DAG({arguments}) as dag:\n{lines}\n"


def pushed(run: Run, task: str, map_index: int = -1) -> dict[str, Any]:
    """Return what a task pushed to XCom, without what Airflow adds for its links."""
    xcoms = run.xcoms.get((task, map_index), {})
    return {key: value for key, value in xcoms.items() if not key.startswith("_link_")}


def run_attempt(
    make: Callable[..., Any],
    *,
    native: bool = False,
    context: dict[str, Any] | None = None,
    **arguments: Any,
) -> Any:
    """
    Render and execute a task as Airflow does in an attempt, without a run of its Dag.

    :param make: the operator class, or what else makes the operator from its arguments
    :param native: whether its Dag renders to native Python types
    :param context: the context of the attempt; default: that of a first one
    :param arguments: the arguments of the operator
    :return: what the task returns
    """
    with DAG("example", schedule=None, render_template_as_native_obj=native):
        operator = make(task_id="task", **arguments)
    task, context = operator.prepare_for_execution(), context or attempt_context()
    task.render_template_fields(context)
    return task.execute(context)


class StateStore(dict[str, Any]):
    """The task state store of Airflow 3.3, as far as it is used."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def attempt_context(
    try_number: int = 1,
    max_tries: int = 0,
    store: StateStore | None = None,
    *,
    clear_number: int = 0,
    task_id: str = "task",
    map_index: int = -1,
) -> dict[str, Any]:
    """Return the context of one attempt; ``context["ti"].pushed`` has what it pushes to XCom."""
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="example",
        run_id="manual",
        task_id=task_id,
        map_index=map_index,
        try_number=try_number,
        max_tries=max_tries,
        pushed=pushed,
        xcom_push=lambda key, value: pushed.update({key: value}),
        xcom_pull=lambda task_ids: None,
    )
    dag_run = SimpleNamespace(run_after=datetime.now(UTC), clear_number=clear_number)
    context = {"ti": ti, "dag_run": dag_run}
    return context if store is None else {**context, "task_state_store": store}

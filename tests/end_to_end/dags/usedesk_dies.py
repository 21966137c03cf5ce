"""Tasks whose first attempt dies, each at another point, with a local Usedesk and a connection each."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import datetime, timedelta
from random import Random
from typing import Any

from airflow_provider_usedesk.operators.base import UsedeskOperator
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.dags import DAG


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before_the_request() -> None:
    from airflow_provider_usedesk.api.client import UsedeskClient

    UsedeskClient._response_or_error = lambda *args: die()


def after_half_the_body() -> None:
    from urllib3.connection import HTTPConnection

    send = HTTPConnection.send

    def half(self: Any, data: Any) -> None:
        if b"api_token" not in bytes(data):
            return send(self, data)
        send(self, data[: len(data) // 2])
        time.sleep(0.2)
        return die()

    HTTPConnection.send = half


def before_the_response() -> None:
    from urllib3.connection import HTTPConnection

    def wait(self: Any) -> None:
        time.sleep(0.5)
        die()

    HTTPConnection.getresponse = wait


def before_the_response_is_saved() -> None:
    _around_save(lambda save, *args: die())


def after_the_response_is_saved() -> None:
    def then_die(save: Any, *args: Any) -> None:
        save(*args)
        die()

    _around_save(then_die)


def after_xcom() -> None:
    UsedeskOperator.post_execute = lambda *args, **kwargs: die()


def _around_save(instead: Any) -> None:
    from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore

    save = AttemptStore.save

    def replaced(self: Any, record: Any) -> None:
        if record.response is None:
            return save(self, record)
        return instead(save, self, record)

    AttemptStore.save = replaced


DEATHS = {
    function.__name__: function
    for function in (
        before_the_request,
        after_half_the_body,
        before_the_response,
        before_the_response_is_saved,
        after_the_response_is_saved,
        after_xcom,
    )
}


class Dying(UsedeskOperator):
    """
    Die in the first attempts.

    :param deaths: where to die in the first attempt, in the second …; None for not at all
    """

    def __init__(self, *, deaths: list[str | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deaths = deaths

    def execute(self, context: Any) -> int:
        death = dict(enumerate(self.deaths, 1)).get(context["ti"].try_number)
        if death:
            DEATHS[death]()
        return super().execute(context)


class DyingOperator(Dying, CreateTicketOperator):
    pass


class DyingCommentOperator(Dying, CreateCommentOperator):
    pass


with DAG(
    "usedesk_dies",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
    params={"tickets": {}},
):
    for case in json.loads(os.environ.get("USEDESK_CASES", "[]")):
        DyingOperator(
            task_id=case,
            deaths=[case if case in DEATHS else None],
            usedesk_conn_id=f"usedesk_{case}",
            subject=f"Case {case}",
            message="m",
        )
    for case in json.loads(os.environ.get("USEDESK_COMMENT_CASES", "[]")):
        DyingCommentOperator(
            task_id=f"comment_{case}",
            deaths=[case if case in DEATHS else None],
            usedesk_conn_id=f"usedesk_comment_{case}",
            ticket_id=f"{{{{ params.tickets['{case}'] }}}}",
            type="public",
            message=f"<p>Case {case}</p>",
        )


with DAG(
    "usedesk_dies_at_random",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    max_active_tasks=16,
    default_args={"retries": 8, "retry_delay": timedelta(seconds=1)},
):
    for number in range(int(os.environ.get("USEDESK_RANDOM_TASKS", "0"))):
        dice = Random(f"{os.environ.get('USEDESK_SEED')}/{number}")
        DyingOperator(
            task_id=f"task_{number}",
            deaths=[dice.choice([*DEATHS, *[None] * len(DEATHS)]) for _ in range(2)],
            usedesk_conn_id="usedesk_random",
            subject=f"Random {number}",
            message="m",
        )


with DAG(
    "usedesk_dies_once",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=1)},
):
    DyingOperator(task_id="die", deaths=["before_the_response"], subject="Killed and retried", message="m")

"""Arguments of sensors that are known to be wrong when the Dag is parsed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor
from tests.support.dags import DAG, task

SECONDS = "must be a timedelta or a number of seconds, at least 0"
OF_BOTH = [
    ({"ticket_id": None}, "ticket_id: must be a 32-bit id"),
    ({"ticket_id": "first"}, "ticket_id: must be a 32-bit id"),
    ({"max_failures": 0}, "max_failures: must be a whole number, at least 1"),
    ({"max_failures": "3"}, "max_failures: must be a whole number, at least 1"),
    ({"deferrable": "yes"}, "deferrable: must be True or False"),
    ({"poke_interval": -1}, f"poke_interval: {SECONDS}"),
    ({"poke_interval": float("nan")}, f"poke_interval: {SECONDS}"),
    ({"timeout": timedelta(seconds=-1)}, f"timeout: {SECONDS}"),
    ({"max_wait": "1h"}, f"max_wait: {SECONDS}"),
    ({"mode": "push"}, "mode: must be one of poke, reschedule"),
    ({"conn_id": "u"}, "conn_id: is not a .*; is usedesk_conn_id meant"),
    ({"interval": 5}, "interval: is not a .*; is poke_interval meant"),
    ({"retires": 3}, "retires: is not a .*; is retries meant"),
]
OF_TICKETS = [
    ({"target_statuses": "opne"}, "target_statuses: status 1 must be a status number, or one of open, "),
    ({"target_statuses": ["solved", "done"]}, "target_statuses: status 2 must be a status number"),
    ({"target_statuses": []}, "target_statuses: name at least one status"),
    ({"failed_statuses": ("gone",)}, "failed_statuses: status 1 must be a status number"),
    ({"failed_statuses": ["closed"]}, "failed_statuses: closed is also in target_statuses"),
    ({"status": "solved"}, "status: is not a .*; is failed_statuses or target_statuses meant"),
    ({"ticket": 1}, "ticket: is not a .*; is ticket_id meant"),
]
OF_MESSAGES = [
    ({"comment_id": "last"}, "comment_id: must be a 32-bit id"),
    ({"source": "mail"}, "source: must be one of auto, webhook, poll"),
    ({"delivered_statuses": []}, "delivered_statuses: name at least one word"),
    ({"failed_statuses": [7]}, "failed_statuses: must be words"),
    ({"failed_statuses": "read"}, "failed_statuses: read is also in delivered_statuses"),
    ({"sent_after": "yesterday"}, "sent_after: must be a datetime or ISO 8601, with a time zone"),
    ({"sent_after": datetime(2026, 1, 1)}, "sent_after: must be a datetime or ISO 8601, with a time zone"),
    ({"comment": 1}, "comment: is not a .*; is comment_id meant"),
]
WRONG = [
    *((TicketStatusSensor, *one) for one in [*OF_BOTH, *OF_TICKETS]),
    *((MessageDeliverySensor, *one) for one in [*OF_BOTH, *OF_MESSAGES]),
]


@pytest.mark.parametrize(
    ("sensor", "given", "error"), WRONG, ids=[f"{sensor.__name__}-{given}" for sensor, given, _ in WRONG]
)
def test_wrong_literal_fails_when_the_dag_is_parsed(sensor, given, error):
    with pytest.raises(UsedeskInvalidRequest, match=error) as raised:
        sensor(task_id="task", **{"ticket_id": 1, **given})
    assert len(raised.value.validation_errors) == 1


def test_all_faults_are_named_at_once():
    with pytest.raises(UsedeskInvalidRequest) as raised:
        TicketStatusSensor(
            task_id="task", ticket_id="x", target_statuses="done", status=2, timeout=-1, max_failures=0
        )
    names = {error.partition(":")[0] for error in raised.value.validation_errors}
    assert names == {"ticket_id", "target_statuses", "status", "timeout", "max_failures"}


def test_wrong_task_is_not_in_the_dag():
    with DAG("dag", schedule=None) as dag, pytest.raises(UsedeskInvalidRequest):
        TicketStatusSensor(task_id="task", ticket_id=1, target_statuses="done")
    assert dag.task_ids == []


def test_default_arguments_are_checked():
    with (
        DAG("dag", schedule=None, default_args={"source": "mail", "owner": "ann", "other": 1}),
        pytest.raises(UsedeskInvalidRequest, match=r"Usedesk\. source: must be one of"),
    ):
        MessageDeliverySensor(task_id="task", ticket_id=1)


def test_right_arguments_are_accepted():
    TicketStatusSensor(
        task_id="task",
        ticket_id="17",
        target_statuses={"on hold", 2},
        failed_statuses=[],
        timeout=timedelta(hours=1),
        poke_interval=0,
        mode="reschedule",
    )
    MessageDeliverySensor(
        task_id="task",
        ticket_id=17,
        comment_id=None,
        source="poll",
        delivered_statuses="read, seen",
        sent_after=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("value", ["{{ params.p }}", "{% if p %}1{% endif %}", "{# none #}1"])
def test_template_is_checked_when_it_is_rendered(value):
    TicketStatusSensor(task_id="t", ticket_id=value, target_statuses=["solved", value], failed_statuses=value)
    MessageDeliverySensor(
        task_id="t", ticket_id=value, comment_id=value, delivered_statuses=value, sent_after=value
    )


def test_xcom_arg_is_checked_when_the_task_runs():
    @task
    def find():
        return 17

    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
        found = find()
        TicketStatusSensor(task_id="a", ticket_id=found, target_statuses=found["status"])
        MessageDeliverySensor(task_id="b", ticket_id=found, comment_id=found["comment"], sent_after=found)


class TestMapped:
    def test_right_arguments_are_accepted(self):
        with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
            TicketStatusSensor.partial(task_id="a", timeout=60).expand(ticket_id=[1, "2"])
            MessageDeliverySensor.partial(task_id="b", source="poll").expand_kwargs([{"ticket_id": 1}])

    @pytest.mark.parametrize(
        ("sensor", "shared", "error"),
        [
            (TicketStatusSensor, {"target_statuses": "done"}, "target_statuses: status 1 must be"),
            (TicketStatusSensor, {"status": "solved"}, "status: is not a .*; is failed_statuses or target"),
            (MessageDeliverySensor, {"source": "mail"}, "source: must be one of auto"),
            (MessageDeliverySensor, {"poke_interval": -1}, "poke_interval: must be"),
        ],
    )
    def test_shared_argument_is_checked(self, sensor, shared, error):
        with pytest.raises(UsedeskInvalidRequest, match=error):
            sensor.partial(task_id="task", **shared)

    @pytest.mark.filterwarnings("ignore:Task 'task' was never mapped")
    @pytest.mark.parametrize(
        ("mapped", "error"),
        [
            ({"comment_id": [1]}, "ticket_id: is required"),
            ({"ticket_id": [1, "x"]}, r"ticket_id: must be .* \(value 2\)"),
            ({"ticket_id": [1], "comment": [2]}, "comment: is not a .*; is comment_id meant"),
        ],
    )
    def test_mapped_argument_is_checked(self, mapped, error):
        with (
            DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)),
            pytest.raises(UsedeskInvalidRequest, match=error),
        ):
            MessageDeliverySensor.partial(task_id="task").expand(**mapped)

    @pytest.mark.filterwarnings("ignore:Task 'task' was never mapped")
    def test_each_item_is_checked_with_what_all_share(self):
        with (
            DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)),
            pytest.raises(UsedeskInvalidRequest) as raised,
        ):
            TicketStatusSensor.partial(task_id="task", target_statuses="open").expand_kwargs(
                [{"ticket_id": 1}, {"ticket_id": 2, "failed_statuses": "open"}, {}]
            )
        second, third = raised.value.validation_errors
        assert re.fullmatch(r"failed_statuses: open is also in target_statuses \(item 2\)", second)
        assert third == "ticket_id: is required (item 3)"

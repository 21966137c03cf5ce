"""Arguments that are known to be wrong when the Dag is parsed."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.operators.batch import (
    CreateTicketBatchOperator,
    SendWhatsAppTemplateBatchOperator,
)
from airflow_provider_usedesk.operators.chat import SendChatMessageOperator
from airflow_provider_usedesk.operators.check import CheckDeliveryContractOperator
from airflow_provider_usedesk.operators.client import CreateClientOperator, UpdateClientOperator
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.message import (
    SendTelegramMessageOperator,
    SendViberMessageOperator,
    SendWhatsAppMessageOperator,
    SendWhatsAppTemplateOperator,
)
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator, UpdateTicketOperator
from tests.support.dags import DAG, task

TICKET = {"subject": "s", "message": "m"}
TEMPLATE = {"channel_id": 1, "template_id": 2, "client_id": 3}
COMMENT = {"ticket_id": 1, "type": "public", "message": "m"}
CHAT = {"chat_id": 1, "user_id": 2, "text": "t"}
BATCH = {"recipients": [], "row_key": "id"}
WRONG = [
    (CreateTicketOperator, {**TICKET, "priority": "highest"}, "priority: must be one of low, medium, "),
    (CreateTicketOperator, {**TICKET, "priority": 5}, "priority: must be one of low, medium, "),
    (CreateTicketOperator, {**TICKET, "subject": "s" * 256}, "subject: must have at most 255 characters"),
    (CreateTicketOperator, {**TICKET, "status": "opne"}, "status: must be a status number, or one of open, "),
    (CreateTicketOperator, {**TICKET, "from_": "user"}, "user_id: is required with from_='user'"),
    (CreateTicketOperator, {**TICKET, "channel_id": "first"}, "channel_id: must be a 32-bit id"),
    (CreateTicketOperator, {**TICKET, "priorty": "low"}, "priorty: is not a .*; is priority meant"),
    (CreateTicketOperator, {**TICKET, "from": "client"}, "from: is not a .*; is from_ meant"),
    (CreateTicketOperator, {**TICKET, "retires": 3}, "retires: is not a .*; is retries meant"),
    (
        CreateTicketOperator,
        {**TICKET, "on_not_delivered": "retry"},
        "on_not_delivered: must be one of fail, ",
    ),
    (CreateTicketOperator, {**TICKET, "send_again_on_clear": "no"}, "send_again_on_clear: must be True or"),
    (CreateTicketOperator, {**TICKET, "delivery_timeout": 0}, "delivery_timeout: must be a timedelta or"),
    (
        SendWhatsAppTemplateOperator,
        {"channel_id": 1, "client_id": 3},
        "template_id or template_name: exactly",
    ),
    (SendWhatsAppTemplateOperator, {"channel_id": 1, "template_id": 2}, "client_phone or client_id: is req"),
    (SendWhatsAppTemplateOperator, {**TEMPLATE, "from_": "client"}, "from_: must be user"),
    (SendWhatsAppMessageOperator, {**TICKET, "channel_id": 1, "user_id": 2}, "client_phone or client_id: is"),
    (SendViberMessageOperator, {**TICKET, "channel_id": 1}, "client_phone or client_id: is required"),
    (SendTelegramMessageOperator, {**TICKET, "channel_id": 1}, "client_phone or username: is required"),
    (UpdateTicketOperator, {"ticket_id": 1, "status": "opne"}, "status: must be a status number"),
    (UpdateTicketOperator, {"ticket_id": 1}, "arguments: nothing would change"),
    (CreateCommentOperator, {**COMMENT, "type": "internal"}, "type: must be one of public, private"),
    (CreateCommentOperator, {**COMMENT, "on_unknown_outcome": "x"}, "on_unknown_outcome: must be one of"),
    (CreateClientOperator, {"name": "n", "phone_type": "desk"}, "phone_type: must be one of home"),
    (CreateClientOperator, {"name": "n", "find_existing": "name"}, "find_existing: must be one of email, ph"),
    (CreateClientOperator, {"name": "n", "on_unknown_outcome": "x"}, "on_unknown_outcome: must be one of"),
    (UpdateClientOperator, {"client_id": 1, "emails": "none"}, "emails: address 1 must be one email address"),
    (SendChatMessageOperator, {**CHAT, "on_unknown_outcome": "x"}, "on_unknown_outcome: must be one of"),
    (SendChatMessageOperator, {**CHAT, "chat_id": "c"}, "chat_id: must be a 32-bit id"),
    (CheckDeliveryContractOperator, {"conn_id": "u"}, "conn_id: is not a .*; is usedesk_conn_id meant"),
    (CreateTicketBatchOperator, {**BATCH, "priority": "highest"}, "priority: must be one of low"),
    (
        CreateTicketBatchOperator,
        {**BATCH, "quiet_hours": ("25:00", "08:00"), "timezone": "UTC"},
        "quiet_hours",
    ),
    (CreateTicketBatchOperator, {**BATCH, "on_not_delivered": "resend"}, "on_not_delivered: must be one of"),
    (
        CreateTicketBatchOperator,
        {**BATCH, "max_badrows": 3},
        "max_badrows: is not a .*; is max_bad_rows meant",
    ),
    (SendWhatsAppTemplateBatchOperator, {**BATCH, "from_": "client"}, "from_: must be user"),
]


@pytest.mark.parametrize(("operator_class", "given", "error"), WRONG, ids=[error[:40] for *_, error in WRONG])
def test_wrong_literal_fails_when_the_dag_is_parsed(operator_class, given, error):
    with pytest.raises(UsedeskInvalidRequest, match=error) as raised:
        operator_class(task_id="task", **given)
    assert len(raised.value.validation_errors) == 1


def test_all_faults_are_named_at_once():
    with pytest.raises(UsedeskInvalidRequest) as raised:
        CreateTicketOperator(
            task_id="task", **TICKET, priorty="low", status="opne", tag="t" * 256, on_unknown_outcome="x"
        )
    names = [error.partition(":")[0] for error in raised.value.validation_errors]
    assert sorted(names) == ["on_unknown_outcome", "priorty", "status", "tag"]


def test_wrong_task_is_not_in_the_dag():
    with DAG("dag", schedule=None) as dag, pytest.raises(UsedeskInvalidRequest):
        CreateTicketOperator(task_id="task", **TICKET, priority="highest")
    assert dag.task_ids == []


@pytest.mark.parametrize("value", ["{{ params.p }}", "{% if p %}low{% endif %}", "{# none #}low"])
def test_template_is_checked_when_it_is_rendered(value):
    assert CreateTicketOperator(task_id="task", **TICKET, priority=value).priority == value


def test_file_of_a_message_is_read_when_the_task_runs():
    CreateTicketOperator(task_id="task", subject="s", message="letters/overdue.html", files="missing.csv")


def test_xcom_arg_is_checked_when_the_task_runs():
    @task
    def find():
        return {"priority": "low"}

    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
        found = find()
        CreateTicketOperator(
            task_id="a", **TICKET, priority=found["priority"], from_=found["from"], tag=[found]
        )
        SendWhatsAppTemplateOperator(task_id="b", channel_id=found, template_id=found, client_id=found)


def test_default_arguments_are_checked():
    with DAG("dag", schedule=None, default_args={"priority": "highest", "owner": "ann", "other": 1}):
        with pytest.raises(UsedeskInvalidRequest, match=r"Usedesk\. priority: must be one of"):
            CreateTicketOperator(task_id="a", **TICKET)
        with pytest.raises(UsedeskInvalidRequest, match=r"Usedesk\. priority: must be one of"):
            CreateTicketOperator.partial(task_id="b", subject="s").expand(message=["m"])


class TestMapped:
    def expand(self, shared, mapped):
        with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
            return SendWhatsAppTemplateOperator.partial(task_id="task", **shared).expand(**mapped)

    def expand_kwargs(self, shared, rows):
        with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
            return SendWhatsAppTemplateOperator.partial(task_id="task", **shared).expand_kwargs(rows)

    def test_right_arguments_are_accepted(self):
        self.expand({"channel_id": 1, "template_id": 2}, {"client_phone": ["79123456789"]})
        self.expand_kwargs({"channel_id": 1}, [{"template_id": 2, "client_id": 3}])

    @pytest.mark.parametrize(
        ("shared", "error"),
        [
            ({"channel_id": "c"}, "channel_id: must be"),
            ({"chanel_id": 1}, "chanel_id: is not a .*; is channel_id meant"),
            ({"channel_id": 1, "on_not_delivered": "retry"}, "on_not_delivered: must be one of"),
        ],
    )
    def test_shared_argument_is_checked(self, shared, error):
        with pytest.raises(UsedeskInvalidRequest, match=error):
            SendWhatsAppTemplateOperator.partial(task_id="task", **shared)

    @pytest.mark.filterwarnings("ignore:Task 'task' was never mapped")
    @pytest.mark.parametrize(
        ("mapped", "error"),
        [
            ({"template_lang": ["ru"]}, "client_phone or client_id: is required"),
            ({"client_id": [3], "priority": ["low", "hihg"]}, r"priority: must be one of .* \(value 2\)"),
            ({"client_id": [3], "priorty": ["low"]}, "priorty: is not a .*; is priority meant"),
        ],
    )
    def test_mapped_argument_is_checked(self, mapped, error):
        with pytest.raises(UsedeskInvalidRequest, match=error):
            self.expand({"channel_id": 1, "template_id": 2}, mapped)

    @pytest.mark.filterwarnings("ignore:Task 'task' was never mapped")
    def test_each_item_is_checked(self):
        with pytest.raises(UsedeskInvalidRequest) as raised:
            self.expand_kwargs({"channel_id": 1}, [{"template_id": 2, "client_id": 3}, {"client_id": "c"}])
        first, second = raised.value.validation_errors
        assert re.fullmatch(r"client_id: must be .* \(item 2\)", first)
        assert second == "template_id or template_name: exactly one of them is required (item 2)"


MADE_IN_A_TASK = """
from datetime import datetime

from tests.support.dags import DAG, task

from airflow_provider_usedesk.{module} import {name}

with DAG("made_in_a_task", start_date=datetime(2026, 1, 1), schedule=None) as dag:

    @task(retries=1, retry_delay=0.1)
    def make():
        print("attempt", "begins")
        {name}(task_id="made", {arguments})

    make()
"""


class TestMadeInARunningTask:
    @pytest.mark.parametrize(
        ("module", "name", "arguments", "error"),
        [
            (
                "operators.ticket",
                "CreateTicketOperator",
                "subject='s', message='m', priority='x'",
                "priority",
            ),
            ("sensors.ticket", "TicketStatusSensor", "ticket_id=1, target_statuses='x'", "target_statuses"),
        ],
    )
    def test_wrong_argument_is_not_retried(self, run_dag, module, name, arguments, error):
        run = run_dag(MADE_IN_A_TASK.format(module=module, name=name, arguments=arguments))
        assert (run.state, run.printed.count("attempt begins")) == ("failed", 1)
        assert f"UsedeskInvalidRequest: Nothing was sent to Usedesk. {error}: " in run.printed

    def test_right_arguments_are_accepted(self, run_dag):
        given = {"module": "operators.ticket", "name": "CreateTicketOperator"}
        source = MADE_IN_A_TASK.format(**given, arguments="subject='s', message='m', priority='low'")
        assert run_dag(source).state == "success"


def test_decorator_leaves_what_the_function_can_return():
    @task.usedesk_ticket(priority="low")
    def report():
        return {"subject": "s", "message": "m"}

    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
        report()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"priority": "highest"}, "priority: must be one of low"),
        ({"priorty": "low"}, "priorty: is not a .*; is priority meant"),
        ({"retires": 3}, "retires: is not a .*; is retries meant"),
        ({"on_not_delivered": "retry"}, "on_not_delivered: must be one of fail"),
    ],
)
def test_decorator_refuses_wrong_arguments_before_it_is_mapped(given, error):
    with pytest.raises(UsedeskInvalidRequest, match=error):

        @task.usedesk_ticket(**given)
        def wrong(subject):
            return {"subject": subject, "message": "m"}


def test_decorated_function_can_be_mapped():
    @task.usedesk_ticket(priority="low", retries=3)
    def report(subject):
        return {"subject": subject, "message": "m"}

    with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
        report.override(task_id="other").expand(subject=["a", "b"])

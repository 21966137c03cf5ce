"""The arguments of operators: written once, in the constructor."""

from __future__ import annotations

import inspect
import io

import pytest

from airflow_provider_usedesk.compat.sdk import BaseOperator
from airflow_provider_usedesk.decorators.ticket import usedesk_ticket_task
from airflow_provider_usedesk.operators.arguments import (
    assign_arguments,
    constructor_arguments,
    template_fields_of,
)
from airflow_provider_usedesk.operators.batch import (
    RENAMED,
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

WORDS = {"subject": "s", "message": "m"}
OPERATORS = {
    CreateTicketOperator: WORDS,
    UpdateTicketOperator: {"ticket_id": 1},
    CreateCommentOperator: {"ticket_id": 1, "type": "public"},
    CreateClientOperator: {},
    UpdateClientOperator: {"client_id": 1},
    SendChatMessageOperator: {"chat_id": 1, "user_id": 2, "text": "t"},
    CheckDeliveryContractOperator: {},
    SendWhatsAppMessageOperator: {**WORDS, "channel_id": 1, "user_id": 2},
    SendWhatsAppTemplateOperator: {"channel_id": 1},
    SendViberMessageOperator: {**WORDS, "channel_id": 1},
    SendTelegramMessageOperator: {**WORDS, "channel_id": 1},
    CreateTicketBatchOperator: {"recipients": [], "row_key": "id"},
    SendWhatsAppTemplateBatchOperator: {"recipients": [], "row_key": "id"},
}
# What one of several arguments must say.
FURTHER = {
    UpdateTicketOperator: {"status": "solved"},
    CreateCommentOperator: {"message": "m"},
    CreateClientOperator: {"name": "n"},
    UpdateClientOperator: {"name": "n"},
    SendWhatsAppMessageOperator: {"client_id": 7},
    SendWhatsAppTemplateOperator: {"client_id": 7, "template_id": 8},
    SendViberMessageOperator: {"client_id": 7},
    SendTelegramMessageOperator: {"username": "@anna"},
}


def complete(operator_class):
    return {"task_id": "task", **OPERATORS[operator_class], **FURTHER.get(operator_class, {})}


each_operator = pytest.mark.parametrize(
    ("operator_class", "required"), OPERATORS.items(), ids=lambda value: getattr(value, "__name__", "")
)


@each_operator
def test_every_argument_is_an_attribute(operator_class, required):
    operator = operator_class(**complete(operator_class))
    assert {RENAMED.get(name, name) for name in constructor_arguments(operator_class)} <= set(vars(operator))
    assert {name: getattr(operator, name) for name in required} == required


@each_operator
def test_template_fields_are_arguments_named_once(operator_class, required):
    fields = operator_class.template_fields
    assert set(fields) <= {RENAMED.get(name, name) for name in constructor_arguments(operator_class)}
    assert len(fields) == len(set(fields))


@each_operator
def test_no_argument_hides_a_method(operator_class, required):
    operator = operator_class(**complete(operator_class))
    methods = [name for name in dir(BaseOperator) if inspect.isfunction(getattr(BaseOperator, name))]
    assert [name for name in methods if not callable(getattr(operator, name))] == []


@each_operator
def test_required_arguments_are_checked(operator_class, required):
    for name in required:
        given = {other: value for other, value in required.items() if other != name}
        with pytest.raises(Exception, match=f"'{name}'"):
            operator_class(task_id="task", **given)


@pytest.mark.parametrize("operator_class", OPERATORS)
def test_at_most_three_own_classes_above(operator_class):
    own = [one for one in operator_class.__mro__[1:] if one not in BaseOperator.__mro__]
    assert len(own) <= 3


def test_decorator_has_attributes_for_template_fields():
    operator = usedesk_ticket_task(lambda: "m", task_id="task")().operator
    assert set(operator.template_fields) <= set(dir(operator))


def test_template_fields_are_without_options():
    def constructor(self, *, subject, on_unknown_outcome, usedesk_conn_id, **kwargs): ...

    assert template_fields_of(constructor) == ("subject", "usedesk_conn_id")


def test_assigned_arguments_exclude_other_variables():
    class Task:
        def __init__(self, *, subject, **kwargs):
            super().__init__()
            assign_arguments(self, locals())

    assert vars(Task(subject="s", other=1)) == {"subject": "s"}


def test_arguments_of_subclasses_are_found():
    class Footer(CreateTicketOperator):
        def __init__(self, footer, *, sign=True, **kwargs):
            super().__init__(**kwargs)

    names = constructor_arguments(Footer)
    assert names[:3] == ("footer", "sign", "subject")
    assert "retries" not in names


def files_of(folder):
    return folder.glob("*.csv")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("files", files_of),
        ("files", lambda folder: [files_of(folder)]),
        ("files", lambda folder: ("report.csv", io.BytesIO(b"x"))),
        ("tag", lambda folder: iter(["a", "b"])),
    ],
    ids=["files", "nested", "open file", "tag"],
)
@pytest.mark.parametrize("make", [CreateTicketOperator, CreateCommentOperator, CreateTicketBatchOperator])
def test_what_is_read_once_is_no_argument(tmp_path, make, name, value):
    if (make, name) == (CreateCommentOperator, "tag"):
        name = "cc"
    with pytest.raises(ValueError, match=f"{name}: can be read only once.*give a list"):
        make(**complete(make), **{name: value(tmp_path)})


@pytest.mark.parametrize("make", [CreateTicketOperator, CreateCommentOperator])
def test_mapped_task_refuses_what_is_read_once(tmp_path, make):
    with pytest.raises(ValueError, match="files: can be read only once"):
        make.partial(task_id="task", **OPERATORS[make], files=files_of(tmp_path))

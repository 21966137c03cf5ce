"""The options of a batch: read as given, and every invalid one named at once."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.batch.options import BatchOptions, as_number, read_options
from airflow_provider_usedesk.batch.quiet_hours import QuietHours

GIVEN = {
    "max_in_flight": 8,
    "max_bad_rows": 0,
    "max_failures": None,
    "quiet_hours": None,
    "timezone": None,
    "pauses": False,
    "row_key": "id",
    "row_template": None,
    "shared_id": None,
    "arguments": {"subject", "message"},
    "validate": "first",
    "fail_on": "any",
    "on_not_delivered": "fail",
    "on_unknown": "verify",
    "in_quiet_hours": "wait",
}


def validation_errors(**given):
    with pytest.raises(UsedeskInvalidRequest) as caught:
        read_options(**{**GIVEN, **given})
    return caught.value.validation_errors


def test_defaults():
    assert read_options(**GIVEN) == BatchOptions()


def test_given_options():
    options = read_options(
        **{
            **GIVEN,
            "max_in_flight": 64,
            "max_bad_rows": 0.5,
            "max_failures": 7.0,
            "on_not_delivered": "ignore",
            "on_unknown": "send",
            "quiet_hours": ("22:00", "08:00"),
            "timezone": "Europe/Moscow",
            "in_quiet_hours": "leave",
            "pauses": True,
            "fail_on": "all",
            "row_template": {"message": "{{ row.text }}"},
            "row_key": "{{ row.a }}-{{ row.b }}",
        }
    )
    assert options == BatchOptions(
        max_in_flight=64,
        max_bad_rows=0.5,
        max_failures=7,
        fail_on="all",
        ignore_not_delivered=True,
        on_unknown="send",
        quiet_hours=QuietHours.read("22:00-08:00", "Europe/Moscow"),
        in_quiet_hours="leave",
        pauses=True,
    )


@pytest.mark.parametrize("count", [0, 65, -1, 1.0, "8", True, None])
def test_max_in_flight(count):
    assert validation_errors(max_in_flight=count) == ("max_in_flight: must be a whole number from 1 to 64",)


@pytest.mark.parametrize("name", ["max_bad_rows", "max_failures"])
@pytest.mark.parametrize("limit", [-1, -0.1, 1.5, float("inf"), float("nan"), "1", True, [1]])
def test_limits(name, limit):
    assert validation_errors(**{name: limit}) == (
        f"{name}: must be a whole number from 0, or a share between 0 and 1",
    )


def test_max_bad_rows_is_required():
    assert validation_errors(max_bad_rows=None)


@pytest.mark.parametrize("name", ["max_bad_rows", "max_failures"])
def test_share_needs_all_rows(name):
    [error] = validation_errors(**{name: 0.1, "validate": "row"})
    assert error == f"{name}: a share needs validate='first', which counts the rows before it sends"


@pytest.mark.parametrize(
    ("limit", "rows", "number"), [(0, 10, 0), (3, 10, 3), (0.25, 10, 2.5), (1, 10, 1), (0.5, 0, 0)]
)
def test_limit_below_one_is_a_share(limit, rows, number):
    assert as_number(limit, rows) == number


@pytest.mark.parametrize(
    ("name", "argument", "choices"),
    [
        ("validate", "validate", "first, row"),
        ("fail_on", "fail_on", "any, all, none"),
        ("on_not_delivered", "on_not_delivered", "fail, ignore"),
        ("on_unknown", "on_unknown_outcome", "verify, fail, send"),
        ("in_quiet_hours", "in_quiet_hours", "wait, leave"),
    ],
)
@pytest.mark.parametrize("value", ["resend", None, "First", ["first"]])
def test_choices(name, argument, choices, value):
    assert validation_errors(**{name: value}) == (f"{argument}: must be one of {choices}",)


@pytest.mark.parametrize("key", [None, "", "  ", 5, ["id"]])
def test_row_key_must_be_text(key):
    [error] = validation_errors(row_key=key)
    assert error.startswith("row_key: must be the name of a column, or a template such as")


def test_templates_need_names_of_arguments():
    assert validation_errors(row_template={"mesage": "m", 7: "x", "subject": "s"}) == (
        "row_template: mesage is not a parameter of create/ticket; is message meant?",
        "row_template: 7 is not a parameter of create/ticket",
    )
    assert validation_errors(row_template="{{ row.name }}") == (
        "row_template: must be a dict of arguments of create/ticket",
    )


def test_shared_id_is_refused():
    [error] = validation_errors(shared_id="orders")
    assert error.startswith("additional_id: identifies a ticket, so give each row its own")


@pytest.mark.parametrize("given", [{"quiet_hours": "22:00-08:00"}, {"timezone": "Europe/Moscow"}])
def test_quiet_hours_and_timezone_need_each_other(given):
    assert validation_errors(**given)


def test_all_errors_are_named_at_once():
    named = validation_errors(
        max_in_flight=0,
        max_bad_rows=-1,
        max_failures="x",
        validate="never",
        row_key=None,
        row_template=[],
        quiet_hours="22-8",
        shared_id="x",
    )
    assert len(named) >= 8

"""The options of a batch: read as given, and every invalid one named at once."""

from __future__ import annotations

from fractions import Fraction

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.batch.options import (
    LIMIT,
    BatchOptions,
    Share,
    as_number,
    option_errors,
    read_options,
)
from airflow_provider_usedesk.batch.quiet_hours import QuietHours

ARGUMENTS = {"subject", "message"}


def validation_errors(**given):
    with pytest.raises(UsedeskInvalidRequest) as caught:
        read_options(given, ARGUMENTS, pauses=False)
    return caught.value.validation_errors


def test_defaults():
    assert read_options({}, ARGUMENTS, pauses=False) == BatchOptions()


def test_given_options():
    given = {
        "max_in_flight": 64,
        "max_bad_rows": "2.5%",
        "max_failures": 7,
        "on_not_delivered": "ignore",
        "on_unknown_outcome": "send",
        "quiet_hours": ("22:00", "08:00"),
        "timezone": "Europe/Moscow",
        "in_quiet_hours": "leave",
        "fail_on": "all",
        "fail_if_empty": True,
        "row_template": {"message": "{{ row.text }}"},
        "row_key": "{{ row.a }}-{{ row.b }}",
    }
    assert read_options(given, ARGUMENTS, pauses=True) == BatchOptions(
        max_in_flight=64,
        max_bad_rows=Share(Fraction("2.5")),
        max_failures=7,
        fail_on="all",
        fail_if_empty=True,
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
@pytest.mark.parametrize(
    "limit", [-1, 0.01, 1.0, 7.0, float("nan"), "1", "10 %x", "101%", "-1%", "%", "1e1%", True, [1], Share(1)]
)
def test_limit_has_two_forms(name, limit):
    """A float can be meant as a number of rows and as a share of them."""
    assert validation_errors(**{name: limit}) == (f"{name}: {LIMIT}",)


@pytest.mark.parametrize(
    ("limit", "read"),
    [(0, 0), (3, 3), ("100%", Share(Fraction(100))), (" 0.5 % ", Share(Fraction(1, 2)))],
)
def test_limit_is_read(limit, read):
    options = read_options({"max_bad_rows": limit, "max_failures": limit}, ARGUMENTS, pauses=False)
    assert (options.max_bad_rows, options.max_failures) == (read, read)


def test_max_bad_rows_is_required():
    assert validation_errors(max_bad_rows=None)


def test_early_end_needs_all_rows_for_percentage():
    [error] = validation_errors(max_failures="10%", validate="row")
    assert error == "max_failures: a percentage needs validate='first', which counts the rows before it sends"
    # Bad rows are judged at the end.
    assert read_options({"max_bad_rows": "10%", "validate": "row"}, ARGUMENTS, pauses=False)


@pytest.mark.parametrize(
    ("limit", "rows", "number"),
    [(0, 10, 0), (3, 10, 3), (1, 10, 1), ("25%", 10, 2.5), ("29%", 100, 29), ("50%", 0, 0)],
)
def test_limit_as_number_is_exact(limit, rows, number):
    options = read_options({"max_bad_rows": limit}, ARGUMENTS, pauses=False)
    assert as_number(options.max_bad_rows, rows) == number


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("validate", "first, row"),
        ("fail_on", "any, all, none"),
        ("on_not_delivered", "fail, ignore"),
        ("on_no_confirmation", "fail, warn"),
        ("on_unknown_outcome", "verify, fail, send"),
        ("in_quiet_hours", "wait, leave"),
    ],
)
@pytest.mark.parametrize("value", ["resend", None, "First", ["first"]])
def test_choices(name, choices, value):
    assert validation_errors(**{name: value}) == (f"{name}: must be one of {choices}",)


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
    [error] = validation_errors(additional_id="orders")
    assert error.startswith("additional_id: give each row a different one")


def test_quiet_hours_and_timezone_need_each_other():
    [error] = validation_errors(timezone="Europe/Moscow")
    assert error == 'timezone: needs quiet_hours, such as ("22:00", "08:00")'
    [error] = validation_errors(quiet_hours="22:00-08:00")
    assert error.startswith("timezone: must be the IANA name of a time zone")


@pytest.mark.parametrize("given", [{"quiet_hours": "22:00-08:00"}, {"timezone": "Europe/Moscow"}])
def test_mapped_tasks_may_add_the_other(given):
    assert option_errors(given, ARGUMENTS, is_complete=False) == []
    [name] = given
    assert option_errors({name: "25:00"}, ARGUMENTS, is_complete=False)[0].startswith(f"{name}: ")


def test_all_errors_are_named_at_once():
    named = validation_errors(
        max_in_flight=0,
        max_bad_rows=-1,
        max_failures="x",
        validate="never",
        row_key=None,
        row_template=[],
        quiet_hours="22-8",
        additional_id="x",
        fail_if_empty="yes",
    )
    assert len(named) == 10

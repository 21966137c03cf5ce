"""What ends the wait for the status of a ticket."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.records import TicketDetails
from airflow_provider_usedesk.polling.ticket_status import (
    Goal,
    checked_goal,
    ticket_state,
    why_failed,
)


@pytest.mark.parametrize(
    ("target", "failed", "expected"),
    [
        (("solved", "closed"), ("deleted", "spam", "merged"), Goal(frozenset({2, 3}), frozenset({4, 7, 10}))),
        ("solved", [], Goal(frozenset({2}), frozenset())),
        ("solved, on hold", "spam", Goal(frozenset({2, 5}), frozenset({7}))),
        ("['solved', 3]", "[]", Goal(frozenset({2, 3}), frozenset())),
        ("solved", None, Goal(frozenset({2}), frozenset({4, 7, 10}))),
        (2, "4", Goal(frozenset({2}), frozenset({4}))),
        ({"Solved"}, {"Spam"}, Goal(frozenset({2}), frozenset({7}))),
    ],
)
def test_statuses_by_name_or_number(target, failed, expected):
    assert checked_goal("17", target, failed) == (17, expected)


def test_all_errors_are_named_at_once():
    with pytest.raises(UsedeskInvalidRequest) as caught:
        checked_goal("None", ["solved", "done"], ["spam", "gone"])
    assert [error.split(":")[0] for error in caught.value.validation_errors] == [
        "ticket_id",
        "target_statuses",
        "failed_statuses",
    ]
    assert "solved" in str(caught.value)


@pytest.mark.parametrize("value", [[], (), ""])
def test_target_statuses_are_required(value):
    with pytest.raises(UsedeskInvalidRequest, match="target_statuses"):
        checked_goal(1, value, ["spam"])


@pytest.mark.parametrize("value", ["", " ", "None", 0, {}, False])
def test_empty_template_keeps_failed_statuses(value):
    with pytest.raises(UsedeskInvalidRequest, match="failed_statuses"):
        checked_goal(1, "solved", value)


def test_status_cannot_be_target_and_failed():
    with pytest.raises(UsedeskInvalidRequest, match="failed_statuses: spam is also in target_statuses"):
        checked_goal(1, ["spam", "solved"], ["spam", "deleted"])


def test_state_has_no_personal_text():
    ticket = TicketDetails(
        id=None, subject="Secret", status=2, tags=("invoice",), custom_fields={1: "Secret"}
    )
    state = ticket_state(17, ticket)
    assert (state["ticket_id"], state["status"], state["status_name"]) == (17, 2, "solved")
    assert "Secret" not in str(state)


def test_unknown_status_has_no_name():
    assert ticket_state(17, TicketDetails(id=17, status=99))["status_name"] is None
    assert ticket_state(17, TicketDetails(id=17))["status"] is None


def test_merged_ticket_is_explained():
    assert "merged into another ticket" in why_failed(17, 10)
    assert why_failed(17, 4) == "Ticket 17 is deleted, which is one of failed_statuses."

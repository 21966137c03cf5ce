"""Decisions on delivery: words, order, repetitions and ids."""

from __future__ import annotations

from itertools import permutations

import pytest

from airflow_provider_usedesk.api.delivery_words import DELIVERED, FAILED
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.delivery.decision import (
    checked_message,
    decide,
    default_message,
    normalized_words,
    polled_reports,
    unknown_words,
)
from airflow_provider_usedesk.delivery.reports import DeliveryReport

OURS, OTHER = 11, 12


def report(status, comment_id=OURS):
    return DeliveryReport(status, comment_id, "2026-11-24T12:00:00+00:00")


def outcome(*words, comment_id=OURS):
    decision = decide(list(map(report, words)), default_message(7, comment_id))
    return None if decision is None else decision.is_delivered


def checked(**arguments):
    defaults = {
        "ticket_id": 7,
        "comment_id": None,
        "source": "auto",
        "delivered": DELIVERED,
        "failed": FAILED,
        "max_failures": 10,
    }
    return checked_message(**{**defaults, **arguments})


@pytest.mark.parametrize(
    "word", ["DELIVERED", "delivered", " Delivered ", "DELIVERED_TO_HANDSET", "READ", "SEEN"]
)
def test_delivered_words(word):
    assert outcome(word) is True


@pytest.mark.parametrize(
    "word",
    ["UNDELIVERED", "FAILED", "NOT DELIVERED", "not_delivered", "Not-Delivered", "NotDelivered", "ERROR"],
)
def test_failed_words(word):
    assert outcome(word) is False


@pytest.mark.parametrize("word", ["SENT", "ACCEPTED", "PENDING", "QUEUED", "", "доставлено"])
def test_other_words_do_not_decide(word):
    assert outcome(word) is None
    assert outcome(word, "DELIVERED") is True
    assert unknown_words([report(word), report("READ")], default_message(7, OURS)) == {word}


@pytest.mark.parametrize("order", [*permutations(["FAILED", "DELIVERED", "SENT"])])
def test_delivered_outweighs_failed(order):
    assert outcome(*order) is True
    assert outcome(*order, *order) is True


def test_repeated_failures_fail():
    assert outcome("FAILED", "SENT", "FAILED") is False


def test_newest_deciding_report_is_returned():
    decision = decide([report("DELIVERED"), report("READ"), report("SENT")], default_message(7, OURS))
    assert decision.report.status == "READ"


def test_reports_on_other_messages_are_ignored():
    reports = [report("DELIVERED", OTHER), report("FAILED", OTHER)]
    assert decide(reports, default_message(7, OURS)) is None
    assert unknown_words([report("SENT", OTHER)], default_message(7, OURS)) == set()


def test_report_without_message_counts():
    assert decide([report("FAILED", None)], default_message(7, OURS)).is_delivered is False


def test_without_comment_id_all_reports_count():
    assert decide([report("DELIVERED", OTHER)], default_message(7, None)).is_delivered is True


class TestPolledReports:
    """The reports that a ticket's comments contain."""

    def polled(self, *comments):
        return [(one.status, one.comment_id) for one in polled_reports(comments)]

    def test_flags(self):
        message = Comment(OURS, author="user", type="public")
        assert self.polled(message) == []
        delivered = Comment(OURS, author="user", type="public", delivered=True, readed=True)
        assert self.polled(delivered) == [("delivered", OURS), ("read", OURS)]

    def test_error_concerns_the_message_before(self):
        comments = [
            Comment(14, author="trigger", type="error"),
            Comment(12, author="user", type="public"),
            Comment(13, author="user", type="private"),
            Comment(11, author="user", type="public"),
        ]
        assert self.polled(*comments) == [("error", 12)]

    def test_earlier_error_concerns_other_message(self):
        comments = [
            Comment(10, author="user", type="public"),
            Comment(11, author="trigger", type="error"),
            Comment(12, author="user", type="public"),
        ]
        assert decide(polled_reports(comments), default_message(7, 12)) is None
        assert decide(polled_reports(comments), default_message(7, 10)).is_delivered is False

    @pytest.mark.parametrize("is_answered", [True, False])
    def test_error_concerns_a_first_message_without_author(self, is_answered):
        """Usedesk shows the client as the author of a message that was sent without ``from_``."""
        comments = [
            Comment(10, author="client", type="public", is_first=True),
            Comment(11, author="trigger", type="error"),
            *([Comment(12, author="user", type="public")] if is_answered else []),
        ]
        assert self.polled(*comments) == [("error", 10)]
        assert decide(polled_reports(comments), default_message(7, None)).is_delivered is False
        assert decide(polled_reports(comments), default_message(7, 12)) is None

    def test_first_comment_is_no_message_if_private(self):
        comments = [
            Comment(10, author="user", type="private", is_first=True),
            Comment(11, author="trigger", type="error"),
        ]
        assert self.polled(*comments) == []

    def test_comment_without_id_makes_no_report(self):
        comments = [
            Comment(None, author="user", type="public", delivered=True),
            Comment(11, author="trigger", type="error"),
        ]
        assert self.polled(*comments) == []

    def test_client_and_private_comments_are_ignored(self):
        comments = [
            Comment(11, author="client", type="public", delivered=True),
            Comment(12, author="user", type="private", delivered=True, readed=True),
        ]
        assert self.polled(*comments) == []

    def test_delivered_outweighs_later_error(self):
        comments = [
            Comment(11, author="user", type="public", delivered=True),
            Comment(12, author="trigger", type="error"),
        ]
        assert decide(polled_reports(comments), default_message(7, None)).is_delivered is True


class TestArguments:
    @pytest.mark.parametrize(
        "words", ["Read, SEEN", ["read", "seen"], {"READ", "Seen"}, "['read', 'seen']", ("read", "s-e-e-n")]
    )
    def test_words_in_any_form(self, words):
        assert normalized_words(words) == {"read", "seen"}

    def test_ids_in_any_form(self):
        assert checked(ticket_id="7", comment_id="11").ticket_id == 7
        assert checked(comment_id=11).comment_id == 11

    def test_all_errors_are_named_at_once(self):
        with pytest.raises(UsedeskInvalidRequest) as caught:
            checked(
                ticket_id="None",
                comment_id="",
                source="mail",
                delivered=[],
                failed=["failed", " "],
                max_failures=0,
            )
        assert [error.split(":")[0] for error in caught.value.validation_errors] == [
            "ticket_id",
            "comment_id",
            "source",
            "delivered_statuses",
            "failed_statuses",
            "max_failures",
        ]

    @pytest.mark.parametrize("value", ["", " ", "None", [], None, 5, ["", "read"], [5], ", "])
    @pytest.mark.parametrize("name", ["delivered", "failed"])
    def test_words_are_required(self, name, value):
        with pytest.raises(UsedeskInvalidRequest, match=f"{name}_statuses"):
            checked(**{name: value})

    def test_word_cannot_mean_both(self):
        with pytest.raises(UsedeskInvalidRequest, match="failed_statuses: notread is also in"):
            checked(delivered=["not read"], failed=["failed", "NOT_READ"])

    @pytest.mark.parametrize("number", [0, -1, True, 1.5, "3", None])
    def test_max_failures_is_a_positive_integer(self, number):
        with pytest.raises(UsedeskInvalidRequest, match="max_failures"):
            checked(max_failures=number)

    def test_webhook_source_needs_airflow_3(self):
        checked(source="auto", webhooks_unavailable="needs Airflow 3.0 or newer")
        with pytest.raises(UsedeskInvalidRequest, match="source: webhook needs Airflow 3.0 or newer"):
            checked(source="webhook", webhooks_unavailable="needs Airflow 3.0 or newer")

"""What ends the waiting for a message: words, order, repetitions and ids."""

from __future__ import annotations

from itertools import permutations

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.delivery.decision import (
    DELIVERED,
    FAILED,
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
def test_words_of_delivery(word):
    assert outcome(word) is True


@pytest.mark.parametrize(
    "word",
    ["UNDELIVERED", "FAILED", "NOT DELIVERED", "not_delivered", "Not-Delivered", "NotDelivered", "ERROR"],
)
def test_words_of_failure(word):
    assert outcome(word) is False


@pytest.mark.parametrize("word", ["SENT", "ACCEPTED", "PENDING", "QUEUED", "", "доставлено"])
def test_other_words_are_waited_over(word):
    assert outcome(word) is None
    assert outcome(word, "DELIVERED") is True
    assert unknown_words([report(word), report("READ")], default_message(7, OURS)) == {word}


@pytest.mark.parametrize("order", [*permutations(["FAILED", "DELIVERED", "SENT"])])
def test_one_that_says_delivered_outweighs_failures_in_any_order(order):
    assert outcome(*order) is True
    assert outcome(*order, *order) is True


def test_repeated_failures_are_a_failure():
    assert outcome("FAILED", "SENT", "FAILED") is False


def test_the_newest_of_the_telling_reports_is_returned():
    decision = decide([report("DELIVERED"), report("READ"), report("SENT")], default_message(7, OURS))
    assert decision.report.status == "READ"


def test_reports_on_other_messages_do_not_count():
    reports = [report("DELIVERED", OTHER), report("FAILED", OTHER)]
    assert decide(reports, default_message(7, OURS)) is None
    assert unknown_words([report("SENT", OTHER)], default_message(7, OURS)) == set()


def test_a_report_that_names_no_message_counts():
    assert decide([report("FAILED", None)], default_message(7, OURS)).is_delivered is False


def test_without_a_message_all_reports_of_the_ticket_count():
    assert decide([report("DELIVERED", OTHER)], default_message(7, None)).is_delivered is True


class TestComments:
    """What the flags and the errors of a ticket's comments say."""

    def shown(self, *comments):
        return [(one.status, one.comment_id) for one in polled_reports(comments)]

    def test_flags(self):
        message = Comment(OURS, author="user", type="public")
        assert self.shown(message) == []
        delivered = Comment(OURS, author="user", type="public", delivered=True, readed=True)
        assert self.shown(delivered) == [("delivered", OURS), ("read", OURS)]

    def test_an_error_is_about_the_last_message_before_it(self):
        comments = [
            Comment(14, author="trigger", type="error"),
            Comment(12, author="user", type="public"),
            Comment(13, author="user", type="private"),
            Comment(11, author="user", type="public"),
        ]
        assert self.shown(*comments) == [("error", 12)]

    def test_an_error_before_the_message_is_not_about_it(self):
        comments = [
            Comment(10, author="user", type="public"),
            Comment(11, author="trigger", type="error"),
            Comment(12, author="user", type="public"),
        ]
        assert decide(polled_reports(comments), default_message(7, 12)) is None
        assert decide(polled_reports(comments), default_message(7, 10)).is_delivered is False

    def test_what_the_client_wrote_and_what_agents_see_is_no_message(self):
        comments = [
            Comment(11, author="client", type="public", delivered=True),
            Comment(12, author="user", type="private", delivered=True, readed=True),
        ]
        assert self.shown(*comments) == []

    def test_delivered_after_all(self):
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
        assert (checked(ticket_id="7", comment_id="11").ticket_id, checked(comment_id=11).comment_id) == (
            7,
            11,
        )

    def test_all_faults_are_named_at_once(self):
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

    @pytest.mark.parametrize("nothing", ["", " ", "None", [], None, 5, ["", "read"], [5], ", "])
    @pytest.mark.parametrize("name", ["delivered", "failed"])
    def test_a_list_of_words_has_words(self, name, nothing):
        with pytest.raises(UsedeskInvalidRequest, match=f"{name}_statuses"):
            checked(**{name: nothing})

    def test_a_word_cannot_be_both(self):
        with pytest.raises(UsedeskInvalidRequest, match="failed_statuses: notread is also in"):
            checked(delivered=["not read"], failed=["failed", "NOT_READ"])

    @pytest.mark.parametrize("number", [0, -1, True, 1.5, "3", None])
    def test_max_failures_is_a_number_of_looks(self, number):
        with pytest.raises(UsedeskInvalidRequest, match="max_failures"):
            checked(max_failures=number)

    def test_webhooks_only_where_airflow_can(self):
        checked(source="auto", webhooks_unavailable="needs Airflow 3.0 or newer")
        with pytest.raises(UsedeskInvalidRequest, match="source: webhook needs Airflow 3.0 or newer"):
            checked(source="webhook", webhooks_unavailable="needs Airflow 3.0 or newer")

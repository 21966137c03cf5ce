"""The delivery trigger; waits for stored reports run in virtual time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.delivery.report_store import ReportStore
from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger
from tests.support import virtual_time
from tests.support.delivery import DELIVERED, FAILED, MESSAGE, NOT_FOUND, SENT, TICKET

UNAVAILABLE = errors.UsedeskUnavailable("out of order")


def in_seconds(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def trigger(**options):
    defaults = {
        "usedesk_conn_id": "usedesk_default",
        "ticket_id": TICKET,
        "comment_id": None,
        "delivered_statuses": ["delivered", "read"],
        "failed_statuses": ["failed", "error"],
        "source": "poll",
        "poll_interval": 0.02,
        "since": in_seconds(0),
        "deadline": in_seconds(20),
        "max_failures": 3,
    }
    return MessageDeliveryTrigger(**{**defaults, **options})


async def payload(**options):
    event = await anext(trigger(**options).run())
    return event.payload


@pytest.mark.usefixtures("frequent_polls")
class TestPollSource:
    def fired(self, **options):
        return asyncio.run(payload(**options))

    @pytest.mark.parametrize(
        ("last", "word"), [(DELIVERED, "delivered"), (FAILED, "error")], ids=["delivered", "failed"]
    )
    def test_reads_the_ticket(self, ticket_responses, last, word):
        requests = ticket_responses(SENT, SENT, last)
        assert self.fired() == {
            "ticket_id": TICKET,
            "outcome": "done",
            "status": word,
            "comment_id": MESSAGE,
        }
        assert requests() == 3

    def test_other_messages_are_ignored(self, ticket_responses):
        requests = ticket_responses(DELIVERED)
        event = self.fired(comment_id=MESSAGE + 1, deadline=in_seconds(2))
        assert event == {"ticket_id": TICKET, "outcome": "timeout"}
        assert requests() > 0

    def test_polls_at_once_after_a_restart(self, ticket_responses):
        requests = ticket_responses(DELIVERED)
        assert self.fired(since=in_seconds(-86_400), poll_interval=3600)["outcome"] == "done"
        assert requests() == 1

    def test_separate_failures_are_tolerated(self, ticket_responses, no_client_retries):
        ticket_responses(502, NOT_FOUND, SENT, 502, 502, DELIVERED)
        assert self.fired()["outcome"] == "done"

    def test_too_many_failures_end_the_wait(self, ticket_responses, no_client_retries):
        requests = ticket_responses(502)
        event = self.fired()
        assert (event["outcome"], event["error"]) == ("error", "UsedeskUnavailable")
        assert requests() == 3

    def test_other_refusal_ends_the_wait(self, ticket_responses):
        requests = ticket_responses({"code": 117, "error": "no"})
        event = self.fired(max_failures=1000)
        assert (event["outcome"], event["error"]) == ("error", "UsedeskAgentNotFound")
        assert requests() == 1


class TestWebhookSource:
    def fired(self, **options):
        return virtual_time.run(payload(source="webhook", **options))

    def test_reads_stored_reports(self, stored_reports):
        stored_reports([], ["SENT"], ["SENT", "Delivered"])
        event = self.fired()
        assert (event["outcome"], event["status"], event["comment_id"]) == ("done", "Delivered", MESSAGE)

    def test_unknown_word_is_logged_once(self, stored_reports, monkeypatch):
        logged = []
        log = SimpleNamespace(info=lambda text, *values: logged.append(text % values))
        monkeypatch.setattr(MessageDeliveryTrigger, "log", log)
        stored_reports(["HANDED OVER"], ["HANDED OVER"], ["HANDED OVER", "Delivered"])
        self.fired()
        unknown = "This means neither delivered nor failed."
        assert logged == [
            f"A report on the message of ticket 77 says 'HANDED OVER'. {unknown}",
            "The message of ticket 77 is Delivered.",
        ]

    def test_other_messages_are_ignored(self, stored_reports):
        stored_reports(["DELIVERED"])
        event = self.fired(comment_id=MESSAGE + 1)
        assert event == {"ticket_id": TICKET, "outcome": "timeout"}

    def test_deadline_in_the_past(self, stored_reports):
        stored_reports([])
        assert self.fired(deadline=in_seconds(-1))["outcome"] == "timeout"

    def test_separate_failures_are_tolerated(self, stored_reports):
        stored_reports(UNAVAILABLE, UNAVAILABLE, [], UNAVAILABLE, UNAVAILABLE, ["READ"])
        assert self.fired()["outcome"] == "done"

    def test_too_many_failures_end_the_wait(self, stored_reports):
        stored_reports(UNAVAILABLE)
        assert self.fired()["error"] == "UsedeskUnavailable"

    @pytest.mark.parametrize(
        ("interval", "seconds", "expected"),
        [(5, 27, [0, 2, 5, 9.5, 14.5, 19.5, 24.5]), (0, 3.9, [0, 1, 2, 3])],
        ids=["grow up to the interval", "last at least a second"],
    )
    def test_pauses(self, monkeypatch, interval, seconds, expected):
        moments = []

        async def aload(store, ticket_id):
            moments.append(asyncio.get_running_loop().time())
            return ()

        monkeypatch.setattr(ReportStore, "aload", aload)
        self.fired(poll_interval=interval, deadline=in_seconds(seconds))
        assert [round(moment, 1) for moment in moments] == expected

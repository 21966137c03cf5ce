"""The requests of one alert, with a scripted client and a clock."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from airflow_provider_usedesk.api.errors import (
    UsedeskAgentNotFound,
    UsedeskClientNotFound,
    UsedeskGroupNotFound,
    UsedeskInvalidRequest,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
    UsedeskTicketNotFound,
    UsedeskUnavailable,
    UsedeskWrongTag,
)
from airflow_provider_usedesk.api.records import Comment, TicketDetails, TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.notifications.sender import (
    CONSISTENCY_DELAY,
    Alert,
    AlertResult,
    AlertSender,
)

TAG = "airflow/sales"


class Usedesk:
    """A client with scripted responses that records its calls."""

    def __init__(self, *listings, comment=None, status=1, priority="medium", update=None, refusals=()):
        self.listings = list(listings)
        self.comment = comment
        self.status = status
        self.priority = priority
        self.update = update
        self.refusals = list(refusals)
        self.calls = []

    def ticket_pages(self, **filters):
        self.calls.append(("list", filters))
        response = self.listings.pop(0)
        if isinstance(response, Exception):
            raise response
        return iter([[TicketRow(number, status=1, tags=(TAG,)) for number in response]])

    def create_ticket(self, **params):
        self.calls.append(("open", params))
        if self.refusals:
            raise self.refusals.pop(0)
        return CreatedTicket(50)

    def create_comment(self, **params):
        self.calls.append(("comment", params["ticket_id"], params["type"]))
        if isinstance(self.comment, Exception):
            raise self.comment
        if self.comment:
            self.comment(params)

    def update_ticket(self, **params):
        self.calls.append(("update", params["ticket_id"], params.get("status", params.get("priority"))))
        if self.update:
            self.update(params)

    def ticket(self, ticket_id):
        self.calls.append(("read", ticket_id))
        return self.details(ticket_id)

    def details(self, ticket_id):
        return TicketDetails(ticket_id, status=self.status, priority=self.priority, comments=(Comment(1),))

    @property
    def writes(self):
        return [call for call in self.calls if call[0] not in ("list", "read")]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def send(usedesk, *, resolve=False, repeat=None, tag=TAG, deadline=30.0, clock=None, own_tag=None, **params):
    clock = clock or Clock()
    if own_tag is not None:
        params["tag"] = own_tag
    alert = Alert({"subject": "s", "message": "m", **params}, tag, resolve, repeat)
    sender = AlertSender(lambda: nullcontext(usedesk), alert, deadline, sleep=clock.sleep, clock=clock)
    return sender.send()


def test_no_tag_opens_ticket():
    usedesk = Usedesk()
    assert send(usedesk, tag=None) == AlertResult("opened", (50,))
    assert usedesk.calls == [("open", {"subject": "s", "message": "m"})]


def test_refused_ticket_is_opened_with_what_it_needs():
    needed = {"private_comment": "no", "channel_id": 3, "client_id": 7}
    usedesk = Usedesk((), (50,), refusals=[UsedeskGroupNotFound("no")])
    opened = send(usedesk, **needed, own_tag="data", group_id=9, files="a.csv")
    assert opened == AlertResult("opened", (50,))
    [_, second] = [params for call, params in usedesk.writes]
    assert second == {"subject": "s", "message": "m", **needed, "tag": ["data", TAG]}


def test_refused_tags_leave_that_of_the_incident():
    usedesk = Usedesk((), (50,), refusals=[UsedeskWrongTag("no")])
    assert send(usedesk, own_tag="data", type="task") == AlertResult("opened", (50,))
    assert usedesk.writes[1][1] == {"subject": "s", "message": "m", "tag": TAG}


def test_alert_of_a_deleted_client_is_opened_without_it():
    usedesk = Usedesk((), (50,), refusals=[UsedeskClientNotFound("no")])
    assert send(usedesk, client_id=7, group_id=9) == AlertResult("opened", (50,))
    assert usedesk.writes[1][1] == {"subject": "s", "message": "m", "tag": [TAG]}


@pytest.mark.parametrize(
    ("error", "requests"),
    [(UsedeskRejected("no"), 2), (UsedeskOutcomeUnknown("?"), 1), (UsedeskUnavailable("down"), 1)],
)
def test_only_a_refusal_is_repeated_once(error, requests):
    usedesk = Usedesk((), refusals=[error] * 3)
    with pytest.raises(type(error)):
        send(usedesk, group_id=9)
    assert len(usedesk.writes) == requests


def test_refused_ticket_without_options_is_not_repeated():
    usedesk = Usedesk(refusals=[UsedeskRejected("no")])
    with pytest.raises(UsedeskRejected):
        send(usedesk, tag=None, client_id=7)
    assert len(usedesk.writes) == 1


def test_invalid_private_comment_stays_private_after_a_refusal():
    invalid = UsedeskInvalidRequest(["private_comment: no"])
    usedesk = Usedesk(refusals=[invalid, UsedeskGroupNotFound("no"), invalid])
    assert send(usedesk, tag=None, private_comment="many", group_id=9) == AlertResult("opened", (50,))
    assert usedesk.writes[-1][1] == {"subject": "s", "message": "m", "private_comment": True}


def test_list_is_read_after_opening():
    usedesk, clock = Usedesk((), (50,)), Clock()
    assert send(usedesk, clock=clock) == AlertResult("opened", (50,))
    assert clock.now == CONSISTENCY_DELAY
    filters = {"tag": TAG, "fstatus": [8, 1, 5, 6], "sort": "id", "order": "desc"}
    assert usedesk.calls[0] == usedesk.calls[2] == ("list", filters)
    assert usedesk.calls[1][1]["tag"] == [TAG]


def test_open_ticket_gets_comment():
    usedesk = Usedesk((7, 9))
    assert send(usedesk) == AlertResult("commented on", (7,))
    assert usedesk.writes == [("comment", 7, "private")]


def test_repeat_raises_priority_after_comment():
    usedesk = Usedesk((7, 9))
    assert send(usedesk, repeat="urgent") == AlertResult("commented on", (7,))
    assert usedesk.writes == [("comment", 7, "private"), ("update", 7, "urgent")]


@pytest.mark.parametrize("priority", ["urgent", "extreme", None])
def test_repeat_never_lowers_priority(priority):
    usedesk = Usedesk((7,), priority=priority)
    assert send(usedesk, repeat="urgent") == AlertResult("commented on", (7,))
    assert usedesk.writes == [("comment", 7, "private")]


@pytest.mark.parametrize(
    "error", [UsedeskRejected("no"), UsedeskUnavailable("down"), UsedeskOutcomeUnknown("?")]
)
def test_failed_priority_keeps_comment(error, caplog):
    """The alert has arrived, so nothing is sent a second time."""

    def fail(params):
        raise error

    usedesk = Usedesk((7,), update=fail)
    assert send(usedesk, repeat="urgent") == AlertResult("commented on", (7,))
    assert usedesk.writes == [("comment", 7, "private"), ("update", 7, "urgent")]
    assert "Usedesk ticket 7 may still have its old priority" in caplog.text


def test_first_alert_keeps_its_priority():
    usedesk = Usedesk((), (50,))
    assert send(usedesk, repeat="extreme", priority="low") == AlertResult("opened", (50,))
    assert not [write for write in usedesk.writes if write[0] == "update"]


def test_closed_ticket_keeps_its_priority():
    usedesk = Usedesk((7,), (7, 50), status=2)
    assert send(usedesk, repeat="urgent") == AlertResult("opened", (50,))
    assert not [write for write in usedesk.writes if write[0] == "update"]


def test_missing_ticket_opens_another():
    usedesk = Usedesk((7,), (7, 50), comment=UsedeskTicketNotFound("gone"))
    assert send(usedesk) == AlertResult("opened", (50,))
    assert [write[:2] for write in usedesk.writes if write[0] == "comment"] == [("comment", 7)] * 2
    assert not [write for write in usedesk.writes if write[0] == "update"]


@pytest.mark.parametrize("status", [2, 3, 4, 7])
def test_closed_ticket_opens_another(status):
    """Usedesk also accepts a comment on a ticket that was just solved or deleted."""
    usedesk = Usedesk((7,), (7, 50), status=status)
    assert send(usedesk) == AlertResult("opened", (50,))
    assert not [write for write in usedesk.writes if write[0] == "update"]


def test_rejected_author_is_left_out(caplog):
    def refuse(params):
        if "user_id" in params:
            raise UsedeskAgentNotFound("no such agent")

    usedesk = Usedesk((7,), comment=refuse)
    assert send(usedesk, user_id=5) == AlertResult("commented on", (7,))
    assert usedesk.writes == [("comment", 7, "private")] * 2
    assert "did not accept the comment: no such agent" in caplog.text


def test_rejected_comment_opens_another(caplog):
    usedesk = Usedesk((7,), (7, 50), comment=UsedeskRejected("no comments today"))
    assert send(usedesk) == AlertResult("opened", (50,))
    assert "did not accept the comment: no comments today" in caplog.text


def test_recovery_continues_after_rejection():
    def refuse(params):
        if params["ticket_id"] == 7:
            raise UsedeskRejected("not this one")

    usedesk = Usedesk((7, 9), update=refuse)
    with pytest.raises(UsedeskRejected, match="not this one"):
        send(usedesk, resolve=True)
    assert ("update", 9, 2) in usedesk.writes


def test_commented_duplicate_is_kept(caplog):
    usedesk = Usedesk((), (48, 50))
    comments = (Comment(1), Comment(2))
    usedesk.details = lambda ticket_id: TicketDetails(ticket_id, status=1, comments=comments)
    assert send(usedesk) == AlertResult("opened", (50,))
    assert not [write for write in usedesk.writes if write[0] == "update"]
    assert "ticket 50 is the second one of its incident. It is kept" in caplog.text


def test_duplicate_is_closed():
    usedesk = Usedesk((), (48, 49, 50))
    assert send(usedesk) == AlertResult("commented on", (48,))
    assert usedesk.writes[1:] == [("comment", 48, "private"), ("update", 50, 4)]


def test_recovery_solves_all_tickets():
    usedesk = Usedesk((7, 9))
    assert send(usedesk, resolve=True) == AlertResult("solved", (7, 9))
    assert usedesk.writes == [
        ("comment", 7, "private"),
        ("update", 7, 2),
        ("comment", 9, "private"),
        ("update", 9, 2),
    ]


def test_recovery_without_ticket_only_lists():
    usedesk = Usedesk(())
    assert send(usedesk, resolve=True) == AlertResult(None)
    assert len(usedesk.calls) == 1


def test_failed_list_opens_ticket():
    usedesk = Usedesk(UsedeskUnavailable("down"), UsedeskUnavailable("down"))
    assert send(usedesk) == AlertResult("opened", (50,))


@pytest.mark.parametrize(("listing", "comment"), [(None, None), ((3, 50), UsedeskUnavailable("down"))])
def test_error_after_opening_keeps_ticket(listing, comment):
    usedesk = Usedesk((), listing or UsedeskUnavailable("down"), comment=comment)
    assert send(usedesk) == AlertResult("opened", (50,))
    assert not [write for write in usedesk.writes if write[0] == "update"]


def test_recovery_without_tag_does_nothing():
    usedesk = Usedesk()
    assert send(usedesk, resolve=True, tag=None) == AlertResult(None)
    assert usedesk.calls == []


def test_recovery_raises_list_error():
    with pytest.raises(UsedeskUnavailable):
        send(Usedesk(UsedeskUnavailable("down")), resolve=True)


def test_nothing_is_sent_after_deadline():
    """By then the callback has logged that the alert failed."""
    usedesk = Usedesk(())
    with pytest.raises(UsedeskOutcomeUnknown):
        send(usedesk, deadline=0.0)
    assert usedesk.calls == []


def test_deadline_limits_consistency_delay():
    usedesk, clock = Usedesk((), (50,)), Clock()
    send(usedesk, deadline=2.0, clock=clock)
    assert clock.now == 1.0
    assert len(usedesk.calls) == 3


def test_at_most_three_pages_are_read():
    usedesk, pages_read = Usedesk(), []

    def pages(**filters):
        for page in range(100):
            pages_read.append(page)
            yield [TicketRow(number, status=1, tags=("other",)) for number in range(100)]

    usedesk.ticket_pages = pages
    assert send(usedesk, resolve=True) == AlertResult(None)
    assert len(pages_read) == 3

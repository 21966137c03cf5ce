"""The sender of a batch in a Usedesk that answers: each under a key of its own, found again by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.ticket import TICKET, WHATSAPP_TEMPLATE
from airflow_provider_usedesk.batch import sender as module
from airflow_provider_usedesk.batch.row_params import InvalidRow
from airflow_provider_usedesk.batch.row_store import Sendable
from airflow_provider_usedesk.batch.sender import MessageSender
from airflow_provider_usedesk.batch.unknown_outcomes import Doubt
from airflow_provider_usedesk.batch.worker_pool import SendAborted, SendLease
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found

MINUTE = timedelta(minutes=1)


@pytest.fixture
def lease():
    lease = SendLease()
    lease.open(float("inf"))
    return lease


@pytest.fixture
def make(usedesk_sandbox, lease, monkeypatch):
    monkeypatch.setattr(module, "CONSISTENCY_DELAY", 0.0)
    connection = usedesk_sandbox.connection
    with UsedeskClient.connect(connection["password"], connection["host"]) as client:
        client._sleep = lease.pause

        def make(files=None, way=TICKET):
            return MessageSender(client, way, lambda of_row: "airflow/d/r/t" + of_row, files, Path, lease)

        yield make


@pytest.fixture
def sender(make):
    return make()


def row(sender, number, key=None, **params):
    key = key or f"key-{number}"
    fields, files = sender.checked(key, {"subject": f"Number {number}", "message": "m", **params})
    return Sendable(number, key, fields, files)


def doubt(row, since=-MINUTE, until=0 * MINUTE, is_alike=True):
    now = datetime.now(UTC)
    return Doubt(row, now + since, now + until, is_alike)


def asked(sender, *doubts, knows_ticket=lambda ticket_id: False):
    return dict(sender.look_up(doubts, knows_ticket))


def test_each_row_has_a_key_of_its_own_that_is_the_same_in_every_try(sender):
    ids = [row(sender, number).fields["additional_id"] for number in range(50)]
    assert len(set(ids)) == 50
    assert ids[7] == row(sender, 8, key="key-7").fields["additional_id"]
    assert ids[0].startswith("airflow/d/r/t/")


@pytest.mark.parametrize("given", ["order-7", " order-7 ", 7])
def test_an_id_of_the_row_stays(sender, given):
    assert row(sender, 1, additional_id=given).fields["additional_id"] == str(given).strip()


def test_faults_of_a_row_are_those_of_the_method(make):
    with pytest.raises(errors.UsedeskInvalidRequest, match="message: is required") as caught:
        make().checked("a", {"subject": "s" * 300})
    assert len(caught.value.validation_errors) == 2
    with pytest.raises(errors.UsedeskInvalidRequest, match="client_phone or client_id: is required"):
        make(way=WHATSAPP_TEMPLATE).checked("a", {"channel_id": 1, "template_id": 2, "from_": "user"})


def test_a_row_is_sent_as_it_was_checked(sender, usedesk_sandbox):
    sent = row(sender, 1, client_phone="+7 912 345-67-89")
    answer = sender.send(sent)
    [ticket] = usedesk_sandbox.tickets
    assert ticket.ticket_id == answer.ticket_id
    assert ticket.received["client_phone"] == "79123456789"
    assert ticket.additional_id == sent.fields["additional_id"]


def test_files_are_those_of_the_row_or_those_of_all(make, usedesk_sandbox, tmp_path):
    (tmp_path / "own.txt").write_text("own")
    sender = make(files=[("all.txt", b"all")])
    sender.send(row(sender, 1, files=sender.files))
    sender.send(row(sender, 2, files=str(tmp_path / "own.txt")))
    sender.send(row(sender, 3, files=f'["{tmp_path}/own.txt"]'))
    assert [[file.name for file in ticket.files] for ticket in usedesk_sandbox.tickets] == [
        ["all.txt"],
        ["own.txt"],
        ["own.txt"],
    ]


@pytest.mark.parametrize("files", [5, ("a.txt", b"bytes"), [b"bytes"], {"a": 1}, b"bytes"])
def test_rows_name_files_by_path(sender, files):
    with pytest.raises(InvalidRow, match="files: those of a row must be paths or URLs"):
        row(sender, 1, files=files)


def test_a_file_that_is_not_there_is_a_fault_before_anything_is_sent(sender):
    with pytest.raises(errors.UsedeskInvalidRequest, match="there is no such file"):
        row(sender, 1, files="no-such-file.txt")


def test_a_file_that_has_gone_since_is_no_doubt(sender, usedesk_sandbox, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("a")
    checked = row(sender, 1, files=str(file))
    file.unlink()
    with pytest.raises(errors.UsedeskInvalidRequest):
        sender.send(checked)
    assert usedesk_sandbox.requests() == 0


def test_rows_in_doubt_are_told_from_those_that_were_not_sent(sender, usedesk_sandbox):
    sent = [row(sender, number) for number in (1, 2)]
    usedesk_sandbox.fail(faults.close("after"), times=2)
    for one in sent:
        with pytest.raises(errors.UsedeskOutcomeUnknown):
            sender.send(one)
    found = asked(sender, *map(doubt, sent), doubt(row(sender, 3)))
    ids = [ticket.ticket_id for ticket in usedesk_sandbox.tickets]
    assert [found[1].response.ticket_id, found[2].response.ticket_id] == ids
    assert found[3] == Absent()


def test_a_row_that_was_another_one_then_is_found_all_the_same(sender, usedesk_sandbox):
    sender.send(row(sender, 1, subject="As it was"))
    mended = row(sender, 1, subject="As it is now")
    assert isinstance(asked(sender, doubt(mended, is_alike=False))[1], Found)


def test_tickets_of_other_rows_are_not_read(sender, usedesk_sandbox):
    others = {sender.send(row(sender, number, subject="Same")).ticket_id for number in range(5)}
    before = usedesk_sandbox.requests("ticket")
    assert asked(sender, doubt(row(sender, 9, subject="Same")), knows_ticket=others.__contains__) == {
        9: Absent()
    }
    assert usedesk_sandbox.requests("ticket") == before


def test_of_two_rows_with_one_id_nobody_can_tell(sender):
    rows = [row(sender, number, additional_id="order-7") for number in (1, 2)]
    sender.send(rows[0])
    found = asked(sender, *map(doubt, rows), doubt(row(sender, 3)))
    assert {type(found[1]), type(found[2])} == {Ambiguous}
    assert found[3] == Absent()


def test_a_list_is_read_for_each_time_in_which_something_may_have_been_sent(sender, monkeypatch):
    """A run of a day has more tickets than anyone can read."""
    windows, pages = [], sender.client.ticket_pages

    def note(**filters):
        windows.append((filters["created_after"], filters["created_before"]))
        return pages(**filters)

    monkeypatch.setattr(sender.client, "ticket_pages", note)
    long_ago = doubt(row(sender, 1), -600 * MINUTE, -599 * MINUTE)
    assert asked(sender, doubt(row(sender, 2)), long_ago) == {1: Absent(), 2: Absent()}
    assert len(windows) == 2
    assert windows[0][1] < windows[1][0]


def test_whoever_is_told_to_stop_does_not_wait_for_a_list_that_lags(sender, lease, monkeypatch):
    monkeypatch.setattr(module, "CONSISTENCY_DELAY", 3600.0)
    lease.stop()
    with pytest.raises(SendAborted):
        asked(sender, doubt(row(sender, 1)))


def test_where_usedesk_cannot_be_asked_nobody_can_tell(sender, usedesk_sandbox):
    usedesk_sandbox.fail(faults.answer(200, {"code": 115, "error": "no"}), method="tickets", times=9)
    assert isinstance(asked(sender, doubt(row(sender, 1)))[1], Ambiguous)

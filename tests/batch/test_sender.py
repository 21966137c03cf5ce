"""The sender with a local Usedesk: each row has an idempotency key, and is found by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_usedesk import sandbox
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.settings import read_settings
from airflow_provider_usedesk.api.ticket import TICKET, WHATSAPP_TEMPLATE
from airflow_provider_usedesk.batch.batch_io import UnknownOutcome
from airflow_provider_usedesk.batch.row_params import InvalidRow
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.send_lease import SendAborted, SendLease
from airflow_provider_usedesk.batch.sender import MessageSender, RowCheck
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found

MINUTE = timedelta(minutes=1)


@pytest.fixture
def lease():
    lease = SendLease()
    lease.open(float("inf"))
    return lease


@pytest.fixture
def make(usedesk_sandbox, lease):
    connection = usedesk_sandbox.connection
    settings = read_settings(connection["password"], connection["host"])
    with UsedeskClient(settings, sleep=lease.pause) as client:

        def make(files=None, profile=TICKET):
            key = "key-of-{}".format
            return MessageSender(RowCheck(client, profile, key, files, Path), lease, consistency_delay=0.0)

        yield make


@pytest.fixture
def sender(make):
    return make()


def row(sender, number, key=None, **params):
    key = key or f"key-{number}"
    fields, files = sender.check(key, {"subject": f"Number {number}", "message": "m", **params})
    return CheckedRow(number, key, fields, files)


def unknown(row, since=-MINUTE, until=0 * MINUTE):
    now = datetime.now(UTC)
    return UnknownOutcome(row, now + since, now + until)


def look_up(sender, *outcomes, has_ticket=lambda ticket_id: False):
    return dict(sender.look_up(outcomes, has_ticket))


def test_rows_have_stable_keys(sender):
    ids = [row(sender, number).fields["additional_id"] for number in range(50)]
    assert len(set(ids)) == 50
    assert ids[7] == row(sender, 8, key="key-7").fields["additional_id"]
    assert ids[0].startswith("key-of-")


@pytest.mark.parametrize("given", ["order-7", " order-7 ", 7])
def test_own_id_is_kept(sender, given):
    assert row(sender, 1, additional_id=given).fields["additional_id"] == str(given).strip()


def test_row_is_checked_like_a_ticket(make):
    with pytest.raises(errors.UsedeskInvalidRequest, match="message: is required") as caught:
        make().check("a", {"subject": "s" * 300})
    assert len(caught.value.validation_errors) == 2
    with pytest.raises(errors.UsedeskInvalidRequest, match="client_phone or client_id: is required"):
        make(profile=WHATSAPP_TEMPLATE).check("a", {"channel_id": 1, "template_id": 2, "from_": "user"})


def test_row_is_sent_as_checked(sender, usedesk_sandbox):
    sent = row(sender, 1, client_phone="+7 912 345-67-89")
    response = sender.send(sent)
    [ticket] = usedesk_sandbox.tickets
    assert ticket.ticket_id == response.ticket_id
    assert ticket.received["client_phone"] == "79123456789"
    assert ticket.additional_id == sent.fields["additional_id"]


def test_own_files_replace_shared_files(make, usedesk_sandbox, tmp_path):
    (tmp_path / "own.txt").write_text("own")
    sender = make(files=[("all.txt", b"all")])
    sender.send(row(sender, 1, files=sender.check.files))
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


def test_missing_file_is_a_validation_error(sender):
    with pytest.raises(errors.UsedeskInvalidRequest, match="there is no such file"):
        row(sender, 1, files="no-such-file.txt")


def test_deleted_file_sends_nothing(sender, usedesk_sandbox, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("a")
    checked = row(sender, 1, files=str(file))
    file.unlink()
    with pytest.raises(errors.UsedeskInvalidRequest):
        sender.send(checked)
    assert usedesk_sandbox.requests() == 0


def test_sent_rows_are_found(sender, usedesk_sandbox):
    sent = [row(sender, number) for number in (1, 2)]
    usedesk_sandbox.fail(sandbox.close("after"), times=2)
    for one in sent:
        with pytest.raises(errors.UsedeskOutcomeUnknown):
            sender.send(one)
    found = look_up(sender, *map(unknown, sent), unknown(row(sender, 3)))
    ids = [ticket.ticket_id for ticket in usedesk_sandbox.tickets]
    assert [found[1].response.ticket_id, found[2].response.ticket_id] == ids
    assert found[3] == Absent()


def test_changed_row_is_found(sender, usedesk_sandbox):
    sender.send(row(sender, 1, subject="As it was"))
    mended = row(sender, 1, subject="As it is now")
    assert isinstance(look_up(sender, unknown(mended))[1], Found)


def test_tickets_of_other_rows_are_not_read(sender, usedesk_sandbox):
    others = {sender.send(row(sender, number, subject="Same")).ticket_id for number in range(5)}
    before = usedesk_sandbox.requests("ticket")
    assert look_up(sender, unknown(row(sender, 9, subject="Same")), has_ticket=others.__contains__) == {
        9: Absent()
    }
    assert usedesk_sandbox.requests("ticket") == before


def test_shared_id_is_ambiguous(sender):
    rows = [row(sender, number, additional_id="order-7") for number in (1, 2)]
    sender.send(rows[0])
    found = look_up(sender, *map(unknown, rows), unknown(row(sender, 3)))
    assert {type(found[1]), type(found[2])} == {Ambiguous}
    assert found[3] == Absent()


def test_stop_aborts_the_consistency_delay(sender, lease):
    sender = replace(sender, consistency_delay=3600.0)
    lease.stop()
    with pytest.raises(SendAborted):
        look_up(sender, unknown(row(sender, 1)))


def test_failed_search_is_ambiguous(sender, usedesk_sandbox):
    usedesk_sandbox.fail(sandbox.answer(200, {"code": 115, "error": "no"}), method="tickets", times=9)
    assert isinstance(look_up(sender, unknown(row(sender, 1)))[1], Ambiguous)

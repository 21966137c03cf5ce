"""The state file: what survives a restart, and what happens to a file that cannot be used."""

from __future__ import annotations

import json

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox
from airflow_provider_usedesk.sandbox.__main__ import main

WHATSAPP = {"channel_id": 20054, "client_phone": "79123456789", "user_id": 2156, "from": "user"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "usedesk.json"


def call(sandbox, method, files=None, **params):
    body = {"api_token": sandbox.token, **params}
    content = {"data": body, "files": files} if files else {"json": body}
    response = requests.post(f"{sandbox.url}/{method}", timeout=60, **content).json()
    assert "error" not in response, response
    return response


def fill(sandbox):
    """Create everything that a file can keep; return the id of the ticket."""
    ticket_id = call(
        sandbox,
        "create/ticket",
        files={"files[]": ("a.bin", b"\x00\xff")},
        subject="Счёт",
        message="m",
        tag="refund",
        field_id="10",
        field_value="A-17",
        **WHATSAPP,
    )["ticket_id"]
    call(sandbox, "create/comment", ticket_id=ticket_id, message="m", user_id=2156)
    call(sandbox, "update/ticket", ticket_id=ticket_id, lists=[[{"id": 61, "value": "Test"}]], status=2)
    call(sandbox, "create/client", name="Fox", emails=["fox@example.org"], sites=[{"url": "example.org"}])
    call(sandbox, "create/user", name="New", email="new@example.org", password="p", role="employee", group=11)
    call(sandbox, "create/ticket", subject="s", message="m", channel_id=20060, client_phone="79123456780")
    sandbox.send_report(ticket_id, "READ")
    return ticket_id


READS = ["tickets", "clients", "users", "tags", "groups"]


def test_restart_keeps_everything(path):
    with Sandbox(state=path, listing_lag=0) as first:
        ticket_id = fill(first)
        tickets = first.tickets
        answers = [call(first, method) for method in READS]
        shown = call(first, "ticket", ticket_id=ticket_id)
    with Sandbox(state=path, listing_lag=0) as second:
        assert second.tickets == tickets
        assert [call(second, method) for method in READS] == answers
        assert call(second, "ticket", ticket_id=ticket_id) == shown
        [file] = second.ticket(ticket_id).files
        assert requests.get(f"{second.inbox_url}files/{file.id}", timeout=60).content == b"\x00\xff"
        assert "READ" in requests.get(f"{second.inbox_url}tickets/{ticket_id}", timeout=60).text
        new = call(second, "create/ticket", subject="s", message="m")["ticket_id"]
        assert new > max(ticket.ticket_id for ticket in tickets)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_deletions_are_kept(path):
    with Sandbox(state=path) as sandbox:
        kept, gone = (call(sandbox, "create/ticket", subject="s", message="m")["ticket_id"] for _ in range(2))
        sandbox.delete(gone)
    with Sandbox(state=path) as sandbox:
        assert [ticket.ticket_id for ticket in sandbox.tickets] == [kept]
        sandbox.reset()
    with Sandbox(state=path) as sandbox:
        assert sandbox.tickets == ()


def test_file_names_its_version(path):
    with Sandbox(state=path) as sandbox:
        call(sandbox, "create/ticket", subject="s", message="m")
    content = json.loads(path.read_text())
    assert (content["format"], content["version"]) == ("usedesk-sandbox", 1)
    assert sandbox.token not in path.read_text()


def test_fields_of_a_later_version_get_defaults(path):
    with Sandbox(state=path) as sandbox:
        ticket_id = call(sandbox, "create/ticket", subject="s", message="m")["ticket_id"]
    content = json.loads(path.read_text())
    del content["tickets"][str(ticket_id)]["priority"]
    path.write_text(json.dumps(content))
    with Sandbox(state=path) as sandbox:
        assert sandbox.ticket(ticket_id).priority == "medium"


BAD_FILES = {
    "": "cannot be used",
    "{": "cannot be used",
    "[]": "not a state file",
    '{"format": "usedesk-sandbox", "version": 2}': "its version is 2",
    '{"format": "usedesk-sandbox", "version": 1}': "damaged",
    '{"format": "usedesk-sandbox", "version": 1, "clients": {"1": {"id": 1}}}': "damaged",
    '{"format": "usedesk-sandbox", "version": 1, "clients": 5}': "damaged",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_unusable_file_is_named_and_kept(path, capsys, text):
    path.write_text(text)
    assert main(["--port", "0", "--state", str(path)]) == 1
    error = capsys.readouterr().err
    assert BAD_FILES[text] in error
    assert str(path) in error
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["missing/usedesk.json", "."])
def test_wrong_path_is_named(tmp_path, name):
    with pytest.raises(ValueError, match="state file"):
        Sandbox(state=tmp_path / name)


def test_failed_write_leaves_the_old_file(path, monkeypatch):
    with Sandbox(state=path) as sandbox:
        call(sandbox, "create/ticket", subject="s", message="m")
    before = path.read_text()
    with Sandbox(state=path) as sandbox:
        monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
        call(sandbox, "create/ticket", subject="s", message="m")
    assert path.read_text() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]

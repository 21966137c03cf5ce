"""How public clients call Usedesk; each request is in the encoding that its client uses."""

from __future__ import annotations

import pytest

TICKET = {"subject": "s", "message": "m"}
FILE = ("scan.pdf", b"%PDF", "application/pdf")


@pytest.fixture
def send(sandbox, http):
    """Send a request, with the token in its form (``data``), JSON or query."""

    def send(verb, method, *, token_in, **arguments):
        arguments[token_in] = {"api_token": sandbox.token, **arguments.get(token_in, {})}
        return http.request(verb, f"{sandbox.url}/{method}", timeout=60, **arguments).json()

    return send


CREATE = {
    "iOS SDK: a form": {"token_in": "data", "data": {**TICKET, "client_email": "a@example.org"}},
    "Android SDK: JSON with an own name": {"token_in": "json", "json": {**TICKET, "clientName": "A"}},
    "Go: everything in the query": {"token_in": "params", "params": TICKET},
    "Go: JSON with tags": {"token_in": "json", "json": {**TICKET, "tags": ["a"], "channel_id": 683}},
    "Node: JSON": {"token_in": "json", "json": {**TICKET, "from": "client", "tag": "a"}},
    "Node: token in the query, form": {"token_in": "params", "data": TICKET, "files": {"files[]": FILE}},
    "TypeScript: a flat array of lists": {
        "token_in": "json",
        "json": {**TICKET, "lists": [{"id": 61, "value": "Test"}]},
    },
    "PHP: indexed files and two fields": {
        "token_in": "data",
        "data": {**TICKET, "from": "client", "field_id": "10;12", "field_value": "A-17;true"},
        "files": {"files[0]": FILE, "files[1]": FILE},
    },
    "PHP: arrays in a form": {
        "token_in": "data",
        "data": {**TICKET, "lists[0][0][id]": "61", "lists[0][0][value]": "Test"},
    },
    "Python: incident that is solved": {
        "token_in": "json",
        "json": {**TICKET, "status": 2, "private_comment": "true"},
    },
}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("how", CREATE)
def test_create_ticket(sandbox, send, how, slash):
    assert send("POST", f"create/ticket{slash}", **CREATE[how])["status"] == "success"
    [ticket] = sandbox.tickets
    assert (ticket.subject, ticket.message) == ("s", "m")
    assert len(ticket.files) == len(CREATE[how].get("files", ()))


def test_c_sharp_export_reads_clients_with_get_and_limit(send):
    params = {"offset": 0, "limit": 100}
    assert len(send("GET", "clients", token_in="params", params=params)) == 2
    [details] = send("GET", "client", token_in="params", params={"client_id": 27747628})
    assert details["client"]["emails"][0]["email"] == "anna@example.org"


def test_python_report_reads_days_page_by_page(send, clock):
    send("POST", "create/ticket", token_in="json", json={**TICKET, "status": 3, "channel_id": 683})
    clock.now += 3
    day = {"updated_after": "2026-11-18 00:00", "updated_before": "2026-11-19 00:00"}
    filters = {**day, "fstatus": "3", "fchannel": "683"}
    pages = [
        send("GET", "tickets", token_in="params", params={**filters, "offset": offset}) for offset in range(3)
    ]
    assert [len(page) for page in pages] == [1, 0, 0]


def test_node_sync_replaces_undelivered_ticket(sandbox, send):
    message = {**TICKET, "client_phone": "79123456789", "from": "user", "user_id": 2156}
    first = send("POST", "create/ticket", token_in="json", json={**message, "channel_id": 20056})
    assert first["message_status"] == "not delivered"
    deleted = {"ticket_id": first["ticket_id"], "status": "4"}
    assert send("POST", "update/ticket", token_in="json", json=deleted) == {"status": "success"}
    second = send("POST", "create/ticket", token_in="json", json={**message, "channel_id": 20054})
    assert second["message_status"] == "delivered"
    assert [ticket.status for ticket in sandbox.tickets] == [4, 8]


def test_node_sync_finds_updates_and_creates_clients(send):
    search = {"query": "9250000002", "search_type": "partial_match"}
    [found] = send("POST", "clients", token_in="json", json=search)
    changes = {"phone": "79250000002", "name": "A", "position": "B", "note": "c", "is_new_note": "true"}
    changed = send("POST", "update/client", token_in="json", json={"client_id": found["id"], **changes})
    assert changed == {"client_id": found["id"], "status": True}
    assert "79250000002" in found["phone"].split(",")
    new = {"name": "N", "phone": "79123456789", "emails": ["n@example.org"]}
    assert send("POST", "create/client", token_in="json", json=new)["status"] is True


def test_python_incident_bot_adds_copies(sandbox, send):
    number = send("POST", "create/ticket", token_in="json", json={**TICKET, "status": 2})["ticket_id"]
    comment = {"ticket_id": number, "message": "m", "type": "public", "cc": ["a@example.org"]}
    assert send("POST", "create/comment", token_in="json", json=comment)["comment_id"]
    assert sandbox.ticket(number).comments[1].cc == ("a@example.org",)


def test_python_merge_bot_merges(sandbox, send):
    number = send("POST", "create/ticket", token_in="json", json=TICKET)["ticket_id"]
    send("POST", "update/ticket", token_in="data", data={"ticket_id": number, "status": 10, "silent": "1"})
    assert sandbox.ticket(number).status == 10


def test_bridge_checks_token_with_channels(send, sandbox, http):
    assert isinstance(send("GET", "channels", token_in="params", params={"channel_type": "api"}), list)
    response = http.get(f"{sandbox.url}/channels", params={"api_token": "wrong"}, timeout=60)
    assert (response.status_code, response.json()["code"]) == (200, 112)


@pytest.mark.parametrize("variant", ["lenient"])
def test_senders_leave_out_user_id(send):
    message = {**TICKET, "from": "user", "channel_id": 20054, "client_phone": "79123456789"}
    assert send("POST", "create/ticket", token_in="json", json=message)["message_status"] == "delivered"


@pytest.mark.parametrize("variant", ["clients"])
def test_node_page_joins_array_of_emails(send):
    [found] = send("POST", "clients", token_in="json", json={"query": "anna"})
    assert ", ".join(found["emails"]) == "anna@example.org"

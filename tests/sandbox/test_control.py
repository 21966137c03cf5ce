"""The API for tests in any language: list, get, wait, write, delete; described as OpenAPI."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture
def control(sandbox, http):
    def control(verb, path, **content):
        url = f"{sandbox.inbox_url}_sandbox/{path}"
        response = http.request(verb, url, timeout=20, **content)
        return response.status_code, response.json() if response.content else None

    return control


@pytest.fixture
def ticket(call):
    message = {"channel_id": 20054, "user_id": 2156, "from": "user", "client_phone": "79123456789"}
    key = "af2.3kq7t2mzx4wd5c6e.-.r6h2kq7t2mzx.4wd5c6e2.7f2a9c04/invoices/send"
    params = {"subject": "Счёт", "tag": "a,b", "field_id": 10, "field_value": "A-1", "additional_id": key}
    return call("create/ticket", message="m", **message, **params)["ticket_id"]


def test_get_ticket(control, ticket):
    status, found = control("GET", f"tickets/{ticket}")
    assert status == 200
    assert (found["id"], found["subject"], found["tags"]) == (ticket, "Счёт", ["a", "b"])
    assert found["channel"] == {"id": 20054, "name": "WhatsApp", "type": "whatsapp"}
    assert found["client"]["phones"] == ["79123456789"]
    assert found["task"] == {"dag_id": "invoices", "task_id": "send"}
    assert found["custom_fields"] == {"10": "A-1"}
    assert found["delivery"] == {"status": "DELIVERED", "outcome": "delivered"}
    [comment] = found["comments"]
    assert (comment["message"], comment["from"]) == ("m", "user")
    assert [one["status"] for one in comment["reports"]] == ["DELIVERED"]
    assert control("GET", "tickets/5")[0] == 404


def test_list_and_filter(control, call, ticket):
    call("create/ticket", subject="Other", message="m")
    status, page = control("GET", "tickets")
    assert status == 200
    assert (page["total"], page["page"], page["pages"]) == (2, 1, 1)
    assert [one["subject"] for one in page["tickets"]] == ["Other", "Счёт"]
    for query in ("text=счёт", "tag=a", "channel=20054", "delivery=delivered"):
        assert [one["id"] for one in control("GET", f"tickets?{query}")[1]["tickets"]] == [ticket]
    assert control("GET", "tickets?page=0")[0] == 400


def test_wait_returns_present_ticket(control, ticket):
    assert control("GET", "tickets/wait?tag=a&timeout=0")[1]["id"] == ticket
    assert control("GET", f"tickets/wait?after={ticket}&timeout=0")[0] == 404


def test_wait_returns_ticket_that_comes(control, call, ticket):
    later = threading.Timer(0.2, lambda: call("create/ticket", subject="Later", message="m"))
    later.start()
    status, found = control("GET", f"tickets/wait?after={ticket}&timeout=15")
    later.join()
    assert (status, found["subject"]) == (200, "Later")


def test_wait_does_not_block_others(control, call):
    waiting = threading.Thread(target=control, args=("GET", "tickets/wait?text=last&timeout=15"))
    waiting.start()
    assert call("create/ticket", subject="first", message="m")["ticket_id"]
    call("create/ticket", subject="last", message="m")
    waiting.join(15)
    assert not waiting.is_alive()


@pytest.mark.parametrize("timeout", ["-1", "301", "x", "nan"])
def test_wrong_timeout_is_rejected(control, timeout):
    status, body = control("GET", f"tickets/wait?timeout={timeout}")
    assert status == 400
    assert "timeout" in body["detail"]


def test_write_as_client(control, sandbox):
    status, created = control("POST", "tickets", json={"message": "m", "tag": "refund", "channel_id": 683})
    assert (status, created["subject"], created["tags"]) == (201, "New message", ["refund"])
    status, replied = control("POST", f"tickets/{created['id']}/replies", json={"message": "Thanks"})
    assert status == 201
    assert [one["from"] for one in replied["comments"]] == ["client", "client"]
    for path, body in {
        "tickets": {},
        "tickets?": {"message": "m", "status": 2},
        f"tickets/{created['id']}/replies": {"message": "m", "tag": "x"},
    }.items():
        assert control("POST", path, json=body)[0] == 400
    assert control("POST", "tickets/5/replies", json={"message": "m"})[0] == 404
    assert len(sandbox.tickets) == 1


def test_write_as_client_in_python(sandbox):
    ticket = sandbox.write_as_client("m", subject="s", tag="refund")
    assert sandbox.write_as_client("more", ticket.ticket_id).comments[-1].message == "more"
    with pytest.raises(KeyError):
        sandbox.write_as_client("m", 5)
    with pytest.raises(ValueError, match="no status"):
        sandbox.write_as_client("m", status=2)
    with pytest.raises(ValueError, match="message is missing"):
        sandbox.write_as_client(" ")


def test_delete(control, sandbox, call, ticket):
    assert control("DELETE", f"tickets/{ticket}") == (204, None)
    assert control("DELETE", f"tickets/{ticket}")[0] == 404
    call("create/ticket", subject="s", message="m")
    assert control("DELETE", "tickets") == (204, None)
    assert sandbox.tickets == ()


def test_requests_and_webhooks(control, call, sandbox):
    call("create/ticket", token="wrong-token")
    [refused] = control("GET", "requests")[1]["requests"]
    assert (refused["method"], refused["refusal"]) == ("create/ticket", "112 invalid token")
    assert "wrong-token" not in refused["raw"]
    assert control("GET", "webhooks")[1] == {"webhooks": [], "page": 1, "pages": 1, "total": 0}


def test_openapi_describes_everything(control, sandbox, http):
    status, openapi = control("GET", "openapi.json")
    assert status == 200
    operations = [(path, verb) for path, verbs in openapi["paths"].items() for verb in verbs]
    assert len(operations) == 13
    assert all(path.startswith("/_sandbox/") for path, _ in operations)
    page = http.get(f"{sandbox.inbox_url}_sandbox/docs", timeout=60).text
    for path, verb in operations:
        operation = openapi["paths"][path][verb]
        assert operation["description"]
        assert all(one["description"] for one in operation.get("parameters", ()) if one["name"] != "")
        assert f"{verb.upper()} {path}<" in page


def test_other_sites_cannot_write(sandbox, http):
    elsewhere = {"Origin": "https://evil.example"}
    for verb, path in (("POST", "tickets"), ("DELETE", "tickets"), ("DELETE", "tickets/1")):
        url = f"{sandbox.inbox_url}_sandbox/{path}"
        assert (
            http.request(verb, url, json={"message": "m"}, headers=elsewhere, timeout=60).status_code == 403
        )

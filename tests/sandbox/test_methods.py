"""The sandbox accepts, refuses and returns what the API page says."""

from __future__ import annotations

import json
import urllib.parse

import pytest
import requests

from tests.api.test_ticket import DOCUMENTED_SAMPLES

TICKET = {"subject": "s", "message": "m"}


class TestEncodings:
    @pytest.mark.parametrize("name", DOCUMENTED_SAMPLES)
    def test_documented_sample_as_json(self, sandbox, call, name):
        response = call("create/ticket", **DOCUMENTED_SAMPLES[name])
        assert response["status"] == "success"
        assert sandbox.tickets[0].ticket_id == response["ticket_id"]

    @pytest.mark.parametrize("where", ["urlencoded", "multipart", "query"])
    def test_encodings_are_equivalent(self, sandbox, where):
        fields = {
            "api_token": sandbox.token,
            **TICKET,
            "channel_id": "20054",
            "tag": "new ticket,test",
            "lists[0][0][id]": "61",
            "lists[0][0][value]": "Test",
            "template_variables[]": ["John", "18:00"],
            "template_id": "8094",
        }
        url = f"{sandbox.url}/create/ticket/"
        if where == "query":
            response = requests.post(url, params=fields, timeout=60)
        elif where == "multipart":
            files = [("files[]", ("отчёт.txt", b"one")), ("files[1]", ("two.txt", b"two"))]
            response = requests.post(url, data=fields, files=files, timeout=60)
        else:
            response = requests.post(url, data=fields, timeout=60)
        assert response.json()["status"] == "success"
        [ticket] = sandbox.tickets
        assert ticket.received["lists"] == [[{"id": "61", "value": "Test"}]]
        assert ticket.template_variables == ("John", "18:00")
        assert ticket.tags == ("new ticket", "test")
        assert ticket.channel_id == 20054
        if where == "multipart":
            assert [(file.name, file.content) for file in ticket.files] == [
                ("отчёт.txt", b"one"),
                ("two.txt", b"two"),
            ]

    @pytest.mark.parametrize(
        "names", [["files[1]"], ["files[1]", "files[]"], ["files[]", "files[0]"], ["files"]]
    )
    def test_file_indexes_as_in_php(self, sandbox, names):
        files = [(name, (f"{place}.txt", b"x")) for place, name in enumerate(names)]
        url = f"{sandbox.url}/create/ticket"
        requests.post(url, data={"api_token": sandbox.token, **TICKET}, files=files, timeout=60)
        expected = 1 if names == ["files[]", "files[0]"] else len(names)  # PHP: the last one wins
        assert len(sandbox.tickets[0].files) == expected

    def test_query_and_body_are_merged(self, sandbox):
        url = f"{sandbox.url}/create/ticket?api_token={sandbox.token}"
        assert requests.post(url, json=TICKET, timeout=60).json()["status"] == "success"

    def test_invalid_body_returns_400(self, sandbox):
        response = requests.post(
            f"{sandbox.url}/create/ticket", data="{", headers={"Content-Type": "application/json"}, timeout=60
        )
        assert response.status_code == 400
        assert sandbox.tickets == ()

    def test_token_is_not_stored(self, sandbox, call):
        call("create/ticket", **TICKET)
        assert sandbox.token not in repr(sandbox.tickets)

    def test_api_and_inbox_are_served(self, sandbox):
        response = requests.post(f"{sandbox.url}/groups", json={"api_token": sandbox.token}, timeout=60)
        assert len(response.json()) == 3
        assert requests.get(sandbox.inbox_url, timeout=60).status_code == 200


class TestRefusals:
    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"subject": "s"}, 114),
            ({"message": "m"}, 422),
            ({**TICKET, "assignee_id": 1}, 117),
            ({**TICKET, "assignee_id": "abc"}, 117),
            ({**TICKET, "from": "user", "user_id": 1}, 117),
            ({**TICKET, "from": "user"}, 422),
            ({**TICKET, "from": "trigger"}, 422),
            ({**TICKET, "from": "bot"}, 422),
            ({**TICKET, "group_id": 1}, 118),
            ({**TICKET, "client_id": 1}, 119),
            ({**TICKET, "client_id": "abc"}, 119),
            ({**TICKET, "tag": ["a"]}, 116),
            ({**TICKET, "tag": "x" * 256}, 116),
            ({**TICKET, "subject": "x" * 256}, 422),
            ({**TICKET, "message": "я" * 32_768}, 422),
            ({**TICKET, "type": "bug"}, 422),
            ({**TICKET, "priority": "high"}, 422),
            ({**TICKET, "status": "new"}, 422),
            ({**TICKET, "phone_type": "work"}, 422),
            ({**TICKET, "field_id": "1;2", "field_value": "a"}, 422),
            ({**TICKET, "field_id": "1", "field_value": "x" * 256}, 422),
            ({**TICKET, "field_id": "²", "field_value": "x"}, 422),
            ({**TICKET, "client_id": "²"}, 119),
            ({**TICKET, "lists": "x"}, 422),
            ({**TICKET, "template_id": 1, "template_variables": {"a": 1}}, 422),
            ({**TICKET, "files": ["a.txt"]}, 422),
            ({**TICKET, "private_comment": False}, 422),
            ({"template_id": 1, "template_name": "Main"}, 422),
        ],
    )
    def test_invalid_ticket_is_refused(self, sandbox, call, params, code):
        response = call("create/ticket", **params)
        assert response["error"]
        assert response["code"] == code
        assert sandbox.tickets == ()

    def test_wrong_token_is_code_112(self, call):
        assert call("groups", token="wrong")["code"] == 112

    def test_unknown_ticket_is_code_113(self, call):
        assert call("ticket", ticket_id=5)["code"] == 113

    def test_file_over_15_mb_is_refused(self, sandbox):
        response = requests.post(
            f"{sandbox.url}/create/ticket",
            data={"api_token": sandbox.token, **TICKET},
            files={"files[]": ("a", b"x" * (15 * 2**20 + 1))},
            timeout=20,
        )
        assert response.json()["code"] == 120

    def test_refusal_has_status_200(self, sandbox):
        assert requests.post(f"{sandbox.url}/groups", timeout=60).status_code == 200

    def test_get_cannot_create_ticket(self, sandbox):
        url = f"{sandbox.url}/create/ticket?{urllib.parse.urlencode({'api_token': sandbox.token, **TICKET})}"
        assert requests.get(url, timeout=60).status_code == 405
        assert sandbox.tickets == ()


class TestChannels:
    def test_response_depends_on_channel(self, call):
        message = {**TICKET, "client_phone": "79000000001", "from": "user", "user_id": 2156}
        assert set(call("create/ticket", **message, channel_id=683)) == {"status", "ticket_id"}
        assert call("create/ticket", **message, channel_id=123)["message_status"] == "delivered"
        assert call("create/ticket", **message, channel_id=20070)["message_status"] == "delivered"
        viber = call("create/ticket", **message, channel_id=20060)
        assert isinstance(viber["chat_id"], str)
        assert "message_status" not in viber

    def test_disabled_channel_still_creates_ticket(self, sandbox, call):
        response = call("create/ticket", **TICKET, channel_id=20056, client_phone="79000000001")
        assert response["message_status"] == "not delivered"
        assert sandbox.tickets[0].ticket_id == response["ticket_id"]

    @pytest.mark.parametrize("channel", [None, "", 999, "abc"])
    def test_wrong_channel_becomes_own_channel(self, sandbox, call, channel):
        assert call("create/ticket", **TICKET, channel_id=channel)["status"] == "success"
        assert sandbox.tickets[0].channel_id == 1

    def test_channels_list(self, get):
        assert {"channel_id": 683, "channel_name": "E-mail", "channel_type": "email"} in get("channels")
        assert {row["channel_type"] for row in get("channels", channel_type="whatsapp")} == {"whatsapp"}


class TestClients:
    def test_unknown_phone_creates_client(self, sandbox, call):
        for phone in ("79000000001", "79000000001", "79000000002"):
            call("create/ticket", **TICKET, client_phone=phone)
        first, second, third = (ticket.client_id for ticket in sandbox.tickets)
        assert first == second != third

    def test_new_phone_is_added_to_client(self, sandbox, call):
        call("create/ticket", **TICKET, client_id="27747627", client_phone="79000000009")
        call("create/ticket", **TICKET, client_phone="79000000009")
        assert {ticket.client_id for ticket in sandbox.tickets} == {27747627}

    def test_used_phone_is_not_added(self, sandbox, call):
        call("create/ticket", **TICKET, client_id="27747627", client_phone="79250000002")
        call("create/ticket", **TICKET, client_phone="79250000002")
        assert [ticket.client_id for ticket in sandbox.tickets] == [27747627, 27747628]

    def test_username_precedes_phone(self, sandbox, call):
        call("create/ticket", **TICKET, username="@ivanov")
        call("create/ticket", **TICKET, username="ivanov", client_phone="79250000002")
        first, second = sandbox.tickets
        assert first.client_id == second.client_id


class TestReading:
    def test_additional_id_only_in_ticket(self, call, clock):
        created = call(
            "create/ticket", **TICKET, additional_id="key-1", tag="a, b", field_id="10", field_value="x"
        )
        clock.now += 3
        assert "key-1" not in json.dumps(call("tickets"))
        shown = call("ticket", ticket_id=str(created["ticket_id"]))
        assert shown["ticket"]["additional_id"] == "key-1"
        assert shown["tags"] == [{"name": "a"}, {"name": "b"}]
        assert shown["custom_fields"][0]["value"] == "x"
        assert shown["comments"][0]["message"] == "m"

    def test_first_comment_has_agent(self, call):
        created = call("create/ticket", **TICKET, **{"from": "user", "user_id": 2156})
        assert call("ticket", ticket_id=created["ticket_id"])["comments"][0]["user_id"] == "2156"

    def test_file_link_can_be_downloaded(self, sandbox):
        data = {"api_token": sandbox.token, **TICKET}
        created = requests.post(
            f"{sandbox.url}/create/ticket", data=data, files={"files[]": ("a.txt", b"x")}, timeout=60
        ).json()
        data["ticket_id"] = created["ticket_id"]
        shown = requests.post(f"{sandbox.url}/ticket", json=data, timeout=60).json()
        link = shown["comments"][0]["files"][0]["file"]
        assert requests.get(urllib.parse.urljoin(sandbox.url, link), timeout=60).content == b"x"

    def test_new_ticket_is_listed_after_lag(self, call, clock):
        call("create/ticket", **TICKET)
        clock.now += 1.9
        assert call("tickets") == []
        clock.now += 0.2
        assert len(call("tickets")) == 1

    def test_pages_of_100_tickets(self, call, clock):
        ids = [call("create/ticket", **TICKET)["ticket_id"] for _ in range(105)]
        clock.now += 3
        pages = [[row["id"] for row in call("tickets", offset=page)] for page in range(3)]
        assert pages == [ids[:100], ids[100:], []]
        assert [row["id"] for row in call("tickets", order="desc")][:2] == ids[:-3:-1]

    @pytest.mark.parametrize("variant", ["row"])
    def test_offset_can_count_rows(self, call, clock):
        for _ in range(3):
            call("create/ticket", **TICKET)
        clock.now += 3
        assert len(call("tickets", offset=2)) == 1

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            ({"fchannel": 683}, 1),
            ({"fchannel": "683,123"}, 2),
            ({"fchannel": ["683", "123"]}, 2),
            ({"tag": "late"}, 1),
            ({"query": "79000000001"}, 1),
            ({"query": "INVOICE"}, 1),
            ({"client_id": 27747627}, 1),
            ({"fstatus": 2}, 1),
            ({"created_after": "2026-11-18 12:26"}, 3),
            ({"created_after": "2026-11-18 12:27"}, 0),
            ({"created_before": "2026-11-18 12:26"}, 3),
            ({"created_before": "2026-11-18 12:25"}, 0),
        ],
    )
    def test_ticket_filters(self, call, clock, filters, found):
        clock.now = 1_795_004_779.0  # 2026-11-18 12:26:19 UTC
        call("create/ticket", subject="Invoice", message="m", channel_id=683, tag="late,x")
        call("create/ticket", **TICKET, channel_id=123, client_phone="79000000001")
        call("create/ticket", **TICKET, client_id=27747627, status=2)
        clock.now += 300
        assert len(call("tickets", **filters)) == found

    @pytest.mark.parametrize(
        ("wanted", "subjects"),
        [
            ([{"id": 10, "value": "A-17"}], ["A"]),
            ([{"id": "10", "value": "a"}], []),
            ([{"id": 10, "value": "empty"}], ["C"]),
            ([{"id": 10, "value": "not_empty"}], ["A", "B"]),
            ([{"id": 10, "value": "not_empty"}, {"id": 12, "value": "true"}], ["B"]),
            ({"0": {"id": 10, "value": "A-17"}}, ["A"]),
        ],
    )
    def test_tickets_are_filtered_by_fields(self, call, clock, wanted, subjects):
        call("create/ticket", subject="A", message="m", field_id="10", field_value="A-17")
        call("create/ticket", subject="B", message="m", field_id="10;12", field_value="B-18;true")
        call("create/ticket", subject="C", message="m")
        clock.now += 3
        assert [row["subject"] for row in call("tickets", fields=wanted)] == subjects

    @pytest.mark.parametrize("wanted", ["10", [10], [{"value": "A-17"}], [{"id": "x", "value": "A-17"}]])
    def test_invalid_fields_are_refused(self, call, wanted):
        assert call("tickets", fields=wanted)["error"]

    def test_invalid_time_is_refused(self, call):
        assert call("tickets", created_after="yesterday")["error"]


def test_reset_deletes_tickets_and_counts(sandbox, call):
    call("create/ticket", **TICKET)
    sandbox.reset()
    assert sandbox.tickets == ()
    assert sandbox.requests() == 0

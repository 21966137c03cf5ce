"""The local Usedesk takes, refuses and answers what the page says."""

from __future__ import annotations

import json
import urllib.parse

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox
from tests.api.test_ticket import PAGE_SAMPLES

WORDS = {"subject": "s", "message": "m"}


class TestEncodings:
    @pytest.mark.parametrize("name", PAGE_SAMPLES)
    def test_page_sample_as_json(self, sandbox, call, name):
        answer = call("create/ticket", **PAGE_SAMPLES[name])
        assert answer["status"] == "success"
        assert sandbox.tickets[0].ticket_id == answer["ticket_id"]

    @pytest.mark.parametrize("where", ["urlencoded", "multipart", "query"])
    def test_other_encodings_mean_the_same(self, sandbox, where):
        fields = {
            "api_token": sandbox.token,
            **WORDS,
            "channel_id": "683",
            "tag": "new ticket,test",
            "lists[0][0][id]": "61",
            "lists[0][0][value]": "Test",
            "template_variables[]": ["John", "18:00"],
            "template_id": "1",
        }
        url = f"{sandbox.url}/create/ticket/"
        if where == "query":
            answer = requests.post(url, params=fields, timeout=5)
        elif where == "multipart":
            files = [("files[]", ("отчёт.txt", b"one")), ("files[1]", ("two.txt", b"two"))]
            answer = requests.post(url, data=fields, files=files, timeout=5)
        else:
            answer = requests.post(url, data=fields, timeout=5)
        assert answer.json()["status"] == "success"
        [ticket] = sandbox.tickets
        assert ticket.received["lists"] == [[{"id": "61", "value": "Test"}]]
        assert ticket.template_variables == ("John", "18:00")
        assert ticket.tags == ("new ticket", "test")
        assert ticket.channel_id == 683
        if where == "multipart":
            assert [(file.name, file.content) for file in ticket.files] == [
                ("отчёт.txt", b"one"),
                ("two.txt", b"two"),
            ]

    @pytest.mark.parametrize(
        "names", [["files[1]"], ["files[1]", "files[]"], ["files[]", "files[0]"], ["files"]]
    )
    def test_no_file_is_lost_however_it_is_numbered(self, sandbox, names):
        files = [(name, (f"{place}.txt", b"x")) for place, name in enumerate(names)]
        url = f"{sandbox.url}/create/ticket"
        requests.post(url, data={"api_token": sandbox.token, **WORDS}, files=files, timeout=5)
        expected = 1 if names == ["files[]", "files[0]"] else len(names)  # PHP: the last one wins
        assert len(sandbox.tickets[0].files) == expected

    def test_token_in_the_query_and_the_rest_in_the_body(self, sandbox):
        url = f"{sandbox.url}/create/ticket?api_token={sandbox.token}"
        assert requests.post(url, json=WORDS, timeout=5).json()["status"] == "success"

    def test_a_broken_body(self, sandbox):
        answer = requests.post(
            f"{sandbox.url}/create/ticket", data="{", headers={"Content-Type": "application/json"}, timeout=5
        )
        assert answer.status_code == 400
        assert sandbox.tickets == ()

    def test_the_token_is_not_kept(self, sandbox, call):
        call("create/ticket", **WORDS)
        assert sandbox.token not in repr(sandbox.tickets)

    @pytest.mark.parametrize("base_path", ["", "/uapi", "a/b/"])
    def test_any_base_path(self, base_path):
        with Sandbox(base_path=base_path) as sandbox:
            answer = requests.post(f"{sandbox.url}/groups", json={"api_token": sandbox.token}, timeout=5)
            assert len(answer.json()) == 3
            assert requests.get(sandbox.inbox_url, timeout=5).status_code == 200


class TestRefusals:
    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"subject": "s"}, 114),
            ({"message": "m"}, None),
            ({**WORDS, "assignee_id": 1}, 117),
            ({**WORDS, "assignee_id": "abc"}, 117),
            ({**WORDS, "from": "user", "user_id": 1}, 117),
            ({**WORDS, "from": "user"}, None),
            ({**WORDS, "from": "trigger"}, None),
            ({**WORDS, "from": "bot"}, None),
            ({**WORDS, "group_id": 1}, 118),
            ({**WORDS, "client_id": 1}, 119),
            ({**WORDS, "client_id": "abc"}, 119),
            ({**WORDS, "tag": ["a"]}, 116),
            ({**WORDS, "tag": "x" * 256}, 116),
            ({**WORDS, "subject": "x" * 256}, None),
            ({**WORDS, "message": "я" * 32_768}, None),
            ({**WORDS, "type": "bug"}, None),
            ({**WORDS, "priority": "high"}, None),
            ({**WORDS, "status": "new"}, None),
            ({**WORDS, "phone_type": "work"}, None),
            ({**WORDS, "field_id": "1;2", "field_value": "a"}, None),
            ({**WORDS, "field_id": "1", "field_value": "x" * 256}, None),
            ({**WORDS, "field_id": "²", "field_value": "x"}, None),
            ({**WORDS, "client_id": "²"}, 119),
            ({**WORDS, "lists": "x"}, None),
            ({**WORDS, "template_id": 1, "template_variables": {"a": 1}}, None),
            ({**WORDS, "files": ["a.txt"]}, None),
            ({**WORDS, "private_comment": False}, None),
            ({"template_id": 1, "template_name": "Main"}, None),
        ],
    )
    def test_what_the_page_refuses(self, sandbox, call, params, code):
        answer = call("create/ticket", **params)
        assert answer["error"]
        assert answer.get("code") == code
        assert sandbox.tickets == ()

    def test_token(self, call):
        assert call("groups", token="wrong")["code"] == 112

    def test_unknown_ticket(self, call):
        assert call("ticket", ticket_id=5)["code"] == 113

    def test_file_of_more_than_15_mb(self, sandbox):
        answer = requests.post(
            f"{sandbox.url}/create/ticket",
            data={"api_token": sandbox.token, **WORDS},
            files={"files[]": ("a", b"x" * (15 * 2**20 + 1))},
            timeout=20,
        )
        assert answer.json()["code"] == 120

    def test_http_status_of_refusals_can_be_chosen(self):
        for status in (200, 422):
            with Sandbox(errors_status=status) as sandbox:
                assert requests.post(f"{sandbox.url}/groups", timeout=5).status_code == status

    def test_get_creates_nothing(self, sandbox):
        url = f"{sandbox.url}/create/ticket?{urllib.parse.urlencode({'api_token': sandbox.token, **WORDS})}"
        assert requests.get(url, timeout=5).status_code == 405
        assert sandbox.tickets == ()


class TestChannels:
    def test_answers_of_each_channel(self, call):
        message = {**WORDS, "client_phone": "79000000001"}
        assert set(call("create/ticket", **message, channel_id=683)) == {"status", "ticket_id"}
        assert call("create/ticket", **message, channel_id=123)["message_status"] == "delivered"
        assert call("create/ticket", **message, channel_id=20070)["message_status"] == "delivered"
        viber = call("create/ticket", **message, channel_id=20060)
        assert isinstance(viber["chat_id"], str)
        assert "message_status" not in viber

    def test_a_channel_that_is_off_makes_the_ticket_all_the_same(self, sandbox, call):
        answer = call("create/ticket", **WORDS, channel_id=20056, client_phone="79000000001")
        assert answer["message_status"] == "not delivered"
        assert sandbox.tickets[0].ticket_id == answer["ticket_id"]

    @pytest.mark.parametrize("channel", [None, "", 999, "abc"])
    def test_a_wrong_channel_is_silently_that_of_the_token(self, sandbox, call, channel):
        assert call("create/ticket", **WORDS, channel_id=channel)["status"] == "success"
        assert sandbox.tickets[0].channel_id == 1

    def test_listing(self, get):
        assert {"channel_id": 683, "channel_name": "E-mail", "channel_type": "email"} in get("channels")
        assert {row["channel_type"] for row in get("channels", channel_type="whatsapp")} == {"whatsapp"}


class TestClients:
    def test_an_unknown_phone_makes_a_client_and_a_known_one_does_not(self, sandbox, call):
        for phone in ("79000000001", "79000000001", "79000000002"):
            call("create/ticket", **WORDS, client_phone=phone)
        first, second, third = (ticket.client_id for ticket in sandbox.tickets)
        assert first == second != third

    def test_a_new_phone_is_added_to_the_client_that_is_named(self, sandbox, call):
        call("create/ticket", **WORDS, client_id="27747627", client_phone="79000000009")
        call("create/ticket", **WORDS, client_phone="79000000009")
        assert {ticket.client_id for ticket in sandbox.tickets} == {27747627}

    def test_a_phone_that_someone_has_is_not_added(self, sandbox, call):
        call("create/ticket", **WORDS, client_id="27747627", client_phone="79250000002")
        call("create/ticket", **WORDS, client_phone="79250000002")
        assert [ticket.client_id for ticket in sandbox.tickets] == [27747627, 27747628]

    def test_the_name_goes_before_the_phone(self, sandbox, call):
        call("create/ticket", **WORDS, username="@ivanov")
        call("create/ticket", **WORDS, username="ivanov", client_phone="79250000002")
        first, second = sandbox.tickets
        assert first.client_id == second.client_id


class TestReading:
    def test_additional_id_shows_in_ticket_only(self, call, clock):
        created = call(
            "create/ticket", **WORDS, additional_id="key-1", tag="a, b", field_id="10", field_value="x"
        )
        clock.now += 3
        assert "key-1" not in json.dumps(call("tickets"))
        shown = call("ticket", ticket_id=str(created["ticket_id"]))
        assert shown["ticket"]["additional_id"] == "key-1"
        assert shown["tags"] == [{"name": "a"}, {"name": "b"}]
        assert shown["custom_fields"][0]["value"] == "x"
        assert shown["comments"][0]["message"] == "m"

    def test_the_agent_of_the_first_comment(self, call):
        created = call("create/ticket", **WORDS, **{"from": "user", "user_id": 2156})
        assert call("ticket", ticket_id=created["ticket_id"])["comments"][0]["user_id"] == 2156

    @pytest.mark.parametrize("base_path", ["", "/uapi"])
    def test_the_link_of_a_file_leads_to_it(self, base_path):
        with Sandbox(base_path=base_path) as sandbox:
            data = {"api_token": sandbox.token, **WORDS}
            created = requests.post(
                f"{sandbox.url}/create/ticket", data=data, files={"files[]": ("a.txt", b"x")}, timeout=5
            ).json()
            data["ticket_id"] = created["ticket_id"]
            shown = requests.post(f"{sandbox.url}/ticket", json=data, timeout=5).json()
            link = shown["comments"][0]["files"][0]["file"]
            assert requests.get(urllib.parse.urljoin(sandbox.url, link), timeout=5).content == b"x"

    def test_a_new_ticket_is_listed_after_a_lag(self, call, clock):
        call("create/ticket", **WORDS)
        clock.now += 1.9
        assert call("tickets") == []
        clock.now += 0.2
        assert len(call("tickets")) == 1

    def test_pages_of_a_hundred(self, call, clock):
        ids = [call("create/ticket", **WORDS)["ticket_id"] for _ in range(105)]
        clock.now += 3
        pages = [[row["id"] for row in call("tickets", offset=page)] for page in range(3)]
        assert pages == [ids[:100], ids[100:], []]
        assert [row["id"] for row in call("tickets", order="desc")][:2] == ids[:-3:-1]

    def test_offset_may_count_rows(self, clock):
        with Sandbox(offset_is="row", listing_lag=0, clock=clock) as sandbox:
            body = {"api_token": sandbox.token, **WORDS}
            for _ in range(3):
                requests.post(f"{sandbox.url}/create/ticket", json=body, timeout=5)
            rows = requests.post(f"{sandbox.url}/tickets", json={**body, "offset": 2}, timeout=5).json()
            assert len(rows) == 1

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
    def test_filters(self, call, clock, filters, found):
        clock.now = 1_795_004_779.0  # 2026-11-18 12:26:19 UTC
        call("create/ticket", subject="Invoice", message="m", channel_id=683, tag="late,x")
        call("create/ticket", **WORDS, channel_id=123, client_phone="79000000001")
        call("create/ticket", **WORDS, client_id=27747627, status=2)
        clock.now += 300
        assert len(call("tickets", **filters)) == found

    def test_a_wrong_time_is_refused(self, call):
        assert call("tickets", created_after="yesterday")["error"]


def test_reset(sandbox, call):
    call("create/ticket", **WORDS)
    sandbox.reset()
    assert sandbox.tickets == ()
    assert sandbox.requests() == 0

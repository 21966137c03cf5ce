"""What the sandbox refuses because the pages do, and what it accepts because public clients send it."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox

TICKET = {"subject": "s", "message": "m"}
WHATSAPP = {**TICKET, "channel_id": 20054, "client_phone": "79123456789"}
REGION, CITY, DISTRICT = (
    {"id": 61, "value": "Test"},
    {"id": 62, "value": "Test1"},
    {"id": 63, "value": "Test2"},
)


@pytest.fixture
def post(sandbox, http):
    """Call create/ticket with anything that requests takes."""

    def post(**arguments):
        url = f"{sandbox.url}/create/ticket?api_token={sandbox.token}"
        return http.post(url, timeout=60, **arguments)

    return post


class TestTemplates:
    @pytest.mark.parametrize(
        ("channel", "template", "is_accepted"),
        [
            (20054, {"template_id": 8094}, True),
            (20054, {"template_id": 8096}, False),
            (20054, {"template_name": "Main"}, False),
            (20055, {"template_name": "Main"}, True),
            (20055, {"template_name": "main"}, False),
            (20055, {"template_id": 8094}, False),
            (20057, {"template_name": "Main"}, True),
            (123, {"template_id": 8094}, True),
            (123, {"template_name": "Main"}, True),
            (123, {"template_name": "8094"}, False),
            (683, {"template_id": 8094}, False),
            (None, {"template_id": 8094}, True),
            (999, {"template_id": 8094}, True),
        ],
    )
    def test_template_belongs_to_provider(self, sandbox, call, channel, template, is_accepted):
        response = call("create/ticket", channel_id=channel, client_phone="79123456789", **template)
        assert ("ticket_id" in response) is is_accepted
        assert len(sandbox.tickets) == is_accepted

    def test_comment_template_belongs_to_provider(self, call):
        ticket_id = call("create/ticket", **WHATSAPP)["ticket_id"]
        assert call("create/comment", ticket_id=ticket_id, template_id=8094)["comment_id"]
        assert call("create/comment", ticket_id=ticket_id, template_name="Main")["error"]

    @pytest.mark.parametrize("variant", ["lenient"])
    def test_any_template_if_lenient(self, call):
        assert call("create/ticket", **WHATSAPP, template_name="Ours")["ticket_id"]


class TestFields:
    @pytest.mark.parametrize(
        ("field", "value", "is_accepted"),
        [
            (10, "anything", True),
            (9, "93", True),
            (9, "", True),
            (9, "95", False),
            (9, "Delivery", False),
            (9, "611", False),
            (12, "true", True),
            (12, "false", True),
            (12, "yes", False),
            (12, "1", False),
            (61, "611", False),
            (11, "x", False),
        ],
    )
    @pytest.mark.parametrize("method", ["create/ticket", "update/ticket"])
    def test_field_values(self, call, method, field, value, is_accepted):
        ticket_id = call("create/ticket", **TICKET)["ticket_id"]
        params = {**TICKET, "ticket_id": ticket_id, "field_id": field, "field_value": value}
        assert (call(method, **params).get("status") == "success") is is_accepted

    @pytest.mark.parametrize("variant", ["lenient"])
    def test_any_field_if_lenient(self, call):
        assert call("create/ticket", **TICKET, field_id="7;12", field_value="x;yes")["ticket_id"]


class TestLists:
    @pytest.mark.parametrize(
        ("lists", "is_accepted"),
        [
            ([[REGION]], True),
            ([[REGION, CITY, DISTRICT]], True),
            ([[{"id": "61", "value": "612"}, {"id": "62", "value": 623}]], True),
            ([REGION, CITY], True),
            ('[[{"id": "61", "value": "Test"}]]', True),
            ({"3": {"1": REGION, "5": CITY}}, True),
            ([[{"id": 61, "value": None}]], True),
            (None, True),
            ("", True),
            ([], True),
            ([[]], True),
            ([[CITY, REGION]], False),
            ([[CITY]], False),
            ([[REGION, DISTRICT]], False),
            ([[REGION], [CITY]], False),
            ([[REGION, {"id": 62, "value": "Oslo"}]], False),
            ([[{"id": 61, "value": "South"}]], False),
            ([[{"id": 9, "value": "93"}]], False),
            ([[{"id": 60, "value": "Test"}]], False),
            ([[{"value": "Test"}]], False),
            ([[{"id": 61, "value": ["Test"]}]], False),
            ([["Test"]], False),
            ("Test", False),
            (61, False),
        ],
    )
    def test_levels_from_the_first_one_down(self, sandbox, call, lists, is_accepted):
        response = call("create/ticket", **TICKET, lists=lists)
        assert ("ticket_id" in response) is is_accepted
        assert len(sandbox.tickets) == is_accepted


class TestPhone:
    @pytest.mark.parametrize(
        ("phone", "is_accepted"), [("79123456789", True), ("+7 (912) 345-67-89", True), ("unknown", False)]
    )
    def test_phone_needs_digits(self, call, phone, is_accepted):
        assert ("ticket_id" in call("create/ticket", **TICKET, client_phone=phone)) is is_accepted


class TestAuthor:
    @pytest.mark.parametrize(
        ("author", "status"),
        [
            ({}, "not delivered"),
            ({"user_id": 2156}, "not delivered"),
            ({"from": "client"}, "not delivered"),
            ({"from": "user", "user_id": 2156}, "delivered"),
            ({"from": "user", "template_id": 8094}, "delivered"),
        ],
    )
    def test_whatsapp_message_needs_agent(self, call, author, status):
        assert call("create/ticket", **WHATSAPP, **author)["message_status"] == status

    def test_telegram_message_needs_no_agent(self, call):
        assert call("create/ticket", **{**WHATSAPP, "channel_id": 20070})["message_status"] == "delivered"

    @pytest.mark.parametrize("variant", ["lenient"])
    @pytest.mark.parametrize("author", [{}, {"from": "client"}, {"from": "user"}])
    def test_any_author_if_lenient(self, call, author):
        assert call("create/ticket", **WHATSAPP, **author)["message_status"] == "delivered"


class TestFiles:
    @pytest.mark.parametrize(
        ("files", "names"),
        [
            ([("files[]", ("a.txt", b"x"))], ["a.txt"]),
            ([("files[a]", ("a.txt", b"x")), ("files[b]", ("b.txt", b"y"))], ["a.txt", "b.txt"]),
            ([("files[]", ("../../etc/a.txt", b"x"))], ["a.txt"]),
            ([("files[]", ("C:\\docs\\a.txt", b"x"))], ["a.txt"]),
            ([("files[]", ("", b""))], []),
            ([("files", ("", b""))], []),
            ([("files[]", ("", b"")), ("files[]", ("b.txt", b"y"))], ["b.txt"]),
        ],
    )
    def test_file_names(self, sandbox, post, files, names):
        # An empty file name: requests leaves the parameter out, browsers do not.
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        parts = [f'name="{name}"\r\n\r\n{value}' for name, value in TICKET.items()]
        parts += [f'name="{name}"; filename="{file}"\r\n\r\n{text.decode()}' for name, (file, text) in files]
        body = "".join(f"--x\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--x--\r\n"
        assert post(data=body.encode(), headers=kind).json()["status"] == "success"
        assert [file.name for file in sandbox.tickets[0].files] == names

    @pytest.mark.parametrize("name", ["files", "files[]", "files[0]"])
    def test_empty_field_is_no_file(self, sandbox, post, name):
        assert post(data={**TICKET, name: ""}).json()["status"] == "success"
        assert sandbox.tickets[0].files == ()

    @pytest.mark.parametrize("files", [None, "", [], [""]])
    def test_empty_json_value_is_no_file(self, call, files):
        assert call("create/ticket", **TICKET, files=files)["status"] == "success"


class TestRequests:
    @pytest.mark.parametrize(
        "kind", ["Application/JSON", "application/json;charset=UTF-8", "APPLICATION/JSON "]
    )
    def test_media_type_in_any_case(self, post, kind):
        response = post(data=b'{"subject": "s", "message": "m"}', headers={"Content-Type": kind})
        assert response.json()["status"] == "success"

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("Application/X-WWW-Form-URLEncoded", b"subject=s&message=m"),
            (
                "Multipart/Form-Data; boundary=x",
                b'--x\r\nContent-Disposition: form-data; name="subject"\r\n\r\ns\r\n'
                b'--x\r\nContent-Disposition: form-data; name="message"\r\n\r\nm\r\n--x--\r\n',
            ),
        ],
    )
    def test_form_type_in_any_case(self, post, kind, body):
        assert post(data=body, headers={"Content-Type": kind}).json()["status"] == "success"

    @pytest.mark.parametrize(
        ("after", "found"),
        [("2026-11-18", 1), ("2026-11-19", 0), ("2026-11-18 11:06:59", 1), ("2026-11-18 11:07:00", 0)],
    )
    def test_time_can_be_left_out(self, call, clock, after, found):
        call("create/ticket", **TICKET)
        clock.now += 3
        assert len(call("tickets", created_after=after)) == found

    @pytest.mark.parametrize("path", ["create/tickets", "ticket/fields/x", "", "nothing"])
    @pytest.mark.parametrize("verb", ["GET", "POST"])
    def test_unknown_method_has_code_and_error(self, sandbox, http, path, verb):
        response = http.request(verb, f"{sandbox.url}/{path}", timeout=60)
        assert response.status_code == 404
        assert response.json() == {"code": 115, "error": "there is no such method"}

    @pytest.mark.parametrize("method", ["ticket", "tickets", "channels", "create/ticket", "chat/sendMessage"])
    def test_other_verbs_are_refused(self, sandbox, http, method):
        response = http.put(f"{sandbox.url}/{method}", timeout=60)
        assert (response.status_code, response.json()["code"]) == (405, 115)

    def test_path_must_be_below_base(self, sandbox, http):
        assert http.get(sandbox.url + "channels", timeout=60).json() == {"detail": "Not Found"}

    @pytest.mark.parametrize("name", ["template_variables", "emails", "lists"])
    def test_broken_json_in_text(self, sandbox, call, name):
        for text in ('["\\ud800"]', "[" * 100_000, "[1e999]"):
            ticket = {**WHATSAPP, "template_id": 8094, name: text}
            assert call("create/ticket", **ticket).keys() & {"ticket_id", "error"}
        assert requests.get(sandbox.inbox_url, timeout=60).status_code == 200


def test_unknown_shapes_are_rejected():
    with pytest.raises(ValueError, match="pages or clients"):
        Sandbox(shapes="json")

"""Changes of tickets: with update/ticket, with create/comment, and from Python."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_usedesk.sandbox import answer

TICKET = {"subject": "s", "message": "m"}
JULIA, OLEG, MARIA = 2156, 2157, 2158
FROM_JULIA = {"from": "user", "user_id": JULIA}


@pytest.fixture
def ticket_id(call, clock):
    """A ticket created a minute ago."""
    created = call("create/ticket", **TICKET, tag="first", field_id="10;12", field_value="x;true")
    clock.now += 60
    return created["ticket_id"]


class TestUpdate:
    @pytest.mark.parametrize(
        ("params", "name", "value"),
        [
            ({"subject": "Other"}, "subject", "Other"),
            ({"client_id": "27747627"}, "client_id", 27747627),
            ({"group_id": 12}, "group_id", 12),
            ({"assignee_id": OLEG}, "assignee_id", OLEG),
            ({"tag": "second, third"}, "tags", ("first", "second", "third")),
            ({"tag": "first"}, "tags", ("first",)),
            ({"priority": "urgent"}, "priority", "urgent"),
            ({"type": "task"}, "type", "task"),
            ({"status": "2"}, "status", 2),
            ({"field_id": "10;9", "field_value": "y;93"}, "custom_fields", {10: "y", 12: "true", 9: "93"}),
            ({"lists": [[{"id": "61", "value": "Test"}]]}, "lists", ([{"id": "61", "value": "Test"}],)),
        ],
    )
    def test_update_changes_only_given_field(self, sandbox, call, ticket_id, params, name, value):
        before = vars(sandbox.ticket(ticket_id))
        assert call("update/ticket", ticket_id=ticket_id, silent="true", **params) == {"status": "success"}
        after = vars(sandbox.ticket(ticket_id))
        assert after[name] == value
        for other in before.keys() - {name, "last_updated_at", "changes"}:
            assert after[other] == before[other], other

    @pytest.mark.parametrize(("name", "value"), [("assignee_id", JULIA), ("group_id", 11)])
    def test_only_null_text_clears(self, sandbox, call, ticket_id, name, value):
        call("update/ticket", ticket_id=ticket_id, **{name: value})
        for empty in ("", None):
            call("update/ticket", ticket_id=ticket_id, **{name: empty})
            assert getattr(sandbox.ticket(ticket_id), name) == value
        call("update/ticket", ticket_id=ticket_id, **{name: "null"})
        assert getattr(sandbox.ticket(ticket_id), name) is None

    @pytest.mark.parametrize("empty", [None, "", []])
    def test_empty_value_clears_lists(self, sandbox, call, empty):
        lists = [[{"id": "61", "value": "Test"}]]
        ticket_id = call("create/ticket", **TICKET, lists=lists)["ticket_id"]
        call("update/ticket", ticket_id=ticket_id, subject="x")
        assert sandbox.ticket(ticket_id).lists == tuple(lists)
        call("update/ticket", ticket_id=ticket_id, lists=empty)
        assert sandbox.ticket(ticket_id).lists == ()

    def test_empty_form_field_clears_lists(self, sandbox, call):
        ticket_id = call("create/ticket", **TICKET, lists=[[{"id": "61", "value": "Test"}]])["ticket_id"]
        form = {"api_token": sandbox.token, "ticket_id": ticket_id, "lists": ""}
        requests.post(f"{sandbox.url}/update/ticket", data=form, timeout=60)
        assert sandbox.ticket(ticket_id).lists == ()

    @pytest.mark.parametrize(
        ("params", "status"),
        [
            ({"priority": "low"}, 1),
            ({"priority": "low", "silent": "false"}, 1),
            ({"priority": "low", "silent": True}, 8),
            ({"priority": "low", "silent": "1"}, 8),
            ({"status": 6}, 6),
            ({"status": 8}, 8),
            ({"status": 10, "silent": "true"}, 10),
        ],
    )
    def test_update_opens_new_ticket_unless_silent(self, sandbox, call, ticket_id, params, status):
        call("update/ticket", ticket_id=ticket_id, **params)
        assert sandbox.ticket(ticket_id).status == status

    def test_only_new_ticket_is_opened(self, sandbox, call, ticket_id):
        for params in ({"status": 2}, {"priority": "low"}):
            call("update/ticket", ticket_id=ticket_id, **params)
        assert sandbox.ticket(ticket_id).status == 2

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"ticket_id": 5}, 113),
            ({"ticket_id": None}, 113),
            ({"ticket_id": "abc"}, 113),
            ({"assignee_id": 1}, 117),
            ({"assignee_id": "none"}, 117),
            ({"user_id": 1}, 117),
            ({"group_id": 1}, 118),
            ({"client_id": 1}, 119),
            ({"client_id": "new_client"}, 119),
            ({"tag": ["a"]}, 116),
            ({"tag": "x" * 256}, 116),
            ({"subject": "x" * 256}, 422),
            ({"status": 11}, 422),
            ({"status": "solved"}, 422),
            ({"priority": "high"}, 422),
            ({"type": "bug"}, 422),
            ({"field_id": "1;2", "field_value": "a"}, 422),
            ({"lists": "x"}, 422),
        ],
    )
    def test_refused_call_changes_nothing(self, sandbox, call, ticket_id, params, code):
        before = sandbox.tickets
        response = call("update/ticket", **{"ticket_id": ticket_id, "priority": "low", **params})
        assert response["error"]
        assert response["code"] == code
        assert sandbox.tickets == before


class TestComment:
    def test_comment_appears_in_ticket(self, sandbox, call, clock, ticket_id):
        response = call(
            "create/comment",
            ticket_id=str(ticket_id),
            message="<b>Paid</b>",
            type="public",
            cc=["a@example.org", "b@example.org"],
            bcc="c@example.org, d@example.org",
            user_id=OLEG,
        )
        assert response["status"] == "success"
        first, second = call("ticket", ticket_id=ticket_id)["comments"]
        assert second["id"] == str(response["comment_id"]) != first["id"]
        assert (first["is_first"], second["is_first"]) == ("1", "0")
        assert second["message"] == "<b>Paid</b>"
        assert (second["type"], second["from"], second["user_id"]) == ("public", "user", str(OLEG))
        assert second["cc"] == ["a@example.org", "b@example.org"]
        assert second["bcc"] == ["c@example.org", "d@example.org"]
        assert (first["published_at"], second["published_at"]) == (
            "2026-11-18 11:06:40",
            "2026-11-18 11:07:40",
        )

    def test_default_is_private_by_first_agent(self, call, ticket_id):
        call("create/comment", ticket_id=ticket_id, message="m")
        comment = call("ticket", ticket_id=ticket_id)["comments"][1]
        assert (comment["type"], comment["from"], comment["user_id"]) == ("private", "user", str(JULIA))

    def test_comment_files_can_be_downloaded(self, sandbox, ticket_id):
        requests.post(
            f"{sandbox.url}/create/comment",
            data={"api_token": sandbox.token, "ticket_id": ticket_id, "message": "m", "cc[]": ["a", "b"]},
            files={"files[]": ("a.txt", b"one")},
            timeout=60,
        )
        comment = sandbox.ticket(ticket_id).comments[1]
        assert comment.cc == ("a", "b")
        [file] = comment.files
        assert requests.get(f"{sandbox.inbox_url}files/{file.id}", timeout=60).content == b"one"

    def test_template_replaces_message(self, sandbox, call):
        ticket_id = call("create/ticket", **TICKET, channel_id=20055)["ticket_id"]
        template = {"template_name": "Main", "template_variables": ["John"], "template_lang": "en"}
        assert call("create/comment", ticket_id=ticket_id, **template)["comment_id"]
        shown = sandbox.ticket(ticket_id).comments[1].template
        assert (shown.name, shown.variables, shown.lang) == ("Main", ("John",), "en")

    def test_only_public_comment_is_delivered(self, call):
        whatsapp = {**TICKET, "channel_id": 20054, "client_phone": "79000000001"}
        ticket_id = call("create/ticket", **whatsapp, **FROM_JULIA)["ticket_id"]
        for params in ({"type": "private"}, {"type": "public"}, {"type": "public", "from": "client"}):
            call("create/comment", ticket_id=ticket_id, message="m", **params)
        comments = call("ticket", ticket_id=ticket_id)["comments"]
        assert [comment["delivered"] for comment in comments] == ["1", "0", "1", "0"]

    @pytest.mark.parametrize(("author", "status"), [("user", 1), ("client", 8), ("trigger", 8)])
    def test_only_agent_comment_opens_ticket(self, sandbox, call, ticket_id, author, status):
        call("create/comment", ticket_id=ticket_id, message="m", user_id=JULIA, **{"from": author})
        assert sandbox.ticket(ticket_id).status == status

    def test_only_new_ticket_is_opened(self, sandbox, call, ticket_id):
        sandbox.update(ticket_id, status=3)
        call("create/comment", ticket_id=ticket_id, message="m")
        assert sandbox.ticket(ticket_id).status == 3

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"ticket_id": 5}, 113),
            ({"ticket_id": None}, 113),
            ({"message": ""}, 114),
            ({"message": " "}, 114),
            ({"message": "я" * 32_768}, 422),
            ({"user_id": 1}, 117),
            ({"type": "internal"}, 422),
            ({"from": "bot"}, 422),
            ({"from": "user"}, 422),
            ({"from": "trigger", "trigger_id": 1}, 422),
            ({"template_id": 1, "template_name": "Main"}, 422),
            ({"template_id": 1, "template_variables": {"a": 1}}, 422),
            ({"files": ["a.txt"]}, 422),
        ],
    )
    def test_refused_call_changes_nothing(self, sandbox, call, ticket_id, params, code):
        before = sandbox.tickets
        response = call("create/comment", **{"ticket_id": ticket_id, "message": "m", **params})
        assert response["error"]
        assert response["code"] == code
        assert sandbox.tickets == before


class TestUpdateFromPython:
    @pytest.mark.parametrize(
        ("changes", "shown"),
        [
            ({"status": 2}, {"status": 2}),
            ({"status": 8}, {"status": 8}),
            ({"assignee_id": MARIA}, {"assignee_id": MARIA, "status": 1}),
            ({"assignee_id": None}, {"assignee_id": None}),
            ({"tags": ["approved"]}, {"tags": ("approved",)}),
            ({"tags": ()}, {"tags": ()}),
            ({"custom_fields": {12: "false"}}, {"custom_fields": {10: "x", 12: "false"}}),
            ({"subject": "Other", "priority": "low"}, {"subject": "Other", "priority": "low"}),
        ],
    )
    def test_update_from_python(self, sandbox, clock, ticket_id, changes, shown):
        changed = sandbox.update(ticket_id, **changes)
        assert changed == sandbox.ticket(ticket_id) == sandbox.tickets[0]
        assert {name: getattr(changed, name) for name in shown} == shown
        assert changed.last_updated_at.timestamp() == clock.now > changed.created_at.timestamp()

    @pytest.mark.parametrize(
        "access", [lambda sandbox: sandbox.update(5, status=2), lambda sandbox: sandbox.ticket(5)]
    )
    def test_unknown_ticket_raises_key_error(self, sandbox, access):
        with pytest.raises(KeyError):
            access(sandbox)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({}, TypeError),
            ({"stauts": 2}, TypeError),
            ({"ticket_id_": 1}, TypeError),
            ({"created_at": None}, TypeError),
            ({"status": 11}, ValueError),
            ({"status": "2"}, ValueError),
            ({"status": True}, ValueError),
            ({"status": None}, ValueError),
            ({"status": [2]}, ValueError),
            ({"type": "bug"}, ValueError),
            ({"priority": "high"}, ValueError),
            ({"assignee_id": 1}, ValueError),
            ({"group_id": 1}, ValueError),
            ({"client_id": None}, ValueError),
            ({"subject": None}, TypeError),
            ({"subject": "x" * 256}, ValueError),
            ({"tags": "approved"}, TypeError),
            ({"tags": [1]}, TypeError),
            ({"tags": None}, TypeError),
            ({"custom_fields": {"10": "x"}}, TypeError),
            ({"custom_fields": {10: 1}}, TypeError),
            ({"custom_fields": None}, TypeError),
        ],
    )
    def test_invalid_change_is_rejected(self, sandbox, ticket_id, changes, error):
        before = sandbox.tickets
        with pytest.raises(error):
            sandbox.update(ticket_id, **changes)
        assert sandbox.tickets == before


CHANGES = {
    "update/ticket": lambda sandbox, call, number: call("update/ticket", ticket_id=number, priority="low"),
    "create/comment": lambda sandbox, call, number: call("create/comment", ticket_id=number, message="m"),
    "from Python": lambda sandbox, call, number: sandbox.update(number, status=2),
}


@pytest.mark.parametrize("how", CHANGES)
class TestListing:
    """A ticket created at 11:06:40 and changed at 11:26:40, and one without changes."""

    @pytest.fixture
    def changed(self, sandbox, call, clock, how):
        number = call("create/ticket", **TICKET)["ticket_id"]
        call("create/ticket", **TICKET)
        clock.now += 1200
        CHANGES[how](sandbox, call, number)
        return number

    def test_list_contains_last_update_time(self, sandbox, call, changed):
        rows = {row["id"]: row for row in call("tickets")}
        assert rows[changed]["created_at"] == "2026-11-18 11:06:40"
        assert rows[changed]["last_updated_at"] == "2026-11-18 11:26:40"
        assert call("ticket", ticket_id=changed)["ticket"]["last_updated_at"] == "2026-11-18 11:26:40"
        assert rows[changed]["status"] == sandbox.ticket(changed).status != 8
        assert {row["last_updated_at"] for row in rows.values()} == {
            "2026-11-18 11:06:40",
            "2026-11-18 11:26:40",
        }

    @pytest.mark.parametrize(
        ("filters", "finds"),
        [
            ({"updated_after": "2026-11-18 11:26"}, True),
            ({"updated_after": "2026-11-18 11:27"}, False),
            ({"updated_after": "2026-11-18 11:26", "updated_before": "2026-11-18 11:26"}, True),
            ({"updated_before": "2026-11-18 11:25"}, False),
            ({"created_after": "2026-11-18 11:07"}, False),
            ({"created_before": "2026-11-18 11:06"}, True),
        ],
    )
    def test_time_filters_use_update(self, call, changed, filters, finds):
        assert (changed in [row["id"] for row in call("tickets", **filters)]) is finds

    def test_sorting_uses_update_time(self, call, changed):
        def ids(**order):
            return [row["id"] for row in call("tickets", **order)]

        assert ids(sort="last_updated_at")[-1] == changed
        assert ids(sort="last_updated_at", order="desc")[0] == changed
        assert ids(sort="published_at")[0] == changed


def test_change_is_listed_immediately(sandbox, call, clock, ticket_id):
    sandbox.update(ticket_id, status=2)
    assert [row["status"] for row in call("tickets")] == [2]


def test_list_contains_last_comment(call, ticket_id):
    call("create/comment", ticket_id=ticket_id, message="Paid")
    assert [row["last_comment"] for row in call("tickets")] == ["Paid"]


def test_change_does_not_shorten_lag(sandbox, call, clock):
    number = call("create/ticket", **TICKET)["ticket_id"]
    clock.now += 1
    sandbox.update(number, status=2)
    assert call("tickets") == []


@pytest.mark.parametrize("method", ["create/ticket", "update/ticket", "create/comment"])
def test_get_cannot_change_tickets(sandbox, get, ticket_id, method):
    before = sandbox.tickets
    response = get(method, **TICKET, ticket_id=ticket_id)
    assert response == {"code": 115, "error": "The GET method is not supported for this route."}
    assert sandbox.tickets == before


def test_faults_and_counts_by_method(sandbox):
    sandbox.fail(answer(503), method="create/comment")
    url, body = f"{sandbox.url}/create/comment", {"api_token": sandbox.token}
    assert requests.post(url, json=body, timeout=60).status_code == 503
    assert requests.post(url, json=body, timeout=60).json()["code"] == 113
    assert sandbox.requests("create/comment") == 2

"""Tickets change: through update/ticket and create/comment, and by an agent's hand."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox

WORDS = {"subject": "s", "message": "m"}
JULIA, OLEG, MARIA = 2156, 2157, 2158


@pytest.fixture
def ticket_id(call, clock):
    """A ticket that was made a minute ago."""
    made = call("create/ticket", **WORDS, tag="first", field_id="10;12", field_value="x;true")["ticket_id"]
    clock.now += 60
    return made


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
    def test_one_thing_changes_and_the_rest_stays(self, sandbox, call, ticket_id, params, name, value):
        before = vars(sandbox.ticket(ticket_id))
        assert call("update/ticket", ticket_id=ticket_id, silent="true", **params) == {"status": "success"}
        after = vars(sandbox.ticket(ticket_id))
        assert after[name] == value
        for other in before.keys() - {name, "last_updated_at"}:
            assert after[other] == before[other], other

    def test_the_text_null_clears_the_agent_and_nothing_else_does(self, sandbox, call, ticket_id):
        call("update/ticket", ticket_id=ticket_id, assignee_id=JULIA)
        for nothing in ("", None):
            call("update/ticket", ticket_id=ticket_id, assignee_id=nothing)
            assert sandbox.ticket(ticket_id).assignee_id == JULIA
        call("update/ticket", ticket_id=ticket_id, assignee_id="null")
        assert sandbox.ticket(ticket_id).assignee_id is None

    @pytest.mark.parametrize("nothing", [None, "", []])
    def test_empty_lists_clear_them(self, sandbox, call, nothing):
        lists = [[{"id": "61", "value": "Test"}]]
        ticket_id = call("create/ticket", **WORDS, lists=lists)["ticket_id"]
        call("update/ticket", ticket_id=ticket_id, subject="x")
        assert sandbox.ticket(ticket_id).lists == tuple(lists)
        call("update/ticket", ticket_id=ticket_id, lists=nothing)
        assert sandbox.ticket(ticket_id).lists == ()

    def test_lists_can_be_cleared_by_a_form(self, sandbox, call):
        ticket_id = call("create/ticket", **WORDS, lists=[[{"id": "61", "value": "Test"}]])["ticket_id"]
        form = {"api_token": sandbox.token, "ticket_id": ticket_id, "lists": ""}
        requests.post(f"{sandbox.url}/update/ticket", data=form, timeout=5)
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
    def test_it_opens_a_new_ticket_unless_told_otherwise(self, sandbox, call, ticket_id, params, status):
        call("update/ticket", ticket_id=ticket_id, **params)
        assert sandbox.ticket(ticket_id).status == status

    def test_it_opens_no_ticket_that_is_not_new(self, sandbox, call, ticket_id):
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
            ({"group_id": "null"}, 118),
            ({"client_id": 1}, 119),
            ({"client_id": "new_client"}, 119),
            ({"tag": ["a"]}, 116),
            ({"tag": "x" * 256}, 116),
            ({"subject": "x" * 256}, None),
            ({"status": 11}, None),
            ({"status": "solved"}, None),
            ({"priority": "high"}, None),
            ({"type": "bug"}, None),
            ({"field_id": "1;2", "field_value": "a"}, None),
            ({"lists": "x"}, None),
        ],
    )
    def test_what_is_refused_changes_nothing(self, sandbox, call, ticket_id, params, code):
        before = sandbox.tickets
        answer = call("update/ticket", **{"ticket_id": ticket_id, "priority": "low", **params})
        assert answer["error"]
        assert answer.get("code") == code
        assert sandbox.tickets == before


class TestComment:
    def test_as_it_is_shown(self, sandbox, call, clock, ticket_id):
        answer = call(
            "create/comment",
            ticket_id=str(ticket_id),
            message="<b>Paid</b>",
            type="public",
            cc=["a@example.org", "b@example.org"],
            bcc="c@example.org, d@example.org",
            user_id=OLEG,
        )
        assert answer["status"] == "success"
        first, second = call("ticket", ticket_id=ticket_id)["comments"]
        assert second["id"] == answer["comment_id"] != first["id"]
        assert (first["is_first"], second["is_first"]) == (1, 0)
        assert second["message"] == "<b>Paid</b>"
        assert (second["type"], second["from"], second["user_id"]) == ("public", "user", OLEG)
        assert second["cc"] == ["a@example.org", "b@example.org"]
        assert second["bcc"] == ["c@example.org", "d@example.org"]
        assert (first["published_at"], second["published_at"]) == (
            "2026-11-18 11:06:40",
            "2026-11-18 11:07:40",
        )

    def test_it_is_private_and_by_the_first_agent_unless_told_otherwise(self, call, ticket_id):
        call("create/comment", ticket_id=ticket_id, message="m")
        comment = call("ticket", ticket_id=ticket_id)["comments"][1]
        assert (comment["type"], comment["from"], comment["user_id"]) == ("private", "user", JULIA)

    def test_files(self, sandbox, ticket_id):
        requests.post(
            f"{sandbox.url}/create/comment",
            data={"api_token": sandbox.token, "ticket_id": ticket_id, "message": "m", "cc[]": ["a", "b"]},
            files={"files[]": ("a.txt", b"one")},
            timeout=5,
        )
        comment = sandbox.ticket(ticket_id).comments[1]
        assert comment.cc == ("a", "b")
        [file] = comment.files
        assert requests.get(f"{sandbox.inbox_url}files/{file.id}", timeout=5).content == b"one"

    def test_a_template_takes_the_place_of_the_message(self, sandbox, call, ticket_id):
        template = {"template_name": "Main", "template_variables": ["John"], "template_lang": "en"}
        assert call("create/comment", ticket_id=ticket_id, **template)["comment_id"]
        shown = sandbox.ticket(ticket_id).comments[1].template
        assert (shown.name, shown.variables, shown.lang) == ("Main", ("John",), "en")

    def test_only_a_public_one_is_delivered(self, call):
        whatsapp = {**WORDS, "channel_id": 20054, "client_phone": "79000000001"}
        ticket_id = call("create/ticket", **whatsapp)["ticket_id"]
        for type_ in ("private", "public"):
            call("create/comment", ticket_id=ticket_id, message="m", type=type_)
        comments = call("ticket", ticket_id=ticket_id)["comments"]
        assert [comment["delivered"] for comment in comments] == [1, 0, 1]

    @pytest.mark.parametrize(("author", "status"), [("user", 1), ("client", 8), ("trigger", 8)])
    def test_an_agent_opens_a_new_ticket(self, sandbox, call, ticket_id, author, status):
        call("create/comment", ticket_id=ticket_id, message="m", **{"from": author})
        assert sandbox.ticket(ticket_id).status == status

    def test_it_opens_no_ticket_that_is_not_new(self, sandbox, call, ticket_id):
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
            ({"message": "я" * 32_768}, None),
            ({"user_id": 1}, 117),
            ({"type": "internal"}, None),
            ({"from": "bot"}, None),
            ({"template_id": 1, "template_name": "Main"}, None),
            ({"template_id": 1, "template_variables": {"a": 1}}, None),
            ({"files": ["a.txt"]}, None),
        ],
    )
    def test_what_is_refused_changes_nothing(self, sandbox, call, ticket_id, params, code):
        before = sandbox.tickets
        answer = call("create/comment", **{"ticket_id": ticket_id, "message": "m", **params})
        assert answer["error"]
        assert answer.get("code") == code
        assert sandbox.tickets == before


class TestByHand:
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
    def test_what_an_agent_changes(self, sandbox, clock, ticket_id, changes, shown):
        changed = sandbox.update(ticket_id, **changes)
        assert changed == sandbox.ticket(ticket_id) == sandbox.tickets[0]
        assert {name: getattr(changed, name) for name in shown} == shown
        assert changed.last_updated_at.timestamp() == clock.now > changed.created_at.timestamp()

    @pytest.mark.parametrize(
        "look", [lambda sandbox: sandbox.update(5, status=2), lambda sandbox: sandbox.ticket(5)]
    )
    def test_no_such_ticket(self, sandbox, look):
        with pytest.raises(KeyError):
            look(sandbox)

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
    def test_nonsense_changes_nothing(self, sandbox, ticket_id, changes, error):
        before = sandbox.tickets
        with pytest.raises(error):
            sandbox.update(ticket_id, **changes)
        assert sandbox.tickets == before


CHANGES = {
    "update/ticket": lambda sandbox, call, number: call("update/ticket", ticket_id=number, priority="low"),
    "create/comment": lambda sandbox, call, number: call("create/comment", ticket_id=number, message="m"),
    "by hand": lambda sandbox, call, number: sandbox.update(number, status=2),
}


@pytest.mark.parametrize("how", CHANGES)
class TestListing:
    """Made at 11:06:40, changed at 11:26:40, beside one that nobody touched."""

    @pytest.fixture
    def changed(self, sandbox, call, clock, how):
        number = call("create/ticket", **WORDS)["ticket_id"]
        call("create/ticket", **WORDS)
        clock.now += 1200
        CHANGES[how](sandbox, call, number)
        return number

    def test_the_moment_of_the_change_shows(self, sandbox, call, changed):
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
    def test_filters_follow_it(self, call, changed, filters, finds):
        assert (changed in [row["id"] for row in call("tickets", **filters)]) is finds

    def test_sorting_follows_it(self, call, changed):
        def ids(**order):
            return [row["id"] for row in call("tickets", **order)]

        assert ids(sort="last_updated_at")[-1] == changed
        assert ids(sort="last_updated_at", order="desc")[0] == changed
        assert ids(sort="published_at")[0] == changed


def test_a_change_is_listed_at_once(sandbox, call, clock, ticket_id):
    sandbox.update(ticket_id, status=2)
    assert [row["status"] for row in call("tickets")] == [2]


def test_the_last_comment_is_listed(call, ticket_id):
    call("create/comment", ticket_id=ticket_id, message="Paid")
    assert [row["last_comment"] for row in call("tickets")] == ["Paid"]


def test_a_change_makes_no_new_ticket_visible_earlier(sandbox, call, clock):
    number = call("create/ticket", **WORDS)["ticket_id"]
    clock.now += 1
    sandbox.update(number, status=2)
    assert call("tickets") == []


@pytest.mark.parametrize("method", ["create/ticket", "update/ticket", "create/comment"])
def test_get_changes_nothing(sandbox, get, ticket_id, method):
    before = sandbox.tickets
    answer = get(method, **WORDS, ticket_id=ticket_id)
    assert answer == {"message": "The GET method is not supported for this route."}
    assert sandbox.tickets == before


def test_faults_and_counts_know_the_methods():
    from airflow_provider_usedesk.sandbox import answer

    with Sandbox() as sandbox:
        sandbox.fail(answer(503), method="create/comment")
        url, body = f"{sandbox.url}/create/comment", {"api_token": sandbox.token}
        assert requests.post(url, json=body, timeout=5).status_code == 503
        assert requests.post(url, json=body, timeout=5).json()["code"] == 113
        assert sandbox.requests("create/comment") == 2

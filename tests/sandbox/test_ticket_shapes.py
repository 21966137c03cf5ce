"""What ``ticket``, ``tickets`` and the webhook of a new ticket contain, in both forms."""

from __future__ import annotations

import pytest
import requests

TICKET = {"subject": "s", "message": "m"}
JULIA, OLEG, MARIA = 2156, 2157, 2158


@pytest.fixture
def ticket_id(call, clock):
    return call("create/ticket", **TICKET, tag="late", field_id=10, field_value="A-17")["ticket_id"]


class TestTicket:
    def test_ids_are_strings(self, call, ticket_id):
        shown = call("ticket", ticket_id=ticket_id)
        ticket = shown["ticket"]
        assert (ticket["id"], ticket["status_id"], ticket["company_id"]) == (str(ticket_id), "8", "153561")
        assert (ticket["group"], ticket["email"], ticket["assignee_id"]) == ("0", "0", None)
        assert shown["tags"] == [{"name": "late"}]
        assert shown["custom_fields"] == [
            {"id": "10", "ticket_id": str(ticket_id), "ticket_field_id": "10", "value": "A-17"}
        ]

    @pytest.mark.parametrize("variant", ["clients"])
    def test_ids_can_be_numbers(self, call, ticket_id):
        shown = call("ticket", ticket_id=ticket_id)
        assert (shown["ticket"]["id"], shown["ticket"]["group"]) == (ticket_id, None)
        assert shown["tags"] == ["late"]

    def test_comment_has_client_user_and_file(self, sandbox, call, ticket_id):
        data = {"api_token": sandbox.token, "ticket_id": ticket_id, "message": "m", "user_id": OLEG}
        files = {"files[]": ("a.txt", b"x")}
        requests.post(f"{sandbox.url}/create/comment", data=data, files=files, timeout=60)
        first, second = call("ticket", ticket_id=ticket_id)["comments"]
        assert (first["user"], first["file"], first["files"]) == (None, None, [])
        assert first["client"] == {"id": first["client_id"], "name": "Client"}
        assert (second["user"]["id"], second["user"]["name"]) == (str(OLEG), "Oleg")
        assert second["file"] == second["files"][0]["file"]

    def test_changes_are_history(self, sandbox, call, clock, ticket_id):
        clock.now += 60
        call("update/ticket", ticket_id=ticket_id, assignee_id=OLEG, tag="vip", user_id=MARIA)
        clock.now += 60
        call("create/comment", ticket_id=ticket_id, message="m")
        sandbox.update(ticket_id, status=2, tags=("vip",))
        first, second = call("ticket", ticket_id=ticket_id)["changes"]
        assert first.pop("id") != second["id"]
        assert first == {
            "trigger_id": None,
            "user_id": str(MARIA),
            "ticket_id": str(ticket_id),
            "data": [
                {"target": "status_id", "value": "1", "old_value": "8"},
                {"target": "assignee_id", "value": str(OLEG), "old_value": None},
                {"target": "new_tags", "value": "vip", "old_value": None},
            ],
            "changed_at": "2026-11-18 11:07:40",
            "old_status": "8",
            "new_status": "1",
            "company_id": "153561",
        }
        assert [one["target"] for one in second["data"]] == ["status_id", "removed_tags"]
        assert (second["user_id"], second["old_status"], second["new_status"]) == (str(JULIA), "1", "2")

    @pytest.mark.parametrize(
        ("agent", "rights"), [(JULIA, "write"), (MARIA, "write"), (OLEG, "read"), (None, None)]
    )
    def test_rights_of_agent(self, call, clock, ticket_id, agent, rights):
        clock.now += 3
        params = {"ticket_id": ticket_id, "accessible_for_agent_id": agent}
        assert call("ticket", **params)["ticket"].get("rights") == rights
        assert [row.get("rights") for row in call("tickets", accessible_for_agent_id=agent)] == [rights]

    def test_rights_of_unknown_agent_are_refused(self, call, ticket_id):
        assert call("ticket", ticket_id=ticket_id, accessible_for_agent_id=1)["code"] == 117
        assert call("tickets", accessible_for_agent_id=1)["code"] == 117

    @pytest.mark.parametrize(
        ("priority", "properties", "has_sla"),
        [
            ("urgent", ["sla"], True),
            ("extreme", "sla", True),
            ("urgent", ["other"], False),
            ("urgent", None, False),
            ("medium", ["sla"], False),
        ],
    )
    def test_sla_of_urgent_tickets(self, call, clock, priority, properties, has_sla):
        number = call("create/ticket", **TICKET, priority=priority)["ticket_id"]
        clock.now += 5400
        ticket = call("ticket", ticket_id=number, properties=properties)["ticket"]
        expected = {"first_reply": "00:00:00", "next_reply": "02:30:00", "close": "22:30:00"}
        assert ticket.get("sla") == (expected if has_sla else None)


class TestTickets:
    def test_row_has_channel_and_field_names(self, call, clock):
        call("create/ticket", **TICKET, channel_id=683, field_id="10;12", field_value="x;true")
        call("create/ticket", **TICKET)
        clock.now += 3
        first, second = call("tickets")
        assert (first["channel_email"], second["channel_email"]) == ("support@example.org", None)
        assert first["ticket_fields"] == [
            {"id": 10, "name": "Order number", "value": "x"},
            {"id": 12, "name": "Paid", "value": "true"},
        ]

    @pytest.mark.parametrize(
        ("wanted", "subjects"),
        [
            ({"assignee_id": OLEG}, ["agent", "both"]),
            ({"assignee_id": str(OLEG), "group_id": "11"}, ["both"]),
            ({"group_id": 11}, ["group", "both"]),
            ({"assignee_id": "unassigned"}, ["group"]),
            ({"assignee_id": "unassigned", "group_id": "unassigned"}, ["none"]),
            ([{"assignee_id": JULIA}, {"assignee_id": OLEG, "group_id": 11}], ["both"]),
            (str(OLEG), ["agent", "both"]),
            (f"11_{OLEG}", ["both"]),
            (JULIA, []),
            (None, ["none", "agent", "group", "both"]),
        ],
    )
    def test_filter_by_assignee(self, call, clock, wanted, subjects):
        agent, group = {"assignee_id": OLEG}, {"group_id": 11}
        for subject, params in (("none", {}), ("agent", agent), ("group", group), ("both", agent | group)):
            call("create/ticket", subject=subject, message="m", **params)
        clock.now += 3
        assert [row["subject"] for row in call("tickets", fassigned=wanted)] == subjects

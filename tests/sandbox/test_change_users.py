"""create/user, update/user and delete/user."""

from __future__ import annotations

import pytest

JULIA, OLEG, MARIA = 2156, 2157, 2158
VERA = {"name": "Vera", "email": "vera@example.org", "password": "p", "group": 12}


@pytest.fixture
def shown(call):
    return lambda number: call("users", user_id=number)[0]


class TestCreate:
    def test_agent_is_in_default_group(self, call, shown):
        created = call("create/user", **VERA, role="admin", phone="79123456789", send_invite="false")
        assert created["status"] == "success"
        agent = shown(created["user_id"])
        assert (agent["name"], agent["role"], agent["phone"]) == ("Vera", "admin", "79123456789")
        assert [group["id"] for group in agent["groups"]] == ["12"]
        assert "p" not in agent.values()

    def test_default_role_is_employee(self, call, shown):
        assert shown(call("create/user", **VERA)["user_id"])["role"] == "employee"

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"name": ""}, 422),
            ({"email": None}, 422),
            ({"email": "vera"}, 422),
            ({"email": "julia@example.org"}, 422),
            ({"password": None}, 422),
            ({"group": None}, 422),
            ({"group": 1}, 118),
            ({"role": "boss"}, 422),
            ({"lang": "de"}, 422),
            ({"send_invite": "maybe"}, 422),
            ({"avatar": "me.png"}, 422),
        ],
    )
    def test_refusals(self, call, params, code):
        before = call("groups")
        assert call("create/user", **{**VERA, **params})["code"] == code
        assert call("groups") == before


class TestUpdate:
    def test_only_given_values_change(self, call, shown):
        params = {"name": "Julia K.", "group": "12", "chat_online_status": "true"}
        response = call("update/user", user_id=JULIA, **params, ticket_online_status=False)
        assert response == {"status": "success", "user_id": JULIA}
        agent = shown(JULIA)
        assert (agent["name"], agent["email"], agent["role"]) == ("Julia K.", "julia@example.org", "employee")
        assert (agent["chat_online_status"], agent["online_status"]) == ("1", "0")
        assert [group["id"] for group in agent["groups"]] == ["11", "12"]

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"user_id": 1}, 117),
            ({"user_id": None}, 117),
            ({"email": "oleg@example.org"}, 422),
            ({"chat_online_status": "maybe"}, 422),
            ({"role": "boss"}, 422),
        ],
    )
    def test_refusals(self, call, params, code):
        assert call("update/user", **{"user_id": JULIA, **params})["code"] == code


class TestDelete:
    def test_tickets_stay_assigned(self, sandbox, call, http):
        ticket = call("create/ticket", subject="s", message="m", assignee_id=JULIA)["ticket_id"]
        call("create/comment", ticket_id=ticket, message="m", user_id=JULIA)
        assert call("delete/user", user_id=JULIA) == {"status": "success", "user_id": JULIA}
        assert call("users", user_id=JULIA)["code"] == 117
        assert call("update/ticket", ticket_id=ticket, assignee_id=JULIA)["code"] == 117
        assert call("ticket", ticket_id=ticket)["comments"][1]["user"]["name"] == "Julia"
        assert sandbox.ticket(ticket).assignee_id == JULIA
        assert http.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).status_code == 200
        assert "2156" not in [one["id"] for group in call("groups") for one in group["users"]]

    def test_only_administrator_stays(self, call):
        assert call("delete/user", user_id=MARIA)["error"]
        call("update/user", user_id=OLEG, role="admin")
        assert call("delete/user", user_id=MARIA)["status"] == "success"

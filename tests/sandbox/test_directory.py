"""The methods that list users, custom fields, tags, clients and channels."""

from __future__ import annotations

import pytest
import requests

TICKET = {"subject": "s", "message": "m"}
JULIA, OLEG, MARIA = 2156, 2157, 2158
IVAN, ANNA = 27747627, 27747628


class TestUsers:
    @pytest.mark.parametrize(
        ("params", "found"),
        [
            ({}, [JULIA]),
            ({"user_type": "employee"}, [JULIA]),
            ({"user_type": "support"}, [OLEG]),
            ({"user_type": "admin"}, [MARIA]),
            ({"group_id": 11}, [JULIA]),
            ({"group_id": 12}, []),
            ({"user_type": "support", "group_id": 13}, [OLEG]),
            ({"query": "juLIA"}, [JULIA]),
            ({"query": "julia@example"}, [JULIA]),
            ({"query": "oleg"}, []),
            ({"user_id": JULIA}, [JULIA]),
            ({"user_id": OLEG}, [OLEG]),
            ({"user_type": "admin", "user_id": OLEG}, [OLEG]),
            ({"user_type": "support", "user_id": OLEG}, [OLEG]),
        ],
    )
    def test_users_of_one_role(self, call, params, found):
        assert [int(row["id"]) for row in call("users", **params)] == found

    def test_row_format(self, call):
        [row] = call("users", user_type="support")
        assert row.keys() == {
            "id",
            "name",
            "email",
            "position",
            "role",
            "phone",
            "online_status",
            "chat_online_status",
            "groups",
        }
        assert (row["id"], row["email"], row["role"]) == ("2157", "oleg@example.org", "support")
        assert row["groups"][0] == {
            "id": "11",
            "name": "Support",
            "company_id": "153561",
            "deleted": "0",
            "deleted_at": "0000-00-00 00:00:00",
            "pivot": {"user_id": "2157", "user_group_id": "11"},
        }

    def test_groups_have_users(self, call):
        [group] = [row for row in call("groups") if row["id"] == "12"]
        assert group.pop("users") == [
            {
                "id": "2158",
                "name": "Maria",
                "email": "maria@example.org",
                "position": "Head of sales",
                "role": "admin",
                "phone": None,
                "pivot": {"user_id": "2158", "user_group_id": "12"},
            }
        ]
        assert group == {
            "id": "12",
            "name": "Sales",
            "company_id": "153561",
            "deleted": "0",
            "deleted_at": "0000-00-00 00:00:00",
        }

    @pytest.mark.parametrize("variant", ["clients"])
    @pytest.mark.parametrize("method", ["users", "groups"])
    def test_ids_can_be_numbers(self, call, method):
        assert all(type(row["id"]) is int for row in call(method))

    def test_unknown_role_is_refused(self, call):
        assert call("users", user_type="boss")["error"]


class TestFields:
    def test_every_field_type_exists(self, call):
        types = {
            int(row["custom_field"]["id"]): int(row["custom_field"]["ticket_field_type_id"])
            for row in self.rows(call)
        }
        assert types == {9: 2, 10: 1, 12: 3, 61: 4, 62: 4, 63: 4}

    def test_only_lists_have_options(self, call):
        for row in self.rows(call):
            field = row["custom_field"]
            assert bool(row["field_options"]) is (field["ticket_field_type_id"] in ("2", "4"))
            assert {option["ticket_field_id"] for option in row["field_options"]} <= {field["id"]}

    def test_nested_options_have_parents(self, call):
        options = {row["custom_field"]["id"]: row["field_options"] for row in self.rows(call)}
        assert [option["parent_option_id"] for option in options["61"]] == [None, None]
        assert [option["parent_option_id"] for option in options["62"]] == [["611"], ["612"], ["612"]]

    @pytest.mark.parametrize("variant", ["clients"])
    def test_parents_can_be_numbers(self, call):
        [city] = [row for row in self.rows(call) if row["custom_field"]["id"] == 62]
        assert [option["parent_option_id"] for option in city["field_options"]] == [611, 612, 612]

    def rows(self, call):
        return call("ticket/fields")


class TestTags:
    def test_tags_have_ticket_counts(self, sandbox, call):
        call("create/ticket", **TICKET, tag="late,invoice")
        number = call("create/ticket", **TICKET, tag="late")["ticket_id"]
        call("update/ticket", ticket_id=number, tag="Approved")
        rows = call("tags")
        assert {row["name"]: row["ticket_count"] for row in rows} == {"late": 2, "invoice": 1, "Approved": 1}
        assert len({row["ticket_tag_id"] for row in rows}) == 3
        assert rows[0].keys() == {"ticket_tag_id", "tag_company_id", "name", "ticket_count"}
        assert [row["name"] for row in call("tags", query="approve")] == ["Approved"]

    def test_unused_tag_keeps_its_id(self, sandbox, call):
        number = call("create/ticket", **TICKET, tag="late")["ticket_id"]
        before = call("tags")
        sandbox.update(number, tags=())
        assert call("tags") == [{**before[0], "ticket_count": 0}]

    @pytest.mark.parametrize(("variant", "second"), [("page", 1), ("row", 100)])
    def test_pages_of_100_rows(self, call, second):
        for first in range(0, 105, 35):
            tag = ",".join(f"t{number}" for number in range(first, first + 35))
            call("create/ticket", **TICKET, tag=tag)
        pages = [call("tags", offset=offset) for offset in (0, second)]
        assert [len(page) for page in pages] == [100, 5]
        assert len({row["ticket_tag_id"] for page in pages for row in page}) == 105


class TestClients:
    @pytest.mark.parametrize(
        ("params", "found"),
        [
            ({}, [IVAN, ANNA]),
            ({"query": "ivan"}, [IVAN]),
            ({"query": "anna@"}, [ANNA]),
            ({"query": "7925000000"}, [IVAN, ANNA]),
            ({"query": "ivan", "search_type": "full_match"}, []),
            ({"query": "Ivan Petrov", "search_type": "full_match"}, [IVAN]),
            ({"query": "79250000002", "search_type": "full_match"}, [ANNA]),
            ({"query": "nobody"}, []),
            ({"created_after": "2026-01-12 09:30"}, [IVAN, ANNA]),
            ({"created_after": "2026-01-12 09:31"}, []),
            ({"created_before": "2026-01-12 09:30"}, [IVAN, ANNA]),
            ({"created_before": "2026-01-12 09:29"}, []),
        ],
    )
    def test_client_search(self, call, params, found):
        assert [row["id"] for row in call("clients", **params)] == found

    @pytest.mark.parametrize(
        ("variant", "emails"),
        [
            ("page", "anna@example.org,a@example.org"),
            ("clients", ["anna@example.org", "a@example.org"]),
        ],
    )
    def test_row_format(self, call, emails):
        more = {"client_email": "a@example.org", "client_phone": "79250000003"}
        ticket = call("create/ticket", **TICKET, client_id=ANNA, **more)["ticket_id"]
        assert call("clients", query="anna") == [
            {
                "id": ANNA,
                "name": "Anna Smith",
                "emails": emails,
                "phone": "79250000002,79250000003",
                "tickets": [ticket],
            }
        ]

    def test_ticket_creates_listed_client(self, sandbox, call):
        call("create/ticket", **TICKET, client_email="new@example.org", client_name="New")
        [row] = call("clients", created_after="2026-11-18 11:06")
        assert (row["id"], row["emails"], row["phone"]) == (
            sandbox.tickets[0].client_id,
            "new@example.org",
            None,
        )

    def test_pages_of_100_rows(self, call):
        for number in range(105):
            call("create/ticket", **TICKET, client_email=f"{number}@example.org")
        assert [len(call("clients", offset=page)) for page in range(3)] == [100, 7, 0]

    def test_invalid_filters_are_refused(self, call):
        assert call("clients", created_after="yesterday")["error"]
        assert call("clients", search_type="fuzzy")["error"]

    def test_one_client_format(self, call):
        ticket = call("create/ticket", **TICKET, client_id=ANNA, company_name="Acme")["ticket_id"]
        [shown] = call("client", client_id=str(ANNA))
        assert shown.keys() == {
            "client",
            "emails",
            "phones",
            "social_networks",
            "messengers",
            "addresses",
            "sites",
            "client_company",
        }
        assert shown["client"]["id"] == ANNA
        assert shown["client"]["tickets"] == [ticket]
        assert shown["client"]["emails"] == [
            {"id": 1, "email": "anna@example.org", "client_id": ANNA, "fullcontact": 0, "status": ""}
        ]
        assert shown["client"]["phones"][0]["phone"] == "79250000002"
        assert shown["client"]["client_company"]["name"] == "Acme"
        assert (shown["emails"], shown["phones"], shown["sites"]) == ([None], [None], [])
        assert shown["client_company"] is None

    @pytest.mark.parametrize("variant", ["clients"])
    def test_details_can_be_beside_client(self, call):
        call("create/ticket", **TICKET, client_id=ANNA, company_name="Acme")
        [shown] = call("client", client_id=ANNA)
        assert shown["emails"] == ["anna@example.org"]
        assert shown["phones"] == ["79250000002"]
        assert shown["client_company"]["name"] == "Acme"

    @pytest.mark.parametrize("client_id", [None, "", 5, "abc", "new_client"])
    def test_unknown_client_is_code_119(self, call, client_id):
        assert call("client", client_id=client_id)["code"] == 119


class TestVerbs:
    def test_channels_accept_only_get(self, sandbox):
        response = requests.post(f"{sandbox.url}/channels", json={"api_token": sandbox.token}, timeout=60)
        assert response.status_code == 405
        assert response.json() == {"code": 115, "error": "The POST method is not supported for this route."}

    def test_get_reads_body_parameters(self, sandbox):
        body = {"api_token": sandbox.token, "channel_type": "email"}
        rows = requests.get(f"{sandbox.url}/channels", json=body, timeout=60).json()
        assert [row["channel_id"] for row in rows] == [683]

    @pytest.mark.parametrize("method", ["tickets", "clients", "groups", "users", "ticket/fields", "tags"])
    def test_read_methods_accept_both_verbs(self, call, get, method):
        assert isinstance(call(method), list)
        assert get(method) == call(method)

    @pytest.mark.parametrize(
        "method",
        ["update/ticket", "create/comment", "users", "ticket/fields", "tags", "clients", "client"],
    )
    def test_every_method_checks_token(self, call, method):
        assert call(method, token="wrong")["code"] == 112

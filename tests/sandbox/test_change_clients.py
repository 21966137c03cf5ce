"""create/client and update/client."""

from __future__ import annotations

import pytest

IVAN, ANNA = 27747627, 27747628
MESSENGER = {"type": "telegram", "identity": "@ivanov", "uid": "5"}


@pytest.fixture
def shown(call):
    return lambda number: call("client", client_id=number)[0]["client"]


class TestCreate:
    def test_all_parameters(self, call, shown):
        created = call(
            "create/client",
            name="New",
            emails=["new@example.org", "n@example.org"],
            phone="79123456789",
            messengers=[MESSENGER],
            sites=[{"url": "https://example.org"}],
            note="Calls at night",
            position="Director",
            client_country="Norway",
            client_city="Oslo",
            phone_type="mobile",
            status_vip=True,
        )
        assert created.keys() == {"client_id", "status"}
        assert created["status"] is True
        client = shown(created["client_id"])
        assert (client["name"], client["note"], client["position"]) == ("New", "Calls at night", "Director")
        assert (client["vip"], client["spammer"]) == (1, 0)
        assert [one["email"] for one in client["emails"]] == ["new@example.org", "n@example.org"]
        assert [one["phone"] for one in client["phones"]] == ["79123456789"]
        assert MESSENGER.items() <= client["messengers"][0].items()
        assert client["sites"][0]["url"] == "https://example.org"
        assert (client["addresses"][0]["country"], client["addresses"][0]["city"]) == ("Norway", "Oslo")
        assert client["created_at"] == "2026-11-18 11:06:40"

    def test_same_phone_creates_second_client(self, call):
        ids = {call("create/client", name="New", phone="79123456789")["client_id"] for _ in range(2)}
        assert len(ids) == 2

    def test_form_with_avatar(self, sandbox, http, shown):
        form = {"api_token": sandbox.token, "emails[]": ["a@example.org"], "sites[0][url]": "example.org"}
        files = {"avatar": ("me.png", b"image")}
        created = http.post(f"{sandbox.url}/create/client", data=form, files=files, timeout=60).json()
        client = shown(created["client_id"])
        assert client["name"] == "a@example.org"
        assert client["sites"][0]["url"] == "example.org"
        assert http.get(sandbox.inbox_url.rstrip("/") + client["avatar"], timeout=60).content == b"image"

    def test_created_client_is_found(self, call):
        number = call("create/client", name="New", phone="79123456789")["client_id"]
        assert [row["id"] for row in call("clients", query="79123456789")] == [number]


class TestUpdate:
    def test_addresses_are_added(self, call, shown):
        params = {"emails": ["a@example.org", "anna@example.org"], "phone": "79123456789"}
        assert call("update/client", client_id=ANNA, **params) == {"client_id": ANNA, "status": True}
        client = shown(ANNA)
        assert [one["email"] for one in client["emails"]] == ["anna@example.org", "a@example.org"]
        assert [one["phone"] for one in client["phones"]] == ["79250000002", "79123456789"]
        assert client["name"] == "Anna Smith"

    def test_note_is_added_unless_new(self, call, shown):
        for note, is_new in (("one", None), ("two", False), ("three", "false")):
            call("update/client", client_id=ANNA, note=note, is_new_note=is_new)
        assert shown(ANNA)["note"] == "one\ntwo\nthree"
        call("update/client", client_id=ANNA, note="four", is_new_note=True)
        assert shown(ANNA)["note"] == "four"

    @pytest.mark.parametrize(
        ("name", "new", "changed", "empty"),
        [
            ("messengers", MESSENGER, {"type": "viber", "identity": "79"}, {"identity": ""}),
            ("sites", {"url": "example.org"}, {"url": "example.com"}, {"url": ""}),
        ],
    )
    def test_items_are_changed_and_deleted_by_id(self, call, shown, name, new, changed, empty):
        call("update/client", client_id=ANNA, **{name: [new, new]})
        first, second = shown(ANNA)[name]
        call("update/client", client_id=ANNA, **{name: [{"id": first["id"], **changed}]})
        call("update/client", client_id=ANNA, **{name: [{"id": second["id"], **empty}]})
        call("update/client", client_id=ANNA, **{name: [{"id": 5, **changed}]})
        [left] = shown(ANNA)[name]
        assert left["id"] == first["id"]
        assert changed.items() <= left.items()

    @pytest.mark.parametrize(
        ("params", "vip", "spammer"),
        [
            ({"status_vip": "true"}, 1, 0),
            ({"status_spam": True}, 0, 1),
            ({"status": "vip"}, 1, 0),
            ({"status": "spammer"}, 0, 1),
            ({"status_vip": "false"}, 0, 0),
        ],
    )
    def test_status(self, call, shown, params, vip, spammer):
        call("update/client", client_id=ANNA, **params)
        assert (shown(ANNA)["vip"], shown(ANNA)["spammer"]) == (vip, spammer)

    def test_address_is_changed_or_added(self, call, shown):
        call("update/client", client_id=ANNA, client_country="Norway", client_city="Oslo")
        call("update/client", client_id=ANNA, client_city="Bergen")
        call("update/client", client_id=ANNA, client_city="Moss", new_address=True)
        cities = [(one["country"], one["city"]) for one in shown(ANNA)["addresses"]]
        assert cities == [("Norway", "Bergen"), ("", "Moss")]

    def test_merged_client_is_moved(self, call, shown):
        ticket = call("create/ticket", subject="s", message="m", client_id=ANNA)["ticket_id"]
        call("update/client", client_id=IVAN, merge_id=ANNA)
        assert shown(IVAN)["tickets"] == [ticket]
        assert [one["email"] for one in shown(IVAN)["emails"]] == ["anna@example.org"]
        assert call("client", client_id=ANNA)["code"] == 119

    @pytest.mark.parametrize("client_id", [None, 5, "abc", "new_client"])
    def test_unknown_client_is_code_119(self, call, client_id):
        assert call("update/client", client_id=client_id, name="x")["code"] == 119


class TestRefusals:
    @pytest.mark.parametrize(
        ("params", "names"),
        [
            ({"phone": "123456789"}, {"phone"}),
            ({"phone": "+79123456789"}, {"phone"}),
            ({"phone": "1" * 16}, {"phone"}),
            ({"emails": ["nobody"], "phone": "1"}, {"emails", "phone"}),
            ({"messengers": [{"identity": "x" * 65, "type": "other"}]}, {"messengers"}),
            ({"messengers": [{"identity": "x", "type": "icq"}]}, {"messengers"}),
            ({"messengers": ["x"]}, {"messengers"}),
            ({"sites": [{}]}, {"sites"}),
            ({"status_vip": "true", "status_spam": "true"}, {"status_vip"}),
            ({"status_vip": "maybe"}, {"status_vip"}),
            ({"phone_type": "work"}, {"phone_type"}),
            ({"name": "x" * 256}, {"name"}),
        ],
    )
    @pytest.mark.parametrize("method", ["create/client", "update/client"])
    def test_error_has_messages_by_parameter(self, sandbox, http, call, method, params, names):
        before = call("clients")
        body = {"api_token": sandbox.token, "client_id": ANNA, **params}
        response = http.post(f"{sandbox.url}/{method}", json=body, timeout=60)
        assert (response.status_code, response.json()["code"]) == (422, 422)
        error = response.json()["error"]
        assert error.keys() == names
        assert all(isinstance(message, str) for messages in error.values() for message in messages)
        assert call("clients") == before

    @pytest.mark.parametrize(
        ("params", "code"), [({"merge_id": 5}, 119), ({"avatar": "me.png"}, 422), ({"name": ["x"]}, 422)]
    )
    def test_other_refusals(self, call, params, code):
        assert call("create/client", **params)["code"] == code

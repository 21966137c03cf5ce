"""
The response samples of the method pages: every documented field is read.

Each file of ``samples`` has the fields and shapes of one page, with invented values. Lists that a page shows
empty have one element, of the fields that the page of the writing method names.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_usedesk.api import records, responses
from airflow_provider_usedesk.api.responses import Response

SAMPLES = Path(__file__).parent / "samples"
READERS = {
    "tickets": records.ticket_rows,
    "ticket": records.ticket_details,
    "clients": records.client_rows,
    "client": records.client_details,
    "groups": records.groups,
    "users": records.users,
    "ticket_fields": records.ticket_fields,
    "tags": records.tags,
    "channels": records.channels,
    "create_ticket": responses.created_ticket,
    "create_ticket_whatsapp": responses.created_ticket,
    "create_ticket_viber": responses.created_ticket,
    "create_comment": responses.created_comment,
    "update_ticket": responses.updated,
    "create_client": responses.created_client,
    "update_client": responses.updated_client,
    "add_chat_message": responses.added_chat_message,
    "send_chat_message": responses.sent_chat_message,
    "change_chat_assignee": responses.chat_assignee,
    "create_user": responses.created_user,
    "update_user": responses.updated,
    "delete_user": responses.updated,
}
# Parts of samples that are not read, with the reason.
NOT_READ = {
    "tickets": {"[0].ticket_fields[0].name": "ticket/fields has the name"},
    "ticket": {
        "comments[0].client.id": "client_id has it",
        "comments[0].user.id": "user_id has it",
        "changes[0].company_id": "the ticket has it",
        "custom_fields[0].id": "id of the value; the field is named by ticket_field_id",
        "custom_fields[0].ticket_id": "the ticket has it",
    },
    "client": {
        **{f"[0].client.emails[0].{name}": "not explained" for name in ("id", "client_id", "fullcontact")},
        "[0].client.emails[0].status": "not explained",
        **{f"[0].client.phones[0].{name}": "not explained" for name in ("id", "client_id", "type")},
        "[0].client_company": "client.client_company has it",
    },
    "groups": {
        f"[0].users[{place}].{name}": "users has the agents, with personal data"
        for place in (0, 1)
        for name in ("name", "email", "position", "role", "phone", "pivot.user_group_id", "pivot.user_id")
    },
    "users": {
        f"[0].groups[{place}].{name}": "groups has the groups"
        for place in (0, 1)
        for name in (
            *("name", "company_id", "deleted", "deleted_at"),
            *("pivot.user_group_id", "pivot.user_id"),
        )
    },
    "ticket_fields": {
        f"[0].field_options[{place}].ticket_field_id": "the field has it" for place in (0, 1, 2)
    },
    **{
        method: {name: "the request has it"}
        for method, name in (
            ("update_client", "client_id"),
            ("update_user", "user_id"),
            ("delete_user", "user_id"),
        )
    },
}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def read(name: str, body: Any) -> Any:
    return READERS[name](Response(200, {}, json.dumps(body).encode(), sending=name not in SAMPLES_READ))


SAMPLES_READ = (
    "tickets",
    "ticket",
    "clients",
    "client",
    "groups",
    "users",
    "ticket_fields",
    "tags",
    "channels",
)


def leaves(body: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each value that is no object and no array: its name for people, and its keys."""

    def walk(value: Any, path: str, keys: tuple[Any, ...]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            name = f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]"
            if isinstance(item, (dict, list)):
                yield from walk(item, name, (*keys, key))
            else:
                yield name.lstrip("."), (*keys, key)

    return walk(body, path, ())


def changed(body: Any, keys: tuple[Any, ...]) -> Iterator[Any]:
    """Yield copies of a body in which one value is another one."""
    for value in (1, 4, "changed", "success", False):
        other = copy.deepcopy(body)
        parent = other
        for key in keys[:-1]:
            parent = parent[key]
        parent[keys[-1]] = value
        yield other


def is_read(name: str, body: Any, keys: tuple[Any, ...]) -> bool:
    """Return whether some other value leads to another result, or to an error."""
    original = read(name, body)
    for other in changed(body, keys):
        try:
            if read(name, other) != original:
                return True
        except responses.errors.UsedeskError:
            return True
    return False


FIELDS = [(name, path, keys) for name in READERS for path, keys in leaves(sample(name))]


@pytest.mark.parametrize(("name", "path", "keys"), FIELDS, ids=[f"{name}:{path}" for name, path, _ in FIELDS])
def test_documented_field_is_read(name, path, keys):
    assert is_read(name, sample(name), keys) is (path not in NOT_READ.get(name, ())), (
        f"{path} of {name}.json is not read, or NOT_READ names it without need"
    )


def test_all_samples_are_tested():
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(READERS)
    for name, paths in NOT_READ.items():
        assert set(paths) <= {path for path, _ in leaves(sample(name))}


class TestClient:
    def test_data_inside_client_are_read(self):
        [found] = [read("client", sample("client"))]
        assert found.emails == ("anna@example.org",)
        assert found.phones == ("79123456789",)
        assert (found.company, found.client_company_id) == ("Smith Ltd", 3)
        assert found.messengers == (records.Messenger(5, "anna", "telegram", "99"),)
        assert found.sites == (records.Site(7, "https://anna.example.org"),)
        assert (found.is_vip, found.is_spammer, found.note) == (False, False, None)

    @pytest.mark.parametrize("name", ["emails", "phones", "messengers", "sites", "client_company"])
    def test_data_beside_client_are_read_too(self, name):
        body = sample("client")
        [row] = body
        row[name], row["client"][name] = row["client"][name], row[name]
        assert read("client", body) == read("client", sample("client"))

    def test_value_in_both_places_is_read_once(self):
        [row] = sample("client")
        both = [{**row, "emails": row["client"]["emails"]}]
        assert read("client", both) == read("client", [row])

    def test_texts_with_commas_are_split(self):
        row, other = read("clients", sample("clients"))
        assert row.emails == ("anna@example.org", "smith@example.org")
        assert row.phones == ("79123456789", "79123456780")
        assert (other.emails, other.phones) == ((), ())


class TestIds:
    def test_zero_is_nothing(self):
        ticket = read("ticket", sample("ticket"))
        assert (ticket.group_id, ticket.email) == (None, None)
        assert (ticket.changes[0].old_status, ticket.changes[0].user_id) == (None, None)

    def test_objects_with_pivot(self):
        assert read("groups", sample("groups"))[0].user_ids == (568, 558)
        assert read("users", sample("users"))[0].group_ids == (123, 354)

    def test_parent_option_as_array(self):
        [topic] = read("ticket_fields", sample("ticket_fields"))
        assert [option.parent_id for option in topic.options] == [None, 1, 1]
        assert topic.options[1].parent_ids == (1,)

    def test_date_that_is_not_set(self):
        [group] = read("groups", sample("groups"))
        assert (group.deleted_at, group.is_deleted) == (None, False)


def test_service_level_and_rights():
    ticket = read("ticket", sample("ticket"))
    assert ticket.sla == records.ServiceLevel("00:15:00", "01:00:00", "08:00:00")
    assert ticket.rights == "read"
    assert read("tickets", sample("tickets"))[0].sla is None


@pytest.mark.parametrize("name", ["tickets", "ticket", "clients", "client", "users"])
def test_repr_contains_no_personal_data(name):
    text = repr(read(name, sample(name)))
    for value in ("Anna", "Smith", "example.org", "7912345678", "photo", "A-17", "Where", "Lenina", "anna"):
        assert value not in text

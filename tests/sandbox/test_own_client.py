"""Our own client reads both forms of responses."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.client import UsedeskClient

JULIA, OLEG = 2156, 2157
ANNA = 27747628
TICKET = {"subject": "s", "message": "m"}

pytestmark = pytest.mark.parametrize("variant", ["page", "clients"])


@pytest.fixture
def client(sandbox):
    return UsedeskClient.connect(sandbox.token, sandbox.url)


def test_client_details(client, call):
    call("create/ticket", **TICKET, client_id=ANNA, client_email="a@example.org", company_name="Acme")
    call("update/client", client_id=ANNA, position="Director", status_vip=True)
    found = client.client(ANNA)
    assert found.emails == ("anna@example.org", "a@example.org")
    assert (found.phones, found.company) == (("79250000002",), "Acme")
    assert (found.position, found.is_vip, found.is_spammer) == ("Director", True, False)
    row = next(row for row in client.clients() if row.id == ANNA)
    assert (row.emails, row.phones) == (found.emails, found.phones)


def test_groups_and_users(client):
    groups = {group.id: group for group in client.groups()}
    assert (groups[11].name, groups[11].user_ids) == ("Support", (JULIA, OLEG))
    [user] = client.users(user_id=OLEG)
    assert (user.id, user.role, user.group_ids) == (OLEG, "support", (11, 13))


def test_ticket_fields(client):
    fields = {field.id: field for field in client.ticket_fields()}
    assert fields[62].type == "nested list"
    assert [option.parent_id for option in fields[62].options] == [611, 612, 612]


def test_ticket(client, call, clock):
    params = {"field_id": "10", "field_value": "x", "tag": "late", "priority": "urgent"}
    number = call("create/ticket", **TICKET, **params)["ticket_id"]
    call("update/ticket", ticket_id=number, assignee_id=OLEG, user_id=JULIA)
    found = client.ticket(number)
    assert (found.id, found.status, found.group_id, found.assignee_id) == (number, 1, None, OLEG)
    assert (found.tags, found.custom_fields) == (("late",), {10: "x"})
    assert (found.comments[0].message, found.comments[0].author) == ("m", "client")
    [change] = found.changes
    assert (change.user_id, change.trigger_id, change.old_status, change.new_status) == (JULIA, None, 8, 1)
    clock.now += 3
    [row] = client.tickets()
    assert (row.id, row.custom_fields, row.tags) == (number, {10: "x"}, ("late",))

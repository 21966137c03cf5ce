"""The search for a client, by its email and phone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.errors import UsedeskUnavailable
from airflow_provider_usedesk.api.records import ClientDetails, ClientRow
from airflow_provider_usedesk.api.responses import CreatedClient
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found, LookUp
from airflow_provider_usedesk.idempotency.find_client import ClientSearch, Contacts, clients_with
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey

NOW = datetime(2026, 3, 21, 12, tzinfo=UTC)
ANNA = Contacts(("Anna@example.org",), "79123456789")


class Clients:
    """The clients of an account, each with its email, phone and time."""

    def __init__(self, *rows):
        self.rows, self.queries = list(rows), []

    def clients(self, **filters):
        self.queries.append(filters)
        for number, email, phone, _ in self.rows:
            yield ClientRow(number, emails=(email,) if email else (), phones=(phone,) if phone else ())

    def client(self, client_id):
        [created] = [row[3] for row in self.rows if row[0] == client_id]
        return ClientDetails(client_id, created_at=created and f"{created:%Y-%m-%d %H:%M:%S}")


def search(clients, contacts=ANNA, consistent_at=NOW, sleep=None, now=lambda: NOW):
    key = IdempotencyKey("base", "s", "recipient", "content", label="dag/task")
    look_up = LookUp("key", key, NOW - timedelta(minutes=2), consistent_at)
    return ClientSearch(clients, contacts, sleep or pytest.fail, now)(look_up)


def test_email_and_phone_are_compared():
    clients = Clients(
        (9, "anna@EXAMPLE.org", None, NOW),
        (7, None, "+7 912 345-67-89", NOW),
        (5, "another.anna@example.org", "791234567890", NOW),
    )
    assert clients_with(clients, ANNA) == [7, 9]
    assert [query["search_type"] for query in clients.queries] == ["full_match"] * 2
    assert [query["query"] for query in clients.queries] == ["Anna@example.org", "79123456789"]


@pytest.mark.parametrize("hours", [-14, -1, 0, 14])
def test_new_client_is_found_in_any_time_zone(hours):
    clients = Clients((7, "anna@example.org", None, NOW + timedelta(hours=hours)))
    found = search(clients)
    assert found == Found(CreatedClient(7))
    assert found.response.is_found


def test_newest_client_is_ours():
    early = NOW - timedelta(hours=3)
    clients = Clients((7, "anna@example.org", None, early), (9, "anna@example.org", None, NOW))
    assert search(clients) == Found(CreatedClient(9))


def test_older_client_is_not_ours():
    assert search(Clients((7, "anna@example.org", None, NOW - timedelta(days=2)))) == Absent()
    assert search(Clients()) == Absent()


def test_client_without_time_is_ambiguous():
    result = search(Clients((7, "anna@example.org", None, None)))
    assert isinstance(result, Ambiguous)
    assert "client 7" in result.reason


def test_request_without_contacts_is_ambiguous():
    clients = Clients()
    assert isinstance(search(clients, Contacts()), Ambiguous)
    assert clients.queries == []


def test_absent_client_is_searched_again_when_consistent():
    clients, waited = Clients(), []

    def sleep(seconds):
        waited.append(seconds)
        clients.rows.append((7, "anna@example.org", None, NOW))

    assert search(clients, consistent_at=NOW + timedelta(seconds=30), sleep=sleep) == Found(CreatedClient(7))
    assert waited == [30]


def test_failing_read_is_ambiguous():
    clients = Clients()
    clients.clients = lambda **filters: (_ for _ in ()).throw(UsedeskUnavailable("no response."))
    assert isinstance(search(clients), Ambiguous)


def test_repr_shows_no_contact():
    assert "example" not in repr(ANNA)

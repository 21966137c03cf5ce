"""Which tickets of a list can be wanted ones."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.idempotency.ticket_patterns import WantedTicket, differences, patterns


def count(subject, client_id, *wanted):
    row = TicketRow(id=1, subject=subject, client_id=client_id, created_at=None)
    return differences(row, patterns(wanted))


def test_repr_hides_key_and_subject():
    assert "79123456789" not in repr(WantedTicket("r/79123456789", "For 79123456789"))


@pytest.mark.parametrize(
    "subject", ["Bill & fee of May", "BILL &amp; fee", "Bill & fee of May 2026", "", None]
)
@pytest.mark.parametrize("client_id", [1, None])
def test_same_ticket_has_no_differences(subject, client_id):
    wanted = WantedTicket("r/1", "Bill & fee of May", 1)
    assert count(subject, client_id, wanted) == 0


@pytest.mark.parametrize(
    ("fixed", "expected"),
    [(set(), 2), ({"subject"}, None), ({"client_id"}, None), ({"subject", "client_id"}, None)],
    ids=["none", "subject", "client", "both"],
)
def test_fixed_fields_exclude_tickets(fixed, expected):
    assert count("Question", 2, WantedTicket("r/1", "Bill", 1, frozenset(fixed))) == expected


def test_best_pattern_counts():
    no_fields = frozenset[str]()
    anna, boris = WantedTicket("r/1", "Bill", 1, no_fields), WantedTicket("r/2", "Offer", 2, no_fields)
    assert [count("Bill", client, anna, boris) for client in (1, 2, 3)] == [0, 1, 1]


def test_one_pattern_per_client():
    wanted = [WantedTicket(f"r/{number}", f"Bill {number}", number % 2) for number in range(10)]
    assert len(patterns(wanted)) == 2

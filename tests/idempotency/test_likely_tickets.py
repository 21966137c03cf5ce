"""Which tickets are read first."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.idempotency import likely_tickets
from airflow_provider_usedesk.idempotency.likely_tickets import Likelihood, LikelyTickets
from airflow_provider_usedesk.idempotency.matching import letters_of

ALL, SOME, NONE = Likelihood
LIKELY = LikelyTickets.of([("Bill of Anna", 1), ("Bill 5", 2), (None, None)])


def likelihood(subject, client_id, likely=LIKELY):
    return likely.likelihood(TicketRow(id=1001, subject=subject, client_id=client_id))


@pytest.mark.parametrize(
    ("subject", "client_id", "expected"),
    [
        ("Bill of Anna", 1, ALL),
        ("Bill of Anna", 2, ALL),
        ("Bill of Anna", 3, SOME),
        ("Bill of Anna", None, SOME),
        ("Another matter", 1, SOME),
        (None, 1, SOME),
        ("Another matter", 3, NONE),
        (None, None, NONE),
        ("", 3, NONE),
        ("!!!", 3, NONE),
    ],
)
def test_subject_and_client_are_compared(subject, client_id, expected):
    assert likelihood(subject, client_id) is expected


@pytest.mark.parametrize(
    "subject",
    [
        "BILL OF ANNA",
        " Bill of Anna \n",
        "Bill of An",
        "Bill",
        "Bill of Anna, May",
        "Bill&nbsp;of «Anna» 🎉",
        "Bill 5",
    ],
)
def test_changed_writing_still_matches(subject):
    assert likelihood(subject, 1) is ALL


@pytest.mark.parametrize("subject", ["Re: Bill of Anna", "[#5] Bill of Anna", "Bill 6", "Bills"])
def test_other_beginnings_are_read_later(subject):
    assert likelihood(subject, 1) is SOME


def test_other_unicode_form_matches():
    likely = LikelyTickets.of([("Счёт № 5", None)])
    assert likelihood("Сче\u0308т № 5", None, likely) is ALL


@pytest.mark.parametrize(
    "likely", [LikelyTickets(), LikelyTickets.of([(None, None), ("", None), ("!", None)])]
)
def test_nothing_known_matches_nothing(likely):
    assert likelihood("Bill", 1, likely) is NONE
    assert likelihood(None, None, likely) is NONE


def test_one_known_property_decides():
    assert likelihood("Bill", None, LikelyTickets.of([("Bill", None)])) is ALL
    assert likelihood("Another", 1, LikelyTickets.of([(None, 1)])) is ALL
    assert likelihood("Another", 2, LikelyTickets.of([(None, 1)])) is NONE


@given(st.lists(st.text("ab", max_size=4), max_size=6), st.text("ab", max_size=4))
def test_beginnings_match_as_in_a_plain_search(subjects, subject):
    is_like = bool(subject) and any(
        wanted.startswith(subject) or subject.startswith(wanted) for wanted in subjects if wanted
    )
    likely = LikelyTickets.of((wanted, None) for wanted in subjects)
    assert likelihood(subject, None, likely) is (ALL if is_like else NONE)


def test_wanted_subjects_are_normalized_once(monkeypatch):
    normalized = []

    def counted(text):
        normalized.append(text)
        return letters_of(text)

    monkeypatch.setattr(likely_tickets, "letters_of", counted)
    likely = LikelyTickets.of((f"Bill {number}", None) for number in range(256))
    for number in range(1000):
        likelihood(f"Another matter {number}", None, likely)
    assert len(normalized) == 1256

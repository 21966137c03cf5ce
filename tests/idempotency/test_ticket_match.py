"""Which of the tickets that were read is the wanted one."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found
from airflow_provider_usedesk.idempotency.find_ticket import SeenTickets
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey
from airflow_provider_usedesk.idempotency.ticket_match import has_ids, has_key, match_id, match_ids, match_key
from tests.idempotency.conftest import KEY, Clock

OTHER_TASK = replace(KEY, base="4wd5c6e2qqqqqqqq")
OTHER_PLACE = replace(KEY, place="i8")
OTHER_RECIPIENT = replace(KEY, recipient="another")
OTHER_CONTENT = replace(KEY, content="another")
OTHER_NONCE = replace(KEY, nonce="00000002")
MOVED = replace(OTHER_NONCE, place="i8")
UNCLEAR = Ambiguous("ticket 5 cannot be read")


def look_up(by="key"):
    return Clock().look_up(by=by)


def seen(*texts, rest=None):
    """Return tickets 1, 2, ... with these texts."""
    shown = {number: text and str(text) for number, text in enumerate(texts, 1)}
    return SeenTickets(shown, rest or Absent())


def found(ticket_id):
    return Found(CreatedTicket(ticket_id))


def match(tickets, by="key", taken=()):
    result = match_key(tickets, look_up(by), taken)
    return result.response.ticket_id if isinstance(result, Found) else result


class TestKey:
    @pytest.mark.parametrize(
        "text",
        [
            str(KEY),
            str(KEY).upper(),
            f" {KEY}\n",
            str(KEY)[:-3],
            str(KEY).partition("/")[0],
            str(KEY).replace("dag/task", "another dag"),
        ],
        ids=["same", "upper case", "spaces", "cut label", "no label", "other label"],
    )
    def test_changed_key_is_found(self, text):
        assert match(seen("order 5", None, text)) == 3
        assert has_key(look_up())({1: None, 2: text})

    @pytest.mark.parametrize(
        "other", [None, "", "order 5", OTHER_TASK, OTHER_PLACE, OTHER_RECIPIENT, OTHER_CONTENT, OTHER_NONCE]
    )
    def test_other_keys_are_absent(self, other):
        assert match(seen(other)) == Absent()
        assert not has_key(look_up())(seen(other).shown)

    @pytest.mark.parametrize("length", [10, 21, 30, 45, 47, 53])
    @pytest.mark.parametrize("by", ["key", "place", "recipient", "message"])
    def test_cut_key_is_ambiguous(self, length, by):
        result = match(seen("order 5", f" {str(KEY)[:length].upper()}"), by)
        assert result == Ambiguous("the additional_id of ticket 2 is cut off")

    def test_whole_key_precedes_a_cut_one(self):
        assert match(seen(str(KEY)[:30], KEY)) == 2

    def test_unclear_rest_counts_only_without_a_find(self):
        assert match(seen(OTHER_PLACE, rest=UNCLEAR)) == UNCLEAR
        assert match(seen(KEY, rest=UNCLEAR)) == 1

    def test_first_of_two_tickets_is_used(self, caplog):
        assert match(SeenTickets({9: str(KEY), 7: str(KEY).upper(), 8: "order"}, Absent())) == 7
        assert "Tickets 7 and 9 have the same additional_id. Ticket 7 is used" in caplog.text
        assert KEY.recipient not in caplog.text

    def test_one_ticket_logs_no_warning(self, caplog):
        match(seen(KEY))
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


KEYS = {
    "same": KEY,
    "nonce": OTHER_NONCE,
    "content": OTHER_CONTENT,
    "recipient": OTHER_RECIPIENT,
    "place": OTHER_PLACE,
    "moved": MOVED,
    "task": OTHER_TASK,
}


@pytest.mark.parametrize(
    ("by", "found_keys"),
    [
        ("key", {"same"}),
        ("place", {"same", "nonce", "content", "recipient"}),
        ("recipient", {"same", "nonce", "content"}),
        ("message", {"same", "nonce", "place", "moved"}),
    ],
)
def test_search_compares_what_identifies(by, found_keys):
    matched = {name for name, key in KEYS.items() if match(seen(key), by) == 1}
    enough = {name for name, key in KEYS.items() if has_key(look_up(by))({1: str(key)})}
    assert matched == enough == found_keys


class TestMessage:
    """A message that may have moved to another place of its task."""

    def test_other_content_to_the_recipient_is_ambiguous(self):
        result = match(seen(replace(MOVED, content="another")), "message")
        assert isinstance(result, Ambiguous)
        assert result.reason.startswith("ticket 1 is a message of this task to the same recipient")
        assert "message_key" in result.reason

    @pytest.mark.parametrize("by", ["key", "place", "recipient"])
    def test_other_content_elsewhere_does_not_count(self, by):
        assert match(seen(replace(MOVED, content="another")), by) == Absent()

    def test_other_recipients_do_not_count(self):
        assert match(seen(OTHER_RECIPIENT, OTHER_TASK), "message") == Absent()

    def test_message_precedes_another_content(self):
        assert match(seen(OTHER_CONTENT, MOVED), "message") == 2

    def test_taken_tickets_do_not_count(self):
        tickets = seen(MOVED, OTHER_CONTENT)
        assert match(tickets, "message", taken={1, 2}) == Absent()
        assert isinstance(match(tickets, "message", taken={1}), Ambiguous)
        assert match(seen(MOVED, OTHER_NONCE), "message", taken={1}) == 2
        assert not has_key(look_up("message"), {1})({1: str(MOVED)})
        assert has_key(look_up("message"), {1})({1: str(MOVED), 2: str(MOVED)})


class TestIds:
    """Tickets with an ``additional_id`` that a Dag or a batch gives."""

    def test_each_id_has_its_result(self):
        tickets = seen("r/1", None, " R/2 ", "r/11")
        ids = ["r/0", "r/1", "R/2"]
        assert match_ids(tickets, ids) == {"r/0": Absent(), "r/1": found(1), "R/2": found(3)}
        assert match_ids(tickets, []) == {}
        assert match_id(tickets, "r/11") == found(4)

    def test_unclear_rest_counts_only_without_a_find(self):
        tickets = seen("r/1", rest=UNCLEAR)
        assert match_ids(tickets, ["r/0", "r/1"]) == {"r/0": UNCLEAR, "r/1": found(1)}

    def test_first_of_two_tickets_is_used(self, caplog):
        tickets = seen("r/79123456789", "r/79123456789", "r/2")
        assert match_id(tickets, "r/79123456789") == found(1)
        assert "Tickets 1 and 2" in caplog.text
        assert "79123456789" not in caplog.text

    def test_labels_of_keys_are_not_compared(self):
        assert match_id(seen(str(KEY)[:-5].upper()), str(KEY)) == found(1)

    def test_cut_key_is_ambiguous_for_its_rows(self):
        rows = [str(IdempotencyKey(KEY.base, f"r{digits}", label="dag/task")) for digits in ("1af3", "1b07")]
        whole = Found(CreatedTicket(2))
        cut = Ambiguous("the additional_id of ticket 1 is cut off")
        for length, expected in ((23, [cut, whole]), (25, [cut, whole]), (30, [cut, whole])):
            results = match_ids(seen(rows[0][:length], rows[1]), rows)
            assert list(results.values()) == expected
        assert list(match_ids(seen(rows[0][:23]), rows).values()) == [cut, cut]
        assert list(match_ids(seen(rows[0][:25]), rows).values()) == [cut, Absent()]

    def test_beginning_of_another_id_is_no_cut_key(self):
        assert match_id(seen("invoice-2026-1"), "invoice-2026-10") == Absent()

    def test_all_ids_must_be_there(self):
        is_enough = has_ids([" R/1", str(KEY)])
        assert not is_enough({})
        assert not is_enough({1: "r/1", 2: None})
        assert is_enough({1: "r/1", 2: None, 3: str(KEY).partition("/")[0].upper()})
        assert has_ids([])({})

"""The search for several tickets: what is found, what is certain, and what is read."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency import ticket_patterns
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found, LookUp
from airflow_provider_usedesk.idempotency.find_ticket import ReadBudget, TicketSearch
from airflow_provider_usedesk.idempotency.matching import letters_of
from airflow_provider_usedesk.idempotency.ticket_patterns import WantedTicket
from airflow_provider_usedesk.sandbox import Sandbox

SINCE = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
UNTIL = SINCE + timedelta(minutes=2)
LOOK_UP = LookUp(SINCE, is_exact=True)


@dataclass
class Usedesk:
    """Tickets, a clock that only waiting moves, and the calls; ids ascend in order of creation."""

    now: datetime = UNTIL + timedelta(minutes=10)
    rows: list[TicketRow] = field(default_factory=list)
    keys: dict[int, str] = field(default_factory=dict)
    hidden: dict[int, datetime] = field(default_factory=dict)
    read_errors: dict[object, Exception] = field(default_factory=dict)
    filters: list[dict[str, str]] = field(default_factory=list)
    pages: int = 0
    reads: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def create(self, key="other", subject="Bill", client_id=None, after=60.0, listed_at=None):
        ticket_id = 1001 + len(self.rows)
        created = f"{SINCE + timedelta(seconds=after):%Y-%m-%d %H:%M:%S}"
        self.rows.append(TicketRow(id=ticket_id, subject=subject, client_id=client_id, created_at=created))
        self.keys[ticket_id] = key
        if listed_at:
            self.hidden[ticket_id] = listed_at
        return ticket_id

    def ticket_pages(self, **filters):
        self.filters.append(filters)
        listed = [row for row in self.rows if self.hidden.get(row.id, self.now) <= self.now]
        rows = listed if (filters["sort"], filters["order"]) == ("id", "asc") else listed[::-1]
        for start in range(0, len(rows), 100):
            self.pages += 1
            if error := self.read_errors.get(f"page {self.pages}"):
                raise error
            yield rows[start : start + 100]

    def ticket(self, ticket_id):
        self.reads.append(ticket_id)
        if error := self.read_errors.get(ticket_id):
            raise error
        return TicketDetails(ticket_id, additional_id=self.keys[ticket_id])

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)

    def search(self, *wanted, look_up=LOOK_UP, known=(), until=UNTIL, budget=None):
        wanted = [WantedTicket(one, "Bill") if isinstance(one, str) else one for one in wanted]
        search = TicketSearch(
            self,
            wanted,
            is_known=set(known).__contains__,
            until=until,
            budget=budget or ReadBudget.for_batch(len(wanted)),
            sleep=self.sleep,
            now=lambda: self.now,
        )
        return search(look_up)


@pytest.fixture
def usedesk():
    return Usedesk()


def found(ticket_id):
    return Found(CreatedTicket(ticket_id))


class TestResult:
    def test_each_key_finds_its_ticket(self, usedesk, caplog):
        one, _, _, two = usedesk.create("r/1"), usedesk.create(), usedesk.create(), usedesk.create("r/2")
        assert usedesk.search("r/0", "r/1", "r/2") == {"r/0": Absent(), "r/1": found(one), "r/2": found(two)}
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    def test_no_wanted_tickets_cost_nothing(self, usedesk):
        usedesk.create()
        assert usedesk.search() == {}
        assert usedesk.filters == []

    def test_similar_key_does_not_match(self, usedesk):
        usedesk.create("r/11")
        usedesk.create("R/1")
        usedesk.create(None)
        assert usedesk.search("r/1") == {"r/1": Absent()}

    def test_duplicate_key_logs_warning(self, usedesk, caplog):
        first, second, last = (
            usedesk.create("r/79123456789"),
            usedesk.create("r/79123456789"),
            usedesk.create("r/2"),
        )
        results = usedesk.search("r/79123456789", "r/2")
        assert results == {"r/79123456789": found(first), "r/2": found(last)}
        assert f"{first} and {second}" in caplog.text
        assert "79123456789" not in caplog.text

    def test_log_has_results_and_cost(self, usedesk, caplog):
        caplog.set_level("INFO")
        usedesk.create("r/1")
        usedesk.create()
        usedesk.search("r/0", "r/1", "r/2")
        expected = (
            "the tickets of an earlier attempt: 1 found, 2 absent, 0 ambiguous, after 1 pages and 2 tickets"
        )
        assert expected in caplog.text


class TestReads:
    def test_known_tickets_stay_unread(self, usedesk):
        known = [usedesk.create(f"r/{number}") for number in range(750)]
        under_way = [usedesk.create(f"r/{number}") for number in range(750, 758)]
        usedesk.now = UNTIL
        results = usedesk.search(*(f"r/{number}" for number in range(750, 759)), known=known)
        assert [results[f"r/{number}"] for number in range(750, 758)] == [found(one) for one in under_way]
        assert results["r/758"] == Absent()
        assert len(usedesk.filters) == 2
        assert usedesk.reads == under_way

    def test_different_tickets_stay_unread(self, usedesk):
        rows = {
            (subject, client): usedesk.create("other", subject, client)
            for subject in ("Bill of Anna", "BILL of <b>Boris</b>", "Bill", "Another matter", None)
            for client in (1, 2, 3, None)
        }
        usedesk.search(
            WantedTicket("r/1", "Bill of Anna", 1), WantedTicket("r/2", "Bill of &lt;b&gt;Boris", 2)
        )
        may_be_anna = {
            (subject, client) for subject in ("Bill of Anna", "Bill", None) for client in (1, None)
        }
        may_be_boris = {
            (subject, client) for subject in ("BILL of <b>Boris</b>", "Bill", None) for client in (2, None)
        }
        assert set(usedesk.reads) == {rows[pair] for pair in may_be_anna | may_be_boris}

    def test_matches_of_found_tickets_stay_unread(self, usedesk):
        anna = usedesk.create("r/1", "Bill of Anna")
        usedesk.create("other", "Bill of Anna")
        assert usedesk.search(WantedTicket("r/1", "Bill of Anna"), WantedTicket("r/2", "Bill of Boris")) == {
            "r/1": found(anna),
            "r/2": Absent(),
        }
        assert usedesk.reads == [anna]

    def test_changing_fields_only_order_reads(self, usedesk):
        other, subject, both = (
            usedesk.create("other", "Another", 2),
            usedesk.create("other", "Bill", 2),
            usedesk.create("other", "Bill", 1),
        )
        usedesk.search(WantedTicket("r/1", "Bill", 1, fixed=frozenset()))
        assert usedesk.reads == [both, subject, other]

    @pytest.mark.parametrize("subject", [None, "Bill"])
    def test_unknown_subject_matches_any(self, usedesk, subject):
        one, two = usedesk.create("r/1", "Anything"), usedesk.create("r/2", subject)
        assert usedesk.search(WantedTicket("r/1"), WantedTicket("r/2", "Bill")) == {
            "r/1": found(one),
            "r/2": found(two),
        }

    def test_cut_or_longer_subjects_match(self, usedesk):
        wanted = [WantedTicket(f"r/{number}", f"Bill {number} of May") for number in range(10, 60)]
        created = [
            usedesk.create(f"r/{number}", f"Bill {number} of" if number % 2 else f"bill {number} of May 2026")
            for number in range(10, 60)
        ]
        usedesk.create(subject="Bill 9")
        usedesk.create(subject="Bill 60 of May")
        results = usedesk.search(*wanted, WantedTicket("r/60", "A"))
        assert list(results.values()) == [*map(found, created), Absent()]
        assert usedesk.reads == created

    def test_texts_are_normalized_once(self, usedesk, monkeypatch):
        normalized = []

        def counted(text):
            normalized.append(text)
            return letters_of(text)

        monkeypatch.setattr(ticket_patterns, "letters_of", counted)
        for number in range(1000):
            usedesk.create(subject=f"Another matter {number}")
        wanted = [WantedTicket(f"r/{number}", f"Bill {number}") for number in range(256)]
        assert set(usedesk.search(*wanted).values()) == {Absent()}
        assert len(normalized) == 1256


class TestOrder:
    def test_search_ends_when_all_are_found(self, usedesk):
        for _ in range(90):
            usedesk.create(subject="Another matter")
        last = [usedesk.create(f"r/{number}") for number in range(4)]
        for _ in range(300):
            usedesk.create()
        usedesk.now = UNTIL
        assert usedesk.search("r/0", "r/1", "r/2", "r/3") == dict(
            zip(("r/0", "r/1", "r/2", "r/3"), map(found, last), strict=True)
        )
        assert (usedesk.pages, usedesk.reads, usedesk.waits) == (1, last, [])

    def test_earlier_tickets_are_read_last(self, usedesk):
        """As with the batch of another task that has just ended."""
        before = [usedesk.create(after=-120) for _ in range(250)]
        under_way = [usedesk.create(f"r/{number}") for number in range(3)]
        assert set(usedesk.search("r/0", "r/1", "r/2").values()) == set(map(found, under_way))
        assert usedesk.reads == under_way
        clocks_differ = usedesk.create("r/3", after=-40)
        assert usedesk.search("r/3", known=[*before, *under_way]) == {"r/3": found(clocks_differ)}

    def test_later_tickets_do_no_harm(self, usedesk):
        """As when the task is cleared hours later, and the end of the sends is unknown."""
        under_way = [usedesk.create(f"r/{number}") for number in range(3)]
        for _ in range(12_000):
            usedesk.create(after=7200)
        results = usedesk.search("r/0", "r/1", "r/2", "r/3", until=SINCE + timedelta(hours=3))
        assert [results[f"r/{number}"] for number in range(3)] == [found(one) for one in under_way]
        assert isinstance(results["r/3"], Ambiguous)


class TestBudget:
    def test_too_many_candidates_are_ambiguous(self, usedesk):
        first = usedesk.create("r/1")
        for _ in range(100):
            usedesk.create()
        usedesk.create("r/2")
        results = usedesk.search("r/1", "r/2", "r/3")
        assert results["r/1"] == found(first)
        assert results["r/2"] == results["r/3"] == Ambiguous("more than 29 tickets could be among them")
        assert len(usedesk.reads) == 29

    def test_last_ticket_of_budget_is_read(self, usedesk):
        for _ in range(28):
            usedesk.create()
        last = usedesk.create("r/1")
        assert usedesk.search("r/1", "r/2", "r/3")["r/1"] == found(last)
        assert usedesk.search("r/2", "r/3", "r/4")["r/2"] == Absent()

    def test_too_many_pages_are_ambiguous(self, usedesk):
        first = usedesk.create("r/1")
        for _ in range(300):
            usedesk.create(subject="Another matter")
        results = usedesk.search("r/1", "r/2", budget=ReadBudget(3, 26))
        assert results == {
            "r/1": found(first),
            "r/2": Ambiguous("more than 3 pages of tickets were created since"),
        }
        assert usedesk.search("r/2", budget=ReadBudget(4, 23)) == {"r/2": Absent()}

    def test_batch_budget_has_hundred_pages(self, usedesk):
        for _ in range(9_999):
            usedesk.create(subject="Another matter")
        last = usedesk.create("r/1")
        assert usedesk.search("r/1", "r/2") == {"r/1": found(last), "r/2": Absent()}
        usedesk.create(subject="Another matter")
        assert isinstance(usedesk.search("r/2")["r/2"], Ambiguous)

    @pytest.mark.parametrize("tickets", [100, 40_000])
    def test_spent_budget_ends_search(self, usedesk, tickets):
        usedesk.now = UNTIL
        subject = "Bill" if tickets == 100 else "Another matter"
        for _ in range(tickets):
            usedesk.create(subject=subject)
        assert isinstance(usedesk.search("r/1")["r/1"], Ambiguous)
        assert (len(usedesk.filters), usedesk.waits) == (1, [])


class TestTime:
    def test_missing_tickets_are_searched_again(self, usedesk):
        usedesk.now = UNTIL + timedelta(seconds=10)
        one = usedesk.create("r/1")
        lagging = usedesk.create("r/2", listed_at=UNTIL + timedelta(seconds=29))
        assert usedesk.search("r/1", "r/2", "r/3") == {
            "r/1": found(one),
            "r/2": found(lagging),
            "r/3": Absent(),
        }
        assert (usedesk.waits, usedesk.reads) == ([20.0], [one, lagging])

    def test_old_sends_need_one_search(self, usedesk):
        assert usedesk.search("r/1") == {"r/1": Absent()}
        assert (len(usedesk.filters), usedesk.waits) == (1, [])

    @pytest.mark.parametrize(
        ("is_exact", "until", "end", "wait"),
        [
            (True, UNTIL, "2026-11-22 12:07", 30.0 + 120.0),
            (False, UNTIL, "2026-11-22 12:07", 30.0 + 120.0),
            (True, None, "2026-11-22 13:00", 30.0),
            (False, None, None, 30.0),
        ],
    )
    def test_window_covers_all_sends(self, usedesk, is_exact, until, end, wait):
        usedesk.now = SINCE
        usedesk.search("r/1", look_up=LookUp(SINCE, is_exact), until=until)
        expected = {"created_after": "2026-11-22 11:55", **({"created_before": end} if end else {})}
        for filters in usedesk.filters:
            assert {name: value for name, value in filters.items() if "created" in name} == expected
        assert usedesk.waits == [wait]

    def test_end_before_begin_is_refused(self, usedesk):
        with pytest.raises(ValueError, match="until must not be before"):
            usedesk.search("r/1", until=SINCE - timedelta(seconds=1))
        assert usedesk.filters == []


class TestErrors:
    down = errors.UsedeskUnavailable("Usedesk could not be reached.")

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_failed_list_is_ambiguous(self, usedesk, page):
        usedesk.now = UNTIL
        one = usedesk.create("r/1")
        for _ in range(100):
            usedesk.create(subject="Another matter")
        usedesk.read_errors[f"page {page}"] = self.down
        results = usedesk.search("r/1", "r/2")
        ambiguous = Ambiguous("Usedesk could not be reached")
        assert results == {"r/1": found(one) if page > 1 else ambiguous, "r/2": ambiguous}

    @pytest.mark.parametrize(
        "error",
        [down, errors.UsedeskAccessDenied("x"), errors.UsedeskRateLimited("x")],
        ids=["down", "denied", "rate"],
    )
    def test_failed_read_ends_search(self, usedesk, error):
        one, two, _ = usedesk.create("r/1"), usedesk.create(), usedesk.create("r/2")
        usedesk.read_errors[two] = error
        results = usedesk.search("r/1", "r/2")
        assert results["r/1"] == found(one)
        assert isinstance(results["r/2"], Ambiguous)
        assert usedesk.reads == [one, two]

    def test_rejected_read_continues_search(self, usedesk):
        usedesk.now = UNTIL
        refused, one = usedesk.create(), usedesk.create("r/1")
        lagging = usedesk.create("r/2", listed_at=UNTIL + timedelta(seconds=5))
        usedesk.read_errors[refused] = errors.UsedeskTicketNotFound("Usedesk knows no such ticket.")
        assert usedesk.search("r/1", "r/2", "r/3") == {
            "r/1": found(one),
            "r/2": found(lagging),
            "r/3": Ambiguous(f"ticket {refused} cannot be read: Usedesk knows no such ticket"),
        }
        assert usedesk.reads == [refused, one, lagging]


@pytest.mark.parametrize("offset_is", ["page", "row"])
def test_search_on_sandbox(offset_is, clock):
    """Thirty tickets: three of others, the known ones of a batch, and those under way when it was killed."""
    with Sandbox(offset_is=offset_is, clock=clock) as usedesk:
        client = UsedeskClient.connect(usedesk.token, usedesk.url, max_wait=0)

        def create(key, subject="Reminder"):
            return client.create_ticket(subject=subject, message="m", additional_id=key).ticket_id

        others = [create("theirs"), create("theirs, too", "Reminder for all"), create("another", "Question")]
        known = {create(f"r/{number}") for number in range(23)}
        under_way = {f"r/{number}": found(create(f"r/{number}")) for number in range(23, 27)}
        keys = [f"r/{number}" for number in range(23, 30)]
        search = TicketSearch(
            client,
            [WantedTicket(key, "Reminder") for key in keys],
            is_known=known.__contains__,
            until=clock.moment(),
            budget=ReadBudget.for_batch(len(keys)),
            sleep=clock.sleep,
            now=clock.moment,
        )
        results = search(clock.look_up())
        assert len(usedesk.tickets) == len(others) + len(known) + len(under_way) == 30
        assert results == {**dict.fromkeys(keys, Absent()), **under_way}
        assert (usedesk.requests("tickets"), usedesk.requests("ticket")) == (2, 2 + 4)

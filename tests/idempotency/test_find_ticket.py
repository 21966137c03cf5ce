"""The search for several tickets at once: what is found, what is certain, and what it costs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency import find_ticket
from airflow_provider_usedesk.idempotency.find_ticket import TicketsSearch, Wanted
from airflow_provider_usedesk.idempotency.matching import letters_of
from airflow_provider_usedesk.idempotency.send_once import Absent, Ambiguous, Found, LookUp
from airflow_provider_usedesk.sandbox import Sandbox

SINCE = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
UNTIL = SINCE + timedelta(minutes=2)
ASK = LookUp(SINCE, is_exact=True)


@dataclass
class Usedesk:
    """Tickets, a clock that only waiting moves, and what was asked; ids count in the order of the making."""

    now: datetime = UNTIL + timedelta(minutes=10)
    rows: list[TicketRow] = field(default_factory=list)
    keys: dict[int, str] = field(default_factory=dict)
    hidden: dict[int, datetime] = field(default_factory=dict)
    faults: dict[object, Exception] = field(default_factory=dict)
    filters: list[dict[str, str]] = field(default_factory=list)
    pages: int = 0
    reads: list[int] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def make(self, key="other", subject="Bill", client_id=None, after=60.0, listed_at=None):
        ticket_id = 1001 + len(self.rows)
        made = f"{SINCE + timedelta(seconds=after):%Y-%m-%d %H:%M:%S}"
        self.rows.append(TicketRow(id=ticket_id, subject=subject, client_id=client_id, created_at=made))
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
            if fault := self.faults.get(f"page {self.pages}"):
                raise fault
            yield rows[start : start + 100]

    def ticket(self, ticket_id):
        self.reads.append(ticket_id)
        if fault := self.faults.get(ticket_id):
            raise fault
        return TicketDetails(ticket_id, additional_id=self.keys[ticket_id])

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)

    def search(self, *wanted, ask=ASK, known=(), until=UNTIL, **options):
        wanted = [Wanted(one, "Bill") if isinstance(one, str) else one for one in wanted]
        search = TicketsSearch(
            self,
            wanted,
            is_known=set(known).__contains__,
            until=until,
            sleep=self.sleep,
            now=lambda: self.now,
            **options,
        )
        return search(ask)


@pytest.fixture
def usedesk():
    return Usedesk()


def found(ticket_id):
    return Found(CreatedTicket(ticket_id))


class TestWhatIsFound:
    def test_each_ticket_is_found_for_its_key_and_the_rest_is_certainly_not_there(self, usedesk, caplog):
        one, _, _, two = usedesk.make("r/1"), usedesk.make(), usedesk.make(), usedesk.make("r/2")
        assert usedesk.search("r/0", "r/1", "r/2") == {"r/0": Absent(), "r/1": found(one), "r/2": found(two)}
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    def test_nothing_wanted_costs_nothing(self, usedesk):
        usedesk.make()
        assert usedesk.search() == {}
        assert usedesk.filters == []

    def test_a_key_that_only_begins_alike_is_another(self, usedesk):
        usedesk.make("r/11")
        usedesk.make("R/1")
        usedesk.make(None)
        assert usedesk.search("r/1") == {"r/1": Absent()}

    def test_of_two_with_one_key_the_first_counts_and_people_are_told(self, usedesk, caplog):
        first, second, last = (
            usedesk.make("r/79123456789"),
            usedesk.make("r/79123456789"),
            usedesk.make("r/2"),
        )
        answers = usedesk.search("r/79123456789", "r/2")
        assert answers == {"r/79123456789": found(first), "r/2": found(last)}
        assert f"{first} and {second}" in caplog.text
        assert "79123456789" not in caplog.text

    def test_the_log_tells_how_many_and_what_it_cost(self, usedesk, caplog):
        caplog.set_level("INFO")
        usedesk.make("r/1")
        usedesk.make()
        usedesk.search("r/0", "r/1", "r/2")
        assert "the tickets of an earlier try: 1 found, 2 absent, 0 unsure, after 1 pages and 2 tickets" in (
            caplog.text
        )

    def test_a_wanted_one_shows_neither_its_key_nor_its_subject(self):
        assert "79123456789" not in repr(Wanted("r/79123456789", "For 79123456789"))


class TestWhatIsRead:
    def test_nothing_that_is_known_nor_anything_twice(self, usedesk):
        known = [usedesk.make(f"r/{number}") for number in range(750)]
        under_way = [usedesk.make(f"r/{number}") for number in range(750, 758)]
        usedesk.now = UNTIL
        answers = usedesk.search(*(f"r/{number}" for number in range(750, 759)), known=known)
        assert [answers[f"r/{number}"] for number in range(750, 758)] == [found(one) for one in under_way]
        assert answers["r/758"] == Absent()
        assert len(usedesk.filters) == 2
        assert usedesk.reads == under_way

    def test_what_differs_from_every_wanted_one_is_left_out(self, usedesk):
        rows = {
            (subject, client): usedesk.make("other", subject, client)
            for subject in ("Bill of Anna", "BILL of <b>Boris</b>", "Bill", "Another matter", None)
            for client in (1, 2, 3, None)
        }
        usedesk.search(Wanted("r/1", "Bill of Anna", 1), Wanted("r/2", "Bill of &lt;b&gt;Boris", 2))
        may_be_anna = {
            (subject, client) for subject in ("Bill of Anna", "Bill", None) for client in (1, None)
        }
        may_be_boris = {
            (subject, client) for subject in ("BILL of <b>Boris</b>", "Bill", None) for client in (2, None)
        }
        assert set(usedesk.reads) == {rows[pair] for pair in may_be_anna | may_be_boris}

    def test_what_looks_like_a_ticket_that_is_found_is_not_read_any_more(self, usedesk):
        anna = usedesk.make("r/1", "Bill of Anna")
        usedesk.make("other", "Bill of Anna")
        assert usedesk.search(Wanted("r/1", "Bill of Anna"), Wanted("r/2", "Bill of Boris")) == {
            "r/1": found(anna),
            "r/2": Absent(),
        }
        assert usedesk.reads == [anna]

    def test_what_may_have_been_different_in_another_try_is_read_after_what_is_alike(self, usedesk):
        other, subject, both = (
            usedesk.make("other", "Another", 2),
            usedesk.make("other", "Bill", 2),
            usedesk.make("other", "Bill", 1),
        )
        usedesk.search(Wanted("r/1", "Bill", 1, fixed=frozenset()))
        assert usedesk.reads == [both, subject, other]

    @pytest.mark.parametrize("subject", [None, "Bill"])
    def test_without_a_subject_any_may_be_it(self, usedesk, subject):
        one, two = usedesk.make("r/1", "Anything"), usedesk.make("r/2", subject)
        assert usedesk.search(Wanted("r/1"), Wanted("r/2", "Bill")) == {"r/1": found(one), "r/2": found(two)}

    def test_subjects_may_come_back_shortened_or_with_more(self, usedesk):
        wanted = [Wanted(f"r/{number}", f"Bill {number} of May") for number in range(10, 60)]
        made = [
            usedesk.make(f"r/{number}", f"Bill {number} of" if number % 2 else f"bill {number} of May 2026")
            for number in range(10, 60)
        ]
        usedesk.make(subject="Bill 9")
        usedesk.make(subject="Bill 60 of May")
        assert list(usedesk.search(*wanted, Wanted("r/60", "A")).values()) == [*map(found, made), Absent()]
        assert usedesk.reads == made

    def test_texts_are_prepared_once_however_many_are_wanted(self, usedesk, monkeypatch):
        prepared = []
        monkeypatch.setattr(
            find_ticket, "letters_of", lambda text: [prepared.append(text), letters_of(text)][1]
        )
        for number in range(1000):
            usedesk.make(subject=f"Another matter {number}")
        wanted = [Wanted(f"r/{number}", f"Bill {number}") for number in range(256)]
        assert set(usedesk.search(*wanted).values()) == {Absent()}
        assert len(prepared) == 1256


class TestOrder:
    def test_it_ends_when_all_are_found(self, usedesk):
        for _ in range(90):
            usedesk.make(subject="Another matter")
        last = [usedesk.make(f"r/{number}") for number in range(4)]
        for _ in range(300):
            usedesk.make()
        usedesk.now = UNTIL
        assert usedesk.search("r/0", "r/1", "r/2", "r/3") == dict(
            zip(("r/0", "r/1", "r/2", "r/3"), map(found, last), strict=True)
        )
        assert (usedesk.pages, usedesk.reads, usedesk.waits) == (1, last, [])

    def test_others_like_them_from_before_the_sends_are_read_last(self, usedesk):
        """As with the batch of another task that has just ended."""
        before = [usedesk.make(after=-120) for _ in range(250)]
        under_way = [usedesk.make(f"r/{number}") for number in range(3)]
        assert set(usedesk.search("r/0", "r/1", "r/2").values()) == set(map(found, under_way))
        assert usedesk.reads == under_way
        clocks_differ = usedesk.make("r/3", after=-40)
        assert usedesk.search("r/3", known=[*before, *under_way]) == {"r/3": found(clocks_differ)}

    def test_others_like_them_from_after_the_sends_do_no_harm(self, usedesk):
        """As when the task is cleared hours later, and nothing tells when the sends ended."""
        under_way = [usedesk.make(f"r/{number}") for number in range(3)]
        for _ in range(12_000):
            usedesk.make(after=7200)
        answers = usedesk.search("r/0", "r/1", "r/2", "r/3", until=SINCE + timedelta(hours=3))
        assert [answers[f"r/{number}"] for number in range(3)] == [found(one) for one in under_way]
        assert isinstance(answers["r/3"], Ambiguous)


class TestBounds:
    def test_too_many_that_could_be_among_them(self, usedesk):
        first = usedesk.make("r/1")
        for _ in range(100):
            usedesk.make()
        usedesk.make("r/2")
        answers = usedesk.search("r/1", "r/2", "r/3")
        assert answers["r/1"] == found(first)
        assert answers["r/2"] == answers["r/3"] == Ambiguous("more than 29 tickets could be among them")
        assert len(usedesk.reads) == 29

    def test_as_many_as_are_allowed_are_read_to_the_last(self, usedesk):
        for _ in range(28):
            usedesk.make()
        last = usedesk.make("r/1")
        assert usedesk.search("r/1", "r/2", "r/3")["r/1"] == found(last)
        assert usedesk.search("r/2", "r/3", "r/4")["r/2"] == Absent()

    def test_too_many_pages(self, usedesk):
        first = usedesk.make("r/1")
        for _ in range(300):
            usedesk.make(subject="Another matter")
        answers = usedesk.search("r/1", "r/2", max_pages=3)
        assert answers == {
            "r/1": found(first),
            "r/2": Ambiguous("more than 3 pages of tickets were made since"),
        }
        assert usedesk.search("r/2", max_pages=4) == {"r/2": Absent()}

    def test_room_for_a_batch_and_all_others(self, usedesk):
        for _ in range(9_999):
            usedesk.make(subject="Another matter")
        last = usedesk.make("r/1")
        assert usedesk.search("r/1", "r/2") == {"r/1": found(last), "r/2": Absent()}
        usedesk.make(subject="Another matter")
        assert isinstance(usedesk.search("r/2")["r/2"], Ambiguous)

    @pytest.mark.parametrize("tickets", [100, 40_000])
    def test_a_bound_is_not_met_twice(self, usedesk, tickets):
        usedesk.now = UNTIL
        subject = "Bill" if tickets == 100 else "Another matter"
        for _ in range(tickets):
            usedesk.make(subject=subject)
        assert isinstance(usedesk.search("r/1")["r/1"], Ambiguous)
        assert (len(usedesk.filters), usedesk.waits) == (1, [])


class TestTime:
    def test_what_is_not_found_is_looked_for_again_when_the_last_send_has_settled(self, usedesk):
        usedesk.now = UNTIL + timedelta(seconds=10)
        one = usedesk.make("r/1")
        lagging = usedesk.make("r/2", listed_at=UNTIL + timedelta(seconds=29))
        assert usedesk.search("r/1", "r/2", "r/3") == {
            "r/1": found(one),
            "r/2": found(lagging),
            "r/3": Absent(),
        }
        assert (usedesk.waits, usedesk.reads) == ([20.0], [one, lagging])

    def test_one_look_is_enough_long_after(self, usedesk):
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
    def test_the_time_in_which_they_were_made(self, usedesk, is_exact, until, end, wait):
        usedesk.now = SINCE
        usedesk.search("r/1", ask=LookUp(SINCE, is_exact), until=until)
        expected = {"created_after": "2026-11-22 11:55", **({"created_before": end} if end else {})}
        for filters in usedesk.filters:
            assert {name: value for name, value in filters.items() if "created" in name} == expected
        assert usedesk.waits == [wait]

    def test_an_end_before_the_begin_would_find_nothing_and_is_refused(self, usedesk):
        with pytest.raises(ValueError, match="until must not be before"):
            usedesk.search("r/1", until=SINCE - timedelta(seconds=1))
        assert usedesk.filters == []


class TestErrors:
    down = errors.UsedeskUnavailable("Usedesk could not be reached.")

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_a_list_that_fails_leaves_what_is_found_and_the_rest_unsure(self, usedesk, page):
        usedesk.now = UNTIL
        one = usedesk.make("r/1")
        for _ in range(100):
            usedesk.make(subject="Another matter")
        usedesk.faults[f"page {page}"] = self.down
        answers = usedesk.search("r/1", "r/2")
        unsure = Ambiguous("Usedesk could not be reached")
        assert answers == {"r/1": found(one) if page > 1 else unsure, "r/2": unsure}

    @pytest.mark.parametrize("error", [down, errors.UsedeskAccessDenied("x"), errors.UsedeskRateLimited("x")])
    def test_so_does_a_ticket_and_no_other_is_asked_for_then(self, usedesk, error):
        one, two, _ = usedesk.make("r/1"), usedesk.make(), usedesk.make("r/2")
        usedesk.faults[two] = error
        answers = usedesk.search("r/1", "r/2")
        assert answers["r/1"] == found(one)
        assert isinstance(answers["r/2"], Ambiguous)
        assert usedesk.reads == [one, two]

    def test_a_ticket_that_is_refused_hides_no_other(self, usedesk):
        usedesk.now = UNTIL
        refused, one = usedesk.make(), usedesk.make("r/1")
        lagging = usedesk.make("r/2", listed_at=UNTIL + timedelta(seconds=5))
        usedesk.faults[refused] = errors.UsedeskTicketNotFound("Usedesk knows no such ticket.")
        assert usedesk.search("r/1", "r/2", "r/3") == {
            "r/1": found(one),
            "r/2": found(lagging),
            "r/3": Ambiguous(f"ticket {refused} cannot be read: Usedesk knows no such ticket"),
        }
        assert usedesk.reads == [refused, one, lagging]


@pytest.mark.parametrize("offset_is", ["page", "row"])
def test_on_the_wire(offset_is):
    """Thirty tickets: three of others, a batch's known ones, and those that were under way when it died."""
    now = 1_795_000_000.0
    with Sandbox(offset_is=offset_is, clock=lambda: now) as usedesk:
        client = UsedeskClient.connect(usedesk.token, usedesk.url, max_wait=0)

        def make(key, subject="Reminder"):
            return client.create_ticket(subject=subject, message="m", additional_id=key).ticket_id

        def sleep(seconds):
            nonlocal now
            now += seconds

        others = [make("theirs"), make("theirs, too", "Reminder for all"), make("another", "Question")]
        known = {make(f"r/{number}") for number in range(23)}
        under_way = {f"r/{number}": found(make(f"r/{number}")) for number in range(23, 27)}
        moment = datetime.fromtimestamp(now, UTC)
        keys = [f"r/{number}" for number in range(23, 30)]
        search = TicketsSearch(
            client,
            [Wanted(key, "Reminder") for key in keys],
            is_known=known.__contains__,
            until=moment,
            sleep=sleep,
            now=lambda: datetime.fromtimestamp(now, UTC),
        )
        answers = search(LookUp(moment, is_exact=True))
        assert len(usedesk.tickets) == len(others) + len(known) + len(under_way) == 30
        assert answers == {**dict.fromkeys(keys, Absent()), **under_way}
        assert (usedesk.requests("tickets"), usedesk.requests("ticket")) == (2, 2 + 4)

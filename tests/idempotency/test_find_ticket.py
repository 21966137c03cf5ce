"""The search for a ticket: what is found, what is certain, and what is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors, paging
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found
from airflow_provider_usedesk.idempotency.find_ticket import Listing, ReadBudget, TicketSearch
from airflow_provider_usedesk.idempotency.likely_tickets import LikelyTickets
from airflow_provider_usedesk.idempotency.ticket_match import has_ids, has_key, match_ids, match_key
from airflow_provider_usedesk.sandbox import Sandbox, call
from tests.idempotency.conftest import KEY, Clock

ANNA, BORIS = 27747627, 27747628
OTHER = replace(KEY, place="i8")


def found(ticket_id):
    return Found(CreatedTicket(ticket_id))


def search(client, clock, *, subject="Bill", client_id=None, since=60, wait=0, by="key", taken=(), **options):
    """Search for the ticket of :data:`KEY` that was created since some seconds ago."""
    look_up = clock.look_up(since, wait, by)
    find = TicketSearch(
        client,
        LikelyTickets.of([(subject, client_id)]),
        has_key(look_up, taken),
        **{"sleep": clock.sleep, "now": clock.moment, **options},
    )
    return match_key(find(look_up.since, look_up.consistent_at), look_up, taken)


@dataclass
class Usedesk:
    """
    Tickets, a clock that only waiting moves, and the calls; ids ascend in order of creation.

    :param offset: how far the clock of Usedesk is ahead
    :param page_size: rows of a page
    :param rows_per_offset: rows that ``offset`` counts as one; default: a page
    :param before_page: called with the number of each page before it is read
    """

    clock: Clock
    offset: timedelta = timedelta()
    time_format: str = "%Y-%m-%d %H:%M:%S"
    page_size: int = 100
    rows_per_offset: int | None = None
    before_page: Callable[[int], None] = lambda number: None
    rows: dict[int, TicketRow] = field(default_factory=dict)
    texts: dict[int, str | None] = field(default_factory=dict)
    listed_at: dict[int, float] = field(default_factory=dict)
    read_errors: dict[int, Exception] = field(default_factory=dict)
    pages: int = 0
    reads: list[int] = field(default_factory=list)

    def create(self, text="order 5", subject="Bill", client_id=None, ago=30, lag=0):
        ticket_id = 1001 + len(self.texts)
        created = self.clock.moment() + self.offset - timedelta(seconds=ago)
        self.rows[ticket_id] = TicketRow(
            id=ticket_id, subject=subject, client_id=client_id, created_at=f"{created:{self.time_format}}"
        )
        self.texts[ticket_id] = text and str(text)
        self.listed_at[ticket_id] = self.clock.now + lag
        return ticket_id

    def ticket_pages(self, *, until_empty, sort, order):
        assert (sort, order) == ("id", "desc")
        return paging.pages(self.read_page, until_empty=until_empty)

    def read_page(self, offset):
        self.pages += 1
        self.before_page(self.pages)
        listed = [row for row in self.rows.values() if self.listed_at[row.id] <= self.clock.now]
        start = offset * (self.page_size if self.rows_per_offset is None else self.rows_per_offset)
        return listed[::-1][start : start + self.page_size]

    def ticket(self, ticket_id):
        self.reads.append(ticket_id)
        if error := self.read_errors.get(ticket_id):
            raise error
        return TicketDetails(ticket_id, additional_id=self.texts[ticket_id])

    def search(self, **options):
        return search(self, self.clock, **options)


@pytest.fixture
def usedesk(clock):
    return Usedesk(clock)


class TestSandbox:
    @pytest.fixture(params=["page", "row"])
    def usedesk(self, request, clock):
        with Sandbox(offset_is=request.param, clock=clock) as running:
            yield running

    @pytest.fixture
    def create(self, client):
        def create(text=None, count=1, subject="Bill", **params):
            for _ in range(count):
                created = client.create_ticket(
                    subject=subject, message="m", additional_id=str(text or "order 5"), **params
                )
            return created.ticket_id

        return create

    def test_listed_ticket_is_found_at_once(self, create, client, clock, usedesk):
        ticket = create(KEY)
        clock.sleep(60)
        assert search(client, clock, wait=120) == found(ticket)
        assert clock.waited == 60
        assert usedesk.requests("tickets") == usedesk.requests("ticket") == 1

    def test_unlisted_ticket_is_found_later(self, create, client, clock):
        ticket = create(KEY)
        assert search(client, clock, since=1, wait=120) == found(ticket)
        assert clock.waited == 120

    def test_absent_only_once_usedesk_shows_all(self, create, client, clock, usedesk):
        create(count=3)
        clock.sleep(60)
        assert search(client, clock, wait=120) == Absent()
        assert clock.waited == 180
        assert usedesk.requests("ticket") == 3

    def test_renamed_and_moved_ticket_is_found(self, create, client, clock, usedesk):
        ticket = create(KEY, client_id=ANNA)
        create(count=5, client_id=ANNA)
        usedesk.update(ticket, subject="Anna wants her money back", client_id=BORIS, status=3)
        clock.sleep(60)
        assert search(client, clock, client_id=ANNA) == found(ticket)
        assert usedesk.requests("ticket") == 6

    @pytest.mark.parametrize(
        "shown",
        [
            "[#1001] Bill № 5",
            "<b>Bill</b> № 5",
            "Bill № 5 🎉",
            "bill",
            "",
            "Другое",
            "Bi\u0301ll № 5",
            "  Bill\t№ 5",
        ],
    )
    def test_changed_subject_is_found(self, create, client, clock, usedesk, shown):
        ticket = create(KEY, subject="Bill № 5")
        usedesk.update(ticket, subject=shown)
        clock.sleep(60)
        assert search(client, clock, subject="Bill № 5") == found(ticket)

    @pytest.mark.parametrize("page_size", [20, 50])
    def test_small_pages_are_all_read(self, create, client, clock, usedesk, monkeypatch, page_size):
        monkeypatch.setattr(call, "PAGE_SIZE", page_size)
        ticket = create(KEY)
        create(count=60, subject="Another matter")
        clock.sleep(60)
        assert search(client, clock) == found(ticket)
        assert usedesk.requests("tickets") >= 60 // page_size

    @pytest.mark.parametrize(
        "fault",
        [faults.close(), faults.answer(200, {"code": 115, "error": "no access"}), faults.html(502)],
        ids=["closed", "refused", "502"],
    )
    @pytest.mark.parametrize("method", ["ticket", "tickets"])
    def test_failed_read_is_ambiguous(self, create, client, clock, usedesk, fault, method):
        create()
        clock.sleep(60)
        usedesk.fail(fault, times=9, method=method)
        assert isinstance(search(client, clock), Ambiguous)


class TestText:
    """What Usedesk shows as ``additional_id``."""

    @pytest.mark.parametrize(
        "text",
        [f"  {KEY} ", str(KEY).upper(), str(KEY)[:60], str(KEY).partition("/")[0]],
        ids=["spaces", "upper case", "cut label", "no label"],
    )
    def test_changed_key_is_found(self, usedesk, text):
        usedesk.create(OTHER)
        ticket = usedesk.create(text)
        assert usedesk.search(wait=120) == found(ticket)
        assert usedesk.clock.waited == 0

    @pytest.mark.parametrize("length", [12, 30, 50])
    def test_cut_key_is_ambiguous(self, usedesk, length):
        usedesk.create(str(KEY)[:length])
        result = usedesk.search(subject="Another")
        assert result == Ambiguous("the additional_id of ticket 1001 is cut off")

    def test_hidden_text_of_a_likely_ticket_is_ambiguous(self, usedesk):
        usedesk.create(None, "Bill", ANNA)
        result = usedesk.search(client_id=ANNA)
        assert isinstance(result, Ambiguous)
        assert "ticket 1001 looks like it" in result.reason

    @pytest.mark.parametrize(("subject", "client_id"), [("Bill", BORIS), ("Another", ANNA), (None, None)])
    def test_hidden_text_of_another_ticket_is_absent(self, usedesk, subject, client_id):
        usedesk.create(None, subject, client_id)
        assert usedesk.search(client_id=ANNA) == Absent()

    def test_hidden_text_of_an_older_ticket_is_absent(self, usedesk):
        usedesk.create(None, ago=3600)
        usedesk.create()
        assert usedesk.search(known={1001: None}) == Absent()

    def test_hidden_text_in_an_earlier_search_counts(self, usedesk):
        usedesk.create(None)
        known = {}
        assert isinstance(usedesk.search(known=known), Ambiguous)
        assert isinstance(usedesk.search(known=known), Ambiguous)
        assert usedesk.reads == [1001]

    def test_hidden_text_does_not_matter_if_found(self, usedesk):
        ticket = usedesk.create(KEY)
        usedesk.create(None)
        assert usedesk.search() == found(ticket)


class TestTime:
    @pytest.mark.parametrize("hours", [-300, -7, -3, 0, 3, 5, 300])
    @pytest.mark.parametrize(
        "time_format", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S+03:00"]
    )
    def test_clock_of_usedesk_does_not_matter(self, usedesk, hours, time_format):
        usedesk.offset, usedesk.time_format = timedelta(hours=hours), time_format
        older = [usedesk.create(ago=3600) for _ in range(5)]
        ticket = usedesk.create(KEY, ago=60)
        usedesk.create(ago=1)
        assert usedesk.search() == found(ticket)
        usedesk.texts[ticket] = "order 5"
        assert usedesk.search() == Absent()
        assert not set(older) & set(usedesk.reads)

    def test_clocks_that_go_forward_hide_no_ticket(self, usedesk):
        """In Berlin 02:00 became 03:00, so a ticket from 01:55 looks 65 minutes older than one from 03:00."""
        usedesk.clock.now = datetime(2026, 3, 29, 1, 5, tzinfo=UTC).timestamp()
        berlin = ZoneInfo("Europe/Berlin")
        tickets = [usedesk.create(text, ago=ago) for text, ago in [(KEY, 600), ("order 5", 0)]]
        for ticket in tickets:
            created = datetime.fromisoformat(usedesk.rows[ticket].created_at).replace(tzinfo=UTC)
            usedesk.rows[ticket] = replace(
                usedesk.rows[ticket], created_at=f"{created.astimezone(berlin):%Y-%m-%d %H:%M:%S}"
            )
        assert usedesk.search(since=600) == found(tickets[0])

    def test_clocks_that_went_forward_days_ago_hide_no_ticket(self):
        since, now = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
        listing = Listing(since, now)
        listing.is_older(TicketRow(id=2, created_at=f"{now:%Y-%m-%d %H:%M:%S}"))
        shown = since - timedelta(minutes=55)
        assert not listing.is_older(TicketRow(id=1, created_at=f"{shown:%Y-%m-%d %H:%M:%S}"))

    def test_list_is_read_back_to_the_time(self, usedesk):
        for _ in range(500):
            usedesk.create(ago=3600)
        for _ in range(150):
            usedesk.create(subject="Another")
        assert usedesk.search() == Absent()
        assert usedesk.pages == 2 * 3
        assert len(usedesk.reads) == 150

    def test_quiet_account_needs_more_reads_only(self, usedesk):
        ticket = usedesk.create(KEY, ago=5000)
        usedesk.create(ago=4000)
        usedesk.clock.sleep(3600)
        assert usedesk.search(since=8700) == found(ticket)

    @pytest.mark.parametrize("text", [None, "", "yesterday", "22.11.2026"])
    def test_ticket_of_unknown_time_is_read(self, usedesk, text):
        usedesk.create()
        usedesk.time_format = text or ""
        ticket = usedesk.create(KEY)
        usedesk.rows[ticket] = replace(usedesk.rows[ticket], created_at=text)
        usedesk.create()
        assert usedesk.search() == found(ticket)


class TestPages:
    @pytest.mark.parametrize("page_size", [1, 20, 50, 99, 100])
    def test_small_pages_are_all_read(self, usedesk, page_size):
        usedesk.page_size = page_size
        usedesk.create(ago=3600)
        tickets = [usedesk.create() for _ in range(26)]
        assert usedesk.search() == Absent()
        assert sorted(usedesk.reads) == tickets
        usedesk.texts[tickets[0]] = str(KEY)
        assert usedesk.search() == found(tickets[0])

    def test_ticket_behind_a_vanished_one_is_found(self, usedesk):
        """A ticket that leaves the list moves all after it to the page before."""
        ticket = usedesk.create(KEY)
        for _ in range(100):
            usedesk.create(subject="Another")
        for _ in range(100):
            usedesk.create()

        def vanish(number):
            if number == 3:
                del usedesk.rows[1150]

        usedesk.before_page = vanish
        assert usedesk.search() == found(ticket)
        assert len(usedesk.reads) == len(set(usedesk.reads))

    @pytest.mark.parametrize("rows_per_offset", [100, 1], ids=["pages", "rows"])
    @pytest.mark.parametrize("count", [1, 99, 100, 101, 200, 350])
    def test_ticket_that_new_ones_move_away_is_found(self, usedesk, rows_per_offset, count):
        usedesk.rows_per_offset = rows_per_offset
        ticket = usedesk.create(KEY)
        for _ in range(150):
            usedesk.create(subject="Another")

        def move(number):
            if number == 2:
                for _ in range(count):
                    usedesk.create(subject="Another", ago=0)

        usedesk.before_page = move
        assert usedesk.search() == found(ticket)
        assert usedesk.reads == [ticket]

    def test_list_that_moves_on_is_never_absent(self, usedesk):
        ticket = usedesk.create(KEY, subject="Renamed")
        usedesk.before_page = lambda number: [usedesk.create(subject="Another", ago=0) for _ in range(100)]
        assert usedesk.search(budget=ReadBudget(tickets=5000)) == Ambiguous(
            "more than 30 pages of tickets were created since"
        )
        assert ticket not in usedesk.reads

    def test_ignored_offset_is_ambiguous(self, usedesk):
        usedesk.create(KEY)
        usedesk.rows_per_offset = 0
        for _ in range(100):
            usedesk.create()
        assert usedesk.search() == Ambiguous("more than 30 pages of tickets were created since")

    def test_several_pages_are_read_twice(self, usedesk):
        usedesk.create(ago=3600)
        for _ in range(120):
            usedesk.create()
        assert usedesk.search() == Absent()
        assert (usedesk.pages, len(usedesk.reads)) == (6, 120)

    def test_one_page_is_read_once(self, usedesk):
        usedesk.create(ago=3600)
        usedesk.create()
        assert usedesk.search() == Absent()
        # The second page is empty, which ends the list.
        assert (usedesk.pages, usedesk.reads) == (2, [1002])

    def test_too_many_pages_are_ambiguous(self, usedesk):
        usedesk.page_size = 10
        ticket = usedesk.create(KEY)
        for _ in range(40):
            usedesk.create()
        budget = ReadBudget(pages=3)
        result = usedesk.search(budget=budget)
        assert result == Ambiguous("more than 3 pages of tickets were created since")
        assert usedesk.pages == 4
        assert usedesk.search(budget=ReadBudget(pages=5)) == found(ticket)

    def test_exactly_enough_pages_suffice(self, usedesk):
        usedesk.page_size = 10
        for _ in range(30):
            usedesk.create()
        assert usedesk.search(budget=ReadBudget(pages=3)) == Absent()


class TestReads:
    def test_likely_tickets_are_read_first(self, usedesk):
        both = usedesk.create(subject="Bill", client_id=ANNA)
        none = usedesk.create(subject="Another", client_id=BORIS)
        subject = usedesk.create(subject="Bill", client_id=BORIS)
        client = usedesk.create(subject="Another", client_id=ANNA)
        newest = usedesk.create(subject="Bill", client_id=ANNA)
        assert usedesk.search(client_id=ANNA) == Absent()
        # Of the others the oldest come first, which are the closest to the first attempt.
        assert usedesk.reads == [newest, both, subject, client, none]

    def test_search_ends_with_the_find(self, usedesk):
        for _ in range(300):
            usedesk.create(subject="Another")
        ticket = usedesk.create(KEY)
        for _ in range(50):
            usedesk.create(subject="Another")
        assert usedesk.search(wait=120) == found(ticket)
        assert (usedesk.pages, usedesk.reads, usedesk.clock.waited) == (1, [ticket], 0)

    def test_no_ticket_is_read_twice(self, usedesk):
        for _ in range(250):
            usedesk.create()
        usedesk.create(lag=100)
        known = {}
        assert usedesk.search(wait=120, known=known) == Absent()
        assert usedesk.search(by="message", known=known) == Absent()
        assert len(usedesk.reads) == len(set(usedesk.reads)) == 251

    def test_known_find_needs_no_request(self, usedesk):
        ticket = usedesk.create(KEY)
        assert usedesk.search(known={ticket: str(KEY)}) == found(ticket)
        assert (usedesk.pages, usedesk.reads) == (0, [])

    def test_tickets_of_others_stay_unread(self, usedesk):
        known = {usedesk.create() for _ in range(50)}
        own = [usedesk.create() for _ in range(3)]
        assert usedesk.search(is_known=known.__contains__) == Absent()
        assert sorted(usedesk.reads) == own

    @pytest.mark.parametrize("tickets", [20, 300])
    def test_used_up_budget_is_ambiguous(self, usedesk, tickets):
        for _ in range(tickets + 1):
            usedesk.create()
        result = usedesk.search(wait=120, budget=ReadBudget(tickets=tickets))
        assert result == Ambiguous(f"more than {tickets} tickets were created since, all could be it")
        assert len(usedesk.reads) == tickets

    def test_exact_budget_suffices(self, usedesk):
        for _ in range(20):
            usedesk.create()
        assert usedesk.search(wait=120, budget=ReadBudget(tickets=20)) == Absent()

    def test_find_on_the_last_read_counts(self, usedesk):
        ticket = usedesk.create(KEY)
        for _ in range(19):
            usedesk.create()
        assert usedesk.search(budget=ReadBudget(tickets=20)) == found(ticket)

    def test_likely_ticket_precedes_the_budget(self, usedesk):
        ticket = usedesk.create(KEY, "Bill", ANNA)
        for _ in range(1000):
            usedesk.create(subject="Another")
        assert usedesk.search(client_id=ANNA) == found(ticket)
        assert usedesk.reads == [ticket]

    def test_unreadable_ticket_is_ambiguous(self, usedesk):
        closed = usedesk.create()
        usedesk.read_errors[closed] = errors.UsedeskTicketNotFound("No ticket.")
        result = usedesk.search(wait=120)
        assert result == Ambiguous(f"ticket {closed} cannot be read: No ticket")
        assert usedesk.reads == [closed]

    def test_unreadable_ticket_does_not_hide_a_find(self, usedesk):
        ticket, closed = usedesk.create(KEY), usedesk.create()
        usedesk.read_errors[closed] = errors.UsedeskTicketNotFound("No ticket.")
        assert usedesk.search() == found(ticket)
        assert usedesk.reads == [closed, ticket]

    def test_unavailable_service_is_ambiguous(self, usedesk):
        usedesk.create(KEY)
        usedesk.read_errors[usedesk.create()] = errors.UsedeskUnavailable("Usedesk could not be reached.")
        assert usedesk.search() == Ambiguous("Usedesk could not be reached")

    def test_log_has_the_cost(self, usedesk, caplog):
        caplog.set_level("INFO")
        usedesk.create(ago=3600)
        for _ in range(120):
            usedesk.create()
        usedesk.search()
        assert "50 tickets were read so far" in caplog.text
        assert "Pages read: 4, tickets read: 120." in caplog.text
        assert KEY.recipient not in caplog.text


class TestLag:
    @pytest.mark.parametrize("lag", [1, 60, 119])
    def test_ticket_that_is_listed_late_is_found(self, usedesk, lag):
        usedesk.create()
        ticket = usedesk.create(KEY, lag=lag)
        assert usedesk.search(wait=120) == found(ticket)

    def test_absent_only_once_usedesk_shows_all(self, usedesk):
        usedesk.create()
        assert usedesk.search(wait=120) == Absent()
        assert usedesk.clock.waited == 120
        assert usedesk.search(wait=0) == Absent()
        assert usedesk.clock.waited == 120

    def test_ambiguous_result_needs_no_wait(self, usedesk):
        for _ in range(21):
            usedesk.create()
        assert isinstance(usedesk.search(wait=120, budget=ReadBudget(tickets=20)), Ambiguous)
        assert usedesk.clock.waited == 0


class TestOfTask:
    """Other keys of the same task."""

    def test_taken_ticket_does_not_end_the_search(self, usedesk):
        second, first = usedesk.create(OTHER), usedesk.create(KEY)
        assert usedesk.search(by="message", taken={first}) == found(second)
        assert usedesk.search(by="message", taken={first, second}) == Absent()

    def test_first_of_two_tickets_is_used(self, usedesk, caplog):
        first, second = usedesk.create(KEY), usedesk.create(KEY)
        texts = dict.fromkeys((first, second), str(KEY))
        assert usedesk.search(known=texts) == found(first)
        assert f"Tickets {first} and {second}" in caplog.text


class TestBatch:
    """Several tickets of a batch in one search."""

    IDS = [f"r/{number}" for number in range(40)]

    def search(self, usedesk, ids, **options):
        likely = LikelyTickets.of((f"Bill {number}", None) for number in range(len(ids)))
        budget = ReadBudget.for_batch(len(ids))
        clock = usedesk.clock
        find = TicketSearch(
            usedesk, likely, has_ids(ids), budget=budget, sleep=clock.sleep, now=clock.moment, **options
        )
        return match_ids(find(clock.moment() - timedelta(seconds=60), clock.moment()), ids)

    def test_search_ends_when_all_are_found(self, usedesk):
        for _ in range(200):
            usedesk.create(subject="Another")
        created = [usedesk.create(text.upper(), f"Bill {number}") for number, text in enumerate(self.IDS)]
        for _ in range(50):
            usedesk.create(subject="Another")
        results = self.search(usedesk, self.IDS)
        assert list(results.values()) == [found(ticket_id) for ticket_id in created]
        assert (usedesk.pages, len(usedesk.reads)) == (1, 40)

    def test_missing_rows_are_absent(self, usedesk):
        created = {text: usedesk.create(text) for text in self.IDS[::2]}
        results = self.search(usedesk, self.IDS)
        expected = {text: found(created[text]) if text in created else Absent() for text in self.IDS}
        assert results == expected

    def test_tickets_of_finished_rows_stay_unread(self, usedesk):
        finished = {usedesk.create() for _ in range(750)}
        created = [usedesk.create(text) for text in self.IDS]
        results = self.search(usedesk, self.IDS, is_known=finished.__contains__)
        assert list(results.values()) == [found(ticket_id) for ticket_id in created]
        assert sorted(usedesk.reads) == created

    def test_budget_grows_with_the_rows(self):
        assert ReadBudget.for_batch(1000).tickets > ReadBudget.for_batch(1).tickets > 300
        assert ReadBudget.for_batch(1).pages > ReadBudget().pages

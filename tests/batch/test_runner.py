"""A run from its rows to its summary: each row sent once, continued anywhere, ended by its options."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st
from jinja2 import Environment, StrictUndefined

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.checkpoint import CheckpointTaken, DamagedCheckpoint, OpenRow
from airflow_provider_usedesk.batch.digests import digest
from airflow_provider_usedesk.batch.loader import TooManyBadRows
from airflow_provider_usedesk.batch.options import BatchOptions, Share
from airflow_provider_usedesk.batch.quiet_hours import QuietHours
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.runner import BatchRun
from airflow_provider_usedesk.batch.send_lease import TICK, SendAborted, SendLease
from airflow_provider_usedesk.batch.send_loop import Paused
from airflow_provider_usedesk.batch.send_window import LONGEST_REQUEST, MAX_OPEN, SendWindow
from airflow_provider_usedesk.batch.state_checkpoint import StateCheckpoint
from airflow_provider_usedesk.batch.summary import Outcome, failure
from airflow_provider_usedesk.compat.stores import MemoryStore
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found
from tests.support.batch import NOON, FakeClock, ObservedStore

LEASE_SECONDS = SendWindow(1).lease_seconds
QUIET = QuietHours.read("22:00-08:00", "UTC")
NOW_QUIET = QuietHours.read("11:00-13:00", "UTC")


class Died(BaseException):
    """The process is gone."""


class Usedesk:
    """Tickets by the key of their row, and what goes wrong with each request."""

    def __init__(self):
        self.ids = itertools.count(1001)
        self.tickets = {}
        self.sends = Counter()
        self.failures = {}
        self.searches = []
        self.lock = threading.Lock()

    def send(self, row):
        with self.lock:
            self.sends[row.key] += 1
            failures = self.failures.get(row.key, [])
            failure = failures.pop(0) if failures else None
            if isinstance(failure, Exception) and not isinstance(failure, errors.UsedeskOutcomeUnknown):
                raise failure
            ticket_id = next(self.ids)
            if failure != "lost":
                self.tickets.setdefault(row.key, []).append(ticket_id)
            if failure == "lost" or isinstance(failure, Exception):
                raise errors.UsedeskOutcomeUnknown("No response.")
            return CreatedTicket(ticket_id, message_status=failure)

    def look_up(self, outcomes, has_ticket):
        rows = [outcome.row for outcome in outcomes]
        self.searches.append([row.key for row in rows])
        return [
            (
                row.number,
                Found(CreatedTicket(self.tickets[row.key][0])) if row.key in self.tickets else Absent(),
            )
            for row in rows
        ]


class ResultList(list):
    syncs = 0

    def write(self, *row):
        self.append(row)

    def sync(self):
        self.syncs += 1


class Batch:
    """The attempts of one task, one after the other."""

    def __init__(self):
        self.store = ObservedStore()
        self.usedesk = Usedesk()
        self.clock = FakeClock()
        self.results_class = ResultList
        self.reports = []

    def check(self, key, params):
        validation_errors = [f"{name}: is required" for name in ("client_phone",) if not params.get(name)]
        if validation_errors:
            raise errors.UsedeskInvalidRequest(validation_errors)
        return {**params, "additional_id": key}, []

    def run(self, rows, options=None, send=None, row_key="name", clock=None, lease=None):
        self.results = self.results_class()
        row_params = RowParams(
            shared={"channel_id": 1},
            names=frozenset({"client_phone", "subject", "channel_id"}),
            templates={"subject": "Dear {{ row.name }}"},
            key=row_key,
            environment=Environment(undefined=StrictUndefined),
            context={},
        )
        io = BatchIO(
            check=self.check,
            send=send or self.usedesk.send,
            look_up=self.usedesk.look_up,
            results=self.results,
            report=self.reports.append,
            count_requests=lambda: self.usedesk.sends.total(),
        )
        self.last = BatchRun(
            read_rows(rows),
            row_params,
            StateCheckpoint(self.store),
            options or BatchOptions(),
            io,
            lease or SendLease(clock or self.clock),
        )
        return self.last.run()

    def outcomes(self, *columns):
        """Return what the result file has: the rows, or some of their columns."""
        names = ("row", "key", "outcome", "ticket_id", "reason")
        found = [dict(zip(names, row, strict=True)) for row in self.results]
        return [tuple(row[column] for column in columns) for row in found]


@pytest.fixture
def batch():
    return Batch()


def people(count, first=1):
    return [{"name": f"n{number}", "client_phone": "79"} for number in range(first, first + count)]


def tickets_per_row(batch):
    return [len(ids) for ids in batch.usedesk.tickets.values()]


def unknown():
    return errors.UsedeskOutcomeUnknown("No response.")


class TestSendOnce:
    def test_each_row_is_sent_once(self, batch):
        summary = batch.run(people(500))
        assert (summary.rows, summary.sent, summary.left, summary.requests) == (500, 500, 0, 500)
        assert set(batch.usedesk.sends.values()) == {1}
        assert len(batch.usedesk.tickets) == 500
        assert sorted(batch.outcomes("row")) == [(number,) for number in range(1, 501)]

    def test_next_attempt_sends_nothing_twice(self, batch):
        batch.run(people(500))
        summary = batch.run(people(500))
        assert (summary.sent, summary.skipped) == (0, 500)
        assert batch.usedesk.sends.total() == 500
        tickets = {key: ids[0] for key, ids in batch.usedesk.tickets.items()}
        assert dict(batch.outcomes("key", "ticket_id")) == tickets

    def test_rows_with_one_key_are_sent_once(self, batch):
        summary = batch.run([*people(3), *people(2)])
        assert (summary.rows, summary.sent, summary.duplicate) == (5, 3, 2)
        assert batch.outcomes("outcome", "reason")[:2] == [
            ("duplicate", "the same as row 1"),
            ("duplicate", "the same as row 2"),
        ]

    def test_repeated_rows_are_warned_about(self, batch, caplog):
        batch.run([*people(12), *people(12)])
        [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
        assert warning.getMessage().startswith(
            "12 rows are not sent because they repeat an earlier row: row 13 is the same as row 1; row 14 is"
        )
        assert warning.getMessage().endswith("row 22 is the same as row 10; and 2 more.")

    def test_repeated_rows_can_be_invalid(self, batch):
        with pytest.raises(TooManyBadRows) as failure:
            batch.run([*people(3), *people(1)], BatchOptions(on_duplicate="fail"))
        assert "1 of 4 rows are not valid" in str(failure.value)
        assert "row 4: is the same as row 1" in str(failure.value)
        assert batch.usedesk.sends.total() == 0

    def test_other_content_with_one_key_sends_nothing(self, batch):
        """A spreadsheet writes 1,23457E+12 for the ids of three customers."""
        rows = [{"name": "1,23457E+12", "client_phone": f"79{number}"} for number in range(3)]
        for _ in range(2):
            with pytest.raises(TooManyBadRows, match="3 of 13 rows are not valid") as caught:
                batch.run([*people(10), *rows])
            assert [error.split(",")[0] for error in caught.value.validation_errors[1:]] == [
                "row 11: row_key: has the key of row 12",
                "row 12: row_key: has the key of row 11",
                "row 13: row_key: has the key of row 11",
            ]
            assert "1,2345" not in str(caught.value.validation_errors[:2])
        assert batch.usedesk.sends.total() == 0

    def test_tolerated_rows_with_one_key_are_not_sent(self, batch):
        rows = [*people(3), {"name": "n2", "client_phone": "78"}, *people(1, first=2)]
        summary = batch.run(rows, BatchOptions(max_bad_rows=5))
        assert (summary.rows, summary.sent, summary.bad, summary.left) == (5, 2, 3, 0)
        assert set(batch.usedesk.tickets) == {"n1", "n3"}

    def test_later_row_with_one_key_is_not_sent(self, batch):
        """With ``validate="row"`` the first of them may have been sent."""
        rows = [*people(3), {"name": "n2", "client_phone": "78"}, *people(1, first=2)]
        summary = batch.run(rows, BatchOptions(validate="row", max_bad_rows=5))
        assert (summary.sent, summary.bad, summary.left) == (3, 2, 0)
        assert tickets_per_row(batch) == [1, 1, 1]

    @pytest.mark.parametrize("validate", ["first", "row"])
    def test_other_content_is_noticed_when_resumed(self, batch, validate):
        batch.run(people(3))
        rows = [*people(3), {"name": "n2", "client_phone": "78"}]
        summary = batch.run(rows, BatchOptions(validate=validate, max_bad_rows=1))
        assert (summary.skipped, summary.bad, summary.sent) == (3, 1, 0)

    def test_sent_rows_are_neither_rendered_nor_checked_again(self, batch, monkeypatch):
        batch.run(people(9))
        checked, check = [], batch.check
        monkeypatch.setattr(
            batch, "check", lambda key, params: checked.append(params["subject"]) or check(key, params)
        )
        summary = batch.run([*people(8), {"name": "n9"}, *people(1, first=10)])
        assert checked == ["Dear n10"]
        assert (summary.skipped, summary.sent, summary.bad) == (9, 1, 0)

    @pytest.mark.parametrize("validate", ["first", "row"])
    def test_only_what_is_sent_counts_when_resumed(self, batch, validate):
        """Rows with one key are the same message if only other columns of theirs differ."""
        options = BatchOptions(validate=validate)
        rows = [*people(2), *({**row, "note": "again"} for row in people(2))]
        for skipped, sent in ((0, 2), (2, 0)):
            summary = batch.run(rows, options)
            assert (summary.skipped, summary.sent, summary.duplicate) == (skipped, sent, 2)

    def test_three_rows_with_one_key_when_resumed(self, batch):
        batch.run(people(3))
        rows = [*people(3), {"name": "n2", "client_phone": "78"}, *people(1, first=2)]
        summary = batch.run(rows, BatchOptions(max_bad_rows=2))
        assert (summary.skipped, summary.bad, summary.duplicate) == (3, 2, 0)

    def test_sent_rows_with_values_of_any_class_are_skipped(self, batch):
        rows = [{**row, "note": object, "call": lambda: None} for row in people(2)]
        for skipped, sent in ((0, 2), (2, 0)):
            summary = batch.run(lambda: [*rows, *rows], BatchOptions())
            assert (summary.skipped, summary.sent, summary.duplicate) == (skipped, sent, 2)

    def test_changed_recipients_keep_their_keys(self, batch, caplog):
        batch.run(people(10))
        summary = batch.run(people(10, first=3))
        assert summary.recipients_changed
        assert (summary.sent, summary.skipped) == (2, 8)
        assert "10 rows now, 10 then" in caplog.text
        assert "8 rows were sent and are not sent again; 2 rows that were sent are no longer" in caplog.text
        assert not batch.run(people(10, first=3)).recipients_changed

    def test_checkpoint_has_chunks(self, batch):
        batch.run(people(2500))
        chunks = [f"chunk-00000{number}" for number in (1, 2, 3)]
        assert sorted(batch.store.list("")) == ["begun", *chunks, "manifest"]
        assert [len(batch.store.get(key)["tickets"]) for key in chunks] == [1000, 1000, 500]


def kill_at(batch, write, rows, options):
    """Run an attempt whose process dies at a write: from then on nothing is written or sent."""
    is_dead = threading.Event()
    start = batch.store.writes

    def die(key):
        if is_dead.is_set() or batch.store.writes - start == write:
            is_dead.set()
            raise Died

    def send(row):
        if is_dead.is_set():
            raise errors.UsedeskUnavailable("Dead.")
        return batch.usedesk.send(row)

    batch.store.before_write = die
    with pytest.raises(Died):
        # A second passes with each reading of the clock: writes are many, and small.
        batch.run(rows, options, send=send, clock=FakeClock(tick=1.0))
    batch.store.before_write = lambda key: None


class TestKills:
    @pytest.mark.parametrize("write", range(12))
    def test_kill_at_any_write(self, batch, write):
        rows, options = people(60), BatchOptions(max_in_flight=4)
        kill_at(batch, write, rows, options)
        summary = batch.run(rows, options)
        assert summary.left == summary.unknown == 0
        assert {key: len(ids) for key, ids in batch.usedesk.tickets.items()} == dict.fromkeys(
            [row["name"] for row in rows], 1
        )
        # Only rows in flight are looked up.
        assert all(len(search) <= 12 for search in batch.usedesk.searches)

    @pytest.mark.parametrize("name", ["chunk-000001", "chunk-000002", "manifest"])
    def test_lost_chunk_sends_nothing(self, batch, name):
        batch.run(people(1200))
        batch.store.delete(name)
        with pytest.raises(DamagedCheckpoint, match=f"{name} is missing"):
            batch.run(people(1200))
        assert batch.usedesk.sends.total() == 1200

    def test_many_kills(self, batch):
        rows, options = people(200), BatchOptions(max_in_flight=4)
        for write in (2, 5, 1, 7, 3, 0, 9):
            kill_at(batch, write, rows, options)
        batch.run(rows, options)
        assert tickets_per_row(batch) == [1] * 200

    def test_kill_while_checking_row_by_row(self, batch):
        rows, options = people(700), BatchOptions(validate="row", max_in_flight=4)
        kill_at(batch, 20, rows, options)
        batch.run(rows, options)
        assert tickets_per_row(batch) == [1] * 700

    def test_failed_result_file_loses_no_ticket(self, batch):
        class Full(ResultList):
            def write(self, number, *row):
                if number == 20:
                    raise OSError("No space left on device")

        batch.results_class = Full
        with pytest.raises(OSError, match="No space"):
            batch.run(people(100))
        batch.results_class = ResultList
        batch.run(people(100))
        assert set(batch.usedesk.sends.values()) == {1}


class TestUnknownOutcomes:
    def test_found_row_is_not_sent_again(self, batch):
        batch.usedesk.failures["n3"] = [unknown()]
        summary = batch.run(people(5))
        assert (summary.sent, summary.unknown) == (5, 0)
        assert batch.usedesk.searches == [["n3"]]
        assert batch.usedesk.sends["n3"] == 1

    def test_absent_row_is_sent_again(self, batch):
        batch.usedesk.failures["n3"] = ["lost"]
        summary = batch.run(people(5))
        assert (summary.sent, summary.unknown) == (5, 0)
        assert batch.usedesk.sends["n3"] == 2

    def test_ambiguous_row_waits_for_next_attempt(self, batch):
        batch.usedesk.failures["n3"] = [unknown()]
        look_up, batch.usedesk.look_up = (
            batch.usedesk.look_up,
            lambda outcomes, _: [(one.row.number, Ambiguous("Usedesk is down")) for one in outcomes],
        )
        summary = batch.run(people(5))
        assert (summary.sent, summary.unknown, summary.left) == (4, 1, 0)
        assert failure(summary, BatchOptions())
        assert [outcome for key, outcome in batch.outcomes("key", "outcome") if key == "n3"] == ["unknown"]
        batch.usedesk.look_up = look_up
        summary = batch.run(people(5))
        assert (summary.sent, summary.skipped, summary.unknown) == (1, 4, 0)
        assert batch.usedesk.sends["n3"] == 1

    @pytest.mark.parametrize(("on_unknown", "rows", "sends"), [("fail", 1, 1), ("send", 0, 2)])
    def test_on_unknown_outcome(self, batch, on_unknown, rows, sends):
        batch.usedesk.failures["n3"] = [unknown()]
        summary = batch.run(people(5), BatchOptions(on_unknown=on_unknown))
        assert (summary.unknown, batch.usedesk.sends["n3"]) == (rows, sends)
        assert batch.usedesk.searches == []

    def test_occasional_losses_do_not_end_a_run(self, batch):
        for number, row in enumerate(people(3000)):
            if number % 5 == 0:
                batch.usedesk.failures[row["name"]] = [unknown()]
            if number % 5 == 1:
                batch.usedesk.failures[row["name"]] = ["lost"]
        summary = batch.run(people(3000))
        assert (summary.sent, summary.unknown, summary.left) == (3000, 0, 0)
        assert tickets_per_row(batch) == [1] * 3000
        assert max(map(len, batch.usedesk.searches)) <= MAX_OPEN

    def test_row_is_sent_twice_at_most(self, batch, caplog):
        batch.usedesk.failures["n3"] = ["lost"] * 9
        summary = batch.run(people(5))
        assert (summary.sent, summary.unknown) == (4, 1)
        assert batch.usedesk.sends["n3"] == 2
        assert "row 3: it was sent twice without a response, and Usedesk has no ticket of it" in caplog.text

    def test_search_covers_all_of_the_send(self, batch):
        """A client may wait for ten minutes before the request."""
        batch.usedesk.failures["n1"] = [unknown()]
        found, look_up = [], batch.usedesk.look_up

        def send(row):
            batch.clock.moment += timedelta(minutes=10)
            return batch.usedesk.send(row)

        def note(outcomes, has_ticket):
            found.extend(outcomes)
            return look_up(outcomes, has_ticket)

        batch.usedesk.look_up = note
        assert batch.run(people(1), send=send).sent == 1
        [outcome] = found
        assert (outcome.since, outcome.until) == (NOON, NOON + timedelta(minutes=10))

    def test_defect_in_sending_is_an_unknown_outcome(self, batch):
        def send(row):
            raise ZeroDivisionError("with personal data")

        summary = batch.run(people(1), send=send)
        assert isinstance(batch.last.halted_by, errors.UsedeskOutcomeUnknown)
        assert str(batch.last.halted_by) == "Sending a row ended with ZeroDivisionError."
        assert summary.unknown == 1


def leave_open(batch, keys, since=NOON, until=NOON):
    """Write the checkpoint of an earlier attempt that ended with these rows in flight."""
    checkpoint = StateCheckpoint(batch.store)
    list(checkpoint.load())
    checkpoint.write([], [OpenRow(digest(key), since, until) for key in keys])


def open_now(batch):
    """Return the rows that the next attempt would find open if this one died now."""
    copy = MemoryStore()
    for key in batch.store.list(""):
        copy.set(key, batch.store.get(key))
    checkpoint = StateCheckpoint(copy)
    list(checkpoint.load())
    return checkpoint.open


class TestRowsLeftOpen:
    @pytest.mark.parametrize("validate", ["first", "row"])
    def test_many_rows_in_flight_are_looked_up(self, batch, validate):
        keys = [row["name"] for row in people(MAX_OPEN)]
        leave_open(batch, keys)
        batch.usedesk.tickets = {key: [2000 + number] for number, key in enumerate(keys[:100])}
        summary = batch.run(people(1000), BatchOptions(validate=validate))
        assert (summary.sent, summary.left, summary.unknown) == (1000, 0, 0)
        assert batch.usedesk.sends.total() == 900

    @pytest.mark.parametrize("validate", ["first", "row"])
    def test_removed_rows_stay_open(self, batch, validate):
        leave_open(batch, [f"gone-{number}" for number in range(MAX_OPEN)])
        assert batch.run(people(20), BatchOptions(validate=validate)).sent == 20
        batch.usedesk.tickets["gone-7"] = [7]
        # If it is among the recipients again, it is looked up.
        assert batch.run([*people(20), {"name": "gone-7", "client_phone": "79"}]).skipped == 20
        assert batch.usedesk.searches == [["gone-7"]]

    @pytest.mark.parametrize("validate", ["first", "row"])
    def test_rejected_row_is_not_sent_when_read(self, batch, validate):
        """It was looked up and rejected before the row store gave it."""
        leave_open(batch, ["n300"])
        batch.usedesk.failures["n300"] = [errors.UsedeskRejected("No.")]
        summary = batch.run(people(500), BatchOptions(validate=validate))
        assert (summary.sent, summary.rejected, summary.left) == (499, 1, 0)
        assert batch.usedesk.sends["n300"] == 1

    @pytest.mark.parametrize("validate", ["first", "row"])
    def test_quiet_hours_leave_absent_rows(self, batch, validate):
        leave_open(batch, ["n2", "n400"])
        batch.clock.moment = NOON.replace(hour=23)
        options = BatchOptions(quiet_hours=QUIET, in_quiet_hours="leave", validate=validate)
        summary = batch.run(people(500), options)
        assert (summary.left, summary.unknown) == (500, 0)
        assert sorted(batch.outcomes("row")) == [(number,) for number in range(1, 501)]
        assert set(batch.outcomes("outcome")) == {("left",)}


class TestRowsOfOtherInstances:
    """After a clear, another mapped task instance may have sent rows of this one."""

    OPTIONS = BatchOptions(look_up_since=NOON - timedelta(hours=3))

    @pytest.mark.parametrize("validate", ["first", "row"])
    def test_each_row_is_looked_up_first(self, batch, validate):
        keys = [row["name"] for row in people(300)]
        batch.usedesk.tickets = {key: [5000 + number] for number, key in enumerate(keys[:200])}
        summary = batch.run(people(1000), replace(self.OPTIONS, validate=validate))
        assert (summary.sent, summary.left, summary.unknown) == (1000, 0, 0)
        assert batch.usedesk.sends.total() == 800
        assert tickets_per_row(batch) == [1] * 1000
        assert len(batch.usedesk.searches) <= 9

    def test_rows_of_own_checkpoint_are_not_looked_up(self, batch):
        batch.run(people(20))
        summary = batch.run(people(30), self.OPTIONS)
        assert (summary.sent, summary.skipped) == (10, 20)
        assert batch.usedesk.searches == [[f"n{number}" for number in range(21, 31)]]

    def test_whole_time_of_the_run_is_searched(self, batch):
        found = []
        batch.usedesk.look_up = lambda outcomes, _: found.extend(outcomes) or [(1, Absent())]
        assert batch.run(people(1), self.OPTIONS).sent == 1
        [outcome] = found
        # A stale worker may still have sent after the clear.
        end = NOON + timedelta(seconds=LEASE_SECONDS) + LONGEST_REQUEST
        assert (outcome.since, outcome.until) == (NOON - timedelta(hours=3), end)

    def test_ambiguous_row_is_not_sent(self, batch):
        batch.usedesk.look_up = lambda outcomes, _: [(one.row.number, Ambiguous("?")) for one in outcomes]
        summary = batch.run(people(5), self.OPTIONS)
        assert (summary.sent, summary.unknown) == (0, 5)

    def test_lost_row_is_sent_again_once(self, batch):
        batch.usedesk.failures["n3"] = ["lost"] * 9
        summary = batch.run(people(5), self.OPTIONS)
        assert (summary.sent, summary.unknown, batch.usedesk.sends["n3"]) == (4, 1, 2)

    def test_quiet_hours_leave_rows(self, batch):
        batch.clock.moment = NOON.replace(hour=23)
        summary = batch.run(people(5), replace(self.OPTIONS, quiet_hours=QUIET, in_quiet_hours="leave"))
        assert (summary.left, summary.unknown) == (5, 0)


class TestLease:
    def test_stale_worker_stops_sending(self, batch):
        """The next attempt has begun, and looks up the rows in flight."""
        batch.clock.tick = 1.0

        def take_over(row):
            response = batch.usedesk.send(row)
            if batch.usedesk.sends.total() == 20:
                list(StateCheckpoint(batch.store).load())
            return response

        with pytest.raises(CheckpointTaken):
            batch.run(people(300), BatchOptions(max_in_flight=4), send=take_over)
        assert batch.usedesk.sends.total() <= 40
        batch.run(people(300))
        assert tickets_per_row(batch) == [1] * 300

    def test_lease_is_renewed_while_rows_wait(self, batch):
        """Usedesk may ask to wait for many minutes before the request of a row."""
        may_send, spans = threading.Event(), []

        class SlowClock(FakeClock):
            def monotonic(self):
                self.moment += timedelta(seconds=1)
                return (self.moment - NOON).total_seconds()

            def sleep(self, seconds):
                pass

        clock = SlowClock(real_wait=0.001)

        def note(key):
            spans.extend(row.until for row in open_now(batch))
            if clock.moment - NOON > timedelta(minutes=20):
                may_send.set()

        batch.store.before_write = note

        def send(row):
            may_send.wait(60)
            return batch.usedesk.send(row)

        batch.run(people(1), BatchOptions(max_in_flight=1), send=send, clock=clock)
        # Never more than a few seconds old: a row is not sent long after the stored time.
        moments = sorted(set(spans))
        gaps = [later - one for one, later in itertools.pairwise(moments)]
        assert max(gaps) <= timedelta(seconds=LEASE_SECONDS)
        assert moments[-1] > NOON + timedelta(minutes=20)

    def test_aborted_row_is_sent_in_the_same_attempt(self, batch):
        aborted = set()

        def send(row):
            if row.key not in aborted:
                aborted.add(row.key)
                raise SendAborted
            return batch.usedesk.send(row)

        summary = batch.run(people(30), send=send)
        assert (summary.sent, summary.left, batch.usedesk.sends.total()) == (30, 0, 30)


class TestStop:
    def test_next_attempt_sends_the_rest(self, batch):
        def stop_at_ten(row):
            if batch.usedesk.sends.total() == 10:
                batch.last.stop()
            return batch.usedesk.send(row)

        summary = batch.run(people(300), send=stop_at_ten)
        assert batch.last.was_stopped
        assert summary.sent + summary.left == 300
        assert summary.left > 250
        summary = batch.run(people(300))
        assert (summary.sent + summary.skipped, batch.usedesk.sends.total()) == (300, 300)
        assert batch.usedesk.searches == []

    def test_hanging_request_does_not_delay_the_stop(self, batch):
        hangs = threading.Event()

        def hang(row):
            batch.last.stop()
            hangs.wait(60)
            return batch.usedesk.send(row)

        summary = batch.run(people(5), BatchOptions(max_in_flight=1), send=hang)
        assert (summary.sent, summary.left) == (0, 5)
        hangs.set()

    def test_stop_aborts_a_waiting_row(self, batch):
        lease = SendLease(batch.clock)

        def wait(row):
            batch.last.stop()
            lease.pause(3600)
            return batch.usedesk.send(row)

        summary = batch.run(people(5), send=wait, lease=lease)
        assert (summary.sent, summary.left, batch.usedesk.sends.total()) == (0, 5, 0)

    def test_interrupt_does_not_wait_for_hanging_requests(self, batch):
        """A timeout of the task, for example, interrupts anywhere."""
        hangs = threading.Event()

        class TimedOut(BaseException):
            pass

        class InterruptingClock(FakeClock):
            def monotonic(self):
                before = super().monotonic()
                if self.seconds == 12:
                    raise TimedOut
                return before

        with pytest.raises(TimedOut):
            batch.run(
                people(5),
                BatchOptions(max_in_flight=1),
                send=lambda row: hangs.wait(60),
                clock=InterruptingClock(tick=1.0),
            )
        hangs.set()


class TestEndOfRun:
    def test_service_without_responses_ends_the_run(self, batch):
        for row in people(2000):
            batch.usedesk.failures[row["name"]] = ["lost", "lost"]
        summary = batch.run(people(2000))
        assert summary.left + summary.unknown == 2000
        assert batch.usedesk.sends.total() <= MAX_OPEN

    def test_rejected_row_does_not_stop_the_others(self, batch):
        batch.usedesk.failures["n2"] = [errors.UsedeskRejected("Code 119: no such client.")]
        summary = batch.run(people(5))
        assert (summary.sent, summary.rejected) == (4, 1)
        [row] = [row for row in batch.results if row[2] == "rejected"]
        assert row == (2, "n2", "rejected", None, "UsedeskRejected: Code 119: no such client.")
        # It was not sent, so a later attempt may send it: the data may be corrected by then.
        assert batch.run(people(5)).sent == 1

    @pytest.mark.parametrize(
        "error",
        [errors.UsedeskInvalidToken("Code 112."), errors.UsedeskUnavailable("No connection.")],
        ids=["token", "connection"],
    )
    def test_error_of_every_row_ends_the_run(self, batch, error):
        for row in people(500):
            batch.usedesk.failures[row["name"]] = [error]
        summary = batch.run(people(500))
        assert batch.last.halted_by is error
        assert (summary.sent, summary.left) == (0, 500)
        assert batch.usedesk.sends.total() <= 12
        assert batch.run(people(500)).left > 0 or batch.usedesk.sends.total() >= 500

    @pytest.mark.parametrize("limit", [20, Share(2)])
    def test_too_many_failures_end_the_run(self, batch, limit):
        for row in people(1000):
            batch.usedesk.failures[row["name"]] = [errors.UsedeskRejected("No.")]
        summary = batch.run(people(1000), BatchOptions(max_failures=limit, max_in_flight=2))
        assert 20 < summary.rejected < 40
        assert summary.left == 1000 - summary.rejected
        assert failure(summary, BatchOptions(max_failures=limit, fail_on="none"))

    def test_early_end_is_no_success(self, batch):
        for row in people(2000):
            batch.usedesk.failures[row["name"]] = ["lost"] * 3
        options = BatchOptions(fail_on="none")
        summary = batch.run(people(2000), options)
        assert summary.left
        assert failure(summary, options) is None
        assert batch.last.was_cut_short

    def test_complete_run_was_not_cut_short(self, batch):
        batch.run(people(5))
        assert not batch.last.was_cut_short
        batch.clock.moment = NOON.replace(hour=23)
        batch.run(people(9), BatchOptions(quiet_hours=QUIET, in_quiet_hours="leave"))
        assert not batch.last.was_cut_short

    def test_undelivered_message_is_not_sent_again(self, batch):
        batch.usedesk.failures["n2"] = ["not delivered"]
        summary = batch.run(people(3))
        assert (summary.sent, summary.not_delivered) == (2, 1)
        assert failure(summary, BatchOptions())
        assert failure(summary, BatchOptions(ignore_not_delivered=True)) is None
        assert [row[2:4] for row in batch.results if row[1] == "n2"] == [
            ("not_delivered", batch.usedesk.tickets["n2"][0])
        ]
        summary = batch.run(people(3))
        assert summary.sent == 0
        assert batch.usedesk.sends["n2"] == 1
        # It stays a failure, as it does for a single message.
        assert failure(summary, BatchOptions())


class TestValidation:
    def test_too_many_bad_rows_send_nothing(self, batch):
        with pytest.raises(TooManyBadRows) as caught:
            batch.run([*people(3), {"name": "x"}, {"client_phone": "79"}])
        assert batch.usedesk.sends.total() == 0
        assert caught.value.validation_errors == (
            "2 of 5 rows are not valid",
            "row 4: client_phone: is required",
            "row 5: row_key: the row has no column 'name'",
        )

    @pytest.mark.parametrize("limit", [2, Share(40)])
    def test_allowed_bad_rows_are_not_sent(self, batch, limit, caplog):
        rows = [*people(3), {"name": "x"}, {"client_phone": "79"}]
        options = BatchOptions(max_bad_rows=limit)
        summary = batch.run(rows, options)
        assert (summary.sent, summary.bad) == (3, 2)
        assert failure(summary, options) is None
        assert "2 of 5 rows are bad and were not sent: row 4, 5." in caplog.text

    def test_template_error_names_missing_column(self, batch):
        with pytest.raises(TooManyBadRows, match="row 1: subject: the row has no column 'name'"):
            batch.run([{"id": 1, "client_phone": "79"}], row_key="id")

    def test_rows_can_be_checked_one_by_one(self, batch):
        rows = [*people(600), {"name": "x"}]
        summary = batch.run(rows, BatchOptions(validate="row"))
        assert (summary.rows, summary.sent, summary.bad) == (601, 600, 1)


class TestResumedCheck:
    """A resumed attempt checks all rows before it sends one, unless they were checked already."""

    @pytest.fixture
    def checked(self, batch, monkeypatch):
        """Return how many rows were checked, and let ``sends_after`` have that of the first send."""
        keys, check, send = [], batch.check, batch.usedesk.send
        batch.sends_after = None

        def count(key, params):
            keys.append(key)
            return check(key, params)

        def note(row):
            if batch.sends_after is None:
                batch.sends_after = len(keys)
            return send(row)

        batch.usedesk.failures["n201"] = [errors.UsedeskInvalidToken("No.")]
        monkeypatch.setattr(batch, "check", count)
        monkeypatch.setattr(batch.usedesk, "send", note)
        return keys

    @pytest.fixture
    def one_bad(self):
        return [*people(2000), {"name": "x"}]

    def resume(self, batch, checked, rows, **options):
        """Run a batch that ends early, and once more; return the second summary."""
        first = batch.run(people(2000), BatchOptions(max_bad_rows=1))
        assert (len(checked), batch.sends_after) == (2000, 2000)
        assert 0 < first.sent < 1000
        checked.clear()
        batch.sends_after = None
        return batch.run(rows, BatchOptions(max_bad_rows=1, **options))

    def test_same_rows_are_sent_while_they_are_checked(self, batch, checked):
        summary = self.resume(batch, checked, people(2000))
        assert summary.sent + summary.skipped == 2000
        # Until the worker begins, the loader goes on to at most as many open rows.
        assert batch.sends_after <= 3 * MAX_OPEN
        assert batch.usedesk.sends.total() - batch.usedesk.sends["n201"] == 1999

    def test_other_rows_are_checked_first(self, batch, checked, one_bad):
        summary = self.resume(batch, checked, one_bad)
        assert (summary.sent + summary.skipped, summary.bad) == (2000, 1)
        assert batch.sends_after == len(checked)

    def test_too_many_bad_rows_among_others_send_nothing(self, batch, checked, one_bad):
        with pytest.raises(TooManyBadRows):
            self.resume(batch, checked, [*one_bad, {"name": "y"}])
        assert batch.sends_after is None

    def test_another_limit_of_bad_rows_is_checked_first(self, batch, one_bad):
        batch.usedesk.failures["n201"] = [errors.UsedeskInvalidToken("No.")]
        batch.run(one_bad, BatchOptions(max_bad_rows=1))
        sends = batch.usedesk.sends.total()
        with pytest.raises(TooManyBadRows):
            batch.run(one_bad)
        assert batch.usedesk.sends.total() == sends

    def test_another_template_is_checked_first(self, batch, checked, monkeypatch):
        class OtherParams(RowParams):
            def __init__(self, **given):
                super().__init__(**{**given, "templates": {"subject": "Good day, {{ row.name }}"}})

        batch.run(people(2000))
        checked.clear()
        batch.sends_after = None
        monkeypatch.setattr(f"{__name__}.RowParams", OtherParams)
        assert batch.run(people(2000)).skipped > 100
        assert batch.sends_after == len(checked)

    def test_rows_with_one_key_stay_invalid(self, batch):
        batch.usedesk.failures["n1"] = [errors.UsedeskInvalidToken("No.")]
        rows = [*people(3), *({"name": name, "client_phone": "78"} for name in ("n2", "n3"))]
        for _ in range(2):
            summary = batch.run(rows, BatchOptions(max_bad_rows=4, max_in_flight=1))
        assert (summary.sent, summary.bad) == (1, 4)
        assert set(batch.usedesk.tickets) == {"n1"}

    def test_rows_that_cannot_be_kept_are_checked_first(self, batch, checked):
        rows = [{**row, "call": str.upper} for row in people(1999)]
        batch.usedesk.failures["n201"] = [errors.UsedeskInvalidToken("No.")]
        rows.append({**people(1, 2000)[0], "call": lambda: None})
        batch.run(rows)
        assert batch.sends_after == 2000
        checked.clear()
        batch.sends_after = None
        summary = batch.run(rows)
        assert summary.sent + summary.skipped == 2000
        assert batch.sends_after == len(checked)

    def test_stopped_attempt_says_what_is_left(self, batch, checked):
        first = batch.run(people(2000))
        lease = SendLease(batch.clock)
        lease.stop()
        summary = batch.run(people(2000), lease=lease)
        assert (summary.sent, summary.rows) == (0, None)
        summary = self.stopped_at(batch, 300)
        assert summary.rows == summary.rows_so_far == 2000
        assert summary.left == 2000 - first.sent - summary.sent

    def test_changed_list_leaves_no_negative_number(self, batch):
        batch.run(people(30))

        def stop_while_reading():
            for number, row in enumerate(people(20, first=41)):
                if number == 10:
                    batch.last.stop()
                yield row

        batch.run(people(20, first=41), send=self.refuse)
        batch.run(people(20, first=41), send=self.refuse)
        assert batch.last.summary().left >= 0
        batch.run(stop_while_reading)
        assert batch.last.summary().left >= 0

    def refuse(self, row):
        raise errors.UsedeskInvalidToken("No.")

    def stopped_at(self, batch, count):
        end = batch.usedesk.sends.total() + count

        def stop(row):
            if batch.usedesk.sends.total() >= end:
                batch.last.stop()
            return batch.usedesk.send(row)

        return batch.run(people(2000), send=stop)


class TestQuietHours:
    def test_rows_can_be_left(self, batch):
        batch.clock.moment = NOON.replace(hour=23)
        options = BatchOptions(quiet_hours=QUIET, in_quiet_hours="leave")
        summary = batch.run(people(5), options)
        assert (summary.sent, summary.left, batch.usedesk.sends.total()) == (0, 5, 0)
        assert failure(summary, BatchOptions()) is None
        assert set(batch.outcomes("outcome")) == {("left",)}
        batch.clock.moment = NOON
        assert batch.run(people(5), options).sent == 5

    def test_rows_can_wait(self, batch):
        class NightClock(FakeClock):
            def sleep(self, seconds):
                if seconds == TICK:
                    self.moment += timedelta(hours=1)

        clock = NightClock()
        clock.moment = NOON.replace(hour=23)
        sent_at = []

        def send(row):
            sent_at.append(clock.moment)
            return batch.usedesk.send(row)

        summary = batch.run(people(5), BatchOptions(quiet_hours=QUIET), send=send, clock=clock)
        assert summary.sent == 5
        assert min(sent_at) == NOON.replace(day=2, hour=8)

    def test_beginning_pauses_the_run(self, batch):
        # At a low rate, few rows are released ahead.
        batch.clock.tick = 1.0
        batch.clock.moment = NOON.replace(hour=21)

        def send(row):
            response = batch.usedesk.send(row)
            if batch.usedesk.sends.total() == 20:
                batch.clock.moment = NOON.replace(hour=22)
            return response

        options = BatchOptions(quiet_hours=QUIET, pauses=True, max_in_flight=2)
        with pytest.raises(Paused) as caught:
            batch.run(people(200), options, send=send)
        assert caught.value.until == NOON.replace(day=2, hour=8)
        assert batch.usedesk.sends.total() < 30
        batch.clock.moment = caught.value.until
        summary = batch.run(people(200), options)
        assert summary.sent + summary.skipped == 200
        assert set(batch.usedesk.sends.values()) == {1}


class TestProgress:
    def test_progress_is_reported_at_an_interval(self, batch, caplog):
        caplog.set_level("INFO")
        batch.run(people(200), BatchOptions(report_seconds=5.0), clock=FakeClock(tick=1.0))
        assert batch.reports
        assert all(summary.sent + summary.left == 200 for summary in batch.reports)
        assert "200 rows: 200 sent" in caplog.text

    def test_each_report_syncs_the_result_file(self, batch):
        batch.run(people(200), BatchOptions(report_seconds=5.0), clock=FakeClock(tick=1.0))
        assert batch.results.syncs == len(batch.reports) > 0

    def test_log_has_no_keys_or_columns(self, batch, caplog):
        caplog.set_level("INFO")
        batch.usedesk.failures["n2"] = [errors.UsedeskRejected("No.")]
        batch.run([*people(5), {"name": "secret-name"}], BatchOptions(max_bad_rows=9))
        assert "secret-name" not in caplog.text
        assert "n2" not in caplog.text
        assert "row 2: UsedeskRejected: No." in caplog.text


OUTCOMES = st.sampled_from([None, None, "lost", "unknown", "rejected", "not delivered", "token"])
ATTEMPTS = st.sampled_from(
    [
        BatchOptions(max_bad_rows=99),
        BatchOptions(max_bad_rows=0),
        BatchOptions(max_bad_rows=99, max_failures=1),
        BatchOptions(validate="row"),
        BatchOptions(max_bad_rows=99, on_unknown="fail"),
        BatchOptions(
            max_bad_rows=99, quiet_hours=QuietHours.read("11:00-13:00", "UTC"), in_quiet_hours="leave"
        ),
    ]
)
ROWS = st.lists(
    st.one_of(st.integers(1, 9).map(lambda number: people(1, number)[0]), st.just({"name": "x"})), max_size=12
)


@settings(max_examples=25, deadline=None)
@given(
    rows=ROWS,
    failures=st.dictionaries(st.integers(1, 9), st.lists(OUTCOMES, max_size=3)),
    attempts=st.lists(ATTEMPTS, min_size=1, max_size=3),
)
def test_outcomes_add_up_to_rows(rows, failures, attempts):
    batch = Batch()
    errors_of = {
        "unknown": unknown(),
        "rejected": errors.UsedeskRejected("No."),
        "token": errors.UsedeskInvalidToken("No."),
    }
    for number, outcomes in failures.items():
        batch.usedesk.failures[f"n{number}"] = [errors_of.get(one, one) for one in outcomes]
    for options in attempts:
        with contextlib.suppress(TooManyBadRows):
            batch.run(rows, replace(options, report_seconds=0.0))
        for summary in (*batch.reports, batch.last.summary()):
            assert summary.rows in (None, len(rows))
            assert summary.rows is None or summary.rows_so_far == len(rows)
            assert min(summary.count(outcome) for outcome in Outcome) >= 0


def test_states_take_no_memory(batch):
    """Rows that have ended have no state, even after they were sent again."""
    for number, row in enumerate(people(1000)):
        if number % 4 == 0:
            batch.usedesk.failures[row["name"]] = ["lost"]
    assert batch.run(people(1000)).sent == 1000
    assert batch.last._state.row_states._entries == {}

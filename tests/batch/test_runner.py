"""A batch from its rows to its summary: sent once, resumed wherever it ended, ended by the rules."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import Environment, StrictUndefined

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch import runner as engine
from airflow_provider_usedesk.batch.checkpoint import Checkpoint, CheckpointTaken, OpenRow
from airflow_provider_usedesk.batch.loader import TooManyBadRows
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.quiet_hours import QuietHours
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.row_store import Sendable, digest
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.runner import LEASE, MAX_OPEN, BatchRun, Paused, Steps
from airflow_provider_usedesk.batch.summary import Summary, has_failed, progress
from airflow_provider_usedesk.batch.worker_pool import SendAborted, SendLease
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Died(BaseException):
    """What a killed worker leaves of its process."""


class Memory:
    """The state store, which outlives the tries."""

    def __init__(self):
        self.values = {}
        self.writes = 0
        self.before_write = lambda name: None

    def get(self, name):
        return self.values.get(name)

    def set(self, name, value):
        self.before_write(name)
        self.writes += 1
        self.values[name] = value


class Usedesk:
    """Tickets by the key of their row, and what goes wrong with each request."""

    def __init__(self):
        self.ids = itertools.count(1001)
        self.tickets = {}
        self.sends = Counter()
        self.faults = {}
        self.asked = []
        self.lock = threading.Lock()

    def send(self, row):
        with self.lock:
            self.sends[row.key] += 1
            fault = self.faults.get(row.key, [])
            fault = fault.pop(0) if fault else None
            if isinstance(fault, Exception) and not isinstance(fault, errors.UsedeskOutcomeUnknown):
                raise fault
            ticket_id = next(self.ids)
            if fault != "lost":
                self.tickets.setdefault(row.key, []).append(ticket_id)
            if fault == "lost" or isinstance(fault, Exception):
                raise errors.UsedeskOutcomeUnknown("No answer.")
            return CreatedTicket(ticket_id, message_status=fault)

    def look_up(self, doubts, knows_ticket):
        rows = [doubt.row for doubt in doubts]
        self.asked.append([row.key for row in rows])
        return [
            (
                row.number,
                Found(CreatedTicket(self.tickets[row.key][0])) if row.key in self.tickets else Absent(),
            )
            for row in rows
        ]


class ResultList(list):
    shown = 0

    def write(self, *row):
        self.append(row)

    def show(self):
        self.shown += 1


class Batch:
    """Tries of one task, one after the other."""

    def __init__(self):
        self.memory = Memory()
        self.usedesk = Usedesk()
        self.now = NOON
        self.results_class = ResultList
        self.reports = []

    def check(self, key, params):
        faults = [f"{name}: is required" for name in ("client_phone",) if not params.get(name)]
        if faults:
            raise errors.UsedeskInvalidRequest(faults)
        return {**params, "additional_id": key}, []

    def run(self, rows, rules=None, send=None, row_key="name", lease=None):
        self.results = self.results_class()
        arguments = RowParams(
            shared={"channel_id": 1},
            names=frozenset({"client_phone", "subject", "channel_id"}),
            templates={"subject": "Dear {{ row.name }}"},
            key=row_key,
            environment=Environment(undefined=StrictUndefined),
            context={},
        )
        steps = Steps(
            check=self.check,
            send=send or self.usedesk.send,
            look_up=self.usedesk.look_up,
            results=self.results,
            report=self.reports.append,
            requests=lambda: self.usedesk.sends.total(),
            now=lambda: self.now,
        )
        self.last = BatchRun(
            read_rows(rows),
            arguments,
            Checkpoint(self.memory),
            rules or BatchOptions(),
            steps,
            lease or SendLease(),
        )
        return self.last.run()


@pytest.fixture
def batch():
    return Batch()


def people(count, first=1):
    return [{"name": f"n{number}", "client_phone": "79"} for number in range(first, first + count)]


def test_each_row_is_sent_once(batch):
    summary = batch.run(people(500))
    assert (summary.rows, summary.sent, summary.left, summary.requests) == (500, 500, 0, 500)
    assert set(batch.usedesk.sends.values()) == {1}
    assert len(batch.usedesk.tickets) == 500
    assert sorted(row[0] for row in batch.results) == list(range(1, 501))


def test_a_later_try_sends_nothing_twice(batch):
    batch.run(people(500))
    summary = batch.run(people(500))
    assert (summary.sent, summary.skipped) == (0, 500)
    assert batch.usedesk.sends.total() == 500
    tickets = {key: ids[0] for key, ids in batch.usedesk.tickets.items()}
    assert {row[1]: row[3] for row in batch.results} == tickets


def killed_at(batch, write, rows, rules):
    """Run a try whose process is gone at one write: nothing is written or sent from then on."""
    is_dead = threading.Event()
    start = batch.memory.writes

    def die(name):
        if is_dead.is_set() or batch.memory.writes - start == write:
            is_dead.set()
            raise Died

    def send(row):
        if is_dead.is_set():
            raise errors.UsedeskUnavailable("Dead.")
        return batch.usedesk.send(row)

    batch.memory.before_write = die
    ticks = itertools.count()
    with pytest.raises(Died):
        # Seconds pass at each look at the clock: writes are many, and small.
        batch.run(rows, rules, send=send, lease=SendLease(clock=lambda: float(next(ticks))))
    batch.memory.before_write = lambda name: None


@pytest.mark.parametrize("write", range(12))
def test_a_try_that_is_killed_at_any_write_leaves_each_row_to_be_sent_once(batch, write):
    rows, rules = people(60), BatchOptions(max_in_flight=4)
    killed_at(batch, write, rows, rules)
    summary = batch.run(rows, rules)
    assert summary.left == summary.unknown == 0
    assert {key: len(ids) for key, ids in batch.usedesk.tickets.items()} == dict.fromkeys(
        [row["name"] for row in rows], 1
    )
    # Only rows that were under way are asked about.
    assert all(len(asked) <= 12 for asked in batch.usedesk.asked)


def test_many_kills_in_a_row(batch):
    rows, rules = people(200), BatchOptions(max_in_flight=4)
    for write in (2, 5, 1, 7, 3, 0, 9):
        killed_at(batch, write, rows, rules)
    batch.run(rows, rules)
    assert [len(ids) for ids in batch.usedesk.tickets.values()] == [1] * 200


def test_a_row_without_an_answer_is_asked_about_and_not_sent_again(batch):
    batch.usedesk.faults["n3"] = [errors.UsedeskOutcomeUnknown("No answer.")]
    summary = batch.run(people(5))
    assert (summary.sent, summary.unknown) == (5, 0)
    assert batch.usedesk.asked == [["n3"]]
    assert batch.usedesk.sends["n3"] == 1


def test_a_row_whose_request_was_lost_is_sent_again(batch):
    batch.usedesk.faults["n3"] = ["lost"]
    summary = batch.run(people(5))
    assert (summary.sent, summary.unknown) == (5, 0)
    assert batch.usedesk.sends["n3"] == 2


def test_what_nobody_can_tell_stays_unknown_and_is_asked_again_by_the_next_try(batch):
    batch.usedesk.faults["n3"] = [errors.UsedeskOutcomeUnknown("No answer.")]
    look_up, batch.usedesk.look_up = (
        batch.usedesk.look_up,
        lambda doubts, _: [(doubt.row.number, Ambiguous("Usedesk does not answer")) for doubt in doubts],
    )
    summary = batch.run(people(5))
    assert (summary.sent, summary.unknown, summary.left) == (4, 1, 0)
    assert has_failed(summary, BatchOptions())
    assert [row[2] for row in batch.results if row[1] == "n3"] == ["unknown"]
    batch.usedesk.look_up = look_up
    summary = batch.run(people(5))
    assert (summary.sent, summary.skipped, summary.unknown) == (1, 4, 0)
    assert batch.usedesk.sends["n3"] == 1


@pytest.mark.parametrize(("on_unknown", "unknown", "sends"), [("fail", 1, 1), ("send", 0, 2)])
def test_on_unknown_outcome(batch, on_unknown, unknown, sends):
    batch.usedesk.faults["n3"] = [errors.UsedeskOutcomeUnknown("No answer.")]
    summary = batch.run(people(5), BatchOptions(on_unknown=on_unknown))
    assert (summary.unknown, batch.usedesk.sends["n3"]) == (unknown, sends)
    assert batch.usedesk.asked == []


def test_a_service_that_answers_nothing_ends_the_run_soon(batch):
    for row in people(2000):
        batch.usedesk.faults[row["name"]] = ["lost", "lost"]
    summary = batch.run(people(2000))
    assert summary.left + summary.unknown == 2000
    assert batch.usedesk.sends.total() <= MAX_OPEN


def test_answers_that_are_lost_now_and_then_do_not_end_a_run(batch):
    for number, row in enumerate(people(3000)):
        if number % 5 == 0:
            batch.usedesk.faults[row["name"]] = [errors.UsedeskOutcomeUnknown("No answer.")]
        if number % 5 == 1:
            batch.usedesk.faults[row["name"]] = ["lost"]
    summary = batch.run(people(3000))
    assert (summary.sent, summary.unknown, summary.left) == (3000, 0, 0)
    assert [len(ids) for ids in batch.usedesk.tickets.values()] == [1] * 3000
    assert max(map(len, batch.usedesk.asked)) <= MAX_OPEN


def test_a_row_that_never_gets_through_does_not_keep_a_run(batch):
    batch.usedesk.faults["n3"] = ["lost"] * 9
    summary = batch.run(people(5))
    assert (summary.sent, summary.unknown) == (4, 1)
    assert batch.usedesk.sends["n3"] == 2


def test_a_rejected_row_does_not_stop_the_others(batch):
    batch.usedesk.faults["n2"] = [errors.UsedeskRejected("Code 119: no such client.")]
    summary = batch.run(people(5))
    assert (summary.sent, summary.rejected) == (4, 1)
    [row] = [row for row in batch.results if row[2] == "rejected"]
    assert row == (2, "n2", "rejected", None, "UsedeskRejected: Code 119: no such client.")
    # It was not sent, so a later try may: the data may be mended by then.
    assert batch.run(people(5)).sent == 1


@pytest.mark.parametrize(
    "error", [errors.UsedeskInvalidToken("Code 112."), errors.UsedeskUnavailable("No connection.")]
)
def test_what_would_meet_every_row_ends_the_run(batch, error):
    for row in people(500):
        batch.usedesk.faults[row["name"]] = [error]
    summary = batch.run(people(500))
    assert batch.last.halted_by is error
    assert (summary.sent, summary.left) == (0, 500)
    assert batch.usedesk.sends.total() <= 12
    assert batch.run(people(500)).left > 0 or batch.usedesk.sends.total() >= 500


def test_rows_with_the_same_key_are_sent_once(batch):
    rows = [*people(3), *people(2)]
    summary = batch.run(rows)
    assert (summary.rows, summary.sent, summary.duplicate) == (5, 3, 2)
    assert [row[4] for row in batch.results if row[2] == "duplicate"] == [
        "the same key as row 1",
        "the same key as row 2",
    ]


def test_nothing_is_sent_when_too_many_rows_are_bad(batch):
    rows = [*people(3), {"name": "x"}, {"client_phone": "79"}]
    with pytest.raises(TooManyBadRows) as caught:
        batch.run(rows)
    assert batch.usedesk.sends.total() == 0
    assert caught.value.validation_errors == (
        "2 of 5 rows are not valid",
        "row 4: client_phone: is required",
        "row 5: row_key: the row has nothing in 'name'",
    )


@pytest.mark.parametrize("most", [2, 0.4])
def test_as_many_bad_rows_as_allowed_are_left_out(batch, most):
    rows = [*people(3), {"name": "x"}, {"client_phone": "79"}]
    summary = batch.run(rows, BatchOptions(max_bad_rows=most))
    assert (summary.sent, summary.bad) == (3, 2)
    assert has_failed(summary, BatchOptions())


def test_a_template_names_what_a_row_does_not_have(batch):
    with pytest.raises(TooManyBadRows, match="row 1: subject: the row has no column 'name'"):
        batch.run([{"id": 1, "client_phone": "79"}], row_key="id")


def test_rows_are_checked_one_by_one_where_that_is_wanted(batch):
    rows = [*people(600), {"name": "x"}]
    summary = batch.run(rows, BatchOptions(validate="row"))
    assert (summary.rows, summary.sent, summary.bad) == (601, 600, 1)


def test_a_killed_try_that_checks_row_by_row_is_resumed_as_well(batch):
    rows, rules = people(700), BatchOptions(validate="row", max_in_flight=4)
    killed_at(batch, 20, rows, rules)
    batch.run(rows, rules)
    assert [len(ids) for ids in batch.usedesk.tickets.values()] == [1] * 700


@pytest.mark.parametrize("most", [20, 0.02])
def test_too_many_failures_end_the_run(batch, most):
    for row in people(1000):
        batch.usedesk.faults[row["name"]] = [errors.UsedeskRejected("No.")]
    summary = batch.run(people(1000), BatchOptions(max_failures=most, max_in_flight=2))
    assert 20 < summary.rejected < 40
    assert summary.left == 1000 - summary.rejected
    assert has_failed(summary, BatchOptions(max_failures=most, fail_on="none"))


@pytest.mark.parametrize(
    ("fail_on", "some", "every"), [("any", True, True), ("all", False, True), ("none", False, False)]
)
def test_when_a_batch_has_failed(batch, fail_on, some, every):
    rules = BatchOptions(fail_on=fail_on)
    for row in people(2):
        batch.usedesk.faults[row["name"]] = [errors.UsedeskRejected("No.")]
    assert has_failed(batch.run(people(2)), rules) is every
    batch.usedesk.faults["n1"] = [errors.UsedeskRejected("No.")]
    assert has_failed(batch.run(people(2)), rules) is some


def test_a_message_that_was_not_delivered_is_a_failure_and_is_not_sent_again(batch):
    batch.usedesk.faults["n2"] = ["not delivered"]
    summary = batch.run(people(3))
    assert (summary.sent, summary.not_delivered) == (2, 1)
    assert has_failed(summary, BatchOptions())
    assert not has_failed(summary, BatchOptions(ignore_not_delivered=True))
    assert [row[2:4] for row in batch.results if row[1] == "n2"] == [
        ("not_delivered", batch.usedesk.tickets["n2"][0])
    ]
    summary = batch.run(people(3))
    assert summary.sent == 0
    assert batch.usedesk.sends["n2"] == 1
    # It is still a failure, as it is for a single message.
    assert has_failed(summary, BatchOptions())


def test_changed_recipients_are_noticed_and_known_by_their_keys(batch, caplog):
    batch.run(people(10))
    summary = batch.run(people(10, first=3))
    assert summary.recipients_changed
    assert (summary.sent, summary.skipped) == (2, 8)
    assert "10 rows now, 10 then" in caplog.text
    assert "8 of them were sent and are not sent again; 2 that were sent are no longer" in caplog.text
    assert not batch.run(people(10, first=3)).recipients_changed


def test_a_run_that_is_told_to_stop_leaves_the_rest_to_the_next(batch):
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
    assert batch.usedesk.asked == []


def test_a_request_that_does_not_end_does_not_keep_a_stopped_run(batch):
    hangs = threading.Event()
    ticks = itertools.count()

    def hang(row):
        batch.last.stop()
        hangs.wait(60)
        return batch.usedesk.send(row)

    lease = SendLease(clock=lambda: float(next(ticks)))
    summary = batch.run(people(5), BatchOptions(max_in_flight=1), send=hang, lease=lease)
    assert (summary.sent, summary.left) == (0, 5)
    hangs.set()


def test_a_thread_that_waits_hands_its_row_back_when_the_gate_closes(batch):
    lease = SendLease()

    def wait(row):
        batch.last.stop()
        lease.pause(3600)
        return batch.usedesk.send(row)

    summary = batch.run(people(5), send=wait, lease=lease)
    assert (summary.sent, summary.left, batch.usedesk.sends.total()) == (0, 5, 0)


def test_a_row_that_was_handed_back_is_sent_in_the_same_try(batch):
    handed_back = set()

    def send(row):
        if row.key not in handed_back:
            handed_back.add(row.key)
            raise SendAborted
        return batch.usedesk.send(row)

    summary = batch.run(people(30), send=send)
    assert (summary.sent, summary.left, batch.usedesk.sends.total()) == (30, 0, 30)


QUIET = QuietHours.read("22:00-08:00", "UTC")


def test_rows_of_quiet_hours_are_left(batch):
    batch.now = NOON.replace(hour=23)
    summary = batch.run(people(5), BatchOptions(quiet_hours=QUIET, in_quiet_hours="leave"))
    assert (summary.sent, summary.left, batch.usedesk.sends.total()) == (0, 5, 0)
    assert not has_failed(summary, BatchOptions())
    assert {row[2] for row in batch.results} == {"left"}
    batch.now = NOON
    assert batch.run(people(5), BatchOptions(quiet_hours=QUIET, in_quiet_hours="leave")).sent == 5


def test_rows_wait_for_the_end_of_quiet_hours(batch):
    batch.now = NOON.replace(hour=23)

    def pass_an_hour(seconds):
        batch.now += timedelta(hours=1)

    sent_at = []

    def send(row):
        sent_at.append(batch.now)
        return batch.usedesk.send(row)

    summary = batch.run(
        people(5), BatchOptions(quiet_hours=QUIET), send=send, lease=SendLease(sleep=pass_an_hour)
    )
    assert summary.sent == 5
    assert min(sent_at) == NOON.replace(day=2, hour=8)


def test_quiet_hours_that_begin_in_the_middle_stop_the_sending(batch):
    batch.now = NOON.replace(hour=21)

    def send(row):
        answer = batch.usedesk.send(row)
        if batch.usedesk.sends.total() == 20:
            batch.now = NOON.replace(hour=22)
        return answer

    rules = BatchOptions(quiet_hours=QUIET, pauses=True, max_in_flight=2)
    with pytest.raises(Paused) as caught:
        batch.run(people(200), rules, send=send)
    assert caught.value.until == NOON.replace(day=2, hour=8)
    assert batch.usedesk.sends.total() < 30
    batch.now = caught.value.until
    summary = batch.run(people(200), rules)
    assert summary.sent + summary.skipped == 200
    assert set(batch.usedesk.sends.values()) == {1}


def test_progress_is_reported_at_a_calm_interval(batch, caplog):
    caplog.set_level("INFO")
    ticks = itertools.count()
    lease = SendLease(clock=lambda: float(next(ticks)))
    batch.run(people(200), BatchOptions(report_seconds=5.0), lease=lease)
    assert batch.reports
    assert all(one.sent + one.left == 200 for one in batch.reports)
    assert "Sent 200 of 200" in caplog.text


def test_what_progress_says():
    summary = Summary(rows=400, sent=150, left=230, rejected=2, skipped=18, seconds=60.8)
    assert progress(summary) == "Sent 150 of 382, 150 a minute, 2 min left, 18 skipped, 2 rejected."
    assert progress(Summary(rows=0)) == "Sent 0 of 0."


def with_open_rows(batch, keys, since=NOON, until=NOON, shown=0):
    """Let an earlier try have ended with rows on their way."""
    checkpoint = Checkpoint(batch.memory)
    list(checkpoint.read())
    checkpoint.write([], [OpenRow(digest(key), since, until, shown) for key in keys])


@pytest.mark.parametrize("validate", ["first", "row"])
def test_a_try_that_died_with_many_rows_on_their_way_is_resumed(batch, validate):
    keys = [row["name"] for row in people(MAX_OPEN)]
    with_open_rows(batch, keys)
    batch.usedesk.tickets = {key: [2000 + number] for number, key in enumerate(keys[:100])}
    summary = batch.run(people(1000), BatchOptions(validate=validate))
    assert (summary.sent, summary.left, summary.unknown) == (1000, 0, 0)
    assert batch.usedesk.sends.total() == 900


@pytest.mark.parametrize("validate", ["first", "row"])
def test_rows_in_doubt_that_are_no_longer_there_are_remembered_and_keep_nobody(batch, validate):
    with_open_rows(batch, [f"gone-{number}" for number in range(MAX_OPEN)])
    assert batch.run(people(20), BatchOptions(validate=validate)).sent == 20
    batch.usedesk.tickets["gone-7"] = [7]
    # Back again, it is asked about.
    assert batch.run([*people(20), {"name": "gone-7", "client_phone": "79"}]).skipped == 20
    assert batch.usedesk.asked == [["gone-7"]]


def open_now(batch):
    """What the next try would find if this one died now."""
    checkpoint = Checkpoint(Memory())
    checkpoint._store.values = dict(batch.memory.values)
    list(checkpoint.read())
    return checkpoint.open


def test_a_doubt_is_asked_about_for_all_the_time_in_which_it_may_have_been_sent(batch):
    batch.usedesk.faults["n1"] = [errors.UsedeskOutcomeUnknown("No answer.")]
    doubts, look_up = [], batch.usedesk.look_up

    def send(row):
        # Held for ten minutes, as a patient client is.
        batch.now += timedelta(minutes=10)
        return batch.usedesk.send(row)

    def note(found, knows_ticket):
        doubts.extend(found)
        return look_up(found, knows_ticket)

    batch.usedesk.look_up = note
    assert batch.run(people(1), send=send).sent == 1
    [doubt] = doubts
    assert (doubt.since, doubt.until) == (NOON, NOON + timedelta(minutes=10))


@pytest.mark.parametrize(("subject", "is_alike"), [("Dear n1", True), ("Dear other", False)])
def test_a_doubt_of_an_earlier_try_may_have_looked_otherwise_then(batch, subject, is_alike):
    shown = Sendable(1, "n1", {"subject": subject}).shown
    with_open_rows(batch, ["n1"], shown=shown)
    doubts = []
    batch.usedesk.look_up = lambda found, _: doubts.extend(found) or [(1, Absent())]
    batch.run(people(1))
    assert [doubt.is_alike for doubt in doubts] == [is_alike]


def test_a_worker_that_was_taken_for_dead_sends_nothing_more(batch):
    """The next try has begun, and asks for what this one had on its way."""

    def take_over(row):
        answer = batch.usedesk.send(row)
        if batch.usedesk.sends.total() == 20:
            list(Checkpoint(batch.memory).read())
        return answer

    with pytest.raises(CheckpointTaken):
        batch.run(people(300), BatchOptions(max_in_flight=4), send=take_over)
    assert batch.usedesk.sends.total() <= 40
    batch.run(people(300))
    assert [len(ids) for ids in batch.usedesk.tickets.values()] == [1] * 300


def test_the_moment_until_which_rows_may_be_sent_is_written_anew_while_they_wait(batch, monkeypatch):
    """Usedesk may ask to wait for many minutes before the request of a row is made at all."""
    monkeypatch.setattr(engine, "TICK", 0.001)
    waits, spans = threading.Event(), []

    def clock():
        batch.now += timedelta(seconds=1)
        return (batch.now - NOON).total_seconds()

    def note(name):
        spans.extend(row.until for row in open_now(batch))
        if batch.now - NOON > timedelta(minutes=20):
            waits.set()

    batch.memory.before_write = note

    def send(row):
        waits.wait(60)
        return batch.usedesk.send(row)

    batch.run(people(1), BatchOptions(max_in_flight=1), send=send, lease=SendLease(clock))
    # Never more than a few seconds old: a row is not sent long after what is known of it.
    moments = sorted(set(spans))
    assert max(later - one for one, later in itertools.pairwise(moments)) <= timedelta(seconds=LEASE)
    assert moments[-1] > NOON + timedelta(minutes=20)


def test_a_run_that_ends_early_is_not_a_success(batch):
    for row in people(2000):
        batch.usedesk.faults[row["name"]] = ["lost"] * 3
    rules = BatchOptions(fail_on="none")
    summary = batch.run(people(2000), rules)
    assert summary.left
    assert not has_failed(summary, rules)
    assert batch.last.was_cut_short


def test_a_run_that_has_sent_all_or_leaves_the_rest_was_not_cut_short(batch):
    batch.run(people(5))
    assert not batch.last.was_cut_short
    batch.now = NOON.replace(hour=23)
    batch.run(people(9), BatchOptions(quiet_hours=QUIET, in_quiet_hours="leave"))
    assert not batch.last.was_cut_short


@pytest.mark.parametrize("validate", ["first", "row"])
def test_rows_of_an_earlier_try_that_were_not_sent_are_left_as_well(batch, validate):
    with_open_rows(batch, ["n2", "n400"])
    batch.now = NOON.replace(hour=23)
    rules = BatchOptions(quiet_hours=QUIET, in_quiet_hours="leave", validate=validate)
    summary = batch.run(people(500), rules)
    assert (summary.left, summary.unknown) == (500, 0)
    assert sorted(row[0] for row in batch.results) == list(range(1, 501))
    assert {row[2] for row in batch.results} == {"left"}


def test_a_result_file_that_cannot_be_written_loses_no_answer(batch):
    class Full(ResultList):
        def write(self, number, *row):
            if number == 20:
                raise OSError("No space left on device")

    run, batch.results_class = batch.run, Full
    with pytest.raises(OSError, match="No space"):
        run(people(100))
    batch.results_class = ResultList
    batch.run(people(100))
    assert set(batch.usedesk.sends.values()) == {1}


def test_an_interrupt_does_not_wait_for_requests_that_do_not_end(batch):
    """A timeout of the task, for example, is raised in the midst of whatever is done."""
    hangs = threading.Event()
    ticks = itertools.count()

    class TimedOut(BaseException):
        pass

    def clock():
        if next(ticks) == 12:
            raise TimedOut
        return float(next(ticks))

    with pytest.raises(TimedOut):
        batch.run(
            people(5), BatchOptions(max_in_flight=1), send=lambda row: hangs.wait(60), lease=SendLease(clock)
        )
    hangs.set()


def test_results_are_shown_at_each_report(batch):
    """Object storage has them while the batch waits, too."""
    ticks = itertools.count()
    batch.run(people(200), BatchOptions(report_seconds=5.0), lease=SendLease(lambda: float(next(ticks))))
    assert batch.results.shown == len(batch.reports)


def test_no_log_line_holds_a_key_or_a_column(batch, caplog):
    caplog.set_level("INFO")
    batch.usedesk.faults["n2"] = [errors.UsedeskRejected("No.")]
    batch.run([*people(5), {"name": "secret-name"}], BatchOptions(max_bad_rows=9))
    assert "secret-name" not in caplog.text
    assert "n2" not in caplog.text
    assert "row 2: UsedeskRejected: No." in caplog.text


def test_memory_of_a_hundred_thousand_rows_stays_in_small_pieces(batch):
    batch.run(people(2500))
    sizes = {name: len(str(value)) for name, value in batch.memory.values.items()}
    assert sorted(sizes) == ["done-000000", "done-000001", "done-000002", "head"]
    assert max(sizes.values()) < 32_000

"""Histories of attempts, clearing, changed data and faults: nobody gets a message twice, none is lost."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskOutcomeUnknown
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from tests.support.history_model import (
    CONSISTENCY,
    KEYED,
    LOOP,
    MAPPED,
    SIMULATED,
    SINGLE,
    Airflow,
    Attempt,
    Instance,
    Interrupted,
    Item,
    Killed,
    Outcome,
    Plan,
    Point,
    Stop,
    World,
)

PHONES = ("79120000001", "79120000002", "79120000003")
TEXTS = ("x", "y")
MOST_ITEMS = 3
LONG = 3600.0
MANY = 30
WRONG_VALUES: list[Any] = [{}, 0, "garbage", {"version": 2}]

# Without a task state store, an attempt is fenced by a look before the write, and a loop not at all: what
# stops after that look is not promised there.
FENCED_BY_A_LOOK = (Point.LOOK, Point.FENCE, Point.POSTED, Point.ANSWERED)

picks = st.integers(0, MOST_ITEMS)
# A request slower than the consistency delay is not promised.
delays = st.sampled_from([(0.0, 0.0), (1.0, 0.0), (50.0, 0.0), (0.0, 120.0), (100.0, 20.0), (30.0, 90.0)])


def plans_with(*points: Point | None, outcomes: tuple[Outcome, ...] = tuple(Outcome)) -> Any:
    """Return the strategy for plans that stop at one of some points."""
    parts = {
        "point": st.sampled_from(points),
        "passes": st.sampled_from([0, 0, 0, 1]),
        "stop": st.sampled_from([Stop.KILL, Stop.FREEZE, Stop.INTERRUPT]),
        "outcome": st.sampled_from(outcomes),
        "delay": delays,
        "slow": st.sampled_from([0.0, 0.0, 6.0, 20.0]),
        "wait": st.sampled_from([5.0, 30.0]),
    }
    return st.builds(lambda delay, **others: Plan(latency=delay[0], lag=delay[1], **others), **parts)


# A request that may be sent twice is not sent twice if Usedesk refuses it.
refusals = st.builds(
    Plan,
    outcome=st.sampled_from([Outcome.REFUSED, Outcome.LIMITED, Outcome.UNREACHABLE]),
    on_unknown=st.sampled_from(["verify", "send", "fail"]),
)
plans = st.one_of(
    st.just(Plan()),
    plans_with(None),
    refusals,
    plans_with(Point.POSTED, Point.ANSWERED, outcomes=(Outcome.OK,)),
    plans_with(Point.FENCE, Point.WRITE, Point.WRITTEN, outcomes=(Outcome.OK,)),
    plans_with(Point.WAIT, outcomes=(Outcome.LIMITED_FIRST,)),
    plans_with(Point.LOAD, Point.LOOK, outcomes=(Outcome.OK,)),
)
several_plans = st.lists(plans, min_size=MOST_ITEMS, max_size=MOST_ITEMS)
items = st.builds(Item, st.sampled_from(PHONES), st.sampled_from(TEXTS))
lists = st.one_of(
    st.just([Item(phone, TEXTS[0]) for phone in PHONES[:2]]),
    st.lists(items, min_size=1, max_size=MOST_ITEMS),
)


def named(several: list[Item]) -> list[Item]:
    """Return a list whose messages have names."""
    return [replace(item, name=f"appointment {number}") for number, item in enumerate(several)]


class Histories(RuleBasedStateMachine):
    """
    One or two installations of Airflow and one Usedesk.

    Merged and deleted tickets are not promised, and do not occur. That a message is added a second time and
    then cleared is not promised to send it again; to send it once is right here.
    """

    @initialize(
        task=st.sampled_from([SINGLE, MAPPED, MAPPED, KEYED, LOOP]),
        sent=lists,
        has_store=st.sampled_from([True, True, False]),
        page_size=st.sampled_from([20, 100]),
        zone=st.sampled_from([3, -3]),
    )
    def begin(self, task: str, sent: list[Item], has_store: bool, page_size: int, zone: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.world = World(self.patch, has_store=has_store, page_size=page_size, zone=zone)
        self.task = task
        self.sent = sent[:1] if task == SINGLE else named(sent) if task == KEYED else sent
        self.airflow = Airflow(self.world, "airflow", {task: self.sent})
        self.airflows = [self.airflow]

    # Attempts

    @rule(pick=picks, plan=plans)
    def start(self, pick: int, plan: Plan) -> None:
        if can_start := [one for one in self.airflow.present() if one.can_start]:
            self._start(self.airflow, can_start[pick % len(can_start)], plan)

    @rule(several=several_plans)
    def start_all(self, several: list[Plan]) -> None:
        for airflow in self.airflows:
            for one, plan in zip(airflow.present(), several, strict=False):
                if one.can_start:
                    self._start(airflow, one, plan)

    @rule()
    def finish_run(self) -> None:
        """Retry until all task instances have ended."""
        for one in self.airflow.present():
            while one.can_start:
                self._start(self.airflow, one, Plan())

    @precondition(lambda self: self.world.frozen())
    @rule(pick=picks)
    def thaw(self, pick: int) -> None:
        frozen = self.world.frozen()
        frozen[pick % len(frozen)].resume()

    # What people do

    @rule(pick=picks)
    def clear_one(self, pick: int) -> None:
        present = self.airflow.present()
        self.airflow.clear([present[pick % len(present)]])

    @rule(several=several_plans)
    def clear_all(self, several: list[Plan]) -> None:
        self.airflow.clear(self.airflow.present())
        self.start_all(several)

    @rule(
        change=st.sampled_from(["insert", "insert", "remove", "swap", "recipient", "content"]),
        at=st.integers(0, MOST_ITEMS),
        item=items,
        several=several_plans,
    )
    def change_list(self, change: str, at: int, item: Item, several: list[Plan]) -> None:
        if not self.world.has_store and not self.airflow.has_ended:
            # Clearing moved lists in a run that goes on is not promised there.
            return
        # The task upstream runs again, too: it makes the list when the run is cleared already.
        self.airflow.clear(self.airflow.present())
        self.airflow.replace(self.task, self._changed(change, at, item))
        self.start_all(several)

    @rule(at=picks, text=st.sampled_from(TEXTS))
    def edit_text(self, at: int, text: str) -> None:
        sent = list(self.airflow.lists[self.task])
        sent[at % len(sent)] = replace(sent[at % len(sent)], content=text)
        self.airflow.replace(self.task, sent)
        self.airflow.is_edited = True

    @rule(
        event=st.sampled_from(["rename", "move", "others", "corrupt", "upgrade", "clear others", "second"]),
        pick=picks,
    )
    def something_else(self, event: str, pick: int) -> None:
        tickets = list(self.world.service.tickets.values())
        with_record = [one for one in self.airflow.instances.values() if one.values]
        if event == "rename" and tickets:
            tickets[pick % len(tickets)].subject = "changed"
        elif event == "move" and tickets:
            tickets[pick % len(tickets)].client_id = 2
        elif event == "others" and len(tickets) < MANY:
            for _ in range(MANY):
                self.world.service.accept(("", ""), Item("", ""), {"subject": "other"}, Plan())
        elif event == "corrupt" and with_record:
            one = with_record[pick % len(with_record)]
            one.is_corrupt = True
            one.values.update(dict.fromkeys(one.values, WRONG_VALUES[pick % len(WRONG_VALUES)]))
        elif event == "upgrade":
            self._upgrade()
        elif event == "clear others":
            self.airflow.clear([])
        elif event == "second" and len(self.airflows) == 1:
            # Without a prefix of its own, a second installation is not promised.
            self.airflows.append(Airflow(self.world, "other", {self.task: self.sent}))

    @rule(seconds=st.sampled_from([1.0, 5.0, 10.0, 120.0, LONG]))
    def wait(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)

    # What must be true

    @invariant()
    def nobody_gets_a_message_too_often(self) -> None:
        for airflow in getattr(self, "airflows", ()):
            for task in airflow.lists:
                self._check_not_too_often(airflow, task)

    @invariant()
    def ended_attempts_are_right(self) -> None:
        if hasattr(self, "world"):
            self.world.service.carry_out()
            ended = [attempt for attempt in self.world.attempts if attempt.has_ended]
            for attempt in ended:
                self._check_ended(attempt)
            self.world.attempts = [attempt for attempt in self.world.attempts if not attempt.has_ended]

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            self.patch.undo()

    def _start(self, airflow: Airflow, instance: Instance, plan: Plan) -> None:
        is_fenced = self.world.has_store or (self.task != LOOP and plan.point in FENCED_BY_A_LOOK)
        if plan.stop is Stop.FREEZE and not is_fenced:
            plan = replace(plan, stop=Stop.KILL)
        if plan.on_unknown == "send" and not self._has_own_record(airflow, instance):
            plan = replace(plan, on_unknown="verify")
        airflow.start(instance, plan)

    def _has_own_record(self, airflow: Airflow, instance: Instance) -> bool:
        """Return whether a later attempt can find what was sent before one with the policy ``send``."""
        return bool(instance.values) and self.task == SINGLE and airflow.clear_number == 0

    def _upgrade(self) -> None:
        """Lose all records, as an upgrade from Airflow 2.11 does; it ends all workers."""
        for attempt in self.world.frozen():
            attempt.kill()
        for airflow in self.airflows:
            for one in airflow.instances.values():
                one.values.clear()
                one.is_corrupt = False

    def _changed(self, change: str, at: int, item: Item) -> list[Item]:
        several = self.airflow.lists[self.task]
        one = several[at % len(several)]
        if self.task == SINGLE or change in ("recipient", "content"):
            changed = {"recipient": item.recipient} if change == "recipient" else {"content": item.content}
            return [replace(other, **changed) if other is one else other for other in several]
        if change == "insert" and len(several) < MOST_ITEMS:
            names = {other.name for other in several}
            new = next(new for new in named([item] * MOST_ITEMS) if new.name not in names)
            return [*several[:at], new if one.name else item, *several[at:]]
        if change == "remove" and len(several) > 1:
            return [other for other in several if other is not one]
        return several[::-1]

    def _check_not_too_often(self, airflow: Airflow, task: str) -> None:
        sent = Counter(_what(task, item) for item in self.world.service.sent((airflow.prefix, task)))
        most: Counter[Any] = Counter()
        for version in airflow.versions[task]:
            most |= Counter(_what(task, item) for item in version)
        assert sent <= most, f"{task}: {sent} were sent, at most {most} are right"

    def _check_ended(self, attempt: Attempt) -> None:
        if attempt.error is not None:
            _check_error(attempt.error)
        elif attempt.is_current:
            # A task that sends several messages has a record for each.
            assert not attempt.is_corrupt or self.task in (KEYED, LOOP), "a corrupt record says nothing"
            sent = self.world.service.sent((attempt.airflow.prefix, attempt.instance.task))
            for item in attempt.items:
                _check_sent(attempt, item, sent)
        is_first = attempt.try_number == 1 and attempt.clear_number == 0
        if is_first and attempt.plan.is_ordinary and attempt.error is None:
            _check_cost(attempt)


def _what(task: str, item: Item) -> Any:
    """Return what must not be sent twice."""
    if task == SINGLE:
        return item.recipient
    return (item.name, item.recipient) if task == KEYED else (item.recipient, item.content)


def _check_sent(attempt: Attempt, item: Item, sent: list[Item]) -> None:
    """Check that a message was sent, if only with a text that its instance had before."""
    task = attempt.instance.task
    if task == MAPPED:
        texts = [one.content for one in attempt.instance.seen if one.recipient == item.recipient]
        # A text that changes between two attempts, and then the task is cleared, is not promised.
        texts += TEXTS if attempt.airflow.is_edited else ()
        is_sent = any(one.recipient == item.recipient and one.content in texts for one in sent)
    else:
        is_sent = _what(task, item) in [_what(task, one) for one in sent]
    assert is_sent, f"{task} has succeeded, but sent nothing"


def _check_error(error: BaseException) -> None:
    text = str(error)
    if isinstance(error, (Killed, Interrupted)) or SIMULATED in text:
        return
    if isinstance(error, UsedeskOutcomeUnknown):
        assert "Look in Usedesk" in text or "mark the task as success" in text
    elif isinstance(error, AirflowFailException):
        assert "message_key: is required" in text
    elif isinstance(error, UsedeskError):
        assert "Nothing was sent" in text
    else:
        raise error


def _check_cost(attempt: Attempt) -> None:
    messages = len(attempt.items)
    writes = 2 * messages if attempt.world.has_store else 0
    assert (attempt.posts, attempt.writes, attempt.reads, attempt.looks) == (messages, writes, 0, 0)


@pytest.fixture(autouse=True)
def no_logs():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _run(examples: int, steps: int, *, is_random: bool) -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=not is_random,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_histories():
    _run(200, 30, is_random=False)


def test_frozen_search_looks_again(monkeypatch):
    """What a search has listed before the consistency delay was over proves nothing after it."""
    world = World(monkeypatch, has_store=False, page_size=20, zone=3)
    airflow = Airflow(world, "airflow", {SINGLE: [Item(PHONES[0], "x")]})
    [instance] = airflow.present()
    airflow.start(instance, Plan(Point.POSTED, latency=1.0))
    second = airflow.start(instance, Plan(Point.LOOK, stop=Stop.FREEZE))
    world.clock.sleep(CONSISTENCY)
    second.resume()
    assert second.error is None
    assert len(world.service.sent(("airflow", SINGLE))) == 1


@pytest.mark.parametrize("first", [Plan(outcome=Outcome.REFUSED), Plan(outcome=Outcome.VANISHED)], ids=repr)
def test_named_message_moves_and_returns(monkeypatch, first):
    """The record of a map index does not know what another index sent meanwhile."""
    world = World(monkeypatch, has_store=True, page_size=20, zone=3)
    sent = named([Item(PHONES[0], "x"), Item(PHONES[1], "x")])
    airflow = Airflow(world, "airflow", {KEYED: sent})
    for plan, items_then in [(first, sent), (Plan(), sent[::-1]), (Plan(), sent)]:
        airflow.replace(KEYED, items_then)
        airflow.clear(airflow.present())
        for one in airflow.present():
            airflow.start(one, plan)
    assert sorted(item.name for item in world.service.sent(("airflow", KEYED))) == [
        "appointment 0",
        "appointment 1",
    ]


def test_refused_message_says_nothing_of_another(monkeypatch):
    """A message that moves to the map index of a refused one can have been sent from its own."""
    world = World(monkeypatch, has_store=True, page_size=20, zone=3)
    sent = [Item(PHONES[0], "x"), Item(PHONES[1], "x")]
    airflow = Airflow(world, "airflow", {MAPPED: sent})
    first, second = airflow.present()
    airflow.start(first, Plan(outcome=Outcome.REFUSED))
    airflow.start(second, Plan())
    airflow.clear([first, second])
    airflow.replace(MAPPED, sent[::-1])
    airflow.start(first, Plan())
    airflow.start(second, Plan())
    assert sorted(item.recipient for item in world.service.sent(("airflow", MAPPED))) == list(PHONES[:2])


@pytest.mark.slow
def test_many_histories():
    _run(1000, 40, is_random=True)

"""The delivery contract of operators: histories of attempts, clears and moved lists, against the sandbox."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from functools import partial

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest, UsedeskOutcomeUnknown
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.idempotency import find_ticket
from airflow_provider_usedesk.operators.message import (
    SendTelegramMessageOperator,
    SendWhatsAppMessageOperator,
)
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from airflow_provider_usedesk.sandbox import Sandbox
from tests.support.delivery import set_extra
from tests.support.operators import StateStore, attempt_context

ANNA, BORIS, CLARA = "79120000001", "79120000002", "79120000003"


class World:
    """A Dag run whose tasks have a store (Airflow 3.3) or none."""

    def __init__(self, usedesk, has_store):
        self.usedesk = usedesk
        self.stores = defaultdict(StateStore) if has_store else None
        self.clears = 0
        self.tries = Counter()
        self.max_tries = Counter()

    def clear(self):
        self.clears += 1
        for task in self.tries:
            self.max_tries[task] = self.tries[task]

    def context(self, task_id, map_index=-1):
        """Begin the next attempt of a task instance."""
        task = (task_id, map_index)
        self.tries[task] += 1
        return attempt_context(
            self.tries[task],
            self.max_tries[task],
            None if self.stores is None else self.stores[task],
            clear_number=self.clears,
            task_id=task_id,
            map_index=map_index,
        )

    def send(self, task_id="send", map_index=-1, **arguments):
        """Run the next attempt of a sender."""
        return sender(task_id, **arguments).execute(self.context(task_id, map_index))

    def send_each(self, phones, **arguments):
        """Run the next attempt of each mapped sender."""
        for index, phone in enumerate(phones):
            self.send(map_index=index, client_phone=phone, **arguments)

    @property
    def sent(self):
        """How many messages each recipient has got."""
        return Counter(ticket.received["client_phone"] for ticket in self.usedesk.tickets)


def sender(task_id="send", **arguments):
    given = {"client_phone": ANNA, "subject": "Bill", "message": "Please pay", **arguments}
    return SendWhatsAppMessageOperator(task_id=task_id, channel_id=20054, user_id=2156, from_="user", **given)


@pytest.fixture
def usedesk(monkeypatch):
    with Sandbox(listing_lag=0) as running:
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", running.connection_json)
        # No request is under way in a test whose attempt has ended.
        set_extra(monkeypatch, consistency_delay=0, max_wait=0)
        yield running


@pytest.fixture(params=[True, False], ids=["store", "no-store"])
def world(request, usedesk):
    return World(usedesk, request.param)


def lose_response(usedesk):
    usedesk.fail(faults.close("after"), method="create/ticket")


class TestSingleMessage:
    def test_renamed_ticket_is_found(self, world):
        lose_response(world.usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            world.send()
        [ticket] = world.usedesk.tickets
        world.usedesk.update(ticket.ticket_id, subject="Urgent: call back")
        assert world.send() == ticket.ticket_id
        assert world.sent == {ANNA: 1}

    def test_key_field_finds_with_two_requests(self, world, monkeypatch):
        set_extra(monkeypatch, key_field_id=10)
        lose_response(world.usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            world.send()
        [ticket] = world.usedesk.tickets
        for number in range(3):
            world.send("others", message_key=str(number))
        before = world.usedesk.requests()
        assert world.send() == ticket.ticket_id
        assert world.usedesk.requests() - before == 2

    def test_clearing_finds_renamed_ticket(self, world):
        ticket_id = world.send()
        world.usedesk.update(ticket_id, subject="Urgent: call back")
        world.clear()
        assert world.send() == ticket_id

    def test_edited_subject_sends_nothing(self, world):
        lose_response(world.usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            world.send(subject="Bill at 10:00:01")
        world.send(subject="Bill at 10:00:07")
        assert world.sent == {ANNA: 1}

    def test_cleared_message_with_edits_sends_nothing(self, world):
        first = world.send(message="Pleese pay")
        world.clear()
        assert world.send(message="Please pay") == first

    def test_corrected_phone_gets_the_message(self, world):
        world.send(client_phone=BORIS)
        world.clear()
        world.send(client_phone=ANNA)
        assert world.sent == {ANNA: 1, BORIS: 1}
        world.clear()
        world.send(client_phone="+7 (912) 000-00-01")
        assert world.sent == {ANNA: 1, BORIS: 1}

    def test_whole_float_is_the_number(self, world):
        """A column of numbers with an empty cell has floats."""
        world.send("before")
        client_id = world.usedesk.tickets[0].client_id
        for number in (client_id, float(client_id), f"{client_id}.0"):
            world.send(client_phone=None, client_id=number)
            world.clear()
        for index, key in enumerate((683, 683.0, "683.0")):
            world.send("named", map_index=index, message_key=key)
            world.clear()
        for index, own_id in enumerate((684, 684.0)):
            world.send("own", map_index=index, additional_id=own_id)
            world.clear()
        assert len(world.usedesk.tickets) == 4

    def test_telegram_name_is_the_recipient(self, world):
        def send(username, phone):
            telegram = SendTelegramMessageOperator(
                task_id="send",
                channel_id=20070,
                subject="Bill",
                message="Please pay",
                username=username,
                client_phone=phone,
            )
            return telegram.execute(world.context("send"))

        first = send("anna", ANNA)
        world.clear()
        assert send("@Anna", BORIS) == first
        world.clear()
        assert send("boris", BORIS) != first
        assert len(world.usedesk.tickets) == 2

    def test_email_is_no_recipient_beside_a_client(self, world):
        world.send("before")
        client_id = world.usedesk.tickets[0].client_id
        first = world.send(client_phone=None, client_id=client_id)
        world.clear()
        assert world.send(client_phone=None, client_id=client_id, client_email="a@example.org") == first

    def test_refused_message_is_sent_after_clear(self, world):
        world.usedesk.fail(faults.answer(200, {"code": 119, "error": "no client"}), method="create/ticket")
        with pytest.raises(AirflowFailException):
            world.send()
        world.clear()
        world.send()
        assert world.sent == {ANNA: 1}

    def test_clear_sends_again_only_on_request(self, world):
        world.send(send_again_on_clear=True)
        world.clear()
        lose_response(world.usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            world.send(send_again_on_clear=True)
        # Fewer retries in the Dag file do not change what the clear has sent.
        world.send(send_again_on_clear=True, retries=0)
        assert world.sent == {ANNA: 2}

    @pytest.mark.parametrize("was_cleared", [True, False])
    def test_clear_of_another_task_is_no_clear(self, world, was_cleared):
        if was_cleared:
            world.send(send_again_on_clear=True)
            world.clear()
        lose_response(world.usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            world.send(send_again_on_clear=True)
        world.clears += 1
        world.send(send_again_on_clear=True)
        assert world.sent == {ANNA: 1 + was_cleared}

    @pytest.mark.parametrize("is_cleared", [True, False], ids=["clear", "retry"])
    @pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "answered"])
    def test_taken_back_argument_sends_nothing(self, world, is_cleared, is_lost):
        world.send()
        world.clear()
        if is_lost:
            lose_response(world.usedesk)
        with suppress(UsedeskOutcomeUnknown):
            world.send(send_again_on_clear=True)
        if is_cleared:
            world.clear()
        world.send()
        world.send()
        assert world.sent == {ANNA: 2}

    def test_no_store_record_asks_usedesk(self, usedesk):
        """The first attempt ran before the upgrade to Airflow 3.3."""
        before, after = World(usedesk, has_store=False), World(usedesk, has_store=True)
        lose_response(usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            before.send()
        after.tries = before.tries
        after.send()
        assert after.sent == {ANNA: 1}

    @pytest.mark.parametrize("garbage", [{}, 0, [], "", "sent", {"version": 1}])
    def test_unreadable_record_is_no_permission(self, usedesk, garbage):
        world = World(usedesk, has_store=True)
        world.send()
        [store] = world.stores.values()
        store.update(dict.fromkeys(store, garbage))
        with pytest.raises(UsedeskOutcomeUnknown, match="cannot be read"):
            world.send()
        assert world.sent == {ANNA: 1}

    def test_new_run_with_same_id_sends(self, usedesk):
        World(usedesk, has_store=True).send()
        again = World(usedesk, has_store=True)
        lose_response(usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            again.send()
        again.send()
        assert again.sent == {ANNA: 2}

    def test_prefix_separates_two_airflows(self, world, monkeypatch):
        staging = World(world.usedesk, world.stores is not None)
        set_extra(monkeypatch, key_prefix="staging")
        staging.send()
        set_extra(monkeypatch, key_prefix="production")
        world.usedesk.fail(faults.close("before"), method="create/ticket")
        with suppress(UsedeskOutcomeUnknown):
            world.send()
        world.send()
        assert world.sent == {ANNA: 2}

    def test_stale_attempt_sends_nothing(self, usedesk):
        world = World(usedesk, has_store=True)
        context = world.context("send")

        def refuse(*args, **kwargs):
            raise RuntimeError("404")

        context["task_state_store"].set = refuse
        with pytest.raises(Exception, match="Nothing was sent"):
            sender().execute(context)
        assert world.sent == {}


class TestMappedMessages:
    def test_moved_list_sends_only_new(self, world):
        world.send_each([ANNA, BORIS])
        world.clear()
        world.send_each([CLARA, ANNA, BORIS])
        assert world.sent == {ANNA: 1, BORIS: 1, CLARA: 1}

    def test_swapped_list_sends_nothing(self, world):
        world.send_each([ANNA, BORIS])
        world.clear()
        world.send_each([BORIS, ANNA])
        assert world.sent == {ANNA: 1, BORIS: 1}

    def test_clear_sends_a_grown_list_again(self, world):
        again = {"send_again_on_clear": True, "retries": 0}
        world.send_each([ANNA, BORIS], **again)
        world.clear()
        world.send_each([CLARA, ANNA, BORIS], **again)
        assert world.sent == {ANNA: 2, BORIS: 2, CLARA: 1}

    def test_clear_sends_named_messages_again(self, world):
        def send(phones):
            for index, phone in enumerate(phones):
                world.send(
                    map_index=index,
                    client_phone=phone,
                    message_key=phone,
                    send_again_on_clear=True,
                    retries=0,
                )

        send([ANNA, BORIS])
        world.clear()
        send([CLARA, ANNA, BORIS])
        assert world.sent == {ANNA: 2, BORIS: 2, CLARA: 1}

    def test_each_clear_sends_again_after_uneven_tries(self, world):
        again = {"send_again_on_clear": True, "retries": 0}
        world.send(map_index=0, client_phone=ANNA, **again)
        lose_response(world.usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            world.send(map_index=1, client_phone=BORIS, **again)
        world.send(map_index=1, client_phone=BORIS, **again)
        for phones in ([ANNA, BORIS], [BORIS, ANNA]):
            world.clear()
            world.send_each(phones, **again)
        assert world.sent == {ANNA: 3, BORIS: 3}

    def test_corrected_phone_gets_the_message(self, world):
        world.send_each([ANNA, BORIS])
        world.clear()
        world.send_each([CLARA, BORIS])
        assert world.sent == {ANNA: 1, BORIS: 1, CLARA: 1}

    def test_two_messages_to_one_client(self, world):
        for index, day in enumerate(("Monday", "Friday")):
            lose_response(world.usedesk)
            with pytest.raises(UsedeskOutcomeUnknown):
                world.send(map_index=index, message=day)
        for index, day in enumerate(("Monday", "Friday")):
            world.send(map_index=index, message=day)
        assert Counter(ticket.message for ticket in world.usedesk.tickets) == {"Monday": 1, "Friday": 1}

    def test_undecidable_message_asks_for_its_key(self, world):
        world.send(map_index=0, message="Monday")
        world.clear()
        world.send(map_index=0, message="Monday")
        with pytest.raises(UsedeskOutcomeUnknown, match="message_key"):
            world.send(map_index=1, message="Friday")
        assert world.sent == {ANNA: 1}

    def test_found_ticket_keeps_its_content(self, usedesk):
        world = World(usedesk, has_store=True)
        lose_response(usedesk)
        with pytest.raises(UsedeskOutcomeUnknown):
            world.send(map_index=0, message="Monday")
        ticket_id = world.send(map_index=0, message="Friday")
        world.clear()
        assert world.send(map_index=0, message="Monday") == ticket_id
        world.clear()
        with pytest.raises(UsedeskOutcomeUnknown, match="message_key"):
            world.send(map_index=0, message="Friday")

    def test_message_key_decides(self, world):
        world.send(map_index=0, message="Monday", message_key="visit-1")
        world.clear()
        world.send(map_index=0, message="Friday", message_key="visit-2")
        world.send(map_index=1, message="On Monday", message_key="visit-1")
        assert [ticket.message for ticket in world.usedesk.tickets] == ["Monday", "Friday"]


class TestNestedOperators:
    """Operators that a ``@task`` or a callback executes."""

    def loop(self, world, phones, fails=False, **arguments):
        context = world.context("outer")
        sent = [sender("inner", client_phone=phone, **arguments).execute(context) for phone in phones]
        if fails:
            raise LookupError
        return sent

    def test_loop_sends_each_once(self, world):
        with pytest.raises(LookupError):
            self.loop(world, [ANNA, BORIS], fails=True)
        assert self.loop(world, [ANNA, BORIS, CLARA]) == [
            ticket.ticket_id for ticket in world.usedesk.tickets
        ]
        assert world.sent == {ANNA: 1, BORIS: 1, CLARA: 1}

    def test_retried_loop_waits_once(self, world, monkeypatch):
        look_up, ends_of_wait = SendWhatsAppMessageOperator._look_up, []

        def noted(operator, context, step, *args):
            ends_of_wait.append(step.consistent_at)
            return look_up(operator, context, step, *args)

        monkeypatch.setattr(SendWhatsAppMessageOperator, "_look_up", noted)
        with pytest.raises(LookupError):
            self.loop(world, [], fails=True)
        self.loop(world, [ANNA, BORIS, CLARA])
        # All three are looked up, and the wait of the first is that of all.
        assert len(ends_of_wait) == 3
        assert len(set(ends_of_wait)) == 1

    @pytest.mark.parametrize("own_id", [{}, {"additional_id": "order 5"}], ids=["key", "own id"])
    def test_long_loop_goes_on(self, usedesk, monkeypatch, own_id):
        """The tickets that a loop has claimed do not use up the budget of its searches."""
        budget = find_ticket.ReadBudget(tickets=3)
        monkeypatch.setattr(find_ticket, "TicketSearch", partial(find_ticket.TicketSearch, budget=budget))
        world = World(usedesk, has_store=True)
        phones = [f"7912000001{number}" for number in range(5)]

        def attempt(fault=None):
            context = world.context("outer")
            for phone in phones:
                sender("inner", client_phone=phone).execute(context)
            if fault:
                usedesk.fail(fault, method="create/ticket")
            sender("inner", client_phone=ANNA, **own_id).execute(context)

        with pytest.raises(UsedeskOutcomeUnknown):
            attempt(faults.close())
        attempt()
        assert world.sent == dict.fromkeys([*phones, ANNA], 1)

    def test_same_message_twice_needs_keys(self, world):
        with pytest.raises((UsedeskInvalidRequest, AirflowFailException), match="message_key"):
            self.loop(world, [ANNA, ANNA])
        assert world.sent == {ANNA: 1}

    def test_callback_has_its_own_message(self, world):
        world.usedesk.fail(faults.answer(200, {"code": 119, "error": "no client"}), method="create/ticket")
        context = world.context("send")
        with pytest.raises(AirflowFailException):
            sender("send").execute(context)
        alert = CreateTicketOperator(task_id="alert", subject="Task failed", message="send failed")
        alert_id = alert.execute(context)
        world.clear()
        assert world.send() != alert_id
        assert len(world.usedesk.tickets) == 2

"""The delivery contract in an operator: what an earlier attempt sent is not sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
    from airflow_provider_usedesk.idempotency.clear_count import Clears
    from airflow_provider_usedesk.idempotency.decision import (
        Attempt,
        Created,
        Delays,
        LookUp,
        Message,
        SearchResult,
        StoredRecord,
    )
    from airflow_provider_usedesk.idempotency.keys import IdempotencyKey

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""A moment before any attempt."""


@dataclass
class AttemptMemory:
    """
    What the present attempt has sent and read; a task can execute several operators.

    :ivar started: when the attempt began to send, UTC
    :ivar slots: the messages that were sent or found
    :ivar tickets: their tickets
    :ivar known: the ``additional_id`` of each ticket that was read
    :ivar sent_since: a moment that is not later than the last message was sent, by whichever attempt
    """

    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    slots: set[str] = field(default_factory=set)
    tickets: set[int] = field(default_factory=set)
    known: dict[int, str | None] = field(default_factory=dict)
    sent_since: datetime | None = None


# The operators that one task executes share nothing else.
_memory: tuple[Any, int, AttemptMemory] | None = None


def attempt_memory(ti: Any) -> AttemptMemory:
    """
    Return the memory of an attempt; a process runs one attempt at a time.

    :param ti: the task instance
    """
    global _memory
    if _memory is None or _memory[0] is not ti or _memory[1] != ti.try_number:
        _memory = (ti, ti.try_number, AttemptMemory())
    return _memory[2]


@dataclass(frozen=True)
class DeliveryContract:
    """
    The delivery contract of one operator in one attempt of a task.

    :param context: the context of the task
    :param operator: the operator, which may be executed by another task
    """

    context: Context
    operator: Any

    @property
    def hook(self) -> UsedeskHook:
        hook: UsedeskHook = self.operator.hook
        return hook

    @property
    def message_key(self) -> str:
        """
        The name of the message; empty if none is given.

        A None that a template or a mapped value gives has become an empty text before.

        :raises UsedeskInvalidRequest: when an empty value or the text of a null is given
        """
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.api.values import check_not_null_text, is_empty, name_text

        given = self.operator.message_key
        if given is None:
            return ""
        if is_empty(given):
            # The map index would name the message instead, which is another one when the list moves.
            raise UsedeskInvalidRequest(
                [
                    "message_key: is given but empty; give each message a text of its own, or leave the "
                    "argument out"
                ]
            )
        try:
            check_not_null_text(given)
        except ValueError as error:
            raise UsedeskInvalidRequest([f"message_key: {error}"]) from None
        return name_text(given)

    @property
    def is_nested(self) -> bool:
        """Whether another task executes the operator."""
        running: Any = self.context.get("task")
        return self.operator.task_id != self.context["ti"].task_id or (
            running is not None and type(running) is not type(self.operator)
        )

    def send(
        self,
        response_class: type[Created],
        send: Callable[[IdempotencyKey], Created],
        look_up: Callable[[LookUp], SearchResult[Created]],
        recipient: str,
        content: str,
        *,
        is_resend: bool = False,
    ) -> Created:
        """
        Send, unless an earlier attempt sent.

        :param response_class: the class of the response
        :param send: sends the request with a key
        :param look_up: searches Usedesk for what an earlier attempt created
        :param recipient: digest of the recipient
        :param content: digest of the content
        :param is_resend: whether the message is sent once more because it was not delivered
        :return: what this attempt or an earlier one created
        :raises UsedeskInvalidRequest: when this attempt has already sent the same message
        :raises UsedeskOutcomeUnknown: when an earlier attempt may have sent, and this cannot be decided
        """
        from airflow_provider_usedesk.compat import stats
        from airflow_provider_usedesk.compat.supervisor import task_store
        from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
        from airflow_provider_usedesk.idempotency.send_once import SendOnce

        slot = self._slot(recipient, content, is_resend=is_resend)
        memory = self._memory_without(slot)
        store = task_store(self.context)
        attempts = AttemptStore(store, response_class, slot)
        attempt, record = self._load(attempts)
        base = self.base(attempt.clear_count, has_store=attempts.outlives_attempts)
        message = self._message(base, slot, recipient, content, is_resend=is_resend)

        def guarded(key: IdempotencyKey, before_send: Callable[[], None]) -> Created:
            self.hook.call_before_send(before_send)
            created = send(key)
            memory.sent_since = memory.started
            return created

        send_once = SendOnce(
            send=guarded,
            look_up=look_up,
            attempts=attempts,
            attempt=attempt,
            check_current=self._check_is_current,
            on_unknown=self.operator.on_unknown_outcome,
            delays=self._delays(),
            observe=lambda outcome: stats.count(f"messages.{outcome}"),
        )
        memory.sent_since = _sent_since(attempt, record)
        created = send_once(message, record)
        memory.slots.add(slot)
        if (ticket_id := getattr(created, "ticket_id", None)) is not None:
            memory.tickets.add(ticket_id)
        return created

    @property
    def run_began(self) -> datetime:
        """A moment that is not later than the first attempt of any task of the run, UTC."""
        return _earliest(self.context["dag_run"])

    @property
    def clears(self) -> Clears:
        """How the task was cleared."""
        from airflow_provider_usedesk.idempotency.clear_count import Clears

        clear_number = getattr(self.context["dag_run"], "clear_number", None) or 0
        return Clears(self.context["ti"].max_tries, clear_number, self.operator.send_again_on_clear)

    @property
    def map_index(self) -> int:
        """The index of a mapped task instance; -1 if it is not mapped."""
        map_index: int | None = self.context["ti"].map_index
        return -1 if map_index is None else map_index

    def base(self, clear_count: int, *, has_store: bool = True) -> str:
        """
        Return the digest of the task in its Dag run, the first part of its keys.

        :param clear_count: how often clearing has sent again
        :param has_store: whether there is a task state store; default: true
        """
        from airflow_provider_usedesk.idempotency.keys import task_base

        ti = self.context["ti"]
        prefix = self.hook.delivery_settings().key_prefix
        # Without a store each mapped instance counts its own clears, so what another one sent says nothing.
        counts_alone = self.map_index >= 0 and self.clears.send_again and not has_store
        return task_base(
            *(prefix, ti.dag_id, ti.run_id, ti.task_id, self.operator.task_id, clear_count),
            map_index=self.map_index if counts_alone else None,
        )

    @property
    def label(self) -> str:
        """The part of a key that people read."""
        return f"{self.context['ti'].dag_id}/{self.operator.task_id}"

    def _load(self, attempts: Any) -> tuple[Attempt, StoredRecord[Any]]:
        """Return the facts about this attempt, and the record of the earlier ones."""
        from airflow_provider_usedesk.idempotency.clear_count import StoredClearCount
        from airflow_provider_usedesk.idempotency.decision import Attempt, AttemptRecord

        ti, clears = self.context["ti"], self.clears
        attempt = Attempt(
            try_number=ti.try_number,
            max_tries=ti.max_tries,
            clear_number=clears.clear_number,
            run_began=self.run_began,
            # Of the attempt, not of the message: a task that sends many waits once.
            started=attempt_memory(ti).started,
        )
        # The first attempt has no record; the read would cost a request to the API server.
        record = None if attempt.is_first else attempts.load()
        stored = None
        if isinstance(record, AttemptRecord):
            stored = StoredClearCount(record.clear_count, record.max_tries)
        if attempts.outlives_attempts:
            return replace(attempt, clear_count=clears.count(stored)), record
        running: Any = self.context.get("task") or self.operator
        return replace(attempt, clear_count=clears.count_without_store(running.retries)), record

    def _message(self, base: str, slot: str, recipient: str, content: str, *, is_resend: bool) -> Message:
        from airflow_provider_usedesk.idempotency.decision import Message
        from airflow_provider_usedesk.idempotency.keys import IdempotencyKey, resend

        key = IdempotencyKey(base, self._place(), recipient, content, label=self.label)
        is_positional = not self.message_key and (self.is_nested or self.map_index >= 0)
        return Message(resend(key) if is_resend else key, slot, is_positional)

    def _place(self) -> str:
        from airflow_provider_usedesk.idempotency.keys import NESTED, SINGLE, map_place, named_place

        if self.message_key:
            return named_place(self.message_key)
        if self.is_nested:
            return NESTED
        return SINGLE if self.map_index < 0 else map_place(self.map_index)

    def _slot(self, recipient: str, content: str, *, is_resend: bool) -> str:
        """Return where the record is stored; the store itself is that of the task instance."""
        from airflow_provider_usedesk.idempotency.keys import named_place

        parts = [self.operator.task_id]
        if self.message_key:
            parts.append(named_place(self.message_key))
        elif self.is_nested:
            parts += [recipient, content]
        return "/".join(parts) + ("/resend" if is_resend else "")

    def _memory_without(self, slot: str) -> AttemptMemory:
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

        memory = attempt_memory(self.context["ti"])
        if self.is_nested and slot in memory.slots:
            raise UsedeskInvalidRequest(
                [
                    "message_key: is required, because this task executes the operator twice with the same "
                    "message to the same recipient; give each message its own key"
                ]
            )
        return memory

    def _check_is_current(self) -> None:
        from airflow_provider_usedesk.compat.supervisor import check_is_current

        # A callback runs an operator after its task has ended.
        if not self.is_nested:
            check_is_current(self.context["ti"])

    def _delays(self) -> Delays:
        from airflow_provider_usedesk.compat.supervisor import serves_tasks
        from airflow_provider_usedesk.idempotency.decision import Delays

        # The Dag processor ends a callback that takes long.
        consistency = self.hook.delivery_settings().consistency_delay if serves_tasks() else 0.0
        return Delays(
            request=timedelta(seconds=self.hook.client.settings.longest_request),
            consistency=timedelta(seconds=consistency),
        )


def _sent_since(attempt: Attempt, record: StoredRecord[Any]) -> datetime:
    """Return a moment that is not later than an earlier attempt sent a message."""
    from airflow_provider_usedesk.idempotency.decision import AttemptRecord

    return record.since if isinstance(record, AttemptRecord) else attempt.run_began


def _earliest(dag_run: Any) -> datetime:
    """Return a moment that is not after the first attempt of any task of the run."""
    from airflow_provider_usedesk.idempotency.matching import CLOCK_TOLERANCE
    from airflow_provider_usedesk.operators.lateness import not_before

    # Clearing and changes of the state move the others to later moments, but they can be earlier in a test.
    moments = [not_before(dag_run), getattr(dag_run, "queued_at", None), getattr(dag_run, "start_date", None)]
    earliest = min((moment for moment in moments if moment is not None), default=LONG_AGO)
    # Only a test begins before the moment of its run.
    return earliest if earliest <= datetime.now(UTC) + CLOCK_TOLERANCE else LONG_AGO

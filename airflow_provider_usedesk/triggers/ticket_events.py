"""Turn new and changed tickets into asset events, for the watchers of assets in Airflow 3."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Collection, Hashable
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import BaseEventTrigger, TriggerEvent
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.polling.ticket_events import (
    CURSORS,
    FILTERS,
    Poll,
    Progress,
    checked_subscription,
    event_id_of,
    marker_key,
    payload_of,
)

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import TicketRow
    from airflow_provider_usedesk.polling.ticket_events import Events
    from airflow_provider_usedesk.polling.ticket_feed import TicketFeed

Several = int | str | Collection[int | str] | None


class TicketEventsTrigger(BaseEventTrigger):
    """
    Fire for each new or changed ticket that has what is asked for (``tickets``, EN 51376).

    For an ``AssetWatcher``: ``Asset("new_tickets", watchers=[AssetWatcher(name="usedesk",
    trigger=TicketEventsTrigger(tag="urgent"))])``. It begins with what happens after its first list. All
    watchers of one connection with the same ``events`` and ``poll_interval`` share one list of tickets.

    The payload holds ``event`` (``new`` or ``updated``), ``event_id`` (the same for the same event),
    ``usedesk_conn_id``, ``ticket_id``, ``status``, ``status_name``, ``type``, ``priority``, ``client_id``,
    ``assignee_id``, ``group_id``, ``channel_id``, ``tags``, ``created_at`` and ``last_updated_at``.

    Each filter takes one value or several, of which a ticket must have one.

    :param events: ``new`` for new tickets, ``updated`` for tickets that changed since the last list, new ones
        included; default: new
    :param channel_id: channels, 32 bit
    :param tag: tags
    :param status: numbers or names of statuses
    :param group_id: groups of agents, 32 bit
    :param assignee_id: agents, 32 bit
    :param client_id: clients, 32 bit
    :param type: ``question``, ``task``, ``problem`` or ``incident``
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``
    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param poll_interval: seconds between two lists, 1 to 86400; default: 60
    :raises ValueError: naming every faulty argument
    """

    def __init__(
        self,
        *,
        events: Events = "new",
        channel_id: Several = None,
        tag: str | Collection[str] | None = None,
        status: Several = None,
        group_id: Several = None,
        assignee_id: Several = None,
        client_id: Several = None,
        type: str | Collection[str] | None = None,
        priority: str | Collection[str] | None = None,
        usedesk_conn_id: str = UsedeskHook.default_conn_name,
        poll_interval: float = 60,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.events = events
        self.channel_id = channel_id
        self.tag = tag
        self.status = status
        self.group_id = group_id
        self.assignee_id = assignee_id
        self.client_id = client_id
        self.type = type
        self.priority = priority
        self.usedesk_conn_id = usedesk_conn_id
        self.poll_interval = poll_interval
        given = {name: getattr(self, name) for name in FILTERS}
        self._interval, self._filter = checked_subscription(events, poll_interval, given)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        given = {
            "events": self.events,
            **{name: _in_order(getattr(self, name)) for name in FILTERS},
            "usedesk_conn_id": self.usedesk_conn_id,
            "poll_interval": self.poll_interval,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", given

    def shared_stream_key(self) -> Hashable:
        """Share one list of tickets with the other watchers of the connection (Airflow 3.3)."""
        return ("usedesk", self.usedesk_conn_id, self.events, self._interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Poll]:
        """List what happened, over and over."""
        trigger = cls(**kwargs)
        feed = await trigger._feed()
        try:
            async for poll in feed.polls(trigger._interval):
                yield poll
        finally:
            feed.close()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """List and fire alone: before Airflow 3.3 no list is shared."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Poll]) -> AsyncIterator[TriggerEvent]:
        """
        Fire for what matters to this watcher, once.

        An event is stored by another process, at some later moment. Beside it, in the same transaction, its
        id is noted in the state store of the asset; only over noted events the position moves on.
        """
        states = _states(self)
        progress = Progress.from_state(await states.get(self._place), _now())
        async for shared in shared_stream:
            poll = await self._complete(shared, progress)
            if poll is None:
                continue
            async for row in self._to_fire(poll, progress, states):
                progress.fired(event_id_of(self.events, row), poll.at)
                yield TriggerEvent(payload_of(self.events, self.usedesk_conn_id, row))  # type: ignore[no-untyped-call]
            await self._move_on(poll, progress, states)

    async def _to_fire(self, poll: Poll, progress: Progress, states: _States) -> AsyncIterator[TicketRow]:
        rows = {event_id_of(self.events, row): row for row in poll.rows if self._filter.takes(row)}
        if progress.seen_until is None:
            progress.begin(poll, rows)
        for event_id, row in rows.items():
            if event_id in progress.known:
                continue
            if await states.is_noted(self._marker_key(event_id)):
                progress.known[event_id] = poll.at
            else:
                yield row

    async def _move_on(self, poll: Poll, progress: Progress, states: _States) -> None:
        for event_id in list(progress.unconfirmed):
            if await states.is_noted(self._marker_key(event_id)):
                progress.stored(event_id, poll.at)
            elif progress.is_overdue(event_id, poll.at):
                del progress.unconfirmed[event_id]
                if states.are_there:
                    self.log.warning("It is not known whether event %s was stored.", event_id)
            else:
                break  # those after it are stored later
        progress.move_to(poll.at)
        await states.set(self._place, progress.as_state())

    async def _complete(self, poll: Poll, progress: Progress) -> Poll | None:
        """List alone where the shared list reaches back too little, after a longer break, or too far."""
        since = progress.list_needed(poll)
        if since is None:
            return poll
        feed = await self._feed()
        try:
            return await feed.poll(since)
        finally:
            feed.close()

    async def _feed(self) -> TicketFeed:
        # It loads requests, which takes so long that it would stop the loop.
        module = await asyncio.to_thread(import_module, "airflow_provider_usedesk.polling.ticket_feed")
        hook = UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)
        feed: TicketFeed = module.TicketFeed(self.events, hook.asettings)
        return feed

    @property
    def _place(self) -> str:
        """Return the key of the cursor, which is the same for the same subscription."""
        wanted = {name: sorted(values, key=str) for name, values in self._filter.wanted.items()}
        subscription = json.dumps([self.usedesk_conn_id, self.events, wanted], sort_keys=True)
        return f"{CURSORS}{hashlib.sha256(subscription.encode()).hexdigest()[:16]}"

    def _marker_key(self, event_id: str) -> str:
        return marker_key(self.usedesk_conn_id, event_id)


class _States:
    """
    Read and write the state stores of all assets that a trigger serves.

    :param stores: one for each asset; none before Airflow 3.3
    """

    def __init__(self, stores: list[Any]) -> None:
        self._stores = stores

    @property
    def are_there(self) -> bool:
        return bool(self._stores)

    async def get(self, key: str) -> Any:
        for store in self._stores:
            if (value := await store.aget(key)) is not None:
                return value
        return None

    async def set(self, key: str, value: Any) -> None:
        for store in self._stores:
            await store.aset(key, value)

    async def is_noted(self, key: str) -> bool:
        return await self.get(key) is not None


def _states(trigger: Any) -> _States:
    accessors = getattr(trigger, "asset_state_store", None)
    if accessors is None:
        return _States([])
    # A trigger is not told which assets it serves; with several of them only these two know.
    return _States([*accessors._by_name.values(), *accessors._by_uri.values()])


def _in_order(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, (list, tuple, set, frozenset)) else value


def _now() -> datetime:
    return datetime.now(UTC)

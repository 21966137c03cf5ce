"""Fire asset events for new and changed tickets (Airflow 3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Hashable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import BaseEventTrigger, TriggerEvent
from airflow_provider_usedesk.polling.ticket_events import FILTERS, checked_filter, event_id_of, payload_of

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import TicketRow
    from airflow_provider_usedesk.polling.cursor_store import CursorStore
    from airflow_provider_usedesk.polling.event_cursor import EventCursor, Listing
    from airflow_provider_usedesk.polling.ticket_events import Events
    from airflow_provider_usedesk.polling.ticket_feed import TicketFeed

Several = int | str | Collection[int | str] | None


class TicketEventsTrigger(BaseEventTrigger):
    """
    Fire for each new or changed ticket that passes the filters.

    Use it in an ``AssetWatcher``: ``Asset("new_tickets", watchers=[AssetWatcher(name="usedesk",
    trigger=TicketEventsTrigger(tag="urgent"))])``.

    It lists tickets (`tickets <https://api.usedocs.com/article/51376>`__). The first list is the starting
    point: its tickets create no events. On Airflow 3.3 all triggers of one connection with the same
    ``events`` and ``poll_interval`` share one list.

    The payload contains ``event`` (``new`` or ``updated``), ``event_id`` (the same for the same event),
    ``usedesk_conn_id``, ``ticket_id``, ``status``, ``status_name``, ``type``, ``priority``, ``client_id``,
    ``assignee_id``, ``group_id``, ``channel_id``, ``tags``, ``created_at`` and ``last_updated_at``.

    Each filter takes one value or several; a ticket must have one of them.

    :param events: ``new`` for new tickets, ``updated`` for tickets that changed since the last list, new ones
        included; default: new
    :param channel_id: channels, 32 bit
    :param tag: tags; upper and lower case make no difference
    :param status: numbers or names of statuses
    :param group_id: groups of agents, 32 bit
    :param assignee_id: agents, 32 bit
    :param client_id: clients, 32 bit
    :param type: ``question``, ``task``, ``problem`` or ``incident``
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``
    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param poll_interval: seconds between two lists, 1 to 86400; default: 60
    :raises ValueError: naming every invalid argument
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
        usedesk_conn_id: str = "usedesk_default",
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
        filters = {name: getattr(self, name) for name in FILTERS}
        self._interval, self._filter = checked_filter(events, poll_interval, filters)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {
            "events": self.events,
            **{name: _as_json(getattr(self, name)) for name in FILTERS},
            "usedesk_conn_id": self.usedesk_conn_id,
            "poll_interval": self.poll_interval,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    def shared_stream_key(self) -> Hashable:
        """Return the same key for all triggers that share one list of tickets (Airflow 3.3)."""
        return ("usedesk", self.usedesk_conn_id, self.events, self._interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Listing]:
        """Yield lists of tickets without end."""
        trigger = cls(**kwargs)
        feed = trigger._feed()
        try:
            async for listing in feed.listings(trigger._interval):
                yield listing
        finally:
            feed.close()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """List and fire alone: before Airflow 3.3 triggers share no list."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Listing]
    ) -> AsyncIterator[TriggerEvent]:
        """
        Fire once for each ticket that passes the filters.

        Another process stores an event, at some later moment. In the same transaction it stores a marker with
        the event's id in the state store of the asset; the cursor advances only over marked events.
        """
        from airflow_provider_usedesk.compat.asset_state import trigger_store
        from airflow_provider_usedesk.polling.cursor_store import CursorStore

        store = CursorStore(trigger_store(self), self.usedesk_conn_id, self._cursor_key)
        cursor = await store.load(_now())
        async for shared in shared_stream:
            listing = await self._complete(shared, cursor)
            if listing is None:
                continue
            async for row in self._to_fire(listing, cursor, store):
                cursor.add_fired(event_id_of(self.events, row), listing.at)
                yield TriggerEvent(payload_of(self.events, self.usedesk_conn_id, row))  # type: ignore[no-untyped-call]
            await self._confirm_stored(listing.at, cursor, store)
            cursor.advance_to(listing.at)
            await store.save(cursor)

    async def _to_fire(
        self, listing: Listing, cursor: EventCursor, store: CursorStore
    ) -> AsyncIterator[TicketRow]:
        rows = {event_id_of(self.events, row): row for row in listing.rows if self._filter.accepts(row)}
        if cursor.listed_until is None:
            cursor.begin(listing, rows)
            self.log.info(
                "The first list of connection %s is the starting point. Its %d tickets create no events.",
                self.usedesk_conn_id,
                len(rows),
            )
        for event_id, row in rows.items():
            if event_id in cursor.known:
                continue
            if await store.is_marked(event_id):
                cursor.known[event_id] = listing.at
            else:
                yield row

    async def _confirm_stored(self, at: datetime, cursor: EventCursor, store: CursorStore) -> None:
        for event_id in list(cursor.unconfirmed):
            if await store.is_marked(event_id):
                cursor.confirm(event_id, at)
            elif cursor.is_overdue(event_id, at):
                del cursor.unconfirmed[event_id]
                if store.is_available:
                    self.log.warning(
                        "Airflow did not confirm that it stored event %s. It may be lost.", event_id
                    )
            else:
                break  # Airflow stores later events later.

    async def _complete(self, shared: Listing, cursor: EventCursor) -> Listing | None:
        """Return the shared list, or an own list where the shared one begins too late or too early."""
        since = cursor.own_list_since(shared)
        if since is None:
            return shared
        feed = self._feed()
        try:
            return await feed.listing(since)
        finally:
            feed.close()

    def _feed(self) -> TicketFeed:
        from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
        from airflow_provider_usedesk.polling.ticket_feed import TicketFeed

        hook = UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)
        return TicketFeed(self.events, hook.asettings)

    @property
    def _cursor_key(self) -> str:
        from airflow_provider_usedesk.polling.cursor_store import cursor_key

        return cursor_key(self.usedesk_conn_id, self.events, self._filter)


def _as_json(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, (list, tuple, set, frozenset)) else value


def _now() -> datetime:
    return datetime.now(UTC)

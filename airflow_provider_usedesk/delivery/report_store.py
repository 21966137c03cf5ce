"""Read the delivery reports that Airflow remembers: what the receiver of webhooks wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.api.errors import UsedeskUnavailable
from airflow_provider_usedesk.assets import usedesk_asset
from airflow_provider_usedesk.compat.version import HAS_ASSET_EVENTS_IN_TASKS, HAS_STATE_STORES
from airflow_provider_usedesk.delivery.reports import DeliveryReport, reports_in, state_key

# How old a report may be before Airflow 3.3, where all asset events since then are read.
REACH = timedelta(days=7)


def why_not(in_triggerer: bool) -> str | None:
    """Say why this Airflow remembers no reports; None where it does."""
    if not HAS_ASSET_EVENTS_IN_TASKS:
        return "needs Airflow 3.0 or newer"
    if in_triggerer and not HAS_STATE_STORES:
        return "with deferrable=True needs Airflow 3.3 or newer"
    return None


def read_reports(usedesk_conn_id: str, ticket_id: int) -> tuple[DeliveryReport, ...]:
    """
    Read the reports of a ticket in a worker.

    :raises UsedeskUnavailable: when Airflow cannot be asked
    """
    asset = usedesk_asset(usedesk_conn_id, "delivery")
    with _asking_airflow():
        if HAS_STATE_STORES:
            return reports_in(_state_store(asset).get(state_key(ticket_id)))
        return reports_of(recent_events(asset), ticket_id)


async def aread_reports(usedesk_conn_id: str, ticket_id: int) -> tuple[DeliveryReport, ...]:
    """
    Read the reports of a ticket in the triggerer, from Airflow 3.3 on.

    :raises UsedeskUnavailable: when Airflow cannot be asked
    """
    with _asking_airflow():
        store, key = _state_store(usedesk_asset(usedesk_conn_id, "delivery")), state_key(ticket_id)
        try:
            return reports_in(await store.aget(key))
        except AttributeError:  # the stand-in for a supervisor of dag.test() cannot be awaited
            return reports_in(await asyncio.to_thread(store.get, key))


def recent_events(asset: Any) -> Iterable[Any]:
    """List the events of an asset, oldest first; those of the last days where Airflow can tell them apart."""
    from airflow.sdk.execution_time.context import InletEventsAccessors

    events = InletEventsAccessors([asset])[asset]
    return events.after((datetime.now(UTC) - REACH).isoformat()) if hasattr(events, "after") else events


def reports_of(events: Iterable[Any], ticket_id: int) -> tuple[DeliveryReport, ...]:
    """Read the reports of a ticket out of asset events."""
    extras = (event.extra for event in events)
    return tuple(
        DeliveryReport(extra["delivery_status"], extra.get("comment_id"), extra.get("received_at", ""))
        for extra in extras
        if extra.get("ticket_id") == ticket_id and "delivery_status" in extra
    )


def _state_store(asset: Any) -> Any:
    # Not the one of the context: that knows neither mapped tasks nor a connection that comes from a template.
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors

    return AssetStateStoreAccessors(inlets=[asset])[asset]


@contextmanager
def _asking_airflow() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise UsedeskUnavailable(
            f"Airflow could not be asked for delivery reports ({type(error).__name__})."
        ) from error

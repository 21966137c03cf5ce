"""The delivery reports that the webhook receiver stored in Airflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_usedesk.api.errors import UsedeskUnavailable
from airflow_provider_usedesk.assets import usedesk_asset
from airflow_provider_usedesk.compat.asset_state import asset_store, recent_events
from airflow_provider_usedesk.compat.version import HAS_ASSET_EVENTS_IN_TASKS, HAS_STATE_STORES
from airflow_provider_usedesk.delivery.reports import DeliveryReport, reports_in, state_key


def why_unavailable(in_triggerer: bool) -> str | None:
    """
    Return why this Airflow cannot read stored reports; None where it can.

    :param in_triggerer: whether the triggerer reads them
    """
    if not HAS_ASSET_EVENTS_IN_TASKS:
        return "needs Airflow 3.0 or newer"
    if in_triggerer and not HAS_STATE_STORES:
        return "with deferrable=True needs Airflow 3.3 or newer"
    return None


class ReportStore:
    """
    The stored delivery reports of one connection.

    They are in the state store of the asset of delivery reports; before Airflow 3.3, in the events of this
    asset.

    :param usedesk_conn_id: Airflow Connection of type usedesk
    """

    def __init__(self, usedesk_conn_id: str) -> None:
        self._asset = usedesk_asset(usedesk_conn_id, "delivery")

    def load(self, ticket_id: int) -> tuple[DeliveryReport, ...]:
        """
        Return the reports of a ticket, oldest first, in a worker.

        :raises UsedeskUnavailable: when Airflow does not return them
        """
        with _airflow_errors():
            if HAS_STATE_STORES:
                return reports_in(asset_store(self._asset).get(state_key(ticket_id)))
            return _reports_of(recent_events(self._asset), ticket_id)

    async def aload(self, ticket_id: int) -> tuple[DeliveryReport, ...]:
        """
        Return the reports of a ticket, oldest first, in the triggerer (Airflow 3.3).

        :raises UsedeskUnavailable: when Airflow does not return them
        """
        with _airflow_errors():
            return reports_in(await asset_store(self._asset).aget(state_key(ticket_id)))


def _reports_of(events: Iterable[Any], ticket_id: int) -> tuple[DeliveryReport, ...]:
    extras = (event.extra for event in events)
    return tuple(
        DeliveryReport(extra["delivery_status"], extra.get("comment_id"), extra.get("received_at", ""))
        for extra in extras
        if extra.get("ticket_id") == ticket_id and "delivery_status" in extra
    )


@contextmanager
def _airflow_errors() -> Iterator[None]:
    """Raise any error of Airflow as UsedeskUnavailable, so that the next poll may succeed."""
    try:
        yield
    except Exception as error:
        raise UsedeskUnavailable(
            f"Airflow did not return the stored delivery reports ({type(error).__name__}). "
            "The next poll asks for them again."
        ) from error

"""Messages whose delivery is awaited: responses of Usedesk, stored reports, connections."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.airflow import URL

TICKET, MESSAGE = 77, 501
NOT_FOUND = {"code": 113, "error": "no such ticket"}

# Airflow masks it from then on, so it must be part of no other text.
WEBHOOK_SECRET = "webhook-secret-of-this-test"


def ticket_with(*comments: dict[str, Any]) -> dict[str, Any]:
    """Return a response of ``ticket``; each comment overrides the fields of a message that was sent."""
    defaults = {"id": MESSAGE, "from": "user", "type": "public", "delivered": 0, "readed": 0}
    return {
        "ticket": {"id": TICKET, "status_id": 1},
        "comments": [{**defaults, **comment} for comment in comments or ({},)],
    }


SENT = ticket_with()
DELIVERED = ticket_with({"delivered": 1})
FAILED = ticket_with({}, {"id": 502, "from": "trigger", "type": "error"})


def set_extra(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    """Set fields of the extra of the default connection."""
    connection = json.loads(os.environ["AIRFLOW_CONN_USEDESK_DEFAULT"])
    value = json.dumps({**connection, "extra": {**connection.get("extra", {}), **extra}})
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", value)


@pytest.fixture
def ticket_responses(usedesk):
    """Set the responses of ``ticket``, one after the other; the last one stays. Return the request count."""

    def ticket_responses(*responses: Any) -> Callable[[], int]:
        ordered = [
            {"json": one} if isinstance(one, dict) else {"status_code": 502, "text": "<html>"}
            for one in responses
        ]
        usedesk.post(f"{URL}/ticket", ordered)
        return lambda: sum(one.url == f"{URL}/ticket" for one in usedesk.request_history)

    return ticket_responses


@pytest.fixture
def webhook_connection(monkeypatch, connection):
    """A connection for which webhooks are received."""
    set_extra(monkeypatch, webhook_secret=WEBHOOK_SECRET)


@pytest.fixture
def no_client_retries(monkeypatch, connection):
    """A connection whose client retries nothing, so that each failed request is one failed poll."""
    set_extra(monkeypatch, max_wait=0)


@pytest.fixture
def stored_reports(monkeypatch):
    """Set the words of the reports in Airflow: each poll reads the next ones, the last ones stay."""
    from airflow_provider_usedesk.delivery import report_store
    from airflow_provider_usedesk.delivery.reports import DeliveryReport

    def stored_reports(*polls: Any) -> None:
        left = list(polls)

        def load(store: Any, ticket_id: int) -> Any:
            assert (store._asset.uri, ticket_id) == ("usedesk://usedesk_default/delivery", TICKET)
            words = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(words, Exception):
                raise words
            return tuple(DeliveryReport(word, MESSAGE, "") for word in words)

        async def aload(store: Any, ticket_id: int) -> Any:
            return load(store, ticket_id)

        monkeypatch.setattr(report_store, "why_unavailable", lambda in_triggerer: None)
        monkeypatch.setattr(report_store.ReportStore, "load", load)
        monkeypatch.setattr(report_store.ReportStore, "aload", aload)

    return stored_reports

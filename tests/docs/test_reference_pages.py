"""The reference pages of events and stored keys: they name what the package creates and stores."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.assets import KINDS
from airflow_provider_usedesk.polling.ticket_events import payload_of
from airflow_provider_usedesk.webhook.events import WebhookEvent, read_event
from tests.docs.tables import DOCS, rows, words

WEBHOOKS = {
    "delivery": {"message_status": {"extras": {"ticket_id": 1}, "delivery_status": "READ"}},
    "ticket": {"ticket": {"id": 1}},
    "comment": {"comment": {"id": 1}},
    "change": {"trigger": {"ticket_id": 1}},
    "rating": {"csi": {"ticket_id": 1}},
    "chat": {"chat_id": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_page_names_the_keys_of_each_webhook(kind):
    event = read_event(WEBHOOKS[kind])
    assert isinstance(event, WebhookEvent)
    documented = {
        words(name)[0]: words(keys) for name, keys in rows("reference/asset-events.md", "Of webhooks")
    }
    assert sorted(documented) == sorted(KINDS)
    assert documented[kind] == list(event.facts)


def test_page_names_the_keys_of_a_polled_event():
    row = TicketRow(id=1, status=8)
    keys = [
        key
        for names, *_ in rows("reference/asset-events.md", "Of TicketEventsTrigger")
        for key in words(names)
    ]
    assert sorted(keys) == sorted(payload_of("new", "usedesk_default", row))


def test_page_names_each_stored_key_and_its_time():
    pytest.importorskip("airflow.models.asset", reason="assets came with Airflow 3.0")
    from airflow_provider_usedesk.listeners.stored_keys import STORED_KEYS

    documented = [words(key)[0] for key, *_ in rows("reference/stored-keys.md", "Of assets")]
    stored = {kind.pattern.partition("/")[0] for kind in STORED_KEYS}
    assert {key.partition("/")[0] for key in documented} == stored
    page = (DOCS / "reference" / "stored-keys.md").read_text("utf-8")
    assert [kind for kind in STORED_KEYS if f"{kind.kept.days} days" not in page] == []

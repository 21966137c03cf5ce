"""Batches whose messages no messenger confirms."""

from __future__ import annotations

import json

import pytest

from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.batch import SendWhatsAppTemplateBatchOperator
from tests.support.operators import run_attempt


@pytest.fixture
def run_reminders(usedesk_sandbox, tmp_path):
    """Render and execute one attempt of a batch of WhatsApp templates."""
    return lambda **arguments: run_attempt(
        SendWhatsAppTemplateBatchOperator,
        row_key="id",
        template_id=8094,
        max_in_flight=1,
        checkpoint_path=str(tmp_path / "checkpoint"),
        results_path=str(tmp_path / "results.jsonl"),
        recipients=[{"id": number, "client_phone": f"7912345678{number}"} for number in range(4)],
        **arguments,
    )


WRONG_CHANNEL = 999


def test_batch_ends_in_a_wrong_channel(run_reminders, usedesk_sandbox, tmp_path):
    with pytest.raises(AirflowFailException, match=f"channel_id={WRONG_CHANNEL} may be wrong"):
        run_reminders(channel_id=WRONG_CHANNEL)
    assert len(usedesk_sandbox.tickets) == 1
    [row] = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    assert (row["outcome"], row["ticket_id"]) == ("not_delivered", usedesk_sandbox.tickets[0].ticket_id)
    assert "may be wrong" in row["reason"]


def test_only_the_row_of_a_wrong_channel_fails(run_reminders, usedesk_sandbox):
    with pytest.raises(AirflowFailException):
        run_reminders(channel_id=123, row_template={"channel_id": "{{ 999 if row.id == 1 else 123 }}"})
    assert len(usedesk_sandbox.tickets) == 4


def test_batch_without_confirmation_can_go_on(run_reminders, usedesk_sandbox, caplog):
    summary = run_reminders(channel_id=WRONG_CHANNEL, on_no_confirmation="warn")
    assert (summary["sent"], summary["not_delivered"]) == (4, 0)
    assert caplog.text.count("did not confirm") == 1

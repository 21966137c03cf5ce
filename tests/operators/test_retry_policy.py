"""The retry policy that the page about the delivery contract documents."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_usedesk.api import errors

pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="retry policies came with Airflow 3.3")

PAGE = Path(__file__).parents[2] / "docs" / "delivery-contract.md"


@pytest.fixture
def policy():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [code] = [block for block in blocks if "RetryAfterPolicy" in block]
    arguments = {}
    exec(code, {"SendWhatsAppTemplateOperator": lambda *args, **kwargs: arguments.update(kwargs)})
    return arguments["retry_policy"]


@pytest.mark.parametrize(
    ("error", "action", "seconds"),
    [
        (errors.UsedeskInvalidToken("x"), "fail", None),
        (errors.UsedeskClientNotFound("x"), "fail", None),
        (errors.UsedeskNotDelivered("x"), "fail", None),
        (errors.UsedeskRateLimited("x"), "retry", 300),
        (errors.UsedeskRateLimited("x", retry_after=42), "retry", 42),
        (errors.UsedeskOutcomeUnknown("x"), "default", None),
    ],
    ids=["token", "client", "not delivered", "rate limit", "retry after", "unknown outcome"],
)
def test_documented_policy_decides(policy, error, action, seconds):
    decision = policy.evaluate(error, 1, 5)
    assert decision.action.value == action
    assert decision.retry_delay == (None if seconds is None else timedelta(seconds=seconds))
    assert policy.serialize()["rules"]

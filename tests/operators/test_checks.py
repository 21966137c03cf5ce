"""The checks of arguments when the Dag is parsed."""

from __future__ import annotations

from typing import get_args

import pytest

from airflow_provider_usedesk.delivery.confirmation import OnNoConfirmation
from airflow_provider_usedesk.idempotency.decision import OnUnknown
from airflow_provider_usedesk.operators.checks import CHOICES
from airflow_provider_usedesk.operators.types import FindBy, OnNotDelivered

TYPES = {
    "on_unknown_outcome": OnUnknown,
    "on_not_delivered": OnNotDelivered,
    "on_no_confirmation": OnNoConfirmation,
    "find_existing": FindBy,
}


@pytest.mark.parametrize("name", CHOICES)
def test_words_are_those_of_the_type(name):
    assert [word for word in CHOICES[name] if word is not None] == list(get_args(TYPES[name]))

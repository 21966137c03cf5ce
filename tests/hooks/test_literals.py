"""Which values are known when a Dag is parsed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_provider_usedesk.hooks.literals import is_literal

NUMBERS = [5, 1.5, True, None, float("nan"), timedelta(1), date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)]
LITERALS = [*NUMBERS, "low", "{ds}", b"{{", [1, "a"], {1: ["a", {"b"}]}, ()]
TEMPLATES = ["{{ ds }}", "a {% if x %}b{% endif %}", "{# why #}low"]


@pytest.mark.parametrize("value", LITERALS)
def test_value_without_template_is_known(value):
    assert is_literal(value)


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_is_not_known_at_any_depth(template):
    for value in (template, [template], {template: 1}, {1: ("a", [template])}, {template}):
        assert not is_literal(value)


def test_object_of_airflow_is_not_known():
    assert not is_literal(object())
    assert not is_literal([object()])

"""Template fields that hide values from whoever stores them."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.compat.rendering import HidingFields


@pytest.fixture
def task():
    task = SimpleNamespace(subject="s", message="m")
    hidden = {"message": "***"}
    task.template_fields = HidingFields.of(task, ["subject", "message"], hidden.get)
    return task


def test_iteration_reads_hidden_values(task):
    assert {name: getattr(task, name) for name in task.template_fields} == {"subject": "s", "message": "***"}
    assert task.message == "m"


def test_error_restores_the_value(task):
    def store():
        for name in task.template_fields:
            if name == "message":
                raise RuntimeError

    with pytest.raises(RuntimeError):
        store()
    assert task.message == "m"


def test_break_restores_the_value(task):
    for name in task.template_fields:
        if name == "message":
            break
    assert task.message == "m"


def test_value_set_meanwhile_stays(task):
    for name in task.template_fields:
        if name == "message":
            task.message = "new"
    assert task.message == "new"


def test_names_are_a_plain_tuple(task):
    assert task.template_fields == ("subject", "message")
    assert "message" in task.template_fields
    assert [*task.template_fields] == ["subject", "message"]


def test_deep_copy_hides_values_of_its_own_task(task):
    other = copy.deepcopy(task)
    other.message = "other"
    assert [getattr(other, name) for name in other.template_fields] == ["s", "***"]
    assert [getattr(task, name) for name in task.template_fields] == ["s", "***"]
    assert (task.message, other.message) == ("m", "other")

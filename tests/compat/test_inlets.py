"""Assets as inlets of tasks and mapped tasks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.compat import inlets
from airflow_provider_usedesk.compat.sdk import Asset

ONE, TWO = Asset("test://one"), Asset("test://two")


class Task:
    def __init__(self, *assets):
        self.inlets = list(assets)

    def add_inlets(self, assets):
        self.inlets.extend(assets)


def partial(**kwargs):
    return SimpleNamespace(kwargs=kwargs)


@pytest.fixture(autouse=True)
def working_inlets(monkeypatch):
    monkeypatch.setattr(inlets, "HAS_WORKING_ASSET_INLETS", True)


def test_known_asset_is_not_added_again():
    task = Task(ONE)
    inlets.add_inlets(task, [ONE, TWO])
    assert task.inlets == [ONE, TWO]


@pytest.mark.parametrize("known", [ONE, [ONE], (ONE,)], ids=["asset", "list", "tuple"])
def test_mapped_task_keeps_its_inlets(known):
    mapped = partial(inlets=known)
    inlets.add_mapped_inlets(mapped, [ONE, TWO])
    assert mapped.kwargs["inlets"] == [ONE, TWO]


def test_mapped_task_inherits_inlets():
    mapped = partial(dag=SimpleNamespace(default_args={"inlets": [ONE]}))
    inlets.add_mapped_inlets(mapped, [TWO])
    assert mapped.kwargs["inlets"] == [ONE, TWO]


def test_mapped_arguments_override_defaults():
    dag = SimpleNamespace(default_args={"a": 1, "b": 1, "c": 1})
    group = SimpleNamespace(default_args={"b": 2, "c": 2})
    arguments = inlets.mapped_arguments(partial(dag=dag, task_group=group, c=3))
    assert (arguments["a"], arguments["b"], arguments["c"]) == (1, 2, 3)


def test_old_airflow_gets_no_inlets(monkeypatch):
    monkeypatch.setattr(inlets, "HAS_WORKING_ASSET_INLETS", False)
    task, mapped = Task(), partial()
    inlets.add_inlets(task, [ONE])
    inlets.add_mapped_inlets(mapped, [ONE])
    assert task.inlets == []
    assert mapped.kwargs == {}

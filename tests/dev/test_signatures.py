"""The signatures of operators and methods, which a script writes."""

from __future__ import annotations

import inspect

import pytest

pytest.importorskip("ruff", reason="the written modules are formatted")

from airflow_provider_usedesk.compat.sdk import BaseOperator, BaseSensorOperator
from airflow_provider_usedesk.compat.task_arguments import SensorArguments, TaskArguments
from dev.signatures import (
    METHODS,
    PACKAGE,
    SIGNATURES,
    method_signatures,
    parameters_of,
    signatures_of,
    written,
)


@pytest.mark.parametrize("path", sorted({one.path for one in SIGNATURES}))
def test_module_is_as_the_script_writes_it(path):
    source = (PACKAGE / path).read_text()
    assert written(source, signatures_of(path)) == source, "run make signatures"


def test_signatures_of_methods_are_as_the_script_writes_them():
    assert METHODS.read_text() == method_signatures(), "run make signatures"


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda one: one.function)
def test_every_parameter_is_taken_or_left_out(signature):
    known = set(parameters_of(signature.parameters))
    assert known - set(signature.without) <= set(signature.arguments())
    assert set(signature.without) | set(signature.required) | set(signature.defaults) <= known


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda one: one.function)
def test_every_argument_is_documented(signature):
    assert [name for name, one in signature.arguments().items() if not one.doc] == []


def arguments_of(operator_class):
    parameters = inspect.signature(operator_class.__init__).parameters.values()
    return {one.name for one in parameters if one.kind is one.KEYWORD_ONLY or one.name == "task_id"}


def test_arguments_of_any_task_are_typed():
    # Those of Airflow 2.11 are not all keyword-only.
    parameters = inspect.signature(BaseOperator.__init__).parameters.values()
    named = {one.name for one in parameters if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)}
    assert named - {"self"} <= set(TaskArguments.__annotations__)


def test_arguments_of_any_sensor_are_typed():
    assert arguments_of(BaseSensorOperator) <= set(SensorArguments.__annotations__)

"""Airflow symbols whose module differs between the supported versions, each loaded at its first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.listeners import hookimpl as hookimpl
    from airflow.plugins_manager import AirflowPlugin as AirflowPlugin
    from airflow.sdk import (
        Asset as Asset,
        BaseHook as BaseHook,
        BaseNotifier as BaseNotifier,
        BaseOperator as BaseOperator,
        BaseOperatorLink as BaseOperatorLink,
        BaseSensorOperator as BaseSensorOperator,
        Connection as Connection,
        Context as Context,
        ObjectStoragePath as ObjectStoragePath,
        PokeReturnValue as PokeReturnValue,
        XComArg as XComArg,
        get_current_context as get_current_context,
    )
    from airflow.sdk._shared.secrets_masker import redact as redact
    from airflow.sdk.bases.decorator import (
        DecoratedOperator as DecoratedOperator,
        TaskDecorator as TaskDecorator,
        determine_kwargs as determine_kwargs,
        task_decorator_factory as task_decorator_factory,
    )
    from airflow.sdk.configuration import conf as conf
    from airflow.sdk.definitions.context import context_merge as context_merge
    from airflow.sdk.exceptions import (
        AirflowException as AirflowException,
        AirflowFailException as AirflowFailException,
        AirflowNotFoundException as AirflowNotFoundException,
        AirflowSensorTimeout as AirflowSensorTimeout,
        AirflowSkipException as AirflowSkipException,
        AirflowTaskTimeout as AirflowTaskTimeout,
        TaskDeferred as TaskDeferred,
    )
    from airflow.sdk.execution_time.xcom import XCom as XCom
    from airflow.sdk.log import mask_secret as mask_secret
    from airflow.sdk.types import TaskInstanceKey as TaskInstanceKey
    from airflow.triggers.base import (
        BaseEventTrigger as BaseEventTrigger,
        BaseTrigger as BaseTrigger,
        TriggerEvent as TriggerEvent,
    )

_EXCEPTIONS = ("airflow.sdk.exceptions", "airflow.exceptions")
_DECORATORS = ("airflow.sdk.bases.decorator", "airflow.decorators.base")
_LOGS = ("airflow.sdk.log", "airflow.sdk.execution_time.secrets_masker", "airflow.utils.log.secrets_masker")
_TRIGGERS = ("airflow.triggers.base",)

# Modules of each symbol, the newest first; after a colon its name there, if it differs.
_MODULES: dict[str, tuple[str, ...]] = {
    "AirflowException": _EXCEPTIONS,
    "AirflowFailException": _EXCEPTIONS,
    "AirflowNotFoundException": _EXCEPTIONS,
    "AirflowPlugin": ("airflow.sdk.plugins_manager", "airflow.plugins_manager"),
    "AirflowSensorTimeout": _EXCEPTIONS,
    "AirflowSkipException": _EXCEPTIONS,
    "AirflowTaskTimeout": _EXCEPTIONS,
    "Asset": ("airflow.sdk", "airflow.datasets:Dataset"),
    "BaseEventTrigger": ("airflow.triggers.base", "airflow.triggers.base:BaseTrigger"),
    "BaseHook": ("airflow.sdk", "airflow.hooks.base"),
    "BaseNotifier": ("airflow.sdk", "airflow.notifications.basenotifier"),
    "BaseOperator": ("airflow.sdk", "airflow.models.baseoperator"),
    "BaseOperatorLink": ("airflow.sdk", "airflow.models.baseoperatorlink"),
    "BaseSensorOperator": ("airflow.sdk", "airflow.sensors.base"),
    "BaseTrigger": _TRIGGERS,
    "Connection": ("airflow.sdk", "airflow.models.connection"),
    "Context": ("airflow.sdk", "airflow.utils.context"),
    "DecoratedOperator": _DECORATORS,
    "ObjectStoragePath": ("airflow.sdk", "airflow.io.path"),
    "PokeReturnValue": ("airflow.sdk", "airflow.sensors.base"),
    "TaskDecorator": _DECORATORS,
    "TaskDeferred": _EXCEPTIONS,
    "TaskInstanceKey": ("airflow.sdk.types", "airflow.models.taskinstancekey"),
    "TriggerEvent": _TRIGGERS,
    "XComArg": ("airflow.sdk", "airflow.models.xcom_arg"),
    "XCom": ("airflow.sdk.execution_time.xcom", "airflow.models.xcom"),
    "conf": ("airflow.sdk.configuration", "airflow.configuration"),
    "context_merge": ("airflow.sdk.definitions.context", "airflow.utils.context"),
    "determine_kwargs": ("airflow.sdk.bases.decorator", "airflow.utils.operator_helpers"),
    "get_current_context": ("airflow.sdk", "airflow.operators.python"),
    "hookimpl": ("airflow.listeners",),
    "mask_secret": _LOGS,
    "redact": _LOGS,
    "task_decorator_factory": _DECORATORS,
}


def __getattr__(name: str) -> Any:
    """Return the symbol from the first module that has it."""
    for path in _MODULES.get(name, ()):
        module, _, other_name = path.partition(":")
        try:
            symbol = getattr(import_module(module), other_name or name)
        except (ImportError, AttributeError):
            continue
        globals()[name] = symbol
        return symbol
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

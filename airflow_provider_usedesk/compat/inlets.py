"""Assets as inlets of a task, where this Airflow runs a task that has them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.version import HAS_WORKING_ASSET_INLETS

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Asset, BaseOperator


def add_inlets(task: BaseOperator, assets: Collection[Asset]) -> None:
    """
    Add assets to the inlets of a task; do nothing where this Airflow cannot run such a task.

    :param task: the task, while its Dag is parsed
    :param assets: the assets; those that are inlets already are not added again
    """
    if HAS_WORKING_ASSET_INLETS:
        task.add_inlets([asset for asset in assets if asset not in task.inlets])


def add_mapped_inlets(partial: Any, assets: Collection[Asset]) -> None:
    """
    Add assets to the inlets of a mapped task, whose operator is built in the worker only.

    :param partial: what ``partial()`` of the operator class returned
    :param assets: the assets; those that are inlets already are not added again
    """
    if not HAS_WORKING_ASSET_INLETS:
        return
    inlets = mapped_arguments(partial).get("inlets") or []
    inlets = inlets if isinstance(inlets, (list, tuple)) else [inlets]
    partial.kwargs["inlets"] = [*inlets, *(asset for asset in assets if asset not in inlets)]


def mapped_arguments(partial: Any) -> dict[str, Any]:
    """
    Return the arguments that all tasks of a mapped task share, with the defaults of its Dag and task group.

    :param partial: what ``partial()`` of the operator class returned
    """
    arguments = partial.kwargs
    for scope in (arguments.get("task_group"), arguments.get("dag")):
        arguments = {**(getattr(scope, "default_args", None) or {}), **arguments}
    return dict(arguments)

"""The asset of delivery reports as an inlet, so that Airflow knows the asset whose state store holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.assets import usedesk_asset
from airflow_provider_usedesk.compat.inlets import add_inlets, add_mapped_inlets, mapped_arguments

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Asset


def add_delivery_inlets(task: Any) -> None:
    """
    Add the asset of delivery reports to the inlets of a task.

    :param task: an operator or sensor with ``usedesk_conn_id``
    """
    add_inlets(task, _assets(task.usedesk_conn_id))


def with_delivery_inlets(partial: Any, is_wanted: Callable[[Mapping[str, Any]], bool]) -> Any:
    """
    Add the asset of delivery reports to the inlets of a mapped task.

    :param partial: what ``partial()`` of the operator class returned
    :param is_wanted: decides by the arguments whether the task reads delivery reports
    :return: the same object
    """
    arguments = mapped_arguments(partial)
    if is_wanted(arguments):
        add_mapped_inlets(partial, _assets(arguments.get("usedesk_conn_id", "usedesk_default")))
    return partial


def _assets(usedesk_conn_id: Any) -> list[Asset]:
    """Return the asset; none where the connection id is a template, which is rendered too late."""
    if not isinstance(usedesk_conn_id, str) or "{" in usedesk_conn_id:
        return []
    return [usedesk_asset(usedesk_conn_id, "delivery")]

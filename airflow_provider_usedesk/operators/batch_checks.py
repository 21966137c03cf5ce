"""The checks of a batch's arguments when the Dag is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_batch_arguments(given: Mapping[str, Any], *, is_complete: bool = True) -> None:
    """
    Check the arguments of a batch as far as they are known when the Dag is parsed.

    :param given: arguments by name; those that are missing are valid
    :param is_complete: whether they are all arguments; false for those that all mapped tasks share;
        default: true
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
    from airflow_provider_usedesk.api.ticket import CREATE_TICKET
    from airflow_provider_usedesk.batch.options import option_errors

    validation_errors = option_errors(given, CREATE_TICKET.arguments, is_complete=is_complete)
    if validation_errors:
        raise UsedeskInvalidRequest(validation_errors)

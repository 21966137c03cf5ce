"""The checks of a batch's arguments when the Dag is parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    validation_errors = [
        *option_errors(given, CREATE_TICKET.arguments, is_complete=is_complete),
        *_errors_of_literals(given, is_complete=is_complete),
    ]
    if validation_errors:
        raise UsedeskInvalidRequest(validation_errors)


def is_rehearsal(dry_run: Any, results_path: Any) -> bool:
    """
    Return whether a batch is a rehearsal.

    :param dry_run: argument ``dry_run``, rendered
    :param results_path: argument ``results_path``, rendered
    :raises UsedeskInvalidRequest: when one of them is not valid
    """
    from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
    from airflow_provider_usedesk.api.values import flag

    try:
        rehearses = flag(dry_run)
    except ValueError as error:
        # Never taken as false: the rows would be sent.
        raise UsedeskInvalidRequest([f"dry_run: {error}"]) from None
    if rehearses and not results_path:
        raise UsedeskInvalidRequest([RESULTS_PATH_REQUIRED])
    return rehearses


RESULTS_PATH_REQUIRED = "results_path: is required with dry_run, which writes each request to this file"


def _errors_of_literals(given: Mapping[str, Any], *, is_complete: bool) -> Iterator[str]:
    from airflow_provider_usedesk.api.values import flag
    from airflow_provider_usedesk.batch.result_file import check_path
    from airflow_provider_usedesk.batch.row import InvalidRecipients
    from airflow_provider_usedesk.batch.rows import check_source

    dry_run, results_path = given.get("dry_run", False), given.get("results_path")
    try:
        if _is_literal(dry_run) and flag(dry_run) and is_complete and not results_path:
            yield RESULTS_PATH_REQUIRED
    except ValueError as error:
        yield f"dry_run: {error}"
    try:
        if "recipients" in given and _is_literal(given["recipients"]):
            check_source(given["recipients"])
    except InvalidRecipients as error:
        yield f"recipients: {error}"
    try:
        if results_path and _is_literal(results_path):
            check_path(results_path)
    except ValueError as error:
        yield f"results_path: {error}"


def _is_literal(value: Any) -> bool:
    """Return whether a value is known when the Dag is parsed: neither a template nor an XComArg."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    return value is None or isinstance(value, (bool, int, float, bytes))

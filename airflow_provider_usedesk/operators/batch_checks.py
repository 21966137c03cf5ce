"""The checks of a batch's arguments when the Dag is parsed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.api.values import UNKNOWN
from airflow_provider_usedesk.hooks.literals import is_literal

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.ticket import MessageProfile


def batch_errors(given: Mapping[str, Any], *, is_complete: bool = True) -> list[str]:
    """
    Return a text for each invalid argument of a batch, as far as they are known when the Dag is parsed.

    :param given: arguments by name; those that are missing are valid
    :param is_complete: whether they are all arguments; false for those that all mapped tasks share;
        default: true
    """
    from airflow_provider_usedesk.api.ticket import CREATE_TICKET
    from airflow_provider_usedesk.batch.options import option_errors

    known = {name: value for name, value in given.items() if value is not UNKNOWN}
    all_known = is_complete and len(known) == len(given)
    return [
        *option_errors(known, CREATE_TICKET.arguments, is_complete=all_known),
        *_errors_of_literals(given, is_complete=is_complete),
    ]


def author_errors(profile: MessageProfile, given: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield a text if all rows have an author whose message the messenger does not deliver.

    :param profile: what a message requires
    :param given: arguments by name
    """
    author = given.get("from_", profile.author)
    is_known = isinstance(author, str) and is_literal(author)
    if profile.author and is_known and author.strip().lower() != profile.author:
        yield f"from_: must be {profile.author}, or the messenger delivers nothing"


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
        if is_literal(dry_run) and flag(dry_run) and is_complete and not results_path:
            yield RESULTS_PATH_REQUIRED
    except ValueError as error:
        yield f"dry_run: {error}"
    try:
        if "recipients" in given and is_literal(given["recipients"]):
            check_source(given["recipients"])
    except InvalidRecipients as error:
        yield f"recipients: {error}"
    try:
        if results_path and is_literal(results_path):
            check_path(results_path)
    except ValueError as error:
        yield f"results_path: {error}"

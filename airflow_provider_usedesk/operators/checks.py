"""The checks of an operator's arguments when the Dag is parsed, as far as their values are known then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.api.values import UNKNOWN, is_null, reads_once
from airflow_provider_usedesk.hooks.literals import is_literal
from airflow_provider_usedesk.hooks.message_files import names_file

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.request import Method

READ_ONCE = (
    "can be read only once, like a generator or an open file, but a task reads its arguments in each "
    "attempt: give a list, such as list(folder.glob('*.csv')), or the path of the file"
)
# Whether a file is there, and how a phone number is read, is known where the task runs.
READ_LATER = frozenset({"files", "avatar", "client_phone", "phone", "phone_region"})
# As the types of these arguments, which are in modules that only a task that runs needs.
CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "on_unknown_outcome": ("verify", "fail", "send"),
    "on_not_delivered": ("fail", "ignore", "resend"),
    "on_no_confirmation": ("fail", "warn"),
    "find_existing": ("email", "phone", None),
}
FLAGS = ("send_again_on_clear", "wait_for_delivery", "deferrable")
TIMES = ("delivery_timeout", "delivery_poke_interval")


def raise_errors(validation_errors: list[str]) -> None:
    """
    Refuse arguments.

    :param validation_errors: one text for each invalid argument, beginning with its name
    :raises UsedeskInvalidRequest: if there is one
    """
    from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

    if validation_errors:
        raise UsedeskInvalidRequest(validation_errors)


def known_params(given: Mapping[str, Any], method: Method) -> dict[str, Any]:
    """
    Return the parameters of a method, with ``UNKNOWN`` for each that is known only when the task runs.

    :param given: arguments of an operator by name
    :param method: the method
    """
    return {
        name: value if name not in READ_LATER and is_literal(value) and not _is_file(name, value) else UNKNOWN
        for name, value in given.items()
        if name in method.arguments and not is_null(value)
    }


def request_errors(make_request: Callable[[], Any]) -> list[str]:
    """
    Return a text for each invalid parameter of a request.

    :param make_request: makes the request
    """
    from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

    try:
        make_request()
    except UsedeskInvalidRequest as error:
        return list(error.validation_errors)
    return []


def option_errors(given: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield a text for each invalid argument that is no parameter of a method, and is not templated.

    :param given: arguments of an operator that sends one message; those that are missing are valid
    """
    given = {name: value for name, value in given.items() if value is not UNKNOWN}
    for name, words in CHOICES.items():
        if name in given and given[name] not in words:
            named = [word for word in words if word is not None]
            yield f"{name}: must be one of {', '.join(named)}"
    for name in FLAGS:
        if not isinstance(given.get(name, False), bool):
            yield f"{name}: must be True or False"
    if any(name in given for name in TIMES):
        from airflow_provider_usedesk.operators.waiting import wait_seconds

        for name in TIMES:
            try:
                if name in given:
                    wait_seconds(name, given[name])
            except ValueError as error:
                yield str(error)


def iterator_errors(given: Mapping[str, Any]) -> Iterator[str]:
    """
    Yield a text for each argument that can be read only once, such as a generator or an open file.

    :param given: arguments by name
    """
    for name, value in given.items():
        if reads_once(value):
            yield f"{name}: {READ_ONCE}"


def _is_file(name: str, value: Any) -> bool:
    return name == "message" and names_file(value)

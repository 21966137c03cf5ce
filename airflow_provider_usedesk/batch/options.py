"""The options of a batch, checked before any row is read or sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.request import unknown_parameter
from airflow_provider_usedesk.batch.quiet_hours import QuietHours
from airflow_provider_usedesk.batch.send_window import LONGEST_REQUEST
from airflow_provider_usedesk.idempotency.decision import OnUnknown

MAX_IN_FLIGHT = 64
CHOICES = {
    "validate": ("first", "row"),
    "fail_on": ("any", "all", "none"),
    "on_not_delivered": ("fail", "ignore"),
    "on_unknown": ("verify", "fail", "send"),
    "in_quiet_hours": ("wait", "leave"),
}


@dataclass(frozen=True)
class BatchOptions:
    """
    The options of a batch.

    :param max_in_flight: number of requests at the same time; default: 8
    :param validate: ``first`` checks all rows before any is sent, ``row`` checks each before it is sent;
        default: first
    :param max_bad_rows: how many rows may be invalid, as a number or a share; with more, no row is sent;
        default: 0
    :param max_failures: how many rows may fail before the run ends, as a number or a share; default: None,
        any number
    :param fail_on: when the batch has failed: if ``any`` row failed, if ``all`` failed, or for ``none``;
        default: any
    :param ignore_not_delivered: whether a message that the messenger did not accept is no failure; default:
        false
    :param on_unknown: what to do with rows that may have been sent: ``verify``, ``fail`` or ``send``;
        default: verify
    :param quiet_hours: when no row is sent; default: None, never
    :param in_quiet_hours: whether rows ``wait`` for the end of the quiet hours, or are left (``leave``);
        default: wait
    :param pauses: whether to raise :class:`~airflow_provider_usedesk.batch.send_loop.Paused` in quiet hours
        rather than to wait; default: false
    :param report_seconds: time between two reports of the progress; default: 30
    :param look_up_since: since when another task instance may have sent rows of this one, so that each row is
        looked up before it is sent; default: None, no other can
    :param longest_request: how long a request takes at most; default: 70 seconds
    """

    max_in_flight: int = 8
    validate: Literal["first", "row"] = "first"
    max_bad_rows: float = 0
    max_failures: float | None = None
    fail_on: Literal["any", "all", "none"] = "any"
    ignore_not_delivered: bool = False
    on_unknown: OnUnknown = "verify"
    quiet_hours: QuietHours | None = None
    in_quiet_hours: Literal["wait", "leave"] = "wait"
    pauses: bool = False
    report_seconds: float = 30.0
    look_up_since: datetime | None = None
    longest_request: timedelta = LONGEST_REQUEST


def read_options(
    *,
    max_in_flight: int,
    max_bad_rows: float,
    max_failures: float | None,
    quiet_hours: Any,
    timezone: str | tzinfo | None,
    pauses: bool,
    row_key: str,
    row_template: Mapping[str, Any] | None,
    shared_id: str | None,
    arguments: Collection[str],
    **choices: Any,
) -> BatchOptions:
    """
    Check the options, and return them.

    :param max_in_flight: as in :class:`BatchOptions`, like the other arguments that are not listed here
    :param quiet_hours: two times of day; None for none
    :param timezone: time zone of the quiet hours; required with them
    :param row_key: the column that identifies a row, or a template
    :param row_template: templates of arguments
    :param shared_id: the ``additional_id`` of all rows; must be None
    :param arguments: names of the arguments of the method
    :param choices: ``validate``, ``fail_on``, ``on_not_delivered``, ``on_unknown`` and ``in_quiet_hours``
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    validation_errors = [
        *_errors_of_choices(choices),
        *_errors_of_numbers(max_in_flight, max_bad_rows, max_failures, choices["validate"]),
        *_errors_of_rows(row_key, row_template, shared_id, arguments),
    ]
    quiet = None
    if quiet_hours is not None or timezone is not None:
        try:
            quiet = QuietHours.read(quiet_hours, timezone)
        except ValueError as error:
            validation_errors.append(str(error))
    if validation_errors:
        raise UsedeskInvalidRequest(validation_errors)
    return BatchOptions(
        max_in_flight=max_in_flight,
        validate=choices["validate"],
        max_bad_rows=max_bad_rows,
        max_failures=max_failures,
        fail_on=choices["fail_on"],
        ignore_not_delivered=choices["on_not_delivered"] == "ignore",
        on_unknown=choices["on_unknown"],
        quiet_hours=quiet,
        in_quiet_hours=choices["in_quiet_hours"],
        pauses=pauses,
    )


def as_number(limit: float, rows: int) -> float:
    """
    Return a limit as a number of rows.

    :param limit: a number; below 1, a share of the rows
    :param rows: number of rows
    """
    return limit * rows if 0 < limit < 1 else limit


def _errors_of_choices(choices: Mapping[str, Any]) -> list[str]:
    names = {"on_unknown": "on_unknown_outcome"}
    return [
        f"{names.get(name, name)}: must be one of {', '.join(known)}"
        for name, known in CHOICES.items()
        if choices[name] not in known
    ]


def _errors_of_numbers(max_in_flight: Any, max_bad_rows: Any, max_failures: Any, validate: Any) -> list[str]:
    validation_errors = []
    if type(max_in_flight) is not int or not 1 <= max_in_flight <= MAX_IN_FLIGHT:
        validation_errors.append(f"max_in_flight: must be a whole number from 1 to {MAX_IN_FLIGHT}")
    for name, limit in (("max_bad_rows", max_bad_rows), ("max_failures", max_failures)):
        if limit is None and name == "max_failures":
            continue
        if not _is_limit(limit):
            validation_errors.append(f"{name}: must be a whole number from 0, or a share between 0 and 1")
        elif 0 < limit < 1 and validate == "row":
            validation_errors.append(
                f"{name}: a share needs validate='first', which counts the rows before it sends"
            )
    return validation_errors


def _errors_of_rows(
    row_key: Any, row_template: Any, shared_id: str | None, arguments: Collection[str]
) -> Iterator[str]:
    if not isinstance(row_key, str) or not row_key.strip():
        yield "row_key: must be the name of a column, or a template such as {{ row.client }}-{{ row.month }}"
    if isinstance(row_template, Mapping):
        for name in row_template:
            if name not in arguments:
                yield f"row_template: {name} {unknown_parameter(str(name), arguments, 'create/ticket')}"
    elif row_template is not None:
        yield "row_template: must be a dict of arguments of create/ticket"
    if shared_id is not None:
        yield "additional_id: identifies a ticket, so give each row its own, by a column or in row_template"


def _is_limit(limit: Any) -> bool:
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        return False
    return 0 <= limit < 1 or (limit >= 1 and float(limit).is_integer())

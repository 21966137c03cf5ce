"""The options of a batch, checked before any row is read or sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Literal

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.request import unknown_parameter
from airflow_provider_usedesk.batch.file_options import file_option_errors
from airflow_provider_usedesk.batch.quiet_hours import QuietHours
from airflow_provider_usedesk.batch.send_window import LONGEST_REQUEST
from airflow_provider_usedesk.idempotency.decision import OnUnknown

MAX_IN_FLIGHT = 64
CHOICES = {
    "validate": ("first", "row"),
    "fail_on": ("any", "all", "none"),
    "on_not_delivered": ("fail", "ignore"),
    "on_duplicate": ("skip", "fail"),
    "on_no_confirmation": ("fail", "warn"),
    "on_unknown_outcome": ("verify", "fail", "send"),
    "in_quiet_hours": ("wait", "leave"),
}
ANY_HOURS = ("22:00", "08:00")
LIMIT = 'must be a whole number of rows, such as 5, or a percentage of all rows, such as "2.5%"'


@dataclass(frozen=True)
class Share:
    """
    A share of all rows.

    :param percent: the share in percent, 0 to 100
    """

    percent: Fraction

    def __str__(self) -> str:
        return f"{float(self.percent):g}%"


Limit = int | Share
"""How many rows: a number, or a share of all."""


@dataclass(frozen=True)
class BatchOptions:
    """
    The options of a batch.

    :param max_in_flight: number of requests at the same time; default: 8
    :param validate: ``first`` checks all rows before any is sent, ``row`` checks each before it is sent;
        default: first
    :param max_bad_rows: how many rows may be invalid; more fail the batch, with ``validate="first"`` before
        any row is sent; default: 0
    :param max_failures: how many rows may fail before the run ends; default: None, any number
    :param fail_on: when the batch has failed: if ``any`` row failed, if ``all`` failed, or for ``none``; not
        for invalid rows; default: any
    :param ignore_not_delivered: whether a message that the messenger did not accept is no failure; default:
        false
    :param on_unknown: what to do with rows that may have been sent: ``verify``, ``fail`` or ``send``;
        default: verify
    :param on_duplicate: whether a row with the key and the content of an earlier one is not sent (``skip``),
        or is invalid (``fail``); default: skip
    :param fail_if_empty: whether a batch without any row has failed; default: false
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
    max_bad_rows: Limit = 0
    max_failures: Limit | None = None
    fail_on: Literal["any", "all", "none"] = "any"
    ignore_not_delivered: bool = False
    on_unknown: OnUnknown = "verify"
    on_duplicate: Literal["skip", "fail"] = "skip"
    fail_if_empty: bool = False
    quiet_hours: QuietHours | None = None
    in_quiet_hours: Literal["wait", "leave"] = "wait"
    pauses: bool = False
    report_seconds: float = 30.0
    look_up_since: datetime | None = None
    longest_request: timedelta = LONGEST_REQUEST


def read_options(given: Mapping[str, Any], arguments: Collection[str], *, pauses: bool) -> BatchOptions:
    """
    Check the options, and return them.

    :param given: the arguments of the operator; those that are missing have their defaults
    :param arguments: names of the arguments of the method
    :param pauses: as in :class:`BatchOptions`
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    if validation_errors := option_errors(given, arguments):
        raise UsedeskInvalidRequest(validation_errors)
    quiet_hours, max_failures = given.get("quiet_hours"), given.get("max_failures")
    same = ("max_in_flight", "validate", "fail_on", "fail_if_empty", "in_quiet_hours", "on_duplicate")
    return BatchOptions(
        **{name: given[name] for name in same if name in given},
        max_bad_rows=_limit(given.get("max_bad_rows", 0)),
        max_failures=None if max_failures is None else _limit(max_failures),
        quiet_hours=None if quiet_hours is None else QuietHours.read(quiet_hours, given.get("timezone")),
        ignore_not_delivered=given.get("on_not_delivered") == "ignore",
        on_unknown=given.get("on_unknown_outcome", "verify"),
        pauses=pauses,
    )


def option_errors(
    given: Mapping[str, Any], arguments: Collection[str], *, is_complete: bool = True
) -> list[str]:
    """
    Return a text for each option that is not valid.

    :param given: the arguments of the operator; those that are missing are valid
    :param arguments: names of the arguments of the method
    :param is_complete: whether no other argument is added to those that are given; default: true
    """
    return [
        *_errors_of_choices(given),
        *_errors_of_numbers(given),
        *_errors_of_rows(given, arguments),
        *_errors_of_quiet_hours(given, is_complete=is_complete),
        *file_option_errors(given),
    ]


def as_number(limit: Limit, rows: int) -> Fraction:
    """
    Return a limit as a number of rows.

    :param limit: a number or a share
    :param rows: number of all rows
    """
    # Exactly: 29% of a hundred rows are not quite 29 as a float.
    return limit.percent * rows / 100 if isinstance(limit, Share) else Fraction(limit)


def _errors_of_choices(given: Mapping[str, Any]) -> Iterator[str]:
    for name, known in CHOICES.items():
        if name in given and given[name] not in known:
            yield f"{name}: must be one of {', '.join(known)}"
    if not isinstance(given.get("fail_if_empty", False), bool):
        yield "fail_if_empty: must be True or False"
    lateness = given.get("max_lateness")
    if lateness is not None and not (isinstance(lateness, timedelta) and lateness > timedelta()):
        yield "max_lateness: must be a timedelta above 0, such as timedelta(hours=2)"


def _errors_of_numbers(given: Mapping[str, Any]) -> Iterator[str]:
    count = given.get("max_in_flight", 1)
    if type(count) is not int or not 1 <= count <= MAX_IN_FLIGHT:
        yield f"max_in_flight: must be a whole number from 1 to {MAX_IN_FLIGHT}"
    for name in ("max_bad_rows", "max_failures"):
        limit = given.get(name, 0)
        if limit is None and name == "max_failures":
            continue
        try:
            checked = _limit(limit)
        except ValueError as error:
            yield f"{name}: {error}"
        else:
            # It may end the run before the number of all rows is known.
            if name == "max_failures" and isinstance(checked, Share) and given.get("validate") == "row":
                yield f"{name}: a percentage needs validate='first', which counts the rows before it sends"


def _errors_of_rows(given: Mapping[str, Any], arguments: Collection[str]) -> Iterator[str]:
    row_key, row_template = given.get("row_key", "key"), given.get("row_template")
    if not isinstance(row_key, str) or not row_key.strip():
        yield "row_key: must be the name of a column, or a template such as {{ row.client }}-{{ row.month }}"
    if isinstance(row_template, Mapping):
        for name in row_template:
            if name not in arguments:
                yield f"row_template: {name} {unknown_parameter(str(name), arguments, 'create/ticket')}"
    elif row_template is not None:
        yield "row_template: must be a dict of arguments of create/ticket"
    if given.get("additional_id") is not None:
        yield "additional_id: give each row a different one, with a column or in row_template"


def _errors_of_quiet_hours(given: Mapping[str, Any], *, is_complete: bool) -> Iterator[str]:
    hours, zone = given.get("quiet_hours"), given.get("timezone")
    if hours is None and zone is None:
        return
    if not is_complete:
        # A mapped task may get the other one later.
        hours, zone = ANY_HOURS if hours is None else hours, "UTC" if zone is None else zone
    if hours is None:
        yield 'timezone: needs quiet_hours, such as ("22:00", "08:00")'
        return
    try:
        QuietHours.read(hours, zone)
    except UsedeskInvalidRequest as error:
        yield from error.validation_errors


def _limit(value: Any) -> Limit:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value, re.ASCII) if isinstance(value, str) else None
    if found is None or Fraction(found[1]) > 100:
        raise ValueError(LIMIT)
    return Share(Fraction(found[1]))

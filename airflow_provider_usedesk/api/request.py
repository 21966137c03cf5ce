"""A request to a method that sends: each parameter is checked, then encoded as JSON or as a form."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from airflow_provider_usedesk.api import choices, values
from airflow_provider_usedesk.api.attachments import Attachment, OpenUrl, attachment, file_sources
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.hidden import HiddenDict
from airflow_provider_usedesk.api.phone import checked_region, phone
from airflow_provider_usedesk.api.php import flattened
from airflow_provider_usedesk.api.redacted import REDACTED_IN_ERRORS

MESSAGE_BYTES = 65_535
MOST_MEANT = 3
"""How many parameters an error names in place of one that is unknown."""

CLIENT_ADDRESS: Mapping[str, values.Check] = {
    "client_country": values.one_line(255),
    "client_city": values.one_line(255),
    "client_address": values.one_line(255),
    "new_address": values.address_flag,
    "phone_type": values.one_of(choices.PhoneType),
}
"""The checks of what tickets and clients say of the address and the phone of a client."""


@dataclass(frozen=True)
class Method:
    """
    One method of the API and its parameters.

    :param path: its path below the base URL
    :param parameters: its parameters with their checks
    :param left_out_when_blank: parameters that are left out when blank; any other blank one is an error
    :param cleared_by_empty_list: parameters that an empty list clears in Usedesk
    :param only_true: flags for which Usedesk accepts only true
    :param takes_files: whether files can be attached
    :param takes_avatar: whether a picture can be sent
    :param phone: parameter that is a phone of a client, with ``phone_region``
    :param created: ids whose presence in a response shows that the request was carried out
    """

    path: str
    parameters: Mapping[str, values.Check]
    left_out_when_blank: frozenset[str] = frozenset()
    cleared_by_empty_list: frozenset[str] = frozenset()
    only_true: frozenset[str] = frozenset()
    takes_files: bool = False
    takes_avatar: bool = False
    phone: str = "client_phone"
    created: frozenset[str] = frozenset({"ticket_id", "comment_id"})

    @cached_property
    def arguments(self) -> frozenset[str]:
        """
        All arguments of a caller.

        ``custom_fields`` stands for field_id and field_value; ``phone_region`` says how to read the phone.
        """
        files = {self.file_argument} if self.file_argument else set()
        friendly = {"custom_fields"} if "field_id" in self.parameters else set()
        region = {"phone_region"} if self.phone in self.parameters else set()
        return frozenset(self.parameters) | files | friendly | region

    @cached_property
    def file_argument(self) -> str | None:
        """The argument that is a file or several; None if there is none."""
        return "avatar" if self.takes_avatar else "files" if self.takes_files else None


@dataclass(frozen=True)
class Request:
    """
    One checked request, without the token.

    :param fields: the parameters by their names in the API
    :param attachments: the files
    :param file_field: name of each file in the form
    """

    fields: Mapping[str, Any] = field(repr=False)
    attachments: tuple[Attachment, ...] = ()
    file_field: str = "files[]"

    def hide(self, text: str) -> str:
        """Replace the personal values of this request in a text by ``***``."""
        found = {
            part for name in REDACTED_IN_ERRORS for part in _texts(self.fields.get(name)) if len(part) > 1
        }
        for part in sorted(found, key=len, reverse=True):
            # A short value only as a whole word: inside other words it identifies nobody.
            pattern = re.escape(part) if len(part) > 3 else rf"\b{re.escape(part)}\b"
            text = re.sub(pattern, "***", text)
        return text

    def as_json(self, token: str) -> bytes:
        """Return the request as a JSON body, which cannot contain files."""
        return json.dumps({"api_token": token, **self.fields}, ensure_ascii=False).encode()

    def as_form(self, token: str) -> list[tuple[str, str]]:
        """Return the request as form fields, with PHP's brackets for nested values."""
        return [("api_token", token), *((name, _form_text(value)) for name, value in flattened(self.fields))]


class Draft:
    """
    Checks the parameters of one call and collects at most one validation error for each.

    :param params: parameters by name; ``from`` may be spelled ``from_``; a null means not given
    :param method: the method
    :param open_url: returns a path object for the URL of a file
    """

    def __init__(self, params: Mapping[str, Any], method: Method, open_url: OpenUrl | None = None) -> None:
        self._method = method
        self._validation_errors: dict[str, str] = {}
        self.unknown: set[str] = set()
        given = HiddenDict(
            {_argument(name): value for name, value in params.items() if not values.is_null(value)}
        )
        self._empty = frozenset(name for name, value in given.items() if values.is_empty(value))
        self.given = frozenset(given) - (self._empty & method.left_out_when_blank)
        self._phone_region = given.get("phone_region")
        self.fields = {name: wire for name, wire in self._checked(given) if wire is not None}
        self._attachments = self._attached(given, open_url)
        if "from" in params and not any(values.is_null(params.get(name)) for name in ("from", "from_")):
            self.reject("from_", "is given as from, too")

    def reject(self, name: str, reason: str) -> None:
        """Add the validation error of an argument, unless it has one."""
        self._validation_errors.setdefault(name, reason)

    def request(self) -> Request:
        """
        Return the request.

        :raises UsedeskInvalidRequest: naming every invalid argument
        """
        if self._validation_errors:
            raise UsedeskInvalidRequest(
                [f"{name}: {reason}" for name, reason in self._validation_errors.items()]
            )
        fields = {
            "from" if name == "from_" else name: wire
            for name, wire in self.fields.items()
            if wire or name not in self._method.only_true
        }
        file_field = "avatar" if self._method.takes_avatar else "files[]"
        return Request(MappingProxyType(fields), self._attachments, file_field)

    def require(self, *names: str) -> None:
        for name in names:
            if name not in self.given:
                self.reject(name, "is required")

    def check_template(self) -> bool:
        """Check the arguments of a WhatsApp template, and return whether one is given."""
        templates = self.given & {"template_id", "template_name"}
        if len(templates) > 1:
            self.reject("template_id and template_name", "only one of them can be given")
        return bool(templates)

    def check_template_options(self, has_template: bool) -> None:
        for name in ("template_variables", "template_lang"):
            if name in self.given and not has_template:
                self.reject(name, "needs template_id or template_name")

    def check_custom_fields(self) -> None:
        """Check that the ids and the values of custom fields belong together."""
        pair = self.given & {"field_id", "field_value"}
        if "custom_fields" in self.given:
            if pair:
                self.reject("custom_fields", "cannot be given together with field_id and field_value")
            return
        if len(pair) == 1:
            [present], [missing] = pair, {"field_id", "field_value"} - pair
            self.reject(missing, f"is required with {present}")
        elif "field_id" in self.fields and "field_value" in self.fields:
            ids, entries = (self.fields[name].count(";") + 1 for name in ("field_id", "field_value"))
            if ids != entries:
                self.reject("field_value", f"has {entries} values for {ids} ids in field_id")

    def _checked(self, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        arguments, not_fields = self._method.arguments, (self._method.file_argument, "phone_region")
        for name, value in given.items():
            if name not in arguments:
                self.reject(name, unknown_parameter(name, arguments, self._method.path))
            elif name in not_fields or name not in self.given:
                continue
            elif value is values.UNKNOWN or (name == self._method.phone and self._is_region_unknown):
                self.unknown.add(name)
            else:
                try:
                    if name == "custom_fields":
                        yield from zip(("field_id", "field_value"), values.custom_fields(value), strict=True)
                    else:
                        yield name, self._check_one(name, value)
                except ValueError as error:
                    self.reject(name, str(error))

    @property
    def _is_region_unknown(self) -> bool:
        return self._phone_region is values.UNKNOWN

    def _check_one(self, name: str, value: Any) -> Any:
        if name in self._empty:
            if not isinstance(value, str):
                if name in self._method.cleared_by_empty_list:
                    return []
                if name == "template_variables":
                    return None
            raise ValueError("is given but empty; its template may have rendered to an empty value")
        values.check_not_null_text(value)
        if name == self._method.phone:
            return phone(value, self._region())
        return self._method.parameters[name](value)

    def _region(self) -> str | None:
        if values.is_empty(self._phone_region):
            return None
        try:
            return checked_region(self._phone_region)
        except ValueError as error:
            # Without its region, it is not known how to read the number.
            raise ValueError(f"cannot be read: phone_region {error}") from None

    def _attached(self, given: Mapping[str, Any], open_url: OpenUrl | None) -> tuple[Attachment, ...]:
        argument = self._method.file_argument
        if argument is None or given.get(argument) is values.UNKNOWN:
            return ()
        found, validation_errors = _attachments(given.get(argument), open_url)
        for name, reason in validation_errors.items():
            self.reject(argument if self._method.takes_avatar else name, reason)
        if self._method.takes_avatar and len(found) > 1:
            self.reject(argument, "must be one file")
        return found


def attachments(given: Any, open_url: OpenUrl | None = None) -> tuple[Attachment, ...]:
    """
    Return files and their sizes, without reading them.

    :param given: one or several of local path, URL, path object and (name, content); or an empty value
    :param open_url: returns a path object for the URL of a file
    :raises UsedeskInvalidRequest: naming every file that is not there
    """
    found, validation_errors = _attachments(given, open_url)
    if validation_errors:
        raise UsedeskInvalidRequest([f"{name}: {reason}" for name, reason in validation_errors.items()])
    return found


def _attachments(given: Any, open_url: OpenUrl | None) -> tuple[tuple[Attachment, ...], dict[str, str]]:
    if values.is_empty(given):
        return (), {}
    sources = file_sources(given)
    found, validation_errors = [], {}
    for number, source in enumerate([given] if sources is None else sources, 1):
        try:
            found.append(attachment(source, open_url))
        except ValueError as error:
            validation_errors["files" if sources is None else f"files, number {number}"] = str(error)
    return tuple(found), validation_errors


def unknown_parameter(name: str, known: Collection[str], path: str) -> str:
    """Return a text that a method has no such parameter, and which one may be meant."""
    import difflib  # slow to load, and rarely needed

    # "status" is not close to "target_statuses", and "conn_id" is closer to "comment_id" than to its own.
    longer = [one for one in sorted(known) if f"_{name}" in f"_{one}"]
    meant = longer if 1 <= len(longer) <= MOST_MEANT else difflib.get_close_matches(name, sorted(known), n=1)
    return f"is not a parameter of {path}" + (f"; is {' or '.join(meant)} meant?" if meant else "")


def _argument(name: str) -> str:
    return "from_" if name == "from" else name


def complete_request(params: Mapping[str, Any], method: Method) -> Request:
    """
    Return the checked request of a method that requires all of its parameters.

    :param params: parameters by name
    :param method: the method
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, method)
    draft.require(*method.parameters)
    return draft.request()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (part.strip() for part in (value, *value.split(";")))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            # The words of the API, which an error may name.
            if name not in ("id", "type"):
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _form_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

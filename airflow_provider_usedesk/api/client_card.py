"""
The parameters of the methods that create and change clients, and their checks.

`create/client <https://api.usedocs.com/article/51385>`__,
`update/client <https://api.usedocs.com/article/51386>`__
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.phone import phone
from airflow_provider_usedesk.api.request import CLIENT_ADDRESS, MESSAGE_BYTES, Draft, Method, Request

MESSENGERS = ("telegram", "whatsapp", "viber", "skype", "gtalk", "imessage", "other")
IDENTITY_LENGTH = 64


def _objects(check: Callable[[Mapping[str, Any]], dict[str, Any]], form: str) -> values.Check:
    """Return a check for one object or a list of them, each of which another check takes."""

    def check_all(value: Any) -> list[dict[str, Any]]:
        single = values.as_mapping(value)
        items = [single] if single is not None else values.as_list(value)
        if items is None:
            raise ValueError(f"must be a list of {form}")
        return [_part(f"number {place}", item) for place, item in enumerate(items, 1)]

    def _part(place: str, item: Any) -> dict[str, Any]:
        if not isinstance(item, Mapping):
            raise ValueError(f"{place} must be {form}")
        try:
            return check({name: given for name, given in item.items() if not values.is_null(given)})
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None

    return check_all


def _checked(
    given: Mapping[str, Any], checks: Mapping[str, values.Check], required: tuple[str, ...]
) -> dict[str, Any]:
    for name in given:
        if name not in checks:
            raise ValueError(f"has a name that is none of {', '.join(checks)}")
    if missing := [name for name in required if name not in given]:
        raise ValueError(f"needs {' and '.join(missing)}")
    checked = {}
    for name, value in given.items():
        try:
            checked[name] = checks[name](value)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    return checked


def _text_or_empty(limit: int) -> Callable[[Any], str]:
    """Return a check for a text of one line; an empty one deletes what it belongs to."""

    def check(value: Any) -> str:
        return "" if isinstance(value, str) and not value.strip() else values.one_line(limit)(value)

    return check


_MESSENGER: Mapping[str, values.Check] = {
    "identity": values.one_line(IDENTITY_LENGTH),
    "type": values.choice(*MESSENGERS),
    "uid": values.one_line(255),
}
_SITE: Mapping[str, values.Check] = {"url": values.one_line(255)}


def _new_messenger(given: Mapping[str, Any]) -> dict[str, Any]:
    return _checked(given, _MESSENGER, ("identity", "type"))


def _changed_messenger(given: Mapping[str, Any]) -> dict[str, Any]:
    if "id" not in given:
        return _new_messenger(given)
    checks = {**_MESSENGER, "id": values.identifier, "identity": _text_or_empty(IDENTITY_LENGTH)}
    return _checked(given, checks, ("identity", "type"))


def _new_site(given: Mapping[str, Any]) -> dict[str, Any]:
    return _checked(given, _SITE, ("url",))


def _changed_site(given: Mapping[str, Any]) -> dict[str, Any]:
    if "id" not in given:
        return _new_site(given)
    return _checked(given, {"id": values.identifier, "url": _text_or_empty(255)}, ("url",))


_COMMON: Mapping[str, values.Check] = {
    "name": values.one_line(255),
    "emails": values.addresses,
    "note": values.text_of_bytes(MESSAGE_BYTES),
    "phone": phone,
    "status_vip": values.flag,
    "status_spam": values.flag,
    "position": values.one_line(255),
    "merge_id": values.identifier,
    **CLIENT_ADDRESS,
}
# A blank one would change nothing of what is known.
_LEFT_OUT = frozenset(
    {
        *("name", "emails", "messengers", "note", "phone", "phone_region", "sites", "avatar", "position"),
        *("client_country", "client_city", "client_address"),
    }
)
_NEW_MESSENGERS = _objects(_new_messenger, '{"identity": …, "type": …}')
_NEW_SITES = _objects(_new_site, '{"url": …}')

CREATE_CLIENT = Method(
    path="create/client",
    parameters={**_COMMON, "messengers": _NEW_MESSENGERS, "sites": _NEW_SITES},
    left_out_when_blank=_LEFT_OUT,
    takes_avatar=True,
    phone="phone",
    created=frozenset({"client_id"}),
)
UPDATE_CLIENT = Method(
    path="update/client",
    parameters={
        **_COMMON,
        "client_id": values.identifier,
        "is_new_note": values.flag,
        "messengers": _objects(_changed_messenger, '{"identity": …, "type": …}, with an id for a known one'),
        "sites": _objects(_changed_site, '{"url": …}, with an id for a known one'),
    },
    left_out_when_blank=_LEFT_OUT,
    takes_avatar=True,
    phone="phone",
    # The response repeats the id of the request.
    created=frozenset(),
)
IDENTIFYING = ("name", "emails", "phone", "messengers")


def create_client_request(params: Mapping[str, Any], open_url: OpenUrl | None = None) -> Request:
    """
    Return the checked request for a new client.

    :param params: parameters by name; a null means not given
    :param open_url: returns a path object for the URL of the avatar
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, CREATE_CLIENT, open_url)
    if not draft.given & set(IDENTIFYING):
        draft.reject(" or ".join(IDENTIFYING), "is required")
    _check_common(draft)
    return draft.request()


def update_client_request(params: Mapping[str, Any], open_url: OpenUrl | None = None) -> Request:
    """
    Return the checked request for a change of a client.

    :param params: parameters by name; a null leaves that part of the client unchanged
    :param open_url: returns a path object for the URL of the avatar
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, UPDATE_CLIENT, open_url)
    draft.require("client_id")
    if "is_new_note" in draft.given and "note" not in draft.given:
        draft.reject("is_new_note", "needs a note")
    if not draft.given - {"client_id", "is_new_note", "phone_region", "phone_type"}:
        draft.reject("arguments", "nothing would change: give a name, emails, a phone or another part")
    _check_common(draft)
    return draft.request()


def _check_common(draft: Draft) -> None:
    if draft.given >= {"status_vip", "status_spam"}:
        draft.reject("status_vip and status_spam", "only one of them can be given")
    if "phone_type" in draft.given and "phone" not in draft.given:
        draft.reject("phone_type", "needs a phone")

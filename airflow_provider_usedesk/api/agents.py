"""
The parameters of the methods that create, change and delete agents, and their checks.

`create/user <https://api.usedocs.com/article/51415>`__,
`update/user <https://api.usedocs.com/article/51416>`__,
`delete/user <https://api.usedocs.com/article/51417>`__
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_usedesk.api import choices, values
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.hidden import HiddenDict
from airflow_provider_usedesk.api.request import Draft, Method, Request, complete_request

_COMMON: Mapping[str, values.Check] = {
    "name": values.one_line(255),
    "email": values.email,
    "role": values.one_of(choices.Role),
    "group": values.identifier,
    # As the page writes it, with any prefix: no messenger uses it.
    "phone": values.one_line(255),
}
CREATE_USER = Method(
    path="create/user",
    parameters={
        **_COMMON,
        "password": values.text(255),
        "send_invite": values.flag,
        "lang": values.one_of(choices.Language),
    },
    left_out_when_blank=frozenset({"phone", "avatar"}),
    takes_avatar=True,
    phone="",
    created=frozenset({"user_id"}),
)
UPDATE_USER = Method(
    path="update/user",
    parameters={
        **_COMMON,
        "user_id": values.identifier,
        "chat_online_status": values.flag,
        "ticket_online_status": values.flag,
    },
    left_out_when_blank=frozenset({"phone", "avatar"}),
    takes_avatar=True,
    phone="",
    # The response repeats the id of the request.
    created=frozenset(),
)
DELETE_USER = Method(path="delete/user", parameters={"user_id": values.identifier}, created=frozenset())


def create_user_request(params: Mapping[str, Any], open_url: OpenUrl | None = None) -> Request:
    """
    Return the checked request for a new agent.

    :param params: parameters by name; a null means not given
    :param open_url: returns a path object for the URL of the avatar
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, CREATE_USER, open_url)
    draft.require("name", "email", "password", "group")
    return draft.request()


def update_user_request(params: Mapping[str, Any], open_url: OpenUrl | None = None) -> Request:
    """
    Return the checked request for a change of an agent.

    :param params: parameters by name; a null leaves that part of the agent unchanged; the avatar ``delete``
        removes the picture
    :param open_url: returns a path object for the URL of the avatar
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    deletes_avatar = params.get("avatar") == "delete"
    given = HiddenDict(
        {name: value for name, value in params.items() if name != "avatar" or not deletes_avatar}
    )
    draft = Draft(given, UPDATE_USER, open_url)
    draft.require("user_id")
    if not draft.given - {"user_id"} and not deletes_avatar:
        draft.reject("arguments", "nothing would change: give a name, a role or another part")
    request = draft.request()
    return replace(request, fields={**request.fields, "avatar": "delete"}) if deletes_avatar else request


def delete_user_request(params: Mapping[str, Any]) -> Request:
    """
    Return the checked request to delete an agent.

    :param params: parameters by name
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    return complete_request(params, DELETE_USER)

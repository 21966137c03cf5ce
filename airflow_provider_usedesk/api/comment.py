"""The parameters of `create/comment <https://api.usedocs.com/article/51381>`__ and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_usedesk.api import choices, values
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.request import MESSAGE_BYTES, Draft, Method, Request

CREATE_COMMENT = Method(
    path="create/comment",
    parameters={
        "ticket_id": values.identifier,
        "message": values.text_of_bytes(MESSAGE_BYTES),
        "type": values.one_of(choices.CommentType),
        "cc": values.addresses,
        "bcc": values.addresses,
        "user_id": values.identifier,
        # The present page names user and client; an older copy of it has trigger with trigger_id, too.
        "from_": values.one_of(choices.Author),
        "trigger_id": values.identifier,
        "template_id": values.identifier,
        "template_name": values.one_line(255),
        "template_variables": values.template_variables,
        "template_lang": values.one_line(255),
    },
    left_out_when_blank=frozenset({"cc", "bcc", "files", "template_name", "template_lang"}),
    takes_files=True,
)


def comment_request(params: Mapping[str, Any], open_url: OpenUrl | None = None) -> Request:
    """
    Return the checked request for a comment.

    :param params: parameters by name; ``from`` may be spelled ``from_``; a null means not given. ``type`` is
        required: the default of Usedesk, private, hides the comment from the client without an error
    :param open_url: returns a path object for the URL of a file
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, CREATE_COMMENT, open_url)
    has_template = draft.check_template()
    draft.require("ticket_id", *(() if has_template else ("message",)))
    if "type" not in draft.given:
        draft.reject("type", "is required: public for the client, private for agents only")
    draft.check_template_options(has_template)
    for author in ("user", "trigger"):
        if draft.fields.get("from_") == author and f"{author}_id" not in draft.given:
            draft.reject(f"{author}_id", f"is required with from_='{author}'")
    return draft.request()

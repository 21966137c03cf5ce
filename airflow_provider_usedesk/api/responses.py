"""Responses of Usedesk: read as results, or classified as errors."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.delivery_words import means_failed
from airflow_provider_usedesk.api.quoting import MAX_READ, quoted, reasons_text
from airflow_provider_usedesk.api.rate_limit_state import LONGEST_BACKOFF
from airflow_provider_usedesk.api.results import PlainResult

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Response:
    """
    One HTTP response.

    :param status: HTTP status
    :param headers: headers, looked up without regard to case
    :param body: the body as it came
    :param hide: removes the values of the request from a text of the service
    :param repeats_token: whether a text of the service contains a part of the token
    :param sending: whether the request changes something in Usedesk, so that a blind retry is not safe
    :param created: ids whose presence shows that the request was carried out
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    hide: Callable[[str], str] = field(default=str, repr=False)
    sending: bool = False
    repeats_token: Callable[[str], bool] = field(default=lambda text: False, repr=False)
    created: frozenset[str] = frozenset({"ticket_id", "comment_id"})


@dataclass(frozen=True)
class CreatedTicket(PlainResult):
    """
    The result of `create/ticket <https://api.usedocs.com/article/51378>`__.

    :param ticket_id: the new ticket
    :param message_status: ``delivered`` or ``not delivered``, from WhatsApp and Telegram channels;
        ``delivered`` means that the provider accepted the message, not that a person read it
    :param chat_id: the chat, from Viber channels
    :param comment_id: the first comment, if the response names it
    :param is_found: whether a search found the ticket, so that the response is not known
    """

    ticket_id: int
    message_status: str | None = None
    chat_id: str | None = None
    comment_id: int | None = None
    is_found: bool = field(default=False, compare=False)

    @property
    def is_confirmed(self) -> bool:
        """Whether the response shows that a messenger got the message; false for other channels."""
        return self.is_found or self.message_status is not None or self.chat_id is not None

    @property
    def not_delivered(self) -> bool:
        """Whether the messenger did not accept the message; the word may be one of its provider."""
        return self.message_status is not None and means_failed(self.message_status)


@dataclass(frozen=True)
class CreatedComment(PlainResult):
    """
    The result of `create/comment <https://api.usedocs.com/article/51381>`__.

    :param comment_id: the new comment
    """

    comment_id: int


@dataclass(frozen=True)
class CreatedClient(PlainResult):
    """
    The result of `create/client <https://api.usedocs.com/article/51385>`__.

    :param client_id: the new client
    :param is_found: whether the client was there before, or a search found it
    """

    client_id: int
    is_found: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class CreatedUser(PlainResult):
    """
    The result of `create/user <https://api.usedocs.com/article/51415>`__.

    :param user_id: the new agent
    """

    user_id: int


@dataclass(frozen=True)
class AddedChatMessage(PlainResult):
    """
    The result of `chat/addMessage <https://api.usedocs.com/article/51394>`__.

    :param chat_id: the chat, which can be new
    :param ticket_id: its ticket; None for a new chat
    :param client_id: the client, who can be new
    :param channel_id: the channel
    :param company_id: the account
    """

    chat_id: int
    ticket_id: int | None = None
    client_id: int | None = None
    channel_id: int | None = None
    company_id: int | None = None


@dataclass(frozen=True)
class SentChatMessage(PlainResult):
    """
    The result of `chat/sendMessage <https://api.usedocs.com/article/51395>`__.

    :param chat_id: the chat, if the response names it
    :param ticket_id: its ticket, if the response names it
    """

    chat_id: int | None = None
    ticket_id: int | None = None


@dataclass(frozen=True)
class ChatAssignee(PlainResult):
    """
    The result of `chat/changeAssignee <https://api.usedocs.com/article/51396>`__.

    :param chat_id: the chat
    :param user_id: its agent
    :param url: its URL for agents
    """

    chat_id: int
    user_id: int | None = None
    url: str | None = None


def created_ticket(response: Response) -> CreatedTicket:
    """
    Return the result in the response to ``create/ticket``.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    content = json_object(response)
    ticket_id = as_id(content.get("ticket_id"))
    if content.get("status") != "success" or ticket_id is None or ticket_id < 1:
        raise unclear(response, "neither a ticket id with status success nor an error")
    return CreatedTicket(
        ticket_id=ticket_id,
        message_status=_filled_or_none(content.get("message_status")),
        chat_id=_filled_or_none(content.get("chat_id")),
        comment_id=as_id(content.get("comment_id")),
    )


def created_comment(response: Response) -> CreatedComment:
    """
    Return the result in the response to ``create/comment``.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    content = json_object(response)
    comment_id = as_id(content.get("comment_id"))
    if content.get("status") != "success" or comment_id is None or comment_id < 1:
        raise unclear(response, "neither a comment id with status success nor an error")
    return CreatedComment(comment_id)


def updated(response: Response) -> None:
    """
    Check the response to a method that updates or deletes.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    if json_object(response).get("status") != "success":
        raise unclear(response, "neither status success nor an error")


def updated_client(response: Response) -> None:
    """
    Check the response to ``update/client``.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    _require_success(json_object(response), response)


def created_client(response: Response) -> CreatedClient:
    """
    Return the result in the response to ``create/client``.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    return CreatedClient(_id_with_success(response, "client_id"))


def created_user(response: Response) -> CreatedUser:
    """
    Return the result in the response to ``create/user``.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    return CreatedUser(_id_with_success(response, "user_id"))


def added_chat_message(response: Response) -> AddedChatMessage:
    """
    Return the result in the response to ``chat/addMessage``, which has no status.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    content = json_object(response)
    names = ("ticket_id", "client_id", "channel_id", "company_id")
    return AddedChatMessage(
        _own_id(response, content, "chat_id"), **{name: as_id(content.get(name)) or None for name in names}
    )


def sent_chat_message(response: Response) -> SentChatMessage:
    """
    Return the result in the response to ``chat/sendMessage``.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    content = json_object(response)
    _require_success(content, response)
    return SentChatMessage(as_id(content.get("chat_id")) or None, as_id(content.get("ticket_id")) or None)


def chat_assignee(response: Response) -> ChatAssignee:
    """
    Return the result in the response to ``chat/changeAssignee``, which has no status.

    :raises UsedeskError: of the class that fits, when the response is no clear success
    """
    content = json_object(response)
    return ChatAssignee(
        _own_id(response, content, "chat_id"),
        as_id(content.get("user_id")) or None,
        text_or_none(content.get("url")),
    )


def _id_with_success(response: Response, name: str) -> int:
    content = json_object(response)
    _require_success(content, response)
    return _own_id(response, content, name)


def _own_id(response: Response, content: Mapping[str, Any], name: str) -> int:
    number = as_id(content.get(name))
    if number is None or number < 1:
        raise unclear(response, f"neither {name} nor an error")
    return number


def _require_success(content: Mapping[str, Any], response: Response) -> None:
    # On their pages, the methods of clients have true, all others the word.
    if content.get("status") != "success" and content.get("status") is not True:
        raise unclear(response, "neither status success nor an error")


def json_object(response: Response) -> dict[str, Any]:
    """Return the JSON object of a response; raise the error for any other response."""
    content = _content(response)
    if not isinstance(content, dict):
        raise unclear(response, f"a JSON {_kind(content)} instead of an object")
    return content


def json_list(response: Response) -> list[Any]:
    """Return the JSON array of a response; raise the error for any other response."""
    content = _content(response)
    if not isinstance(content, list):
        raise unclear(response, f"a JSON {_kind(content)} instead of an array")
    return content


def unclear(response: Response, what: str) -> errors.UsedeskError:
    """Return the error for a response that is neither a success nor a refusal."""
    return _unclear_class(response)(
        f"The response of Usedesk is not clear: {what}. {_UNCLEAR_ADVICE[response.sending]}",
        status=response.status,
        ticket_id=_effect(response, _parsed(response.body)).ticket_id,
    )


def as_id(value: object) -> int | None:
    """Return an id that is a number or a numeric text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value.strip()):
        return int(value)
    return None


def text_or_none(value: object) -> str | None:
    """Return a value as text; None for None."""
    return None if value is None else str(value)


def _filled_or_none(value: object) -> str | None:
    """Return a value as text; None for one that says nothing: null, false, 0 or a blank text."""
    return str(value or "").strip() or None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds of a Retry-After header, which contains seconds or a date."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


SERVER_ERROR = 111
RATE_LIMIT = 121

# It names the result of a request that was carried out; most other redirects name a place for the request.
SEE_OTHER = 303
# Web frameworks respond with it in both cases.
FOUND = 302

# A proxy says that its client closed the connection; the request may have gone through before.
CLIENT_CLOSED = 499

# What each error code of Usedesk means, and what to do.
REFUSALS: Mapping[int, tuple[type[errors.UsedeskError], str]] = {
    112: (errors.UsedeskInvalidToken, "Check the API token."),
    113: (errors.UsedeskTicketNotFound, "Check the ticket id."),
    114: (errors.UsedeskMessageMissing, "Give a message."),
    115: (errors.UsedeskAccessDenied, "Check the API token and the API base URL."),
    116: (errors.UsedeskWrongTag, "Check the tags."),
    117: (errors.UsedeskAgentNotFound, "Check the agent: user_id or assignee_id."),
    118: (errors.UsedeskGroupNotFound, "Check group_id."),
    119: (errors.UsedeskClientNotFound, "Check client_id."),
    120: (errors.UsedeskFileTooLarge, "Send a smaller file, or a link to it."),
}
REDIRECT = (
    errors.UsedeskBadConnection,
    "The API base URL is redirected. Set the final URL, with https and the path, as the API base URL.",
)
PROXY_AUTHENTICATION = (
    errors.UsedeskBadConnection,
    "The proxy wants a name and a password. Check the proxy.",
)
NO_API = (
    errors.UsedeskBadConnection,
    "There is no Usedesk API at this URL. Check the API base URL with its path, for example "
    "https://secure.usedesk.com/uapi.",
)
REQUEST_TOO_LARGE = (
    errors.UsedeskFileTooLarge,
    "The web server before Usedesk takes no request of this size: send smaller files, or links to them.",
)
BY_STATUS: Mapping[int, tuple[type[errors.UsedeskError], str]] = {
    404: NO_API,
    405: NO_API,
    407: PROXY_AUTHENTICATION,
    413: REQUEST_TOO_LARGE,
}
TOO_MANY = (errors.UsedeskRateLimited, "")
REJECTED = (errors.UsedeskRejected, "Correct the request before you send it again.")


@dataclass(frozen=True)
class _Refusal:
    """An error in the body of a response, whatever its HTTP status."""

    text: str
    code: int | None


@dataclass(frozen=True)
class _Effect:
    """
    What in a response to a sending request shows that the request was carried out.

    :param ticket_id: the first ticket id
    :param is_shown: whether there is an id of what was created, or the status success
    """

    ticket_id: int | None = None
    is_shown: bool = False


def _content(response: Response) -> Any:
    content = _parsed(response.body)
    refusal = _refusal(content, response)
    if refusal or not 200 <= response.status < 300:
        raise _error(response, content, refusal)
    if content is _NOT_JSON:
        raise unclear(response, _shape(response))
    return content


_NOT_JSON = object()


def _parsed(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _refusal(content: Any, response: Response) -> _Refusal | None:
    if not isinstance(content, dict):
        return None
    code = as_id(content.get("code"))
    known = code in REFUSALS or code in (SERVER_ERROR, RATE_LIMIT)
    failed = content.get("status") in ("failed", "error", False)
    if not (content.get("error") or content.get("errors") or known or failed):
        return None
    return _Refusal(_quoted_text(_reason(content), response), code)


def _reason(content: Mapping[str, Any]) -> str:
    """Return what a response says of its error: a text, or texts for the fields of the request."""
    reasons = content.get("errors")
    # Beside the texts for the fields, the message says only that there are some.
    return reasons_text(content.get("error") or reasons) or reasons_text(content.get("message"))


# In a body that is not JSON, such as a JSON text that is cut off; the last number in it may not be complete.
_ID_IN_TEXT = re.compile(rb"""\b([a-z]{1,20}_id)["']?\s*[:=]\s*["']?([1-9][0-9]{0,18})([^0-9]|\Z)""")
_SUCCESS_IN_TEXT = re.compile(rb"""\bstatus["']?\s*[:=]\s*["']?success\b""", re.IGNORECASE)


def _effect(response: Response, content: Any) -> _Effect:
    if not response.sending:
        return _Effect()
    if content is _NOT_JSON:
        return _effect_in_text(response)
    ids: dict[str, int] = {}
    is_success = False
    for name, value in _members(content):
        found = as_id(int(value) if isinstance(value, float) and value.is_integer() else value)
        if name in response.created and found:
            ids.setdefault(name, found)
        elif name == "status" and isinstance(value, str):
            is_success = is_success or value.strip().lower() == "success"
    return _Effect(ids.get("ticket_id"), bool(ids) or is_success)


def _effect_in_text(response: Response) -> _Effect:
    found = _ID_IN_TEXT.findall(response.body)
    ids = [(name, digits, after) for name, digits, after in found if name.decode() in response.created]
    ticket_ids = [int(digits) for name, digits, after in ids if name == b"ticket_id" and after]
    is_shown = bool(ids) or _SUCCESS_IN_TEXT.search(response.body) is not None
    return _Effect(ticket_ids[0] if ticket_ids else None, is_shown)


def _members(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of all objects in a JSON value, also of JSON in a text, outer ones first."""
    values = [content]
    for value in values:  # grows while it is read
        if isinstance(value, dict):
            yield from value.items()
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
        elif isinstance(value, str) and value.lstrip().startswith(("{", "[")):
            values.append(_parsed(value))


def _error(response: Response, content: Any, refusal: _Refusal | None) -> errors.UsedeskError:
    """Return the error for a response that is a refusal or not a success by its HTTP status."""
    code = refusal.code if refusal else None
    decision = _classify(response, refusal, _effect(response, content))
    if decision is None:
        return _unknown(response, content, refusal)
    if decision is TOO_MANY:
        return _rate_limited(response, refusal.text if refusal else "too many requests", code)
    error_class, advice = decision
    return error_class(f"{_quoted(response, content, refusal)} {advice}", status=response.status, code=code)


def _classify(
    response: Response, refusal: _Refusal | None, effect: _Effect
) -> tuple[type[errors.UsedeskError], str] | None:
    """Return what an error code and an HTTP status mean; None if the outcome stays unknown."""
    status = response.status
    if effect.is_shown or (response.sending and status == SEE_OTHER):
        return None
    code = refusal.code if refusal else None
    if code == RATE_LIMIT or status == 429:
        return TOO_MANY
    if code is not None and code in REFUSALS:
        return REFUSALS[code]
    if code == SERVER_ERROR or status >= 500 or status < 200 or status == 408:
        return None
    if status in (401, 403):
        return REFUSALS[115]
    if refusal:
        return BY_STATUS[413] if status == 413 else REJECTED
    if status == CLIENT_CLOSED or (response.sending and status == FOUND):
        return None
    return REDIRECT if 300 <= status < 400 else BY_STATUS.get(status, REJECTED)


def _unknown(response: Response, content: Any, refusal: _Refusal | None) -> errors.UsedeskError:
    if refusal:
        return _unclear_class(response)(
            f"{_quoted(response, content, refusal)} {_UNCLEAR_ADVICE[response.sending]}",
            status=response.status,
            code=refusal.code,
            ticket_id=_effect(response, content).ticket_id,
        )
    if response.status == FOUND:
        return unclear(
            response, "HTTP 302, a redirect. If every request gets one, set the final URL as the API base URL"
        )
    if content is _NOT_JSON:
        return unclear(response, f"HTTP {response.status}, {_shape(response)}")
    return unclear(response, f"HTTP {response.status} with a JSON {_kind(content)}")


def _quoted(response: Response, content: Any, refusal: _Refusal | None) -> str:
    """Return the first sentence of an error: what Usedesk said, without personal data."""
    if refusal:
        place = f"HTTP {response.status}" if refusal.code is None else f"code {refusal.code}"
        return f"Usedesk responded: {refusal.text} ({place})."
    text = content.get("message") if isinstance(content, dict) else None
    reason = f": {_quoted_text(text, response)}" if text else ""
    return f"Usedesk refused the request (HTTP {response.status}){reason}."


def _quoted_text(text: object, response: Response) -> str:
    """Return what can be shown of a text of the service; the log has the rest at level DEBUG."""
    if isinstance(text, str) and log.isEnabledFor(logging.DEBUG):
        shown = response.hide(text[:MAX_READ])
        repeats_token = response.repeats_token(text[:MAX_READ]) or response.repeats_token(shown)
        log.debug("Usedesk responded: %s", "a text that repeats the token" if repeats_token else shown)
    return quoted(text, response.hide)


def _rate_limited(response: Response, text: str, code: int | None) -> errors.UsedeskRateLimited:
    wait = retry_after(response.headers)
    asked = f"It asks to wait {wait:g} s." if wait is not None else "It does not say how long to wait."
    return errors.UsedeskRateLimited(
        f"Usedesk refused the request because there were too many: {text}. {asked}",
        status=response.status,
        code=code,
        # A proxy can ask for days, and nobody would send a request before.
        retry_after=None if wait is None else min(wait, LONGEST_BACKOFF),
    )


_UNCLEAR_ADVICE = {
    True: "The request may have been carried out: look in Usedesk before you send it again.",
    False: "Nothing was changed in Usedesk. The request can be repeated.",
}


def _unclear_class(response: Response) -> type[errors.UsedeskError]:
    return errors.UsedeskOutcomeUnknown if response.sending else errors.UsedeskUnavailable


def _shape(response: Response) -> str:
    """Describe a body that is not JSON without repeating it: it can contain anything."""
    if not response.body:
        return "an empty body"
    start = response.body[:512].lstrip().lower()
    if start.startswith(b"<"):
        return "an HTML page"
    if start.startswith((b"{", b"[")):
        return "a JSON text that is cut off or damaged"
    return "a body that is not JSON"


def _kind(content: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(content), "number")

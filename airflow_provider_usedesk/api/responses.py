"""What comes back from Usedesk: told apart into answers and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_usedesk.api import errors

# Characters of a text of the service that are looked through; what is quoted is shorter.
MAX_QUOTED = 2000


@dataclass(frozen=True)
class Response:
    """
    Hold one HTTP answer.

    :param status: HTTP status
    :param headers: headers, looked up without regard to case
    :param body: the body as it came
    :param hide: takes out of a text of the service what an error must not repeat
    :param sending: whether the request was a send, which must not be repeated blindly
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    hide: Callable[[str], str] = field(default=str, repr=False)
    sending: bool = False


@dataclass(frozen=True)
class CreatedTicket:
    """
    Hold the answer to ``create/ticket`` (EN 51378).

    :param ticket_id: the new ticket
    :param message_status: ``delivered`` or ``not delivered``, from WhatsApp and Telegram channels;
        delivered means that the messenger's provider took the message, not that a person read it
    :param chat_id: the chat, from Viber channels
    :param comment_id: the first comment, where the answer names it
    """

    ticket_id: int
    message_status: str | None = None
    chat_id: str | None = None
    comment_id: int | None = None

    @property
    def not_delivered(self) -> bool:
        return self.message_status is not None and self.message_status.strip().lower() == "not delivered"


@dataclass(frozen=True)
class CreatedComment:
    """
    Hold the answer to ``create/comment`` (EN 51381).

    :param comment_id: the new comment
    """

    comment_id: int


def created_ticket(answer: Response) -> CreatedTicket:
    """
    Read the answer to ``create/ticket``.

    :raises UsedeskError: of the class that fits, when the answer is anything but a clear success
    """
    content = json_object(answer)
    ticket_id = as_id(content.get("ticket_id"))
    if content.get("status") != "success" or ticket_id is None or ticket_id < 1:
        raise unclear(answer, "neither a ticket id with status success nor an error", ticket_id)
    return CreatedTicket(
        ticket_id=ticket_id,
        message_status=text_or_none(content.get("message_status")),
        chat_id=text_or_none(content.get("chat_id")),
        comment_id=as_id(content.get("comment_id")),
    )


def created_comment(answer: Response) -> CreatedComment:
    """
    Read the answer to ``create/comment``.

    :raises UsedeskError: of the class that fits, when the answer is anything but a clear success
    """
    content = json_object(answer)
    comment_id = as_id(content.get("comment_id"))
    if content.get("status") != "success" or comment_id is None or comment_id < 1:
        raise unclear(answer, "neither a comment id with status success nor an error")
    return CreatedComment(comment_id)


def updated(answer: Response) -> None:
    """
    Read the answer to ``update/ticket``.

    :raises UsedeskError: of the class that fits, when the answer is anything but a clear success
    """
    if json_object(answer).get("status") != "success":
        raise unclear(answer, "neither status success nor an error")


def json_object(answer: Response) -> dict[str, Any]:
    """Read an answer that must be a JSON object; raise the error that it is otherwise."""
    content = _content(answer)
    if not isinstance(content, dict):
        raise unclear(answer, f"a JSON {_kind(content)} instead of an object")
    return content


def json_list(answer: Response) -> list[Any]:
    """Read an answer that must be a JSON array; raise the error that it is otherwise."""
    content = _content(answer)
    if not isinstance(content, list):
        raise unclear(answer, f"a JSON {_kind(content)} instead of an array")
    return content


def unclear(answer: Response, what: str, ticket_id: int | None = None) -> errors.UsedeskError:
    """Make the error for an answer that is neither a success nor a refusal."""
    return _unclear_class(answer)(
        f"Usedesk gave no clear answer: {what}. {_UNCLEAR_ADVICE[answer.sending]}",
        status=answer.status,
        ticket_id=ticket_id,
    )


def as_id(value: object) -> int | None:
    """Take an id as the number or the numeric text that Usedesk answers with."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value.strip()):
        return int(value)
    return None


def text_or_none(value: object) -> str | None:
    """Take a text as it is, and a number as its digits."""
    return None if value is None else str(value)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Read the Retry-After header, which holds seconds or a date, as seconds from now."""
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

REFUSALS: Mapping[int, tuple[type[errors.UsedeskError], str]] = {
    112: (errors.UsedeskInvalidToken, "Check the password of the connection: it holds the API token."),
    113: (errors.UsedeskTicketNotFound, "Check the ticket id."),
    114: (errors.UsedeskMessageMissing, "Give a message."),
    115: (errors.UsedeskAccessDenied, "Check the token and the address of the connection."),
    116: (errors.UsedeskWrongTag, "Check the tags."),
    117: (errors.UsedeskAgentNotFound, "Check the agent: user_id or assignee_id."),
    118: (errors.UsedeskGroupNotFound, "Check group_id."),
    119: (errors.UsedeskClientNotFound, "Check client_id."),
    120: (errors.UsedeskFileTooLarge, "Send a smaller file, or a link to it."),
}


@dataclass(frozen=True)
class _Refusal:
    """Hold what the service itself says against a request, whatever the HTTP status."""

    text: str
    code: int | None
    ticket_id: int | None


def _content(answer: Response) -> Any:
    content = _parsed(answer.body)
    refusal = _refusal(content, answer.hide)
    if refusal:
        raise _refused(answer, refusal)
    if not 200 <= answer.status < 300:
        raise _refused_by_status(answer, content)
    if content is _NOT_JSON:
        raise unclear(answer, _shape(answer))
    return content


_NOT_JSON = object()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _refusal(content: Any, hide: Callable[[str], str]) -> _Refusal | None:
    if not isinstance(content, dict):
        return None
    code = as_id(content.get("code"))
    known = code in REFUSALS or code in (SERVER_ERROR, RATE_LIMIT)
    failed = content.get("status") in ("failed", "error", False)
    if not (content.get("error") or known or failed):
        return None
    text = content.get("error") or content.get("message")
    return _Refusal(quotable(text, hide), code, as_id(content.get("ticket_id")))


def _refused(answer: Response, refusal: _Refusal) -> errors.UsedeskError:
    if refusal.code == RATE_LIMIT or answer.status == 429:
        return _rate_limited(answer, refusal.text, refusal.code)
    error_class, advice = _meaning(answer, refusal)
    place = f"code {refusal.code}" if refusal.code is not None else f"HTTP {answer.status}"
    return error_class(
        f"Usedesk answered: {refusal.text} ({place}). {advice}",
        status=answer.status,
        code=refusal.code,
        ticket_id=refusal.ticket_id,
    )


def _meaning(answer: Response, refusal: _Refusal) -> tuple[type[errors.UsedeskError], str]:
    unknown = _unclear_class(answer), _UNCLEAR_ADVICE[answer.sending]
    if refusal.ticket_id is not None:
        return unknown
    if refusal.code is not None and refusal.code in REFUSALS:
        return REFUSALS[refusal.code]
    if refusal.code == SERVER_ERROR or answer.status >= 500 or answer.status == 408:
        return unknown
    if answer.status in (401, 403):
        return REFUSALS[115]
    return errors.UsedeskRejected, "Correct the request before sending it again."


def _refused_by_status(answer: Response, content: Any) -> errors.UsedeskError:
    status = answer.status
    if status == 429:
        return _rate_limited(answer, "too many requests", None)
    if status >= 500 or status < 200 or status == 408:
        if content is _NOT_JSON:
            return unclear(answer, f"HTTP {status}, {_shape(answer)}")
        ticket_id = as_id(content.get("ticket_id")) if isinstance(content, dict) else None
        return unclear(answer, f"HTTP {status} with a JSON {_kind(content)}", ticket_id)
    if 300 <= status < 400:
        return errors.UsedeskBadConnection(
            f"Usedesk answered with a redirect (HTTP {status}). "
            "Give the final address, https and path included, as host of the connection.",
            status=status,
        )
    if status == 407:
        return errors.UsedeskBadConnection(
            "The proxy wants a name and a password (HTTP 407). Check the proxy of the connection.",
            status=status,
        )
    if status in (404, 405):
        return errors.UsedeskBadConnection(
            f"There is no Usedesk API at this address (HTTP {status}). Check the host of the connection "
            "with its path, https://secure.usedesk.com/uapi for example.",
            status=status,
        )
    error_class, advice = REFUSALS[115] if status in (401, 403) else (errors.UsedeskRejected, "")
    text = content.get("message") if isinstance(content, dict) else None
    reason = f": {quotable(text, answer.hide)}" if text else ""
    return error_class(
        f"Usedesk refused the request (HTTP {status}){reason}. {advice}".rstrip(), status=status
    )


def _rate_limited(answer: Response, text: str, code: int | None) -> errors.UsedeskRateLimited:
    wait = retry_after(answer.headers)
    asked = f"It asks to wait {wait:g} s." if wait is not None else "It does not say how long to wait."
    return errors.UsedeskRateLimited(
        f"Usedesk refused for too many requests: {text}. {asked}",
        status=answer.status,
        code=code,
        retry_after=wait,
    )


_UNCLEAR_ADVICE = {
    True: "The request may have been carried out: look in Usedesk before sending it again.",
    False: "Nothing was changed in Usedesk; the request can be repeated.",
}


def _unclear_class(answer: Response) -> type[errors.UsedeskError]:
    return errors.UsedeskOutcomeUnknown if answer.sending else errors.UsedeskUnavailable


def _shape(answer: Response) -> str:
    """Describe a body that is not JSON without repeating it: it can hold anything."""
    if not answer.body:
        return "an empty body"
    start = answer.body[:512].lstrip().lower()
    if start.startswith(b"<"):
        return "an HTML page"
    if start.startswith((b"{", b"[")):
        return "a JSON text that is cut off or damaged"
    return "a body that is not JSON"


def _kind(content: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(content), "number")


def quotable(text: object, hide: Callable[[str], str] = str) -> str:
    """Make a text of the service fit for logs: short, one line, without personal data."""
    if not isinstance(text, str) or not text.strip():
        return "no reason given"
    # Cut first: the patterns take long over a long text.
    text = re.sub(r"\S+@\S+", "***", hide(text)[:MAX_QUOTED])
    text = re.sub(r"\+?\d[\d\s()-]{8,}\d", "***", text)
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= 300 else text[:299] + "…"

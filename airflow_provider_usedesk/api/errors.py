"""The errors of the client: what happened, and whether the request may have reached Usedesk."""

from __future__ import annotations

from collections.abc import Sequence


class UsedeskError(Exception):
    """
    A call to Usedesk did not succeed.

    :param message: what happened and what to do; no token, no personal data
    :param status: HTTP status of the response, if there was one
    :param code: error code of Usedesk (111 to 121), if the response had one
    :param ticket_id: the ticket that may exist, if it is known
    :param retry_after: seconds that the service asked to wait, if it did; at most an hour
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        ticket_id: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.ticket_id = ticket_id
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        # The __reduce__ of Exception would call __init__ with args only; the state has the rest.
        return (type(self), self.args, self.__dict__)


class UsedeskInvalidRequest(UsedeskError, ValueError):
    """
    One or more arguments of a call are invalid. Nothing was sent.

    :param validation_errors: one text for each invalid argument, beginning with its name
    """

    def __init__(self, validation_errors: Sequence[str]) -> None:
        self.validation_errors = tuple(validation_errors)
        super().__init__(_text_of(self.validation_errors))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.validation_errors,), self.__dict__)


def _text_of(validation_errors: Sequence[str]) -> str:
    """Return one line for each reason, which a log shows as lines."""
    if len(validation_errors) == 1:
        return f"Nothing was sent to Usedesk. {validation_errors[0]}."
    reasons = "".join(f"\n  {reason}" for reason in validation_errors)
    return f"Nothing was sent to Usedesk, for {len(validation_errors)} reasons:{reasons}"


class UsedeskBadConnection(UsedeskError):
    """The API base URL, the API token, the TLS settings or the proxy must be corrected."""


class UsedeskInvalidToken(UsedeskBadConnection):
    """Usedesk does not know the API token (code 112)."""


class UsedeskAccessDenied(UsedeskBadConnection):
    """The API token does not permit the request (code 115)."""


class UsedeskRejected(UsedeskError):
    """Usedesk understood the request and refused it. Sending the same request again does not help."""


class UsedeskTicketNotFound(UsedeskRejected):
    """The ticket does not exist or is not visible to the API token (code 113)."""


class UsedeskMessageMissing(UsedeskRejected):
    """The request has no message text (code 114)."""


class UsedeskWrongTag(UsedeskRejected):
    """Usedesk does not accept the tags (code 116)."""


class UsedeskAgentNotFound(UsedeskRejected):
    """Usedesk does not know the agent (code 117)."""


class UsedeskGroupNotFound(UsedeskRejected):
    """Usedesk does not know the group (code 118)."""


class UsedeskClientNotFound(UsedeskRejected):
    """Usedesk does not know the client (code 119)."""


class UsedeskFileTooLarge(UsedeskRejected):
    """A file or a request is larger than Usedesk accepts (code 120), or its web server (HTTP 413)."""


class UsedeskRateLimited(UsedeskError):
    """Usedesk refused the request because there were too many (HTTP 429 or code 121)."""


class UsedeskNotDelivered(UsedeskError):
    """The ticket ``ticket_id`` was created, but no messenger accepted its message, or none confirmed it."""


class UsedeskOutcomeUnknown(UsedeskError):
    """The request may have reached Usedesk. Sending it again could message a customer twice."""


class UsedeskUnavailable(UsedeskError):
    """Usedesk could not be reached, or a read failed. Nothing was changed in Usedesk."""

"""The one family of errors: what happened, and whether the request may have reached Usedesk."""

from __future__ import annotations

from collections.abc import Sequence


class UsedeskError(Exception):
    """
    Report that a call to Usedesk did not succeed.

    :param message: what happened and what to do; no token, no personal data
    :param status: HTTP status of the answer, where there was one
    :param code: error code of Usedesk (111-121), where the answer had one
    :param ticket_id: the ticket that exists all the same, where it is known
    :param retry_after: seconds the service asked to wait, where it did
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
        # Exception's own __reduce__ would call __init__ with args only; the state carries the rest.
        return (type(self), self.args, self.__dict__)


class UsedeskInvalidRequest(UsedeskError, ValueError):
    """
    Report invalid arguments, all of one call at once; nothing was sent.

    :param validation_errors: one sentence for each invalid argument, beginning with its name
    """

    def __init__(self, validation_errors: Sequence[str]) -> None:
        self.validation_errors = tuple(validation_errors)
        super().__init__(
            f"Nothing was sent to Usedesk, for these reasons: {'; '.join(self.validation_errors)}."
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.validation_errors,), self.__dict__)


class UsedeskBadConnection(UsedeskError):
    """Report that the Airflow Connection has to be corrected: its address, TLS settings or token."""


class UsedeskInvalidToken(UsedeskBadConnection):
    """Report that Usedesk does not know the token (code 112)."""


class UsedeskAccessDenied(UsedeskBadConnection):
    """Report that the token may not do this (code 115)."""


class UsedeskRejected(UsedeskError):
    """Report that Usedesk understood the request and refused it; sending the same again is useless."""


class UsedeskTicketNotFound(UsedeskRejected):
    """Report a ticket id that does not exist or is not visible to the token (code 113)."""


class UsedeskMessageMissing(UsedeskRejected):
    """Report that Usedesk found no message text (code 114)."""


class UsedeskWrongTag(UsedeskRejected):
    """Report tags in a form that Usedesk does not take (code 116)."""


class UsedeskAgentNotFound(UsedeskRejected):
    """Report an agent id that Usedesk does not know (code 117)."""


class UsedeskGroupNotFound(UsedeskRejected):
    """Report a group id that Usedesk does not know (code 118)."""


class UsedeskClientNotFound(UsedeskRejected):
    """Report a client id that Usedesk does not know (code 119)."""


class UsedeskFileTooLarge(UsedeskRejected):
    """Report a file that is larger than Usedesk takes (code 120)."""


class UsedeskRateLimited(UsedeskError):
    """Report that Usedesk refused the request because there were too many (HTTP 429 or code 121)."""


class UsedeskNotDelivered(UsedeskError):
    """The ticket ``ticket_id`` was created, but its message was not delivered. Raised by the operators."""


class UsedeskOutcomeUnknown(UsedeskError):
    """Report that the request may have reached Usedesk: sending it again could reach a customer twice."""


class UsedeskUnavailable(UsedeskError):
    """Report that Usedesk could not be reached, or a read failed; nothing was changed there."""

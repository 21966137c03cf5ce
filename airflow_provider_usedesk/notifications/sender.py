"""Send one alert to Usedesk: open a ticket, add a comment, or set the ticket to solved."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack

from airflow_provider_usedesk.api.errors import (
    UsedeskClientNotFound,
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
    UsedeskTicketNotFound,
    UsedeskUnavailable,
    UsedeskWrongTag,
)
from airflow_provider_usedesk.api.hidden import HiddenDict
from airflow_provider_usedesk.api.values import STATUSES
from airflow_provider_usedesk.notifications.daemon import in_daemon_thread
from airflow_provider_usedesk.notifications.open_ticket import (
    OPEN_STATUSES,
    AddComment,
    KeepTicket,
    NoAction,
    OpenTicket,
    SolveTickets,
    action_after_opening,
    first_action,
    is_raised,
    open_tickets,
    with_tag,
)

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.choices import Priority
    from airflow_provider_usedesk.api.parameters import (
        CreateCommentParameters,
        CreateTicketParameters,
        TicketFilters,
        UpdateTicketParameters,
    )
    from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
    from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket

log = logging.getLogger(__name__)

# Seconds until a ticket that somebody else opened appears in the list; it takes about two.
CONSISTENCY_DELAY = 3.0
# All tickets with the tag fit on one page; more pages are needed only if the service ignores the filter.
MAX_PAGES = 3
# Share of the remaining time that may be used for the list; the rest is needed to open a ticket.
LIST_SHARE = 1 / 2
# What an alert needs: its texts, who may read it, and how it is found again. Usedesk may refuse the rest,
# such as a group that was deleted there.
NEEDED = frozenset(
    {
        *("subject", "message", "tag", "private_comment", "channel_id"),
        *("client_id", "client_name", "client_email", "client_phone", "phone_region", "username"),
    }
)


@dataclass(frozen=True)
class Alert:
    """
    An alert that is ready to be sent.

    :param params: parameters of ``create/ticket``, without the tag of the incident
    :param tag: tag of the incident; None to open a ticket for each alert
    :param is_recovery: whether the alert ends the incident
    :param repeat_priority: priority to which a comment raises the ticket; None to leave it
    """

    params: Mapping[str, Any] = field(repr=False)
    tag: str | None = None
    is_recovery: bool = False
    repeat_priority: Priority | None = None


@dataclass(frozen=True)
class AlertResult:
    """
    The result of an alert.

    :param action: what was done; None if there was no ticket to solve
    :param ticket_ids: ids of the tickets
    :param is_delivered: false if the messenger did not accept the message
    """

    action: Literal["opened", "commented on", "solved"] | None
    ticket_ids: tuple[int, ...] = ()
    is_delivered: bool = True


class Client(Protocol):
    """The methods of the client that an alert needs."""

    def ticket(self, ticket_id: int) -> TicketDetails: ...
    def ticket_pages(self, **filters: Unpack[TicketFilters]) -> Iterator[list[TicketRow]]: ...
    def create_ticket(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket: ...
    def create_comment(self, **params: Unpack[CreateCommentParameters]) -> CreatedComment: ...
    def update_ticket(self, **params: Unpack[UpdateTicketParameters]) -> None: ...


class AlertSender:
    """
    Send one alert to Usedesk.

    :param connect: returns a client, as a context manager
    :param alert: the alert
    :param deadline: time on the clock after which no request is sent
    :param sleep: sleeps for some seconds
    :param clock: returns the time in seconds
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Client]],
        alert: Alert,
        deadline: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.confirmed: AlertResult | None = None
        self._connect = connect
        self._alert = alert
        self._deadline = deadline
        self._sleep = sleep
        self._clock = clock

    def send(self) -> AlertResult:
        """
        Open a ticket, add a comment, or set tickets to solved.

        :raises UsedeskError: if none of that succeeded
        """
        with self._connect() as client:
            self._client = client
            return self._send()

    def _send(self) -> AlertResult:
        if self._alert.tag is None:
            return AlertResult(None) if self._alert.is_recovery else self._open()
        action = self._first_action(self._alert.tag)
        if isinstance(action, SolveTickets):
            return self._solve(action.ticket_ids)
        if isinstance(action, AddComment) and self._is_commented(action.ticket_id):
            return AlertResult("commented on", (action.ticket_id,))
        if isinstance(action, NoAction):
            return AlertResult(None)
        return self._open_once(self._alert.tag)

    def _first_action(self, tag: str) -> OpenTicket | AddComment | SolveTickets | NoAction:
        try:
            open_ids = self._open_ids(tag)
        except UsedeskError as error:
            if self._alert.is_recovery:
                raise
            log.warning(
                "Usedesk did not list the open tickets, so the incident may get a second ticket: %s",
                error,
            )
            open_ids = ()
        return first_action(self._alert.is_recovery, open_ids)

    def _open(self) -> AlertResult:
        params = HiddenDict(self._alert.params)
        if self._alert.tag is not None:
            params["tag"] = with_tag(params.get("tag"), self._alert.tag)
        created = self._created(params)
        self.confirmed = AlertResult("opened", (created.ticket_id,), is_delivered=not created.not_delivered)
        return self.confirmed

    def _created(self, params: Mapping[str, Any]) -> CreatedTicket:
        """Create the ticket, without the optional arguments if Usedesk refuses it with them."""
        try:
            return self._created_valid(params)
        except UsedeskRejected as error:
            refused = set(params) - (NEEDED - _refused_by(error))
            if not refused:
                raise
            log.warning("The ticket is opened without %s. %s", ", ".join(sorted(refused)), error)
        # A refusal proves that nothing was created.
        return self._created_valid(self._without(params, refused))

    def _created_valid(self, params: Mapping[str, Any]) -> CreatedTicket:
        """Create the ticket, without the arguments that are not valid rather than not at all."""
        try:
            return self._usedesk.create_ticket(**params)
        except UsedeskInvalidRequest as error:
            invalid = invalid_arguments(error, params)
            if not invalid:
                raise
            log.warning("The ticket is opened without %s. %s", ", ".join(sorted(invalid)), error)
        return self._usedesk.create_ticket(**self._without(params, invalid))

    def _without(self, params: Mapping[str, Any], names: Collection[str]) -> HiddenDict:
        """Return the parameters without some, but with the tag of the incident."""
        kept = HiddenDict({name: value for name, value in params.items() if name not in names})
        if "tag" in names and self._alert.tag is not None:
            kept["tag"] = self._alert.tag
        if "private_comment" in names:
            # A message that may have been meant for agents only must not become public.
            kept["private_comment"] = True
        return kept

    def _open_once(self, tag: str) -> AlertResult:
        """Open a ticket, and close it again if another one was opened for the incident at the same time."""
        opened = self._open()
        [ticket_id] = opened.ticket_ids
        try:
            return self._close_duplicate(opened, ticket_id, tag)
        except UsedeskError as error:
            log.warning(
                "Usedesk ticket %s may be the second one of its incident, because the check failed: %s",
                ticket_id,
                error,
            )
            return opened

    def _close_duplicate(self, opened: AlertResult, ticket_id: int, tag: str) -> AlertResult:
        self._sleep(min(CONSISTENCY_DELAY, self._remaining() / 2))
        action = action_after_opening(ticket_id, self._open_ids(tag))
        if isinstance(action, KeepTicket) or not self._is_commented(action.ticket_id):
            return opened
        if len(self._usedesk.ticket(ticket_id).comments) > 1:
            log.warning(
                "Usedesk ticket %s is the second one of its incident. It is kept, because somebody else "
                "commented on it.",
                ticket_id,
            )
            return opened
        self._usedesk.update_ticket(ticket_id=ticket_id, status=STATUSES["deleted"])
        return AlertResult("commented on", (action.ticket_id,))

    def _solve(self, ticket_ids: tuple[int, ...]) -> AlertResult:
        rejected = None
        for ticket_id in ticket_ids:
            self._add_comment(ticket_id)
            try:
                self._usedesk.update_ticket(ticket_id=ticket_id, status=STATUSES["solved"])
            except UsedeskRejected as error:
                rejected = error
        if rejected:
            raise rejected
        return AlertResult("solved", ticket_ids)

    def _is_commented(self, ticket_id: int) -> bool:
        """Add the comment; return whether the ticket accepted it and is still open."""
        if not self._add_comment(ticket_id):
            return False
        try:
            ticket = self._usedesk.ticket(ticket_id)
        except UsedeskTicketNotFound:
            return False
        except UsedeskError as error:
            log.warning(
                "The comment is added to Usedesk ticket %s, but the ticket may be closed meanwhile: %s",
                ticket_id,
                error,
            )
            return True
        if ticket.status not in OPEN_STATUSES:
            return False
        self._raise_priority(ticket_id, ticket.priority)
        return True

    def _raise_priority(self, ticket_id: int, current: str | None) -> None:
        """Raise the priority; the alert has arrived as a comment, so an error is only logged."""
        wanted = self._alert.repeat_priority
        if wanted is None or not is_raised(current, wanted):
            return
        self.confirmed = self.confirmed or AlertResult("commented on", (ticket_id,))
        try:
            self._usedesk.update_ticket(ticket_id=ticket_id, priority=wanted)
        except UsedeskError as error:
            log.warning("Usedesk ticket %s may still have its old priority: %s", ticket_id, error)

    def _add_comment(self, ticket_id: int) -> bool:
        """Add a private comment, if necessary without author and files; return whether it was accepted."""
        optional = {name: value for name in ("user_id", "files") if (value := self._alert.params.get(name))}
        for others in (optional, {}) if optional else ({},):
            try:
                self._usedesk.create_comment(
                    ticket_id=ticket_id, type="private", message=self._alert.params.get("message"), **others
                )
            except UsedeskTicketNotFound:
                return False
            except (UsedeskRejected, UsedeskInvalidRequest) as error:
                log.warning("Usedesk ticket %s did not accept the comment: %s", ticket_id, error)
            else:
                return True
        return False

    def _open_ids(self, tag: str) -> tuple[int, ...]:
        """List the open tickets with a time limit of their own, so that a slow list costs no alert."""
        seconds = self._remaining() * LIST_SHARE
        try:
            return in_daemon_thread(lambda: self._list(tag)).result(seconds)
        except TimeoutError:
            raise UsedeskUnavailable("Usedesk did not list the open tickets in time.") from None

    def _list(self, tag: str) -> tuple[int, ...]:
        with self._connect() as client:
            # Newest first, so that the first pages have ours, even if the service ignores the filter.
            pages = client.ticket_pages(tag=tag, fstatus=list(OPEN_STATUSES), sort="id", order="desc")
            return open_tickets(chain.from_iterable(islice(pages, MAX_PAGES)), tag)

    @property
    def _usedesk(self) -> Client:
        self._remaining()
        return self._client

    def _remaining(self) -> float:
        remaining = self._deadline - self._clock()
        if remaining <= 0:
            raise timeout_error()
        return remaining


def _refused_by(error: UsedeskRejected) -> frozenset[str]:
    """Return the needed arguments that Usedesk has named as the reason."""
    if isinstance(error, UsedeskWrongTag):
        return frozenset({"tag"})
    return frozenset({"client_id"} if isinstance(error, UsedeskClientNotFound) else ())


def invalid_arguments(error: UsedeskInvalidRequest, params: Mapping[str, Any]) -> frozenset[str]:
    """
    Return the names of the invalid arguments that an alert does not need.

    :param error: the validation error
    :param params: the arguments
    """
    named = {
        name for error in error.validation_errors for name in re.findall(r"\w+", error.partition(":")[0])
    }
    return frozenset(named & set(params) - {"subject", "message"})


def timeout_error() -> UsedeskError:
    """Return the error of an alert that was not confirmed in time."""
    return UsedeskOutcomeUnknown(
        "Usedesk did not respond in time. Whether the alert arrived is unknown; look for its ticket there."
    )

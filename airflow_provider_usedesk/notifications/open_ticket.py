"""One open ticket for an incident: what it is found by, and what the next alert does with it."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
    UsedeskTicketNotFound,
    UsedeskUnavailable,
)
from airflow_provider_usedesk.api.values import STATUSES
from airflow_provider_usedesk.notifications.daemon import in_daemon_thread

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
    from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket

log = logging.getLogger(__name__)

Scope = Literal["dag", "task", "run"]

OPEN = tuple(STATUSES[name] for name in ("new", "open", "on hold", "pending"))
# Seconds until a new ticket of somebody else is surely listed; it takes about two.
SETTLE = 3.0
# All with our tag fit on one page. More are read only where the service ignores the filter, and not all.
MAX_PAGES = 3
# Share of the time that is left: the rest must do for opening a ticket.
LOOKING = 1 / 2
# The same for every notifier, whatever other tags it has: or the recovery would not find the failure.
MAX_TAG = 120
TAG_PREFIX = "airflow"
MAX_PREFIX = 40


def scope_tag(
    scope: Scope,
    *,
    dag_id: str,
    task_id: str | None = None,
    run_id: str | None = None,
    prefix: str = TAG_PREFIX,
) -> tuple[str, Scope]:
    """
    Name what an incident is counted by, as a tag, and say what that is after all.

    Where the task or the run is not known, such as in a callback of a whole Dag, it is the Dag.
    """
    known: Scope = "dag"
    parts = [_escaped(prefix), _escaped(dag_id)]
    if scope == "task" and task_id:
        known = "task"
        parts.append(_escaped(task_id))
    if scope == "run" and run_id:
        known = "run"
        parts.append(f"run={_escaped(run_id)}")  # no task can have such a name
    tag = "/".join(parts)
    if len(tag) > MAX_TAG:
        digest = hashlib.sha256(tag.encode()).hexdigest()[:16]
        tag = f"{tag[: MAX_TAG - len(digest) - 1]}~{digest}"
    return tag, known


def with_tag(own: Any, tag: str) -> list[Any]:
    """Add our tag to those that the ticket has anyway."""
    listed = values.as_list(own)
    return [*((str(own).split(",") if own else []) if listed is None else listed), tag]


def ends_incident(scope: Scope, *, about: Literal["task", "dag", "deadline", "sla"], is_mapped: bool) -> bool:
    """
    Tell whether a success says that nothing of the incident is left.

    That of one task says nothing of the others of the Dag or the run, nor that of one mapped instance.
    """
    return about != "task" or (scope == "task" and not is_mapped)


def may_count_as_open(status: Any) -> bool:
    """Tell whether a ticket that is opened with a status will be found as an open one."""
    try:
        number = None if status is None else values.status(status)
    except ValueError:
        return True  # a template, or what the check of the parameters complains about
    return number is None or number in OPEN


def open_tickets(rows: Iterable[TicketRow], tag: str) -> tuple[int, ...]:
    """
    Pick the open tickets with our tag, the oldest first.

    Every row is looked at: should the service ignore a filter, nobody else's ticket is touched.
    """
    return tuple(
        sorted(
            row.id
            for row in rows
            if row.status in OPEN and tag.casefold() in (name.strip().casefold() for name in row.tags)
        )
    )


@dataclass(frozen=True)
class Alert:
    """
    Hold what is to be told.

    :param params: parameters of ``create/ticket``, without our tag
    :param tag: what the open ticket is found by; None opens a ticket every time
    :param resolve: whether this is the end of the incident
    """

    params: Mapping[str, Any]
    tag: str | None = None
    resolve: bool = False


@dataclass(frozen=True)
class Open:
    """Open a ticket."""


@dataclass(frozen=True)
class Comment:
    """Write to a ticket that is open."""

    ticket_id: int


@dataclass(frozen=True)
class Resolve:
    """Write to these tickets and solve them."""

    ticket_ids: tuple[int, ...]


@dataclass(frozen=True)
class Nothing:
    """There is nothing to do."""


@dataclass(frozen=True)
class Keep:
    """Leave the new ticket as it is."""


@dataclass(frozen=True)
class CloseDuplicate:
    """Somebody else opened a ticket a moment earlier: write to that one, and delete the new one."""

    ticket_id: int


def first_step(is_recovery: bool, open_ids: Collection[int]) -> Open | Comment | Resolve | Nothing:
    """Decide what to do with an alert, from the open tickets of its incident."""
    if is_recovery:
        return Resolve(tuple(sorted(open_ids))) if open_ids else Nothing()
    return Comment(min(open_ids)) if open_ids else Open()


def step_after_opening(own_id: int, open_ids: Collection[int]) -> Keep | CloseDuplicate:
    """Decide which ticket stays when several were opened at once: the one with the lowest id."""
    lowest = min(open_ids, default=own_id)
    return CloseDuplicate(lowest) if lowest < own_id else Keep()


@dataclass(frozen=True)
class AlertResult:
    """
    Say what became of an alert.

    :param action: what was done
    :param ticket_ids: with which tickets
    :param is_delivered: false when the messenger did not take the message
    """

    action: Literal["opened", "commented on", "solved", "nothing"]
    ticket_ids: tuple[int, ...] = ()
    is_delivered: bool = True


class Client(Protocol):
    """What is needed of the client."""

    def ticket(self, ticket_id: int) -> TicketDetails: ...
    def ticket_pages(self, **filters: Any) -> Iterator[list[TicketRow]]: ...
    def create_ticket(self, **params: Any) -> CreatedTicket: ...
    def create_comment(self, **params: Any) -> CreatedComment: ...
    def update_ticket(self, **params: Any) -> None: ...


class Delivery:
    """
    Tell one alert to Usedesk.

    :param connect: makes the client
    :param alert: what is to be told
    :param until: when to stop, on the clock; a request that is under way then is not waited for
    :param sleep: waits for some seconds
    :param clock: tells the seconds passed
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Client]],
        alert: Alert,
        until: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.opened: AlertResult | None = None
        self._connect = connect
        self._alert = alert
        self._until = until
        self._sleep = sleep
        self._clock = clock

    def __call__(self) -> AlertResult:
        """
        Open, comment or solve.

        :raises UsedeskError: of the class that says what happened
        """
        with self._connect() as client:
            self._client = client
            return self._tell()

    def _tell(self) -> AlertResult:
        if self._alert.tag is None:
            return AlertResult("nothing") if self._alert.resolve else self._open()
        step = self._first_step(self._alert.tag)
        if isinstance(step, Resolve):
            return self._solve(step.ticket_ids)
        if isinstance(step, Comment) and self._comment(step.ticket_id):
            return AlertResult("commented on", (step.ticket_id,))
        if isinstance(step, Nothing):
            return AlertResult("nothing")
        return self._open_unless_others_do(self._alert.tag)

    def _first_step(self, tag: str) -> Open | Comment | Resolve | Nothing:
        try:
            open_ids = self._look(tag)
        except UsedeskError as error:
            if self._alert.resolve:
                raise
            # Two tickets are better than none.
            log.warning("Whether a ticket is open already could not be found out: %s", error)
            open_ids = ()
        return first_step(self._alert.resolve, open_ids)

    def _open(self) -> AlertResult:
        params = dict(self._alert.params)
        if self._alert.tag is not None:
            params["tag"] = with_tag(params.get("tag"), self._alert.tag)
        created = self._created(params)
        self.opened = AlertResult("opened", (created.ticket_id,), is_delivered=not created.not_delivered)
        return self.opened

    def _created(self, params: Mapping[str, Any]) -> CreatedTicket:
        """Open a ticket without what is wrong with it, rather than none; nothing was sent until then."""
        try:
            return self._usedesk.create_ticket(**params)
        except UsedeskInvalidRequest as error:
            faulty = faulty_arguments(error, params)
            if not faulty:
                raise
            log.warning("The ticket is opened without %s. %s", ", ".join(sorted(faulty)), error)
        sound = {name: value for name, value in params.items() if name not in faulty}
        if "tag" in faulty and self._alert.tag is not None:
            sound["tag"] = self._alert.tag
        if "private_comment" in faulty:
            # What somebody may have wanted to keep from a client must not become public.
            sound["private_comment"] = True
        return self._usedesk.create_ticket(**sound)

    def _open_unless_others_do(self, tag: str) -> AlertResult:
        told = self._open()
        try:
            return self._close_duplicate(told, tag)
        except UsedeskError as error:
            log.warning("Usedesk ticket %s may be a second one about the same: %s", told.ticket_ids[0], error)
            return told

    def _close_duplicate(self, told: AlertResult, tag: str) -> AlertResult:
        [own_id] = told.ticket_ids
        self._sleep(min(SETTLE, self._left() / 2))
        step = step_after_opening(own_id, self._look(tag))
        if isinstance(step, Keep) or not self._comment(step.ticket_id):
            return told
        if len(self._usedesk.ticket(own_id).comments) > 1:
            log.warning("Usedesk ticket %s stays: somebody else wrote to it, too.", own_id)
            return told
        self._usedesk.update_ticket(ticket_id=own_id, status=STATUSES["deleted"])
        return AlertResult("commented on", (step.ticket_id,))

    def _solve(self, ticket_ids: tuple[int, ...]) -> AlertResult:
        refused = None
        for ticket_id in ticket_ids:
            self._written(ticket_id)
            try:
                self._usedesk.update_ticket(ticket_id=ticket_id, status=STATUSES["solved"])
            except UsedeskRejected as error:
                refused = error
        if refused:
            raise refused
        return AlertResult("solved", ticket_ids)

    def _comment(self, ticket_id: int) -> bool:
        """Write to a ticket that is open; tell whether it took the comment and is open still."""
        if not self._written(ticket_id):
            return False
        try:
            return self._usedesk.ticket(ticket_id).status in OPEN
        except UsedeskTicketNotFound:
            return False
        except UsedeskError as error:
            log.warning("Whether ticket %s is still open could not be found out: %s", ticket_id, error)
            return True

    def _written(self, ticket_id: int) -> bool:
        """Write for agents only, if need be without author and files; tell whether the ticket took it."""
        also = {name: value for name in ("user_id", "files") if (value := self._alert.params.get(name))}
        for others in (also, {}) if also else ({},):
            try:
                self._usedesk.create_comment(
                    ticket_id=ticket_id, type="private", message=self._alert.params.get("message"), **others
                )
            except UsedeskTicketNotFound:
                return False
            except (UsedeskRejected, UsedeskInvalidRequest) as error:
                log.warning("Usedesk ticket %s took no comment: %s", ticket_id, error)
            else:
                return True
        return False

    def _look(self, tag: str) -> tuple[int, ...]:
        """Look for open tickets, with a client and a time of its own: a slow list must not cost the alert."""
        seconds = self._left() * LOOKING
        try:
            return in_daemon_thread(lambda: self._listed(tag)).result(seconds)
        except TimeoutError:
            raise UsedeskUnavailable("Usedesk did not list the open tickets in time.") from None

    def _listed(self, tag: str) -> tuple[int, ...]:
        with self._connect() as client:
            # The newest first: where the service ignores the filter, ours are among them.
            pages = client.ticket_pages(tag=tag, fstatus=list(OPEN), sort="id", order="desc")
            return open_tickets(chain.from_iterable(islice(pages, MAX_PAGES)), tag)

    @property
    def _usedesk(self) -> Client:
        self._left()
        return self._client

    def _left(self) -> float:
        left = self._until - self._clock()
        if left <= 0:
            raise out_of_time()
        return left


def faulty_arguments(error: UsedeskInvalidRequest, params: Mapping[str, Any]) -> frozenset[str]:
    """Pick those arguments that are faulty, of those that an alert can do without."""
    named = {name for fault in error.faults for name in re.findall(r"\w+", fault.partition(":")[0])}
    return frozenset(named & set(params) - {"subject", "message"})


def out_of_time() -> UsedeskError:
    return UsedeskOutcomeUnknown("Usedesk did not answer in time. Whether the alert arrived is not known.")


def _escaped(name: str) -> str:
    """Keep a name from ending the tag or looking like two names."""
    return re.sub(r"[%/,;\s]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)

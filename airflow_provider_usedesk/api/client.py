"""The client: one POST for each send, classified, and repeated only where that is safe."""

from __future__ import annotations

import platform
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from types import TracebackType
from typing import Any, Protocol, TypeVar

import requests

from airflow_provider_usedesk import __version__
from airflow_provider_usedesk.api import errors, records, values
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.body import Body
from airflow_provider_usedesk.api.comment import CREATE_COMMENT, comment_request
from airflow_provider_usedesk.api.connection_errors import error_without_response
from airflow_provider_usedesk.api.filters import encoded_filters
from airflow_provider_usedesk.api.rate_limiter import (
    IN_MEMORY,
    MemoryStore,
    RateLimiter,
    WaitBudget,
    account_name,
)
from airflow_provider_usedesk.api.records import (
    Channel,
    ClientDetails,
    ClientRow,
    Group,
    Tag,
    TicketDetails,
    TicketField,
    TicketRow,
    User,
)
from airflow_provider_usedesk.api.request import Method, Request
from airflow_provider_usedesk.api.responses import (
    CreatedComment,
    CreatedTicket,
    Response,
    created_comment,
    created_ticket,
    updated,
)
from airflow_provider_usedesk.api.retry import with_repeats
from airflow_provider_usedesk.api.settings import DEFAULT_BASE_URL, Settings, read_settings
from airflow_provider_usedesk.api.ticket import (
    CREATE_TICKET,
    TELEGRAM_MESSAGE,
    TICKET,
    UPDATE_TICKET,
    VIBER_MESSAGE,
    WHATSAPP_MESSAGE,
    WHATSAPP_TEMPLATE,
    MessageProfile,
    ticket_request,
    update_request,
)
from airflow_provider_usedesk.api.transport import Transport


class Identified(Protocol):
    """A row of a list."""

    @property
    def id(self) -> int: ...


T = TypeVar("T")
Row = TypeVar("Row", bound=Identified)

PAGE_SIZE = 100


class UsedeskClient:
    """
    Call the methods of the Usedesk API.

    A request that may have reached Usedesk is never repeated: :class:`~.errors.UsedeskOutcomeUnknown`
    says so. Repeated, within ``settings.max_wait`` seconds, is only what certainly had no effect:
    the connection was never made, or Usedesk refused for too many requests. All clients of an account
    that have one ``settings.rate_limit_store`` keep one pace; without one, all of the process do.

    One client serves any number of threads at once; up to 64 of them keep a connection each.

    :param settings: how to reach Usedesk
    :param open_url: makes a path object of the URL of a file
    :param sleep: waits for some seconds
    :param clock: tells the seconds passed; a client with a clock of its own shares no pace without a store
    :param jitter: gives a random number from 0 to 1
    """

    def __init__(
        self,
        settings: Settings,
        *,
        open_url: OpenUrl | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self._open_url = open_url
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter
        self._counting = threading.Lock()
        self.requests = 0
        """How many requests were made; those that were held back are not counted."""
        self._rate_limiter = RateLimiter(
            account_name(settings.base_url, settings.token),
            60.0 / settings.requests_per_minute if settings.requests_per_minute else 0.0,
            settings.rate_limit_store or (IN_MEMORY if clock is time.monotonic else MemoryStore(clock)),
            sleep,
            jitter,
        )
        self._transport = Transport(
            settings.base_url,
            headers={"User-Agent": _user_agent(settings.user_agent), "Accept": "application/json"},
            verify=settings.verify,
            proxy=settings.proxy,
            timeout=(settings.connect_timeout, settings.timeout),
        )

    @classmethod
    def connect(cls, token: str, base_url: str = DEFAULT_BASE_URL, **options: Any) -> UsedeskClient:
        """
        Make a client without Airflow.

        :param token: API token of an API channel
        :param base_url: address of the API with its path
        :param options: ``timeout``, ``connect_timeout``, ``max_wait``, ``requests_per_minute``,
            ``verify`` and ``proxy``, as in the extra of a connection
        :raises UsedeskBadConnection: when one of them is wrong
        """
        return cls(read_settings(token, base_url, **options))

    def __enter__(self) -> UsedeskClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings.base_url!r})"

    def close(self) -> None:
        """Close the connections to Usedesk."""
        self._transport.close()

    def create_ticket(self, **params: Any) -> CreatedTicket:
        """
        Create a ticket (``create/ticket``, EN 51378).

        :param params: the parameters of the method by name (``from`` may be spelled ``from_``), and
            ``custom_fields`` as {id: value}; ``subject`` and ``message`` are required without a template
        :raises UsedeskError: of the class that says what happened
        """
        return self.send(params, TICKET)

    def send_whatsapp_message(self, **params: Any) -> CreatedTicket:
        """Send a WhatsApp message to a client within the 24 hours after the client's last one (EN 51378)."""
        return self.send({"from_": "user", **params}, WHATSAPP_MESSAGE)

    def send_whatsapp_template(self, **params: Any) -> CreatedTicket:
        """Send a WhatsApp Business template; needs neither ``subject`` nor ``message`` (EN 51378)."""
        return self.send({"from_": "user", **params}, WHATSAPP_TEMPLATE)

    def send_viber_message(self, **params: Any) -> CreatedTicket:
        """Send a message through a Viber (c2d) channel (EN 51378)."""
        return self.send(params, VIBER_MESSAGE)

    def send_telegram_message(self, **params: Any) -> CreatedTicket:
        """Send a message through a Telegram personal (pact) channel (EN 51378)."""
        return self.send(params, TELEGRAM_MESSAGE)

    def send(self, params: dict[str, Any], rules: MessageProfile) -> CreatedTicket:
        """Check the parameters against the rules of one way of sending, and send them."""
        return self.send_checked(ticket_request(params, rules, self._open_url))

    def send_checked(self, request: Request) -> CreatedTicket:
        """Send a request for a new ticket whose parameters were checked before."""
        return self._send(CREATE_TICKET, request, created_ticket)

    def create_comment(self, **params: Any) -> CreatedComment:
        """
        Write a comment to a ticket (``create/comment``, EN 51381).

        :param params: the parameters of the method by name; ``ticket_id``, ``type`` (public or private) and
            ``message`` are required, the last one not with a template
        :raises UsedeskError: of the class that says what happened
        """
        return self._send(CREATE_COMMENT, comment_request(params, self._open_url), created_comment)

    def update_ticket(self, **params: Any) -> None:
        """
        Change a ticket (``update/ticket``, EN 51379).

        :param params: the parameters of the method by name, and ``custom_fields`` as {id: value};
            ``ticket_id`` is required; tags are added to those the ticket has
        :raises UsedeskError: of the class that says what happened
        """
        self._send(UPDATE_TICKET, update_request(params), updated)

    def ticket(self, ticket_id: int) -> TicketDetails:
        """
        Read one ticket with its comments (``ticket``, EN 51377).

        :raises UsedeskInvalidRequest: when the id is none; nothing was asked
        """
        return self._read("ticket", records.ticket_details, **_id("ticket_id", ticket_id))

    def tickets(self, **filters: Any) -> Iterator[TicketRow]:
        """
        List tickets, page by page as they are taken (``tickets``, EN 51376).

        :param filters: the parameters of the method by name; several values as a list, moments as datetime
            or as ``YYYY-MM-DD HH:MM`` in UTC
        """
        return chain.from_iterable(self.ticket_pages(**filters))

    def ticket_pages(self, **filters: Any) -> Iterator[list[TicketRow]]:
        """List tickets like :meth:`tickets`, a page of up to a hundred at a time."""
        return self._pages("tickets", records.ticket_rows, filters)

    def channels(self, channel_type: str | None = None) -> list[Channel]:
        """
        List the channels (``channels``, EN 51397).

        :param channel_type: only those of this type, such as ``whatsapp``
        """
        params = {"channel_type": channel_type} if channel_type else {}
        try:
            return self._read("channels", records.channels, **params)
        except errors.UsedeskError as error:
            if error.status != 405:
                raise
        # Documented as GET with the token in the URL, which every proxy on the way would write down.
        return self._read("channels", records.channels, verb="GET", **params)

    def groups(self) -> list[Group]:
        """List the groups of agents (``groups``, EN 51418)."""
        return self._read("groups", records.groups)

    def users(self, **filters: Any) -> list[User]:
        """
        List agents (``users``, EN 51414).

        :param filters: ``user_type`` (``admin``, ``employee`` or ``support``; default of Usedesk: employee,
            so that the others do not show), ``group_id``, ``query``, ``user_id``
        """
        return self._read("users", records.users, **encoded_filters("users", filters))

    def ticket_fields(self) -> list[TicketField]:
        """List the custom fields of tickets with their options (``ticket/fields``, EN 51411)."""
        return self._read("ticket/fields", records.ticket_fields)

    def tags(self, query: str | None = None) -> Iterator[Tag]:
        """
        List the tags of tickets, page by page as they are taken (``tags``, EN 51382).

        :param query: only those whose name holds this
        """
        return chain.from_iterable(self._pages("tags", records.tags, {"query": query}))

    def clients(self, **filters: Any) -> Iterator[ClientRow]:
        """
        List clients, page by page as they are taken (``clients``, EN 51383).

        :param filters: ``query`` (one name, e-mail or phone), ``search_type`` (``partial_match`` or
            ``full_match``; default of Usedesk: partial_match), ``created_after``, ``created_before``
        """
        return chain.from_iterable(self._pages("clients", records.client_rows, filters))

    def client(self, client_id: int) -> ClientDetails:
        """
        Read one client (``client``, EN 51384).

        :raises UsedeskInvalidRequest: when the id is none; nothing was asked
        """
        return self._read("client", records.client_details, **_id("client_id", client_id))

    def _send(self, method: Method, request: Request, parse: Callable[[Response], T]) -> T:
        return self._repeat_safely(lambda: parse(self._call(method.path, request, sending=True)))

    def _read(self, method: str, parse: Callable[[Response], T], *, verb: str = "POST", **params: Any) -> T:
        request = Request(params)
        return self._repeat_safely(lambda: parse(self._call(method, request, sending=False, verb=verb)))

    def _pages(
        self, method: str, parse: Callable[[Response], list[Row]], filters: Mapping[str, Any]
    ) -> Iterator[list[Row]]:
        """Read the pages of a list one by one, without repeated rows."""
        params = encoded_filters(method, filters)
        seen: set[int] = set()
        page, counts_rows = 0, False
        rows: list[Row] = []
        while True:
            offset = len(seen) if counts_rows else page
            before, rows = rows, self._read(method, parse, **params, offset=offset)
            new = [row for row in rows if row.id not in seen]
            seen.update(row.id for row in new)
            if new:
                yield new
            # Whether offset counts pages or rows is not certain; one that begins as the page before it tells.
            is_shifted = page == 1 and bool(rows) and rows[0].id in [row.id for row in before[:2]]
            if len(rows) < PAGE_SIZE or not (new or is_shifted):
                return
            counts_rows = counts_rows or is_shifted
            page += 1

    def _repeat_safely(self, call: Callable[[], T]) -> T:
        wait_budget = WaitBudget(self.settings.max_wait, self._clock)

        def with_permit() -> T:
            with self._rate_limiter.permit(wait_budget):
                return call()

        return with_repeats(with_permit, wait_budget, self._sleep, self._jitter)

    def _call(self, method: str, request: Request, *, sending: bool, verb: str = "POST") -> Response:
        outcome = self._ask(verb, method, request, sending)
        if isinstance(outcome, errors.UsedeskError):
            # Raised here, where no local variable and no chained exception holds the token.
            raise outcome
        return outcome

    def _ask(self, verb: str, method: str, request: Request, sending: bool) -> Response | errors.UsedeskError:
        with self._counting:
            self.requests += 1
        with Body(request, self.settings.token) as body:
            try:
                response = self._transport.send(verb, method, body.content, body.content_type)
            except (requests.RequestException, OSError) as exc:
                return error_without_response(exc, sending)
        return Response(
            response.status_code, response.headers, response.content, self._hider(request), sending
        )

    def _hider(self, request: Request) -> Callable[[str], str]:
        return lambda text: request.hide(text.replace(self.settings.token, "***"))


def _id(name: str, value: Any) -> dict[str, Any]:
    try:
        return {name: values.identifier(value)}
    except ValueError as error:
        raise errors.UsedeskInvalidRequest([f"{name}: {error}"]) from None


def _user_agent(program: str) -> str:
    products = (
        f"airflow-provider-usedesk/{__version__}",
        program,
        f"python/{platform.python_version()}",
        f"requests/{requests.__version__}",
    )
    return " ".join(product for product in products if product)

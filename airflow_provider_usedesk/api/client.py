"""The client: one POST for each method, with retries only where they are safe."""

from __future__ import annotations

import logging
import platform
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import requests

from airflow_provider_usedesk import __version__
from airflow_provider_usedesk.api import errors, records, responses, values
from airflow_provider_usedesk.api.agents import (
    CREATE_USER,
    DELETE_USER,
    UPDATE_USER,
    create_user_request,
    delete_user_request,
    update_user_request,
)
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.body import Body
from airflow_provider_usedesk.api.chat import (
    ADD_CHAT_MESSAGE,
    CHANGE_CHAT_ASSIGNEE,
    SEND_CHAT_MESSAGE,
    add_chat_message_request,
    change_chat_assignee_request,
    send_chat_message_request,
)
from airflow_provider_usedesk.api.client_card import (
    CREATE_CLIENT,
    UPDATE_CLIENT,
    create_client_request,
    update_client_request,
)
from airflow_provider_usedesk.api.comment import CREATE_COMMENT, comment_request
from airflow_provider_usedesk.api.connection_errors import error_without_response
from airflow_provider_usedesk.api.filters import encoded_filters
from airflow_provider_usedesk.api.hidden import HiddenDict, moved
from airflow_provider_usedesk.api.observer import NoObserver, Observer, outcome_of
from airflow_provider_usedesk.api.paging import Row, pages
from airflow_provider_usedesk.api.phone import looks_national
from airflow_provider_usedesk.api.quoting import repeats
from airflow_provider_usedesk.api.rate_limiter import (
    IN_MEMORY,
    MemoryStore,
    RateLimiter,
    WaitBudget,
    account_name,
    host_name,
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
    AddedChatMessage,
    ChatAssignee,
    CreatedClient,
    CreatedComment,
    CreatedTicket,
    CreatedUser,
    Response,
    SentChatMessage,
)
from airflow_provider_usedesk.api.retry import with_retries
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

if TYPE_CHECKING:
    from airflow_provider_usedesk.api import signatures
    from airflow_provider_usedesk.api.parameters import (
        AddChatMessageParameters,
        ChangeChatAssigneeParameters,
        ClientFilters,
        CreateClientParameters,
        CreateCommentParameters,
        CreateTicketParameters,
        CreateUserParameters,
        DeleteUserParameters,
        SendChatMessageParameters,
        TicketFilters,
        UpdateClientParameters,
        UpdateTicketParameters,
        UpdateUserParameters,
        UserFilters,
    )

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_PARAMETERS = Request({})


class UsedeskClient:
    """
    A client of the Usedesk API.

    The client retries a request only if it certainly had no effect: there was no connection, or Usedesk
    refused it because there were too many. For a request that may have reached Usedesk it raises
    :class:`~.errors.UsedeskOutcomeUnknown` instead. All waits of one call together take at most
    ``settings.max_wait`` seconds.

    All clients of an account, or of a host with ``settings.rate_limit_scope``, share one rate limit if they
    have the same ``settings.rate_limit_store``; without a store, all of them in the process do. Any number
    of threads can use one client; up to 64 of them keep a connection each.

    :param settings: the settings
    :param open_url: returns a path object for the URL of a file; default: URLs are refused
    :param sleep: waits for some seconds; an exception that it raises ends the call, and nothing was sent
    :param clock: returns seconds; a client with its own clock shares its rate limit only through a store
    :param jitter: returns a random number from 0 to 1
    :param before_send: called immediately before each POST that changes something in Usedesk, so again before
        each retry; an exception that it raises ends the call, and nothing was sent
    :param observer: receives the outcome of each request and the waits for the rate limit; default: none
    """

    def __init__(
        self,
        settings: Settings,
        *,
        open_url: OpenUrl | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        before_send: Callable[[], None] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self._observer = observer or NoObserver()
        self._before_send = before_send
        self._open_url = open_url
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter
        self._requests_lock = threading.Lock()
        self.requests = 0
        """Number of requests that were made."""
        # Shared by the copies of a client.
        self._warned: list[bool] = []
        self._rate_limiter = RateLimiter(
            _rate_limit_name(settings),
            60.0 / settings.requests_per_minute if settings.requests_per_minute else 0.0,
            settings.rate_limit_store or (IN_MEMORY if clock is time.monotonic else MemoryStore(clock)),
            # No method of the client, so that no cycle keeps it until the garbage collector runs.
            _observed_sleep(sleep, self._observer),
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
        Return a client for a token.

        :param token: API token of an API channel
        :param base_url: URL of the API with its path
        :param options: ``timeout``, ``connect_timeout``, ``max_wait``, ``requests_per_minute``,
            ``rate_limit_scope``, ``verify``, ``proxy``, ``web_url`` and
            ``phone_region``, as in :class:`~.settings.Settings`
        :raises UsedeskBadConnection: naming every setting that is wrong
        """
        return cls(read_settings(token, base_url, **options))

    def with_before_send(self, before_send: Callable[[], None]) -> UsedeskClient:
        """
        Return a client with the same connections and the same rate limit.

        :param before_send: called immediately before each POST that changes something in Usedesk
        """
        client = copy(self)
        client._before_send = before_send
        return client

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

    def create_ticket(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket:
        """
        Create a ticket (``create/ticket``: https://api.usedocs.com/article/51378).

        :param params: parameters of the method by name (``from`` may be spelled ``from_``), and
            ``custom_fields`` as {id: value}; ``subject`` and ``message`` are required without a template
        :return: the ids and the message status in the response
        :raises UsedeskInvalidRequest: naming every invalid argument; nothing was sent
        :raises UsedeskOutcomeUnknown: when the request may have reached Usedesk
        :raises UsedeskError: of another class for every other error
        """
        if TYPE_CHECKING:
            signatures.create_ticket(**params)
        return self.send(moved(params), TICKET)

    def send_whatsapp_message(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket:
        """
        Send a WhatsApp message (``create/ticket``: https://api.usedocs.com/article/51378).

        WhatsApp accepts it only within 24 hours after the last message of the client.

        :param params: ``subject``, ``message``, ``channel_id``, ``user_id``, a recipient in
            ``client_phone`` or ``client_id``, and other parameters of ``create/ticket``
        :return: the ids and the message status in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_ticket(**params)
        return self.send(HiddenDict({"from_": "user", **moved(params)}), WHATSAPP_MESSAGE)

    def send_whatsapp_template(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket:
        """
        Send a WhatsApp Business template (``create/ticket``: https://api.usedocs.com/article/51378).

        :param params: ``channel_id``, ``template_id`` or ``template_name``, a recipient in
            ``client_phone`` or ``client_id``, and other parameters of ``create/ticket``
        :return: the ids and the message status in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_ticket(**params)
        return self.send(HiddenDict({"from_": "user", **moved(params)}), WHATSAPP_TEMPLATE)

    def send_viber_message(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket:
        """
        Send a message to Viber, by a c2d channel (``create/ticket``: https://api.usedocs.com/article/51378).

        :param params: ``subject``, ``message``, ``channel_id``, a recipient in ``client_phone`` or
            ``client_id``, and other parameters of ``create/ticket``
        :return: the ids in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_ticket(**params)
        return self.send(moved(params), VIBER_MESSAGE)

    def send_telegram_message(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket:
        """
        Send a message to Telegram, by a personal channel of pact.

        The method is ``create/ticket``: https://api.usedocs.com/article/51378.

        :param params: ``subject``, ``message``, ``channel_id``, a recipient in ``username`` or
            ``client_phone``, and other parameters of ``create/ticket``
        :return: the ids and the message status in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_ticket(**params)
        return self.send(moved(params), TELEGRAM_MESSAGE)

    def send(self, params: dict[str, Any], profile: MessageProfile) -> CreatedTicket:
        """
        Check the parameters of a message, and create its ticket.

        :param params: parameters of ``create/ticket`` by name
        :param profile: what this kind of message requires
        :return: the ids and the message status in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        request = self.checked(params, profile)
        # While it is sent, no local variable contains its values.
        del params
        return self.send_checked(request)

    def checked(self, params: Mapping[str, Any], profile: MessageProfile) -> Request:
        """
        Check the parameters of a message, and return its request.

        :param params: parameters of ``create/ticket`` by name; default of ``phone_region``: that of the
            settings
        :param profile: what this kind of message requires
        :raises UsedeskInvalidRequest: naming every invalid argument
        """
        return ticket_request(self._with_region(params, "client_phone"), profile, self._open_url)

    def _with_region(self, params: Mapping[str, Any], phone: str) -> Mapping[str, Any]:
        if not values.is_empty(params.get("phone_region")):
            return params
        self._warn_of_national_phone(params.get(phone))
        return HiddenDict({**params, "phone_region": self.settings.phone_region})

    def _warn_of_national_phone(self, given: Any) -> None:
        if self.settings.phone_region or self._warned or not looks_national(given):
            return
        # Once for each client, so once in a batch; without the number.
        self._warned.append(True)
        log.warning(
            "A phone number looks like a Russian one without country code (8 and ten digits, or ten digits "
            "that begin with 9). It is sent as it is. Set phone_region in the connection or as an argument."
        )

    def send_checked(self, request: Request) -> CreatedTicket:
        """
        Create a ticket from a checked request.

        :param request: the request, from :meth:`checked`
        :return: the ids and the message status in the response
        :raises UsedeskError: as :meth:`create_ticket`, but not for invalid arguments
        """
        return self._send(CREATE_TICKET, request, responses.created_ticket)

    def create_comment(self, **params: Unpack[CreateCommentParameters]) -> CreatedComment:
        """
        Add a comment to a ticket (``create/comment``: https://api.usedocs.com/article/51381).

        :param params: parameters of the method by name; ``ticket_id`` and ``type`` (public or private) are
            required, and without a template ``message``
        :return: the id of the comment
        :raises UsedeskInvalidRequest: naming every invalid argument; nothing was sent
        :raises UsedeskOutcomeUnknown: when the request may have reached Usedesk
        :raises UsedeskError: of another class for every other error
        """
        if TYPE_CHECKING:
            signatures.create_comment(**params)
        request = comment_request(moved(params), self._open_url)
        return self._send(CREATE_COMMENT, request, responses.created_comment)

    def update_ticket(self, **params: Unpack[UpdateTicketParameters]) -> None:
        """
        Update a ticket (``update/ticket``: https://api.usedocs.com/article/51379).

        :param params: parameters of the method by name, and ``custom_fields`` as {id: value};
            ``ticket_id`` is required; tags are added to the tags of the ticket
        :raises UsedeskInvalidRequest: naming every invalid argument; nothing was sent
        :raises UsedeskOutcomeUnknown: when the request may have reached Usedesk
        :raises UsedeskError: of another class for every other error
        """
        if TYPE_CHECKING:
            signatures.update_ticket(**params)
        self._send(UPDATE_TICKET, update_request(moved(params)), responses.updated)

    def create_client(self, **params: Unpack[CreateClientParameters]) -> CreatedClient:
        """
        Create a client (``create/client``: https://api.usedocs.com/article/51385).

        Usedesk creates another client each time; as far as is known, it compares nothing.

        :param params: parameters of the method by name; a ``name``, ``emails``, a ``phone`` or ``messengers``
            is required
        :return: the id of the client
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_client(**params)
        request = self.checked_client(moved(params))
        return self._send(CREATE_CLIENT, request, responses.created_client)

    def checked_client(self, params: Mapping[str, Any]) -> Request:
        """
        Check the parameters of a new client, and return its request.

        :param params: parameters of ``create/client`` by name; default of ``phone_region``: that of the
            settings
        :raises UsedeskInvalidRequest: naming every invalid argument
        """
        return create_client_request(self._with_region(params, "phone"), self._open_url)

    def update_client(self, **params: Unpack[UpdateClientParameters]) -> None:
        """
        Update a client (``update/client``: https://api.usedocs.com/article/51386).

        :param params: parameters of the method by name; ``client_id`` is required; emails and a phone
            are added to those of the client, and so is a note without ``is_new_note``
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.update_client(**params)
        request = update_client_request(self._with_region(moved(params), "phone"), self._open_url)
        self._send(UPDATE_CLIENT, request, responses.updated_client)

    def add_chat_message(self, **params: Unpack[AddChatMessageParameters]) -> AddedChatMessage:
        """
        Write in a chat in the name of a client (``chat/addMessage``: https://api.usedocs.com/article/51394).

        :param params: ``company_id``, ``channel_id`` of a chat channel and ``text`` are required; without
            ``chat_id`` Usedesk opens a chat, and without ``client_id`` it creates a client
        :return: the ids in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.add_chat_message(**params)
        request = add_chat_message_request(moved(params))
        return self._send(ADD_CHAT_MESSAGE, request, responses.added_chat_message)

    def send_chat_message(self, **params: Unpack[SendChatMessageParameters]) -> SentChatMessage:
        """
        Write in a chat in the name of an agent (``chat/sendMessage``: https://api.usedocs.com/article/51395).

        :param params: ``chat_id``, ``user_id`` and ``text``, without markup
        :return: the ids in the response, which can be missing
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.send_chat_message(**params)
        request = send_chat_message_request(moved(params))
        return self._send(SEND_CHAT_MESSAGE, request, responses.sent_chat_message)

    def change_chat_assignee(self, **params: Unpack[ChangeChatAssigneeParameters]) -> ChatAssignee:
        """
        Assign a chat to an agent (``chat/changeAssignee``: https://api.usedocs.com/article/51396).

        :param params: ``chat_id`` and ``user_id``
        :return: the ids and the URL in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.change_chat_assignee(**params)
        request = change_chat_assignee_request(moved(params))
        return self._send(CHANGE_CHAT_ASSIGNEE, request, responses.chat_assignee)

    def create_user(self, **params: Unpack[CreateUserParameters]) -> CreatedUser:
        """
        Create an agent (``create/user``: https://api.usedocs.com/article/51415).

        :param params: parameters of the method by name; ``name``, ``email``, ``password`` and ``group`` are
            required
        :return: the id of the agent
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_user(**params)
        request = create_user_request(moved(params), self._open_url)
        return self._send(CREATE_USER, request, responses.created_user)

    def update_user(self, **params: Unpack[UpdateUserParameters]) -> None:
        """
        Update an agent (``update/user``: https://api.usedocs.com/article/51416).

        :param params: parameters of the method by name; ``user_id`` is required; ``avatar="delete"`` removes
            the picture
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.update_user(**params)
        self._send(UPDATE_USER, update_user_request(moved(params), self._open_url), responses.updated)

    def delete_user(self, **params: Unpack[DeleteUserParameters]) -> None:
        """
        Delete an agent (``delete/user``: https://api.usedocs.com/article/51417).

        The tickets of the agent stay assigned. Usedesk deletes neither a bot nor the last administrator.

        :param params: ``user_id``
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.delete_user(**params)
        self._send(DELETE_USER, delete_user_request(moved(params)), responses.updated)

    def ticket(
        self,
        ticket_id: int,
        *,
        accessible_for_agent_id: int | None = None,
        properties: Sequence[str] | None = None,
    ) -> TicketDetails:
        """
        Return one ticket with its comments (``ticket``: https://api.usedocs.com/article/51377).

        :param ticket_id: id of the ticket
        :param accessible_for_agent_id: id of an agent; the result has the ``rights`` of the agent
        :param properties: ``["sla"]`` for the service level
        :raises UsedeskInvalidRequest: when the id is invalid; nothing was sent
        :raises UsedeskTicketNotFound: when there is no such ticket
        :raises UsedeskError: of another class for every other error
        """
        request = _ids(ticket_id=ticket_id, accessible_for_agent_id=accessible_for_agent_id)
        if properties:
            request = Request({**request.fields, "properties": list(properties)})
        return self._read("ticket", records.ticket_details, request)

    def tickets(self, **filters: Unpack[TicketFilters]) -> Iterator[TicketRow]:
        """
        Yield tickets, reading page after page (``tickets``: https://api.usedocs.com/article/51376).

        :param filters: parameters of the method by name; several values as a list, times as datetime
            or as text ``YYYY-MM-DD HH:MM`` in UTC
        :raises UsedeskInvalidRequest: naming every invalid filter, when the first row is read
        """
        if TYPE_CHECKING:
            signatures.tickets(**filters)
        return chain.from_iterable(self.ticket_pages(**filters))

    def ticket_pages(
        self, *, until_empty: bool = False, **filters: Unpack[TicketFilters]
    ) -> Iterator[list[TicketRow]]:
        """
        Yield the pages of :meth:`tickets`, lists of up to a hundred tickets.

        :param until_empty: whether to read on after a page of less than a hundred, until a page is empty; a
            page of repeated tickets is then an empty list, and a service that ignores ``offset`` has no end;
            default: false
        :param filters: as for :meth:`tickets`
        """
        if TYPE_CHECKING:
            signatures.tickets(**filters)
        return self._pages("tickets", records.ticket_rows, moved(filters), until_empty=until_empty)

    def channels(self, channel_type: str | None = None) -> list[Channel]:
        """
        Return the channels (``channels``: https://api.usedocs.com/article/51397).

        :param channel_type: only channels of this type, such as ``whatsapp``; default: all
        """
        request = Request({"channel_type": channel_type} if channel_type else {})
        try:
            return self._read("channels", records.channels, request)
        except errors.UsedeskError as error:
            if error.status != 405:
                raise
        # Documented as GET with the token in the URL, which every proxy on the way would log.
        return self._read("channels", records.channels, request, verb="GET")

    def groups(self) -> list[Group]:
        """Return the groups of agents (``groups``: https://api.usedocs.com/article/51418)."""
        return self._read("groups", records.groups)

    def users(self, **filters: Unpack[UserFilters]) -> list[User]:
        """
        Return agents (``users``: https://api.usedocs.com/article/51414).

        :param filters: ``user_type`` (``admin``, ``employee`` or ``support``; default of Usedesk: only
            employees), ``group_id``, ``query``, ``user_id``
        """
        if TYPE_CHECKING:
            signatures.users(**filters)
        return self._read("users", records.users, Request(encoded_filters("users", moved(filters))))

    def ticket_fields(self) -> list[TicketField]:
        """
        Return the custom fields of tickets with their options.

        The method is ``ticket/fields``: https://api.usedocs.com/article/51411.
        """
        return self._read("ticket/fields", records.ticket_fields)

    def tags(self, query: str | None = None) -> Iterator[Tag]:
        """
        Yield the tags of tickets, reading page after page (``tags``: https://api.usedocs.com/article/51382).

        :param query: only tags whose name contains this text; default: all
        """
        return chain.from_iterable(self._pages("tags", records.tags, {"query": query}))

    def clients(self, **filters: Unpack[ClientFilters]) -> Iterator[ClientRow]:
        """
        Yield clients, reading page after page (``clients``: https://api.usedocs.com/article/51383).

        :param filters: ``query`` (one name, email or phone), ``search_type`` (``partial_match`` or
            ``full_match``; default of Usedesk: partial_match), ``created_after``, ``created_before``
        """
        if TYPE_CHECKING:
            signatures.clients(**filters)
        return chain.from_iterable(self._pages("clients", records.client_rows, moved(filters)))

    def client(self, client_id: int) -> ClientDetails:
        """
        Return one client (``client``: https://api.usedocs.com/article/51384).

        :param client_id: id of the client
        :raises UsedeskInvalidRequest: when the id is invalid; nothing was sent
        """
        return self._read("client", records.client_details, _ids(client_id=client_id))

    def _send(self, method: Method, request: Request, parse: Callable[[Response], T]) -> T:
        try:
            return self._with_retries(
                method.path,
                lambda: parse(self._call(method.path, request, sending=True, created=method.created)),
            )
        except _Stopped as stopped:
            error = stopped.error
        # Raised here, so that it is not chained to the wrapper.
        raise error

    def _read(
        self,
        method: str,
        parse: Callable[[Response], T],
        request: Request = NO_PARAMETERS,
        *,
        verb: str = "POST",
    ) -> T:
        return self._with_retries(
            method, lambda: parse(self._call(method, request, sending=False, verb=verb))
        )

    def _pages(
        self,
        method: str,
        parse: Callable[[Response], list[Row]],
        filters: dict[str, Any],
        *,
        until_empty: bool = False,
    ) -> Iterator[list[Row]]:
        request = Request(encoded_filters(method, moved(filters)))
        yield from pages(
            lambda offset: self._read(method, parse, Request({**request.fields, "offset": offset})),
            until_empty=until_empty,
        )

    def _with_retries(self, method: str, call: Callable[[], T]) -> T:
        wait_budget = WaitBudget(self.settings.max_wait, self._clock)

        def with_permit() -> T:
            with self._rate_limiter.permit(wait_budget):
                return self._observed(method, call)

        return with_retries(with_permit, wait_budget, self._sleep, self._jitter)

    def _observed(self, method: str, call: Callable[[], T]) -> T:
        try:
            result = call()
        except errors.UsedeskError as error:
            self._observer.on_request(method, outcome_of(error))
            raise
        self._observer.on_request(method, "success")
        return result

    def _call(
        self,
        method: str,
        request: Request,
        *,
        sending: bool,
        verb: str = "POST",
        created: frozenset[str] = frozenset(),
    ) -> Response:
        if sending and self._before_send is not None:
            try:
                self._before_send()
            except Exception as error:
                raise _Stopped(error) from None
        outcome = self._response_or_error(verb, method, request, sending, created)
        if isinstance(outcome, errors.UsedeskError):
            # Raised here, where no local variable and no chained exception contains the token.
            raise outcome
        return outcome

    def _response_or_error(
        self, verb: str, method: str, request: Request, sending: bool, created: frozenset[str]
    ) -> Response | errors.UsedeskError:
        with self._requests_lock:
            self.requests += 1
        with Body(request, self.settings.token) as body:
            try:
                response = self._transport.send(verb, method, body.content, body.content_type)
            except (requests.RequestException, OSError) as exc:
                transport = self._transport
                return error_without_response(exc, sending, transport.phase, transport.route())
        return Response(
            response.status_code,
            response.headers,
            response.content,
            request.hide,
            sending,
            self._repeats_token,
            created,
        )

    def _repeats_token(self, text: str) -> bool:
        return repeats(text, self.settings.token)


class _Stopped(Exception):
    """Takes an exception of ``before_send`` past the retries and the rate limiter."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _ids(**given: Any) -> Request:
    """Return a request with ids; only the first one is required."""
    first = next(iter(given))
    checks = dict.fromkeys(given, values.identifier)
    wanted = {name: value for name, value in given.items() if name == first or not values.is_null(value)}
    valid, validation_errors = values.all_checked(checks, wanted)
    if validation_errors:
        raise errors.UsedeskInvalidRequest(validation_errors)
    return Request(valid)


def _observed_sleep(sleep: Callable[[float], None], observer: Observer) -> Callable[[float], None]:
    """Return a function that waits for the rate limit, and tells the observer."""

    def wait(seconds: float) -> None:
        observer.on_rate_limit_wait(seconds)
        sleep(seconds)

    return wait


def _rate_limit_name(settings: Settings) -> str:
    if settings.rate_limit_scope == "host":
        return host_name(settings.base_url)
    return account_name(settings.base_url, settings.token)


def _user_agent(program: str) -> str:
    products = (
        f"airflow-provider-usedesk/{__version__}",
        program,
        f"python/{platform.python_version()}",
        f"requests/{requests.__version__}",
    )
    return " ".join(product for product in products if product)

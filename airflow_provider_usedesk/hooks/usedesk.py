"""The hook: the Usedesk API with the settings of an Airflow connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.api.hidden import moved
from airflow_provider_usedesk.compat.sdk import BaseHook

if TYPE_CHECKING:
    from airflow_provider_usedesk.api import signatures
    from airflow_provider_usedesk.api.client import UsedeskClient
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
    from airflow_provider_usedesk.api.responses import (
        AddedChatMessage,
        ChatAssignee,
        CreatedClient,
        CreatedComment,
        CreatedTicket,
        CreatedUser,
        SentChatMessage,
    )
    from airflow_provider_usedesk.api.settings import Settings
    from airflow_provider_usedesk.compat.sdk import Connection
    from airflow_provider_usedesk.hooks.delivery_settings import DeliverySettings


class UsedeskHook(BaseHook):
    """
    Calls the Usedesk API with the settings of an Airflow connection.

    The connection is read at the first call, not in the constructor. ``client`` has further methods.

    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: ``usedesk_default``
    """

    conn_name_attr = "usedesk_conn_id"
    default_conn_name = "usedesk_default"
    conn_type = "usedesk"
    hook_name = "Usedesk"

    def __init__(self, *, usedesk_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.usedesk_conn_id = usedesk_conn_id
        self._delivery_settings: DeliverySettings | None = None

    @cached_property
    def client(self) -> UsedeskClient:
        """The client, with one HTTP session for all calls of this hook."""
        return self.client_for(self.settings())

    def get_conn(self) -> UsedeskClient:
        """Return the client of this hook."""
        return self.client

    def interruptible_client(self, max_wait: float, sleep: Callable[[float], None]) -> UsedeskClient:
        """
        Return a new client whose waits the caller can end.

        :param max_wait: seconds that all waits of one call together may take, if the connection allows less
        :param sleep: waits for some seconds, also for 0 seconds immediately before each POST that changes
            something in Usedesk; an exception that it raises ends the call, and nothing was sent
        :raises UsedeskBadConnection: naming every field of the connection that is wrong
        """
        settings = self.settings()
        return self.client_for(
            replace(settings, max_wait=max(settings.max_wait, max_wait)),
            sleep=sleep,
            # Without a wait for the rate limit, nothing else asks after files were opened.
            before_send=lambda: sleep(0),
        )

    def settings(self) -> Settings:
        """
        Return the settings of the connection.

        :raises UsedeskBadConnection: naming every field of the connection that is wrong
        :raises AirflowNotFoundException: when there is no such connection
        """
        return self._read(self.get_connection(self.usedesk_conn_id))

    def delivery_settings(self) -> DeliverySettings:
        """
        Return the settings of the connection for the delivery contract.

        :raises UsedeskBadConnection: naming every field of the connection that is wrong
        :raises AirflowNotFoundException: when there is no such connection
        """
        from airflow_provider_usedesk.hooks.delivery_settings import DeliverySettings

        if self._delivery_settings is None:
            self.settings()
        return self._delivery_settings or DeliverySettings()

    def call_before_send(self, function: Callable[[], None]) -> None:
        """
        Let the client call a function immediately before each request that changes something in Usedesk.

        :param function: the function; if it raises an exception, nothing is sent
        """
        self.client = self.client.with_before_send(function)

    async def asettings(self) -> Settings:
        """
        Return the settings of the connection, without blocking the event loop of the triggerer.

        :raises UsedeskBadConnection: naming every field of the connection that is wrong
        :raises AirflowNotFoundException: when there is no such connection
        """
        from asgiref.sync import sync_to_async

        from airflow_provider_usedesk.compat.connection import read_connection

        connection = await read_connection(self.usedesk_conn_id)
        # Masking calls Airflow's supervisor, which must not happen in the thread of the loop.
        return await sync_to_async(self._read)(connection)

    def takes_webhooks(self) -> bool:
        """Return whether the connection has a webhook secret; without one, no webhook is accepted."""
        from airflow_provider_usedesk.hooks.connection import checked_extra

        return bool(checked_extra(self.get_connection(self.usedesk_conn_id)).get("webhook_secret"))

    def create_ticket(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket:
        """
        Create a ticket (``create/ticket``: https://api.usedocs.com/article/51378).

        :param params: parameters of the method by name (``from`` may be spelled ``from_``), and
            ``custom_fields`` as {id: value}; ``subject`` and ``message`` are required without a template
        :return: the ids and the message status in the response
        :raises UsedeskInvalidRequest: naming every invalid argument; nothing was sent
        :raises UsedeskBadConnection: when the connection must be corrected; nothing was sent
        :raises UsedeskOutcomeUnknown: when the request may have reached Usedesk
        :raises UsedeskError: of another class for every other error
        """
        if TYPE_CHECKING:
            signatures.create_ticket(**params)
        return self.client.create_ticket(**moved(params))

    def send_whatsapp_message(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket:
        """
        Send a WhatsApp message (``create/ticket``: https://api.usedocs.com/article/51378).

        :param params: ``subject``, ``message``, ``channel_id``, ``user_id``, a recipient in
            ``client_phone`` or ``client_id``, and other parameters of ``create/ticket``
        :return: the ids and the message status in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_ticket(**params)
        return self.client.send_whatsapp_message(**moved(params))

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
        return self.client.send_whatsapp_template(**moved(params))

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
        return self.client.send_viber_message(**moved(params))

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
        return self.client.send_telegram_message(**moved(params))

    def create_comment(self, **params: Unpack[CreateCommentParameters]) -> CreatedComment:
        """
        Add a comment to a ticket (``create/comment``: https://api.usedocs.com/article/51381).

        :param params: parameters of the method by name; ``ticket_id`` and ``type`` (public or private) are
            required, and without a template ``message``
        :return: the id of the comment
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.create_comment(**params)
        return self.client.create_comment(**moved(params))

    def update_ticket(self, **params: Unpack[UpdateTicketParameters]) -> None:
        """
        Update a ticket (``update/ticket``: https://api.usedocs.com/article/51379).

        :param params: parameters of the method by name, and ``custom_fields`` as {id: value};
            ``ticket_id`` is required; only what is given changes; tags are added to the tags of the
            ticket
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.update_ticket(**params)
        self.client.update_ticket(**moved(params))

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
        return self.client.create_client(**moved(params))

    def update_client(self, **params: Unpack[UpdateClientParameters]) -> None:
        """
        Update a client (``update/client``: https://api.usedocs.com/article/51386).

        :param params: parameters of the method by name; ``client_id`` is required; emails and a phone
            are added to those of the client, and so is a note without ``is_new_note``
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.update_client(**params)
        self.client.update_client(**moved(params))

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
        return self.client.add_chat_message(**moved(params))

    def send_chat_message(self, **params: Unpack[SendChatMessageParameters]) -> SentChatMessage:
        """
        Write in a chat in the name of an agent (``chat/sendMessage``: https://api.usedocs.com/article/51395).

        :param params: ``chat_id``, ``user_id`` and ``text``, without markup
        :return: the ids in the response, which can be missing
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.send_chat_message(**params)
        return self.client.send_chat_message(**moved(params))

    def change_chat_assignee(self, **params: Unpack[ChangeChatAssigneeParameters]) -> ChatAssignee:
        """
        Assign a chat to an agent (``chat/changeAssignee``: https://api.usedocs.com/article/51396).

        :param params: ``chat_id`` and ``user_id``
        :return: the ids and the URL in the response
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.change_chat_assignee(**params)
        return self.client.change_chat_assignee(**moved(params))

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
        return self.client.create_user(**moved(params))

    def update_user(self, **params: Unpack[UpdateUserParameters]) -> None:
        """
        Update an agent (``update/user``: https://api.usedocs.com/article/51416).

        :param params: parameters of the method by name; ``user_id`` is required; ``avatar="delete"`` removes
            the picture
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.update_user(**params)
        self.client.update_user(**moved(params))

    def delete_user(self, **params: Unpack[DeleteUserParameters]) -> None:
        """
        Delete an agent (``delete/user``: https://api.usedocs.com/article/51417).

        The tickets of the agent stay assigned. Usedesk deletes neither a bot nor the last administrator.

        :param params: ``user_id``
        :raises UsedeskError: as :meth:`create_ticket`
        """
        if TYPE_CHECKING:
            signatures.delete_user(**params)
        self.client.delete_user(**moved(params))

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
        :raises UsedeskTicketNotFound: when there is no such ticket
        :raises UsedeskError: of another class for every other error
        """
        return self.client.ticket(
            ticket_id, accessible_for_agent_id=accessible_for_agent_id, properties=properties
        )

    def tickets(self, **filters: Unpack[TicketFilters]) -> Iterator[TicketRow]:
        """
        Yield tickets, reading page after page (``tickets``: https://api.usedocs.com/article/51376).

        :param filters: parameters of the method by name; several values as a list, times as datetime
            or as text ``YYYY-MM-DD HH:MM`` in UTC
        :raises UsedeskInvalidRequest: naming every invalid filter, when the first row is read
        :raises UsedeskError: of another class for every other error
        """
        if TYPE_CHECKING:
            signatures.tickets(**filters)
        return self.client.tickets(**moved(filters))

    def channels(self, channel_type: str | None = None) -> list[Channel]:
        """
        Return the channels (``channels``: https://api.usedocs.com/article/51397).

        :param channel_type: only channels of this type, such as ``whatsapp``; default: all
        """
        return self.client.channels(channel_type)

    def groups(self) -> list[Group]:
        """Return the groups of agents (``groups``: https://api.usedocs.com/article/51418)."""
        return self.client.groups()

    def users(self, **filters: Unpack[UserFilters]) -> list[User]:
        """
        Return agents (``users``: https://api.usedocs.com/article/51414).

        :param filters: ``user_type`` (``admin``, ``employee`` or ``support``; default of Usedesk: only
            employees), ``group_id``, ``query``, ``user_id``
        :raises UsedeskInvalidRequest: naming every invalid filter; nothing was sent
        """
        if TYPE_CHECKING:
            signatures.users(**filters)
        return self.client.users(**moved(filters))

    def ticket_fields(self) -> list[TicketField]:
        """
        Return the custom fields of tickets with their options.

        The method is ``ticket/fields``: https://api.usedocs.com/article/51411.
        """
        return self.client.ticket_fields()

    def tags(self, query: str | None = None) -> Iterator[Tag]:
        """
        Yield the tags of tickets, reading page after page (``tags``: https://api.usedocs.com/article/51382).

        :param query: only tags whose name contains this text; default: all
        """
        return self.client.tags(query)

    def clients(self, **filters: Unpack[ClientFilters]) -> Iterator[ClientRow]:
        """
        Yield clients, reading page after page (``clients``: https://api.usedocs.com/article/51383).

        :param filters: ``query`` (one name, email or phone), ``search_type`` (``partial_match`` or
            ``full_match``; default of Usedesk: partial_match), ``created_after``, ``created_before``
        :raises UsedeskInvalidRequest: naming every invalid filter, when the first row is read
        """
        if TYPE_CHECKING:
            signatures.clients(**filters)
        return self.client.clients(**moved(filters))

    def client_details(self, client_id: int) -> ClientDetails:
        """
        Return one client (``client``: https://api.usedocs.com/article/51384).

        :param client_id: id of the client
        :raises UsedeskClientNotFound: when there is no such client
        """
        return self.client.client(client_id)

    def ticket_url(self, ticket_id: int) -> str | None:
        """
        Return the URL at which agents open a ticket; None if it is not known.

        :param ticket_id: id of the ticket
        """
        return self.client.settings.ticket_url(ticket_id)

    def test_connection(self) -> tuple[bool, str]:
        """
        Test the connection: read the groups of agents, which changes nothing in Usedesk.

        :return: whether it succeeded, and a text that the form shows
        """
        from airflow_provider_usedesk.hooks.connection import read_settings_of

        ignored = ""
        try:
            read = read_settings_of(self.get_connection(self.usedesk_conn_id))
            if read.ignored:
                ignored = f"; fields of the extra that are ignored: {', '.join(read.ignored)}"
            with self.client_for(replace(read.client, max_wait=0.0)) as client:
                count = len(client.groups())
        except Exception as exc:
            return False, f"{str(exc).rstrip('.')}{ignored}" if ignored else str(exc)
        message = f"connected, {count} group{'' if count == 1 else 's'} visible{ignored}"
        if read.redis_conn_id and getattr(read.client.rate_limit_store, "uses_fallback", False):
            return False, f"{message}, but the Redis of {read.redis_conn_id} cannot be reached"
        return True, message

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return what the provider info declares for the standard fields, for Airflow before 3.2."""
        from airflow_provider_usedesk.hooks.connection import declared_form

        behaviour = declared_form()["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return what the provider info declares for the extra fields, for Airflow before 3.2."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import IntegerField, PasswordField, StringField
        from wtforms.validators import NumberRange, Optional

        from airflow_provider_usedesk.hooks.connection import declared_form

        def widget(declared: dict[str, Any]) -> Any:
            schema, texts = declared["schema"], (declared["label"],)
            about = {"description": declared["description"]}
            if "integer" in schema["type"]:
                validators = [Optional(), NumberRange(min=schema["minimum"])]
                return IntegerField(*texts, **about, validators=validators, widget=BS3TextFieldWidget())
            if schema.get("format") == "password":
                return PasswordField(*texts, **about, widget=BS3PasswordFieldWidget())
            return StringField(*texts, **about, widget=BS3TextFieldWidget())

        return {name: widget(declared) for name, declared in declared_form()["conn-fields"].items()}

    def client_for(self, settings: Settings, **options: Any) -> UsedeskClient:
        """
        Return a new client for changed settings.

        :param settings: settings, from :meth:`settings`
        :param options: other arguments of :class:`~airflow_provider_usedesk.api.client.UsedeskClient`
        """
        from airflow_provider_usedesk.api.client import UsedeskClient
        from airflow_provider_usedesk.compat.object_storage import object_storage_path
        from airflow_provider_usedesk.hooks.metrics import RequestMetrics

        return UsedeskClient(settings, open_url=object_storage_path, observer=RequestMetrics(), **options)

    def _read(self, connection: Connection) -> Settings:
        """Return the settings, and keep those for the delivery contract."""
        from airflow_provider_usedesk.hooks.connection import read_settings_of

        read = read_settings_of(connection)
        self._delivery_settings = read.delivery
        return read.client

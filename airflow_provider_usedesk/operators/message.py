"""Send messages through the messengers that are connected to Usedesk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.compat.sdk import conf
from airflow_provider_usedesk.operators.arguments import (
    assign_arguments,
    check_arguments,
    template_fields_of,
)
from airflow_provider_usedesk.operators.sending import SendTicketOperator
from airflow_provider_usedesk.operators.waiting import prepare_waiting

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.choices import Author, PhoneType, Priority, TicketType
    from airflow_provider_usedesk.api.parameters import Id, Status, Texts
    from airflow_provider_usedesk.api.responses import CreatedTicket
    from airflow_provider_usedesk.api.ticket import MessageProfile
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments
    from airflow_provider_usedesk.delivery.confirmation import OnNoConfirmation
    from airflow_provider_usedesk.idempotency.decision import OnUnknown
    from airflow_provider_usedesk.operators.types import OnNotDelivered, Templated


class SendWhatsAppMessageOperator(SendTicketOperator):
    """
    Send a WhatsApp message (``create/ticket``: https://api.usedocs.com/article/51378).

    WhatsApp accepts it only within 24 hours of the last message of the client. Give ``client_phone``, or
    ``client_id`` alone for the first phone number of that client.

    Returns the id of the ticket. Pushes ``ticket_id`` to XCom and, where Usedesk returns them,
    ``message_status``, ``chat_id`` and ``comment_id``.

    :param subject: subject of the ticket, text of at most 255 characters; the client does not see it
        (templated)
    :param message: message, text of at most 65,535 bytes; or the name of a template file that ends in .html,
        .md or .txt (templated)
    :param channel_id: id of the WhatsApp channel, 32-bit number (templated)
    :param user_id: id of the agent who writes, 32-bit number; without an agent WhatsApp delivers no message
        (templated)
    :param client_phone: phone number of the client with country code, text or number; spaces, brackets,
        dashes and dots are removed; without ``phone_region`` no digit is changed (templated)
    :param client_name: name of the client, text of at most 255 characters (templated)
    :param client_email: email address of the client, text of at most 255 characters (templated)
    :param client_id: id of the client, 32-bit number, or ``new_client`` to create a client (templated)
    :param phone_region: country of a phone number without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param company_name: company of the client, text of at most 255 characters; Usedesk creates it if it does
        not exist, and moves the client to it (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags, a list or a text with commas, together at most 255 characters (templated)
    :param assignee_id: id of the agent, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number (templated)
    :param files: files to attach: local paths, URLs of object storage (``s3://conn_id@bucket/key``) or (name,
        content), one or a list (templated)
    :param custom_fields: values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the
        option for a list (templated)
    :param field_id: instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``
        (templated)
    :param field_value: the values for ``field_id``, a list or a text with ``;`` (templated)
    :param lists: values of nested lists, a list of lists of {"id": …, "value": …}, parents first (templated)
    :param from_: author of the message, must be ``user``; default: user (templated)
    :param trigger_id: id of the trigger for ``from_="trigger"``, 32-bit number (templated)
    :param client_country: country of the client, text of at most 255 characters (templated)
    :param client_city: city of the client, text of at most 255 characters (templated)
    :param client_address: address of the client, text of at most 255 characters (templated)
    :param new_address: true to add the address to the other addresses of the client (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param additional_id: your own id of the ticket, text of at most 255 characters, visible in the API only;
        default: the idempotency key of the task (templated)
    :param message_key: text that names the message and is the same in each attempt, such as the id of an
        appointment; set it in mapped tasks, and in a task that executes the operator several times; default:
        none (templated)
    :param on_not_delivered: what to do when the messenger did not accept the message: ``fail`` without a
        retry, ``ignore``, or ``resend`` once, which creates a second ticket; default: fail
    :param on_no_confirmation: what to do when the response to a message for a messenger has neither
        ``message_status`` nor ``chat_id``, as with a wrong ``channel_id``: ``fail`` without a retry, or
        ``warn`` if your account never returns them; default: fail
    :param wait_for_delivery: whether to wait until the message is delivered, as ``MessageDeliverySensor``
        does with ``source="auto"``; the ids are in XCom before the wait; if the message is not delivered in
        time, the task fails; default: false
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param delivery_timeout: how long to wait, timedelta or seconds, above 0, at most a year; default: 10
        minutes
    :param delivery_poke_interval: time between two polls, timedelta or seconds, above 0, at most a year;
        default: 30 seconds
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        Usedesk for its ticket), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or when the message was not delivered or
        not confirmed; with a ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket exists
    """

    def __init__(
        self,
        *,
        subject: Templated[str],
        message: Templated[str],
        channel_id: Templated[Id],
        user_id: Templated[Id],
        client_phone: Templated[int | str] | None = None,
        client_name: Templated[str] | None = None,
        client_email: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        phone_region: Templated[str] | None = None,
        company_name: Templated[str] | None = None,
        priority: Templated[Priority] | None = None,
        type: Templated[TicketType] | None = None,
        status: Templated[Status] | None = None,
        tag: Templated[Texts] | None = None,
        assignee_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        files: Any = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        from_: Templated[Author] = "user",
        trigger_id: Templated[Id] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        additional_id: Templated[Id] | None = None,
        message_key: Templated[str] | None = None,
        on_not_delivered: OnNotDelivered = "fail",
        on_no_confirmation: OnNoConfirmation = "fail",
        wait_for_delivery: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        delivery_timeout: timedelta | float = timedelta(minutes=10),
        delivery_poke_interval: timedelta | float = timedelta(seconds=30),
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())
        prepare_waiting(self)

    template_fields: Sequence[str] = template_fields_of(__init__)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_whatsapp_message(**params)

    @classmethod
    def _profile(cls) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import WHATSAPP_MESSAGE

        return WHATSAPP_MESSAGE


class SendWhatsAppTemplateOperator(SendTicketOperator):
    """
    Send a WhatsApp Business template (``create/ticket``: https://api.usedocs.com/article/51378).

    A template can begin a conversation. Give ``client_phone``, or ``client_id`` alone for the first phone
    number of that client, and exactly one of ``template_id`` and ``template_name``.

    Returns the id of the ticket. Pushes ``ticket_id`` to XCom and, where Usedesk returns them,
    ``message_status``, ``chat_id`` and ``comment_id``.

    :param channel_id: id of the WhatsApp channel, 32-bit number (templated)
    :param template_id: id of the template, for pact, 32-bit number (templated)
    :param template_name: name of the template, for Landbot and infobip, text of at most 255 characters
        (templated)
    :param template_variables: texts for the variables of the template in their order, a list (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param client_phone: phone number of the client with country code, text or number; spaces, brackets,
        dashes and dots are removed; without ``phone_region`` no digit is changed (templated)
    :param subject: subject of the ticket, text of at most 255 characters (templated)
    :param message: message of the ticket, text of at most 65,535 bytes; or the name of a template file that
        ends in .html, .md or .txt (templated)
    :param client_name: name of the client, text of at most 255 characters (templated)
    :param client_email: email address of the client, text of at most 255 characters (templated)
    :param client_id: id of the client, 32-bit number, or ``new_client`` to create a client (templated)
    :param phone_region: country of a phone number without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param company_name: company of the client, text of at most 255 characters; Usedesk creates it if it does
        not exist, and moves the client to it (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags, a list or a text with commas, together at most 255 characters (templated)
    :param assignee_id: id of the agent, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number (templated)
    :param custom_fields: values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the
        option for a list (templated)
    :param field_id: instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``
        (templated)
    :param field_value: the values for ``field_id``, a list or a text with ``;`` (templated)
    :param lists: values of nested lists, a list of lists of {"id": …, "value": …}, parents first (templated)
    :param from_: author of the message, must be ``user``; default: user (templated)
    :param user_id: id of the agent for ``from_="user"``, 32-bit number (templated)
    :param trigger_id: id of the trigger for ``from_="trigger"``, 32-bit number (templated)
    :param client_country: country of the client, text of at most 255 characters (templated)
    :param client_city: city of the client, text of at most 255 characters (templated)
    :param client_address: address of the client, text of at most 255 characters (templated)
    :param new_address: true to add the address to the other addresses of the client (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param additional_id: your own id of the ticket, text of at most 255 characters, visible in the API only;
        default: the idempotency key of the task (templated)
    :param message_key: text that names the message and is the same in each attempt, such as the id of an
        appointment; set it in mapped tasks, and in a task that executes the operator several times; default:
        none (templated)
    :param on_not_delivered: what to do when the messenger did not accept the message: ``fail`` without a
        retry, ``ignore``, or ``resend`` once, which creates a second ticket; default: fail
    :param on_no_confirmation: what to do when the response to a message for a messenger has neither
        ``message_status`` nor ``chat_id``, as with a wrong ``channel_id``: ``fail`` without a retry, or
        ``warn`` if your account never returns them; default: fail
    :param wait_for_delivery: whether to wait until the message is delivered, as ``MessageDeliverySensor``
        does with ``source="auto"``; the ids are in XCom before the wait; if the message is not delivered in
        time, the task fails; default: false
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param delivery_timeout: how long to wait, timedelta or seconds, above 0, at most a year; default: 10
        minutes
    :param delivery_poke_interval: time between two polls, timedelta or seconds, above 0, at most a year;
        default: 30 seconds
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        Usedesk for its ticket), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or when the template was not delivered or
        not confirmed; with a ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket exists
    """

    def __init__(
        self,
        *,
        channel_id: Templated[Id],
        template_id: Templated[Id] | None = None,
        template_name: Templated[str] | None = None,
        template_variables: Templated[Sequence[Any] | str] | None = None,
        template_lang: Templated[str] | None = None,
        client_phone: Templated[int | str] | None = None,
        subject: Templated[str] | None = None,
        message: Templated[str] | None = None,
        client_name: Templated[str] | None = None,
        client_email: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        phone_region: Templated[str] | None = None,
        company_name: Templated[str] | None = None,
        priority: Templated[Priority] | None = None,
        type: Templated[TicketType] | None = None,
        status: Templated[Status] | None = None,
        tag: Templated[Texts] | None = None,
        assignee_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        from_: Templated[Author] = "user",
        user_id: Templated[Id] | None = None,
        trigger_id: Templated[Id] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        additional_id: Templated[Id] | None = None,
        message_key: Templated[str] | None = None,
        on_not_delivered: OnNotDelivered = "fail",
        on_no_confirmation: OnNoConfirmation = "fail",
        wait_for_delivery: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        delivery_timeout: timedelta | float = timedelta(minutes=10),
        delivery_poke_interval: timedelta | float = timedelta(seconds=30),
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())
        prepare_waiting(self)

    template_fields: Sequence[str] = template_fields_of(__init__)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_whatsapp_template(**params)

    @classmethod
    def _profile(cls) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import WHATSAPP_TEMPLATE

        return WHATSAPP_TEMPLATE


class SendViberMessageOperator(SendTicketOperator):
    """
    Send a message through a Viber (c2d) channel.

    See the API method ``create/ticket``: https://api.usedocs.com/article/51378. Give ``client_phone``, or
    ``client_id`` alone for the first phone number of that client.

    Returns the id of the ticket. Pushes ``ticket_id`` and ``chat_id`` to XCom.

    :param subject: subject of the ticket, text of at most 255 characters; the client does not see it
        (templated)
    :param message: message, text of at most 65,535 bytes; or the name of a template file that ends in .html,
        .md or .txt (templated)
    :param channel_id: id of the Viber channel, 32-bit number (templated)
    :param client_phone: phone number of the client with country code, text or number; spaces, brackets,
        dashes and dots are removed; without ``phone_region`` no digit is changed (templated)
    :param client_name: name of the client, text of at most 255 characters (templated)
    :param client_email: email address of the client, text of at most 255 characters (templated)
    :param client_id: id of the client, 32-bit number, or ``new_client`` to create a client (templated)
    :param phone_region: country of a phone number without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param company_name: company of the client, text of at most 255 characters; Usedesk creates it if it does
        not exist, and moves the client to it (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags, a list or a text with commas, together at most 255 characters (templated)
    :param assignee_id: id of the agent, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number (templated)
    :param files: files to attach: local paths, URLs of object storage (``s3://conn_id@bucket/key``) or (name,
        content), one or a list (templated)
    :param custom_fields: values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the
        option for a list (templated)
    :param field_id: instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``
        (templated)
    :param field_value: the values for ``field_id``, a list or a text with ``;`` (templated)
    :param lists: values of nested lists, a list of lists of {"id": …, "value": …}, parents first (templated)
    :param from_: author of the first comment: ``user`` (needs ``user_id``), ``client`` or ``trigger`` (needs
        ``trigger_id``) (templated)
    :param user_id: id of the agent for ``from_="user"``, 32-bit number (templated)
    :param trigger_id: id of the trigger for ``from_="trigger"``, 32-bit number (templated)
    :param client_country: country of the client, text of at most 255 characters (templated)
    :param client_city: city of the client, text of at most 255 characters (templated)
    :param client_address: address of the client, text of at most 255 characters (templated)
    :param new_address: true to add the address to the other addresses of the client (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param additional_id: your own id of the ticket, text of at most 255 characters, visible in the API only;
        default: the idempotency key of the task (templated)
    :param message_key: text that names the message and is the same in each attempt, such as the id of an
        appointment; set it in mapped tasks, and in a task that executes the operator several times; default:
        none (templated)
    :param on_not_delivered: what to do when the messenger did not accept the message: ``fail`` without a
        retry, ``ignore``, or ``resend`` once, which creates a second ticket; default: fail
    :param on_no_confirmation: what to do when the response to a message for a messenger has neither
        ``message_status`` nor ``chat_id``, as with a wrong ``channel_id``: ``fail`` without a retry, or
        ``warn`` if your account never returns them; default: fail
    :param wait_for_delivery: whether to wait until the message is delivered, as ``MessageDeliverySensor``
        does with ``source="auto"``; the ids are in XCom before the wait; if the message is not delivered in
        time, the task fails; default: false
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param delivery_timeout: how long to wait, timedelta or seconds, above 0, at most a year; default: 10
        minutes
    :param delivery_poke_interval: time between two polls, timedelta or seconds, above 0, at most a year;
        default: 30 seconds
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        Usedesk for its ticket), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or does not confirm the message; with a
        ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket exists
    """

    def __init__(
        self,
        *,
        subject: Templated[str],
        message: Templated[str],
        channel_id: Templated[Id],
        client_phone: Templated[int | str] | None = None,
        client_name: Templated[str] | None = None,
        client_email: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        phone_region: Templated[str] | None = None,
        company_name: Templated[str] | None = None,
        priority: Templated[Priority] | None = None,
        type: Templated[TicketType] | None = None,
        status: Templated[Status] | None = None,
        tag: Templated[Texts] | None = None,
        assignee_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        files: Any = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        from_: Templated[Author] | None = None,
        user_id: Templated[Id] | None = None,
        trigger_id: Templated[Id] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        additional_id: Templated[Id] | None = None,
        message_key: Templated[str] | None = None,
        on_not_delivered: OnNotDelivered = "fail",
        on_no_confirmation: OnNoConfirmation = "fail",
        wait_for_delivery: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        delivery_timeout: timedelta | float = timedelta(minutes=10),
        delivery_poke_interval: timedelta | float = timedelta(seconds=30),
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())
        prepare_waiting(self)

    template_fields: Sequence[str] = template_fields_of(__init__)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_viber_message(**params)

    @classmethod
    def _profile(cls) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import VIBER_MESSAGE

        return VIBER_MESSAGE


class SendTelegramMessageOperator(SendTicketOperator):
    """
    Send a message through a Telegram personal (pact) channel.

    See the API method ``create/ticket``: https://api.usedocs.com/article/51378. Give ``username`` or
    ``client_phone``; if both are given, Usedesk uses ``username``.

    Returns the id of the ticket. Pushes ``ticket_id`` and ``message_status`` to XCom.

    :param subject: subject of the ticket, text of at most 255 characters; the client does not see it
        (templated)
    :param message: message, text of at most 65,535 bytes; or the name of a template file that ends in .html,
        .md or .txt (templated)
    :param channel_id: id of the Telegram channel, 32-bit number (templated)
    :param username: Telegram name of the client, text, with or without ``@`` (templated)
    :param client_phone: phone number of the client with country code, text or number; spaces, brackets,
        dashes and dots are removed; without ``phone_region`` no digit is changed (templated)
    :param client_name: name of the client, text of at most 255 characters (templated)
    :param client_email: email address of the client, text of at most 255 characters (templated)
    :param client_id: id of the client, 32-bit number, or ``new_client`` to create a client (templated)
    :param phone_region: country of a phone number without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param company_name: company of the client, text of at most 255 characters; Usedesk creates it if it does
        not exist, and moves the client to it (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags, a list or a text with commas, together at most 255 characters (templated)
    :param assignee_id: id of the agent, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number (templated)
    :param files: files to attach: local paths, URLs of object storage (``s3://conn_id@bucket/key``) or (name,
        content), one or a list (templated)
    :param custom_fields: values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the
        option for a list (templated)
    :param field_id: instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``
        (templated)
    :param field_value: the values for ``field_id``, a list or a text with ``;`` (templated)
    :param lists: values of nested lists, a list of lists of {"id": …, "value": …}, parents first (templated)
    :param from_: author of the first comment: ``user`` (needs ``user_id``), ``client`` or ``trigger`` (needs
        ``trigger_id``) (templated)
    :param user_id: id of the agent for ``from_="user"``, 32-bit number (templated)
    :param trigger_id: id of the trigger for ``from_="trigger"``, 32-bit number (templated)
    :param client_country: country of the client, text of at most 255 characters (templated)
    :param client_city: city of the client, text of at most 255 characters (templated)
    :param client_address: address of the client, text of at most 255 characters (templated)
    :param new_address: true to add the address to the other addresses of the client (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)
    :param additional_id: your own id of the ticket, text of at most 255 characters, visible in the API only;
        default: the idempotency key of the task (templated)
    :param message_key: text that names the message and is the same in each attempt, such as the id of an
        appointment; set it in mapped tasks, and in a task that executes the operator several times; default:
        none (templated)
    :param on_not_delivered: what to do when the messenger did not accept the message: ``fail`` without a
        retry, ``ignore``, or ``resend`` once, which creates a second ticket; default: fail
    :param on_no_confirmation: what to do when the response to a message for a messenger has neither
        ``message_status`` nor ``chat_id``, as with a wrong ``channel_id``: ``fail`` without a retry, or
        ``warn`` if your account never returns them; default: fail
    :param wait_for_delivery: whether to wait until the message is delivered, as ``MessageDeliverySensor``
        does with ``source="auto"``; the ids are in XCom before the wait; if the message is not delivered in
        time, the task fails; default: false
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param delivery_timeout: how long to wait, timedelta or seconds, above 0, at most a year; default: 10
        minutes
    :param delivery_poke_interval: time between two polls, timedelta or seconds, above 0, at most a year;
        default: 30 seconds
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        Usedesk for its ticket), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or when the message was not delivered or
        not confirmed; with a ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket exists
    """

    def __init__(
        self,
        *,
        subject: Templated[str],
        message: Templated[str],
        channel_id: Templated[Id],
        username: Templated[str] | None = None,
        client_phone: Templated[int | str] | None = None,
        client_name: Templated[str] | None = None,
        client_email: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        phone_region: Templated[str] | None = None,
        company_name: Templated[str] | None = None,
        priority: Templated[Priority] | None = None,
        type: Templated[TicketType] | None = None,
        status: Templated[Status] | None = None,
        tag: Templated[Texts] | None = None,
        assignee_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        files: Any = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        from_: Templated[Author] | None = None,
        user_id: Templated[Id] | None = None,
        trigger_id: Templated[Id] | None = None,
        client_country: Templated[str] | None = None,
        client_city: Templated[str] | None = None,
        client_address: Templated[str] | None = None,
        new_address: Templated[bool | str] | None = None,
        phone_type: Templated[PhoneType] | None = None,
        additional_id: Templated[Id] | None = None,
        message_key: Templated[str] | None = None,
        on_not_delivered: OnNotDelivered = "fail",
        on_no_confirmation: OnNoConfirmation = "fail",
        wait_for_delivery: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        delivery_timeout: timedelta | float = timedelta(minutes=10),
        delivery_poke_interval: timedelta | float = timedelta(seconds=30),
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())
        prepare_waiting(self)

    template_fields: Sequence[str] = template_fields_of(__init__)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_telegram_message(**params)

    @classmethod
    def _profile(cls) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import TELEGRAM_MESSAGE

        return TELEGRAM_MESSAGE

"""Create and update tickets in Usedesk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.compat.sdk import conf
from airflow_provider_usedesk.operators.arguments import (
    assign_arguments,
    check_arguments,
    template_fields_of,
    with_lists,
)
from airflow_provider_usedesk.operators.base import UsedeskOperator
from airflow_provider_usedesk.operators.sending import SendTicketOperator
from airflow_provider_usedesk.operators.waiting import prepare_waiting

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.choices import Author, PhoneType, Priority, TicketType
    from airflow_provider_usedesk.api.parameters import Flag, Id, Status, Texts
    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments
    from airflow_provider_usedesk.delivery.confirmation import OnNoConfirmation
    from airflow_provider_usedesk.idempotency.decision import OnUnknown
    from airflow_provider_usedesk.operators.types import OnNotDelivered, Templated


class CreateTicketOperator(SendTicketOperator):
    """
    Create a ticket (``create/ticket``: https://api.usedocs.com/article/51378).

    Returns the id of the ticket. Pushes ``ticket_id`` to XCom and, where Usedesk returns them,
    ``message_status``, ``chat_id`` and ``comment_id``.

    :param subject: subject, text of at most 255 characters (templated)
    :param message: first message, text of at most 65,535 bytes, HTML allowed; or the name of a template file
        that ends in .html, .md or .txt (templated)
    :param client_name: name of the client, text of at most 255 characters (templated)
    :param client_email: email address of the client, text of at most 255 characters (templated)
    :param client_id: id of the client, 32-bit number, or ``new_client`` to create a client (templated)
    :param client_phone: phone number of the client with country code, text or number; spaces, brackets,
        dashes and dots are removed; without ``phone_region`` no digit is changed (templated)
    :param phone_region: country of a phone number without country code, two letters such as ``RU``; needs the
        library phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection
        (templated)
    :param username: Telegram name of the client, text, with or without ``@``, for channels of Telegram
        personal (pact) (templated)
    :param company_name: company of the client, text of at most 255 characters; Usedesk creates it if it does
        not exist, and moves the client to it (templated)
    :param channel_id: id of the channel, 32-bit number; if it is omitted or wrong, Usedesk uses the channel
        of the token and reports no error (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags, a list or a text with commas, together at most 255 characters (templated)
    :param assignee_id: id of the agent, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number (templated)
    :param private_comment: whether only agents see the message; default: false (templated)
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
    :param template_id: id of a WhatsApp Business template (pact), 32-bit number (templated)
    :param template_name: name of a WhatsApp Business template (Landbot, infobip), text of at most 255
        characters (templated)
    :param template_variables: texts for the variables of the template in their order, a list (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
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
        the connection is wrong, when Usedesk refuses the request, or when the message was not delivered; with
        a ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket exists
    """

    def __init__(
        self,
        *,
        subject: Templated[str],
        message: Templated[str],
        client_name: Templated[str] | None = None,
        client_email: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        client_phone: Templated[int | str] | None = None,
        phone_region: Templated[str] | None = None,
        username: Templated[str] | None = None,
        company_name: Templated[str] | None = None,
        channel_id: Templated[Id] | None = None,
        priority: Templated[Priority] | None = None,
        type: Templated[TicketType] | None = None,
        status: Templated[Status] | None = None,
        tag: Templated[Texts] | None = None,
        assignee_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        private_comment: Templated[Flag] | None = None,
        files: Any = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        from_: Templated[Author] | None = None,
        user_id: Templated[Id] | None = None,
        trigger_id: Templated[Id] | None = None,
        template_id: Templated[Id] | None = None,
        template_name: Templated[str] | None = None,
        template_variables: Templated[Sequence[Any] | str] | None = None,
        template_lang: Templated[str] | None = None,
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


class UpdateTicketOperator(UsedeskOperator):
    """
    Update a ticket (``update/ticket``: https://api.usedocs.com/article/51379).

    Changes only what you give. Returns the id of the ticket, and pushes ``ticket_id`` to XCom.

    An update sets values, so two equal updates give the same ticket. Each attempt therefore sends the update
    without a search. It overwrites what a person changed in the ticket between two attempts.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection, for
        what Airflow stores of the arguments, and for arguments that render to an empty value.

    :param ticket_id: id of the ticket, 32-bit number (templated)
    :param subject: subject, text of at most 255 characters (templated)
    :param client_id: id of the client to whom the ticket is moved, 32-bit number (templated)
    :param group_id: id of the group, 32-bit number, or ``null`` for none (templated)
    :param assignee_id: id of the agent, 32-bit number, or ``null`` for none (templated)
    :param user_id: id of the agent who makes the update, 32-bit number (templated)
    :param tag: tags to add, a list or a text with commas, together at most 255 characters (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme`` (templated)
    :param status: number or name of a status, such as ``solved`` or ``on hold`` (templated)
    :param silent: true to leave a ticket New; otherwise an update moves a New ticket to Open; default: false
        (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident`` (templated)
    :param custom_fields: values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the
        option for a list (templated)
    :param field_id: instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``
        (templated)
    :param field_value: the values for ``field_id``, a list or a text with ``;`` (templated)
    :param lists: values of nested lists, a list of lists of {"id": …, "value": …}, parents first; an empty
        list removes all of them (templated)
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, or when Usedesk refuses the request; with a ``retry_policy``, the
        ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket was updated; a retry repeats it
    """

    def __init__(
        self,
        *,
        ticket_id: Templated[Id],
        subject: Templated[str] | None = None,
        client_id: Templated[Id] | None = None,
        group_id: Templated[Id] | None = None,
        assignee_id: Templated[Id] | None = None,
        user_id: Templated[Id] | None = None,
        tag: Templated[Texts] | None = None,
        priority: Templated[Priority] | None = None,
        status: Templated[Status] | None = None,
        silent: Templated[Flag] | None = None,
        type: Templated[TicketType] | None = None,
        custom_fields: Templated[Mapping[Any, Any] | str] | None = None,
        field_id: Templated[Id | Sequence[Id]] | None = None,
        field_value: Any = None,
        lists: Templated[Sequence[Any] | str] | None = None,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__)

    def execute(self, context: Context) -> int:
        """
        Update the ticket, push its id to XCom, and return it.

        :param context: the context of the task
        :return: the id of the ticket
        :raises AirflowFailException: when an argument or the connection is wrong, or when Usedesk refuses the
            request; with a ``retry_policy``, the ``UsedeskError`` itself
        :raises UsedeskError: for every other failure
        """
        from airflow_provider_usedesk.api.responses import as_id
        from airflow_provider_usedesk.api.values import identifier

        params = with_lists(self._params())
        with self._no_retry():
            # Before sending, so that the link is there although the update fails.
            self._push_link(context, as_id(params["ticket_id"]))
            self.hook.update_ticket(**params)
        ticket_id = identifier(params["ticket_id"])
        self.log.info(self._with_link(f"Updated Usedesk ticket {ticket_id}", ticket_id))
        self._push_ids(context, ticket_id, {})
        return ticket_id

    @classmethod
    def _method(cls) -> Method:
        from airflow_provider_usedesk.api.ticket import UPDATE_TICKET

        return UPDATE_TICKET

    @classmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        from airflow_provider_usedesk.api.ticket import update_request

        return update_request(params)

"""Create and update tickets in Usedesk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.compat.sdk import conf
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.operators.arguments import (
    assign_arguments,
    check_arguments,
    template_fields_of,
    with_lists,
)
from airflow_provider_usedesk.operators.base import UsedeskOperator
from airflow_provider_usedesk.operators.waiting import (
    partial_with_inlets,
    prepare_waiting,
    refuse_private,
    resume_wait,
    wait_for_delivery,
)

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.choices import Author, PhoneType, Priority, TicketType
    from airflow_provider_usedesk.api.parameters import Flag, Id, Status, Texts
    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.api.responses import CreatedTicket
    from airflow_provider_usedesk.api.ticket import MessageProfile
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments
    from airflow_provider_usedesk.delivery.confirmation import OnNoConfirmation
    from airflow_provider_usedesk.idempotency.decision import LookUp, OnUnknown, SearchResult
    from airflow_provider_usedesk.idempotency.keys import IdempotencyKey
    from airflow_provider_usedesk.operators.contract import DeliveryContract
    from airflow_provider_usedesk.operators.types import OnNotDelivered, Templated


class BaseTicketOperator(UsedeskOperator):
    """
    An operator that creates tickets, one or many, under the delivery contract.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection, for
        what Airflow stores of the arguments, and for arguments that render to an empty value.
    """

    @classmethod
    def _method(cls) -> Method:
        from airflow_provider_usedesk.api.ticket import CREATE_TICKET

        return CREATE_TICKET

    @classmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        from airflow_provider_usedesk.api.ticket import ticket_request

        return ticket_request(params, cls._profile())

    @classmethod
    def _profile(cls) -> MessageProfile:
        """Return what a message of this operator requires."""
        from airflow_provider_usedesk.api.ticket import TICKET

        return TICKET

    def _with_region(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters with the phone region of the connection, if they have none."""
        from airflow_provider_usedesk.api.values import is_empty

        if not is_empty(params.get("phone_region")):
            return params
        return {**params, "phone_region": self.hook.client.settings.phone_region}

    def _contract(self, context: Context) -> DeliveryContract:
        from airflow_provider_usedesk.operators.contract import DeliveryContract

        return DeliveryContract(context, self)


class SendTicketOperator(BaseTicketOperator):
    """
    An operator that creates one ticket, and with it sends one message.

    Returns the id of the ticket. Pushes ``ticket_id`` to XCom and, where Usedesk returns them,
    ``message_status``, ``chat_id`` and ``comment_id``, even if the task fails afterwards.
    """

    message_key: str | None

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        return partial_with_inlets(super().partial(**kwargs))

    def execute(self, context: Context) -> int:
        """
        Create the ticket, push the ids to XCom, and return the id of the ticket.

        :param context: the context of the task
        :return: the id of the ticket
        :raises AirflowFailException: when an argument or the connection is wrong, when Usedesk refuses the
            request, or when the message was not delivered; with a ``retry_policy``, the ``UsedeskError``
            itself
        :raises AirflowSensorTimeout: when ``delivery_timeout`` has passed
        :raises UsedeskOutcomeUnknown: when it is unknown whether the ticket exists
        :raises UsedeskError: for every other failure
        """
        params = with_lists(self._params())
        with self._no_retry():
            refuse_private(self, is_private=_is_private(params))
            created = self._create(context, params)
            self._push_ids(context, created.ticket_id, _ids(created))
            self._check_delivered(created)
            self._check_confirmed(created, params)
            if self.wait_for_delivery and not created.not_delivered:
                wait_for_delivery(self, context, created.ticket_id, created.comment_id)
        return created.ticket_id

    def execute_complete(
        self,
        context: Context,
        event: Any = None,
        ticket_id: int | None = None,
        comment_id: int | None = None,
    ) -> int:
        """
        Continue after the wait in the triggerer, and return the id of the ticket.

        :param context: the context of the task
        :param event: what :class:`~airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger` fired
        :param ticket_id: the ticket whose delivery is waited for; default: that of the event
        :param comment_id: the message; default: any message of the ticket
        :return: the id of the ticket
        :raises AirflowFailException: when the message was not delivered
        :raises AirflowSensorTimeout: when ``delivery_timeout`` has passed
        """
        with self._no_retry():
            return resume_wait(self, context, event, ticket_id, comment_id)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        """Send the request by the method of the hook for this operator."""
        return self.hook.create_ticket(**params)

    def _create(self, context: Context, params: dict[str, Any]) -> CreatedTicket:
        created = self._send_once(context, params)
        if created.not_delivered and self.on_not_delivered == "resend":
            self.log.warning(
                "The message of ticket %s was not delivered. It is sent again in a second ticket; the first "
                "one stays in Usedesk.",
                created.ticket_id,
            )
            created = self._send_once(context, params, is_resend=True)
        return created

    def _send_once(
        self, context: Context, params: dict[str, Any], *, is_resend: bool = False
    ) -> CreatedTicket:
        from airflow_provider_usedesk.api.hidden import HiddenDict
        from airflow_provider_usedesk.api.responses import CreatedTicket
        from airflow_provider_usedesk.idempotency.keys import content_digest, recipient_digest

        params = HiddenDict(self._with_region(params))
        own_id = str(params.get("additional_id") or "").strip()
        return self._contract(context).send(
            CreatedTicket,
            send=lambda key: self._open(HiddenDict(self._with_key(params, key, own_id))),
            look_up=lambda step: self._look_up(context, step, params, own_id),
            recipient=recipient_digest(params),
            content=content_digest(params),
            is_resend=is_resend,
        )

    def _open(self, params: dict[str, Any]) -> CreatedTicket:
        channel = params.get("channel_id")
        created = self._send(params)
        where = f" in channel {channel}" if channel else ""
        self.log.info(self._with_link(f"Opened Usedesk ticket {created.ticket_id}{where}", created.ticket_id))
        if created.message_status is not None:
            self.log.info(_status_text(created.message_status))
        return created

    def _with_key(self, params: dict[str, Any], key: IdempotencyKey, own_id: str) -> dict[str, Any]:
        from airflow_provider_usedesk.api.ticket import with_custom_field

        field_id = self.hook.delivery_settings().key_field_id
        if own_id or field_id is None:
            return {**params, "additional_id": own_id or str(key)}
        return with_custom_field({**params, "additional_id": str(key)}, field_id, key.field_text)

    def _look_up(
        self, context: Context, step: LookUp, params: dict[str, Any], own_id: str
    ) -> SearchResult[CreatedTicket]:
        from airflow_provider_usedesk.api.responses import as_id
        from airflow_provider_usedesk.idempotency.find_by_field import FieldSearch
        from airflow_provider_usedesk.idempotency.find_ticket import TicketSearch
        from airflow_provider_usedesk.idempotency.likely_tickets import LikelyTickets
        from airflow_provider_usedesk.idempotency.ticket_match import has_ids, has_key, match_id, match_key
        from airflow_provider_usedesk.operators.contract import attempt_memory

        memory = attempt_memory(context["ti"])
        subject = str(params["subject"]) if params.get("subject") else None
        search = TicketSearch(
            self.hook.get_conn(),
            LikelyTickets.of([(subject, as_id(params.get("client_id")))]),
            is_enough=has_ids([own_id]) if own_id else has_key(step, memory.tickets),
            known=memory.known,
        )
        if own_id:
            return match_id(search(step.since, step.consistent_at), own_id)
        field_id = self.hook.delivery_settings().key_field_id
        by_field = search if field_id is None else FieldSearch(search, field_id, step.key.field_text)
        return match_key(by_field(step.since, step.consistent_at), step, memory.tickets)

    def _check_delivered(self, created: CreatedTicket) -> None:
        from airflow_provider_usedesk.api.errors import UsedeskNotDelivered

        if created.not_delivered and self.on_not_delivered != "ignore":
            raise UsedeskNotDelivered(
                f"Usedesk created ticket {created.ticket_id}, but its message was not delivered. Check that "
                "the channel is active and that the client can be reached in it. A retry does not send it "
                "again.",
                ticket_id=created.ticket_id,
            )

    def _check_confirmed(self, created: CreatedTicket, params: dict[str, Any]) -> None:
        from airflow_provider_usedesk.delivery.confirmation import NotConfirmed

        if created.is_confirmed or not self._profile().expects_confirmation(params):
            return
        error = NotConfirmed.of(created, params.get("channel_id"))
        if self.on_no_confirmation == "fail":
            raise error
        self.log.warning("%s", error)


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
        usedesk_conn_id: str = UsedeskHook.default_conn_name,
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
        usedesk_conn_id: str = UsedeskHook.default_conn_name,
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


def _status_text(message_status: str) -> str:
    if message_status.strip().lower() == "delivered":
        return "The messenger's provider accepted its message. Delivery is not confirmed yet."
    return f"message_status of its message: {message_status}."


def _is_private(params: Mapping[str, Any]) -> bool:
    from airflow_provider_usedesk.api.values import flag

    # A value that is no flag is refused with the other invalid arguments, before anything is sent.
    with suppress(ValueError):
        return flag(params.get("private_comment"))
    return False


def _ids(created: CreatedTicket) -> dict[str, int | str]:
    ids = {
        "message_status": created.message_status,
        "chat_id": created.chat_id,
        "comment_id": created.comment_id,
    }
    return {key: value for key, value in ids.items() if value is not None}

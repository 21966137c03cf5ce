"""Open and change tickets in Usedesk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.base import SendingOperator, SendOnceOperator, UsedeskOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.request import Method
    from airflow_provider_usedesk.api.responses import CreatedTicket
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.idempotency.send_once import Absent, Ambiguous, Found, LookUp


class TicketParameters(SendOnceOperator):
    """
    Hold what all operators share that create tickets: the general parameters of ``create/ticket``.

    After rendering, values that can identify a person show as ``***`` in the UI. An optional text that
    renders to nothing is left out; any other argument that renders to nothing is a fault.

    :param usedesk_conn_id: Airflow Connection of type usedesk (templated)
    :param client_name: name of the client, at most 255 characters (templated)
    :param client_email: e-mail address of the client, at most 255 characters (templated)
    :param client_id: id of the client, or ``new_client`` to make a new one (templated)
    :param client_phone: phone of the client with country code; ``+``, spaces, brackets and dashes are
        taken out, nothing else is changed (templated)
    :param company_name: company of the client, at most 255 characters; made when there is none of that
        name, and the client is moved to it (templated)
    :param additional_id: an id of your own, at most 255 characters; shown only by the API (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium (templated)
    :param status: number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new
        (templated)
    :param tag: tags as a list, or as one text with commas; at most 255 characters together (templated)
    :param assignee_id: id of the agent, 32 bit (templated)
    :param group_id: id of the group, 32 bit (templated)
    :param custom_fields: values of custom fields as {id: value}; bools for checkboxes, the option's id
        for lists (templated)
    :param field_id: instead of ``custom_fields``: ids, as a list or joined with ``;`` (templated)
    :param field_value: the values for ``field_id``, as a list or joined with ``;`` (templated)
    :param lists: values of nested lists: a list of lists of {"id": …, "value": …}, parents first
        (templated)
    :param channel_id: id of the channel, 32 bit; when it is left out or wrong, Usedesk takes the channel
        of the token without a word (templated)
    :param from_: who writes the first comment: ``user`` (needs ``user_id``), ``client`` or ``trigger``
        (needs ``trigger_id``) (templated)
    :param user_id: id of the agent for ``from_="user"``, 32 bit (templated)
    :param trigger_id: id of the trigger for ``from_="trigger"``, 32 bit (templated)
    :param client_country: country of the client, at most 255 characters (templated)
    :param client_city: city of the client, at most 255 characters (templated)
    :param client_address: address of the client, at most 255 characters (templated)
    :param new_address: true to add an address to those the client has (templated)
    :param phone_type: ``home``, ``mobile``, ``stationary``, ``fax`` or ``other`` (templated)

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.SendOnceOperator` for
        ``on_unknown_outcome`` and ``send_again_on_clear``.
    """

    template_fields: Sequence[str] = (
        *SendOnceOperator.template_fields,
        "client_name",
        "client_email",
        "client_id",
        "client_phone",
        "company_name",
        "additional_id",
        "type",
        "priority",
        "status",
        "tag",
        "assignee_id",
        "group_id",
        "custom_fields",
        "field_id",
        "field_value",
        "lists",
        "channel_id",
        "from_",
        "user_id",
        "trigger_id",
        "client_country",
        "client_city",
        "client_address",
        "new_address",
        "phone_type",
    )

    subject: str | None = None

    def __init__(
        self,
        *,
        client_name: str | None = None,
        client_email: str | None = None,
        client_id: int | str | None = None,
        client_phone: int | str | None = None,
        company_name: str | None = None,
        additional_id: str | None = None,
        type: str | None = None,
        priority: str | None = None,
        status: int | str | None = None,
        tag: str | Sequence[str] | None = None,
        assignee_id: int | str | None = None,
        group_id: int | str | None = None,
        custom_fields: Mapping[Any, Any] | str | None = None,
        field_id: int | str | Sequence[int | str] | None = None,
        field_value: Any = None,
        lists: Sequence[Any] | str | None = None,
        channel_id: int | str | None = None,
        from_: str | None = None,
        user_id: int | str | None = None,
        trigger_id: int | str | None = None,
        client_country: str | None = None,
        client_city: str | None = None,
        client_address: str | None = None,
        new_address: bool | str | None = None,
        phone_type: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.client_name = client_name
        self.client_email = client_email
        self.client_id = client_id
        self.client_phone = client_phone
        self.company_name = company_name
        self.additional_id = additional_id
        self.type = type
        self.priority = priority
        self.status = status
        self.tag = tag
        self.assignee_id = assignee_id
        self.group_id = group_id
        self.custom_fields = custom_fields
        self.field_id = field_id
        self.field_value = field_value
        self.lists = lists
        self.channel_id = channel_id
        self.from_ = from_
        self.user_id = user_id
        self.trigger_id = trigger_id
        self.client_country = client_country
        self.client_city = client_city
        self.client_address = client_address
        self.new_address = new_address
        self.phone_type = phone_type

    def _key(self, context: Context, again: str = "") -> str:
        from airflow_provider_usedesk.idempotency.keys import idempotency_key

        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        return idempotency_key(
            ti.dag_id, ti.run_id, ti.task_id, map_index, self._attempt(context).turn, again
        )

    def _method(self) -> Method:
        from airflow_provider_usedesk.api.ticket import CREATE_TICKET

        return CREATE_TICKET


class BaseTicketOperator(TicketParameters, SendingOperator):
    """
    Hold what all operators share that create one ticket.

    .. seealso:: :class:`TicketParameters` for the general parameters, and
        :class:`~airflow_provider_usedesk.operators.base.SendingOperator` for ``wait_for_delivery``.

    :param on_not_delivered: what to do when the messenger did not take the message: ``fail`` without a
        retry (default), ``ignore``, or ``resend`` once, which makes a second ticket
    """

    def __init__(
        self, *, on_not_delivered: Literal["fail", "ignore", "resend"] = "fail", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.on_not_delivered = on_not_delivered

    def execute(self, context: Context) -> int:
        """
        Send, push the ids to XCom, and return the id of the ticket.

        :raises AirflowFailException: when the messenger did not take the message, or did not deliver it where
            that is waited for; the ticket exists, and its id is in XCom
        :raises AirflowSensorTimeout: when ``delivery_timeout`` has passed
        :raises UsedeskError: of the class that says what else happened
        """
        params = self._params()
        self._check_delivery_can_be_awaited(is_private=_is_private(params))
        created = self._send_once(context, params)
        self.log.info("Usedesk ticket %s%s.", created.ticket_id, _delivery(created))
        if created.not_delivered and self.on_not_delivered == "resend":
            self.log.warning("Ticket %s stays in Usedesk; its message is sent anew.", created.ticket_id)
            created = self._send_once(context, params, again="/resend")
            self.log.info("Usedesk ticket %s%s.", created.ticket_id, _delivery(created))
        self._push(context, created.ticket_id, _answered(created))
        if created.not_delivered and self.on_not_delivered != "ignore":
            raise AirflowFailException(
                f"Usedesk made ticket {created.ticket_id}, but its message was not delivered. "
                "Check that the channel is switched on and that the client can be reached there."
            )
        if self.wait_for_delivery and not created.not_delivered:
            self._wait_for_delivery(created.ticket_id, created.comment_id)
        return created.ticket_id

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        """Send in the way of this operator."""
        return self.hook.create_ticket(**params)

    def _send_once(self, context: Context, params: dict[str, Any], again: str = "") -> CreatedTicket:
        from airflow_provider_usedesk.api.responses import CreatedTicket

        own_id = str(params.get("additional_id") or "").strip()
        keyed = {**params, "additional_id": own_id or self._key(context, again)}
        return self._send_unless_sent(
            context,
            CreatedTicket,
            send=lambda: self._send(keyed),
            look_up=lambda ask: self._search(ask, keyed),
            name=again,
        )

    def _search(self, ask: LookUp, params: dict[str, Any]) -> Found[CreatedTicket] | Absent | Ambiguous:
        from airflow_provider_usedesk.api.responses import as_id
        from airflow_provider_usedesk.idempotency.find_ticket import TicketSearch

        search = TicketSearch(
            self.hook.get_conn(),
            key=params["additional_id"],
            subject=str(params["subject"]) if params.get("subject") else None,
            client_id=as_id(params.get("client_id")),
            fixed=self._fixed,
        )
        return search(ask)


class CreateTicketOperator(BaseTicketOperator):
    """
    Create a ticket (``create/ticket``, EN 51378).

    Returns the id of the ticket, and pushes ``ticket_id``, and where Usedesk answers them
    ``message_status``, ``chat_id`` and ``comment_id``, to XCom.

    .. seealso:: :class:`BaseTicketOperator` for the parameters that all these operators share.

    :param subject: subject, at most 255 characters (templated)
    :param message: first message, at most 65,535 bytes, HTML allowed; or the name of a template file that
        ends in .html, .md or .txt (templated)
    :param private_comment: whether only agents see the message; default: false (templated)
    :param files: files to attach: local paths, URLs for Airflow's object storage
        (``s3://conn_id@bucket/key``) or (name, bytes) (templated)
    :param template_id: id of a WhatsApp Business template (pact) (templated)
    :param template_name: name of a WhatsApp Business template (Landbot, infobip) (templated)
    :param template_variables: texts for the variables of the template, in their order (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param username: Telegram name of the client, for Telegram personal (pact) channels (templated)
    :raises AirflowFailException: for what a retry cannot mend: faulty arguments (all named, nothing sent), a
        wrong connection, a refusal; with a ``retry_policy``, the :class:`UsedeskError` itself
    :raises UsedeskOutcomeUnknown: when the ticket may exist all the same
    """

    template_fields: Sequence[str] = (
        "subject",
        "message",
        *BaseTicketOperator.template_fields,
        "private_comment",
        "files",
        "template_id",
        "template_name",
        "template_variables",
        "template_lang",
        "username",
    )

    def __init__(
        self,
        *,
        subject: str,
        message: str,
        private_comment: bool | str | None = None,
        files: Any = None,
        template_id: int | str | None = None,
        template_name: str | None = None,
        template_variables: Sequence[Any] | str | None = None,
        template_lang: str | None = None,
        username: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self.message = message
        self.private_comment = private_comment
        self.files = files
        self.template_id = template_id
        self.template_name = template_name
        self.template_variables = template_variables
        self.template_lang = template_lang
        self.username = username


class UpdateTicketOperator(UsedeskOperator):
    """
    Change a ticket (``update/ticket``, EN 51379).

    What is not given stays as it is. Returns the id of the ticket, and pushes ``ticket_id`` to XCom.

    A change sets values, so making it twice gives the same ticket: each try makes it again, and asks nothing
    before. What a person changed in the ticket between two tries is overruled.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection, and for
        what happens to arguments that render to nothing.

    :param ticket_id: id of the ticket, 32 bit (templated)
    :param subject: subject, at most 255 characters (templated)
    :param client_id: id of the client whose ticket it becomes, 32 bit (templated)
    :param group_id: id of the group, 32 bit (templated)
    :param assignee_id: id of the agent, 32 bit, or ``null`` for nobody (templated)
    :param user_id: id of the agent who makes the change, 32 bit (templated)
    :param tag: tags to add, as a list, or as one text with commas; at most 255 characters together
        (templated)
    :param priority: ``low``, ``medium``, ``urgent`` or ``extreme`` (templated)
    :param status: number or name of a status, such as ``solved`` or ``on hold`` (templated)
    :param silent: true to keep a new ticket new, which a change opens otherwise; default: false (templated)
    :param type: ``question``, ``task``, ``problem`` or ``incident`` (templated)
    :param custom_fields: values of custom fields as {id: value}; bools for checkboxes, the option's id
        for lists (templated)
    :param field_id: instead of ``custom_fields``: ids, as a list or joined with ``;`` (templated)
    :param field_value: the values for ``field_id``, as a list or joined with ``;`` (templated)
    :param lists: values of nested lists: a list of lists of {"id": …, "value": …}, parents first; an empty
        list takes all of them away (templated)
    :raises AirflowFailException: for what a retry cannot mend: faulty arguments (all named, nothing sent), a
        wrong connection, a refusal; with a ``retry_policy``, the :class:`UsedeskError` itself
    :raises UsedeskOutcomeUnknown: when the ticket may be changed all the same; a retry makes sure of it
    """

    template_fields: Sequence[str] = (
        "ticket_id",
        *UsedeskOperator.template_fields,
        "subject",
        "client_id",
        "group_id",
        "assignee_id",
        "user_id",
        "tag",
        "priority",
        "status",
        "silent",
        "type",
        "custom_fields",
        "field_id",
        "field_value",
        "lists",
    )

    def __init__(
        self,
        *,
        ticket_id: int | str,
        subject: str | None = None,
        client_id: int | str | None = None,
        group_id: int | str | None = None,
        assignee_id: int | str | None = None,
        user_id: int | str | None = None,
        tag: str | Sequence[str] | None = None,
        priority: str | None = None,
        status: int | str | None = None,
        silent: bool | str | None = None,
        type: str | None = None,
        custom_fields: Mapping[Any, Any] | str | None = None,
        field_id: int | str | Sequence[int | str] | None = None,
        field_value: Any = None,
        lists: Sequence[Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ticket_id = ticket_id
        self.subject = subject
        self.client_id = client_id
        self.group_id = group_id
        self.assignee_id = assignee_id
        self.user_id = user_id
        self.tag = tag
        self.priority = priority
        self.status = status
        self.silent = silent
        self.type = type
        self.custom_fields = custom_fields
        self.field_id = field_id
        self.field_value = field_value
        self.lists = lists

    def execute(self, context: Context) -> int:
        """
        Change the ticket, push its id to XCom, and return it.

        :raises UsedeskError: of the class that says what else happened
        """
        from airflow_provider_usedesk.api.responses import as_id
        from airflow_provider_usedesk.api.values import identifier

        params = self._params()
        with self._failing_for_good():
            self._push_button(context, as_id(params["ticket_id"]))
            self.hook.update_ticket(**params)
        ticket_id = identifier(params["ticket_id"])
        self.log.info("Changed Usedesk ticket %s.", ticket_id)
        self._push(context, ticket_id, {})
        return ticket_id

    def _method(self) -> Method:
        from airflow_provider_usedesk.api.ticket import UPDATE_TICKET

        return UPDATE_TICKET


def _is_private(params: Mapping[str, Any]) -> bool:
    from airflow_provider_usedesk.api.values import flag

    # What is no flag at all is refused with the other faults, before anything is sent.
    with suppress(ValueError):
        return flag(params.get("private_comment"))
    return False


def _delivery(created: CreatedTicket) -> str:
    return f"; its message is {created.message_status}" if created.message_status else ""


def _answered(created: CreatedTicket) -> dict[str, int | str]:
    answered = {
        "message_status": created.message_status,
        "chat_id": created.chat_id,
        "comment_id": created.comment_id,
    }
    return {key: value for key, value in answered.items() if value is not None}

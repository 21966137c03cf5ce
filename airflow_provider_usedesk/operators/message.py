"""Send messages through the messengers that are connected to Usedesk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.operators.ticket import BaseTicketOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.responses import CreatedTicket


class BaseMessageOperator(BaseTicketOperator):
    """
    Hold what the operators share that send a message of your own words.

    :param subject: subject of the ticket, at most 255 characters; the client does not see it (templated)
    :param message: the message, at most 65,535 bytes; or the name of a template file that ends in .html,
        .md or .txt (templated)
    :param channel_id: id of the messenger's channel, 32 bit (templated)
    :param files: files to attach: local paths, URLs for Airflow's object storage
        (``s3://conn_id@bucket/key``) or (name, bytes) (templated)
    """

    template_fields: Sequence[str] = ("subject", "message", *BaseTicketOperator.template_fields, "files")

    def __init__(
        self, *, subject: str, message: str, channel_id: int | str, files: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(channel_id=channel_id, **kwargs)
        self.subject = subject
        self.message = message
        self.files = files


class SendWhatsAppMessageOperator(BaseMessageOperator):
    """
    Send a WhatsApp message, which a client can get within 24 hours of the client's own last one.

    Give ``client_phone``, or ``client_id`` alone for the first phone of that client. Returns the id of the
    ticket; pushes ``ticket_id``, ``message_status`` and what else Usedesk answers to XCom
    (``create/ticket``, EN 51378).

    .. seealso:: :class:`BaseMessageOperator` and
        :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the other parameters.

    :param user_id: id of the agent who writes, 32 bit; without one WhatsApp delivers nothing (templated)
    :param from_: must be ``user``; default: user (templated)
    :raises AirflowFailException: when the message was not delivered; the id of the ticket is in XCom
    """

    def __init__(self, *, user_id: int | str, from_: str = "user", **kwargs: Any) -> None:
        super().__init__(user_id=user_id, from_=from_, **kwargs)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_whatsapp_message(**params)


class SendWhatsAppTemplateOperator(BaseTicketOperator):
    """
    Send a WhatsApp Business template, which can begin a conversation.

    Give ``client_phone``, or ``client_id`` alone for the first phone of that client; and exactly one of
    ``template_id`` and ``template_name``. Returns the id of the ticket; pushes ``ticket_id``,
    ``message_status`` and what else Usedesk answers to XCom (``create/ticket``, EN 51378).

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the other
        parameters.

    :param channel_id: id of the WhatsApp channel, 32 bit (templated)
    :param template_id: id of the template, for pact (templated)
    :param template_name: name of the template, for Landbot and infobip (templated)
    :param template_variables: texts for the variables of the template, in their order (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param subject: subject of the ticket, at most 255 characters; sent when given (templated)
    :param message: message of the ticket, at most 65,535 bytes; sent when given (templated)
    :param from_: must be ``user``; default: user (templated)
    :raises AirflowFailException: when the template was not delivered; the id of the ticket is in XCom
    """

    template_fields: Sequence[str] = (
        *BaseTicketOperator.template_fields,
        "template_id",
        "template_name",
        "template_variables",
        "template_lang",
        "subject",
        "message",
    )

    def __init__(
        self,
        *,
        channel_id: int | str,
        template_id: int | str | None = None,
        template_name: str | None = None,
        template_variables: Sequence[Any] | str | None = None,
        template_lang: str | None = None,
        subject: str | None = None,
        message: str | None = None,
        from_: str = "user",
        **kwargs: Any,
    ) -> None:
        super().__init__(channel_id=channel_id, from_=from_, **kwargs)
        self.template_id = template_id
        self.template_name = template_name
        self.template_variables = template_variables
        self.template_lang = template_lang
        self.subject = subject
        self.message = message

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_whatsapp_template(**params)


class SendViberMessageOperator(BaseMessageOperator):
    """
    Send a message through a Viber (c2d) channel.

    Give ``client_phone``, or ``client_id`` alone for the first phone of that client. Returns the id of the
    ticket; pushes ``ticket_id`` and ``chat_id`` to XCom (``create/ticket``, EN 51378).

    .. seealso:: :class:`BaseMessageOperator` and
        :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the parameters.
    """

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_viber_message(**params)


class SendTelegramMessageOperator(BaseMessageOperator):
    """
    Send a message through a Telegram personal (pact) channel.

    Give ``username`` or ``client_phone``; with both, Usedesk takes the name. Returns the id of the ticket;
    pushes ``ticket_id`` and ``message_status`` to XCom (``create/ticket``, EN 51378).

    .. seealso:: :class:`BaseMessageOperator` and
        :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the other parameters.

    :param username: Telegram name of the client, with or without ``@`` (templated)
    :raises AirflowFailException: when the message was not delivered; the id of the ticket is in XCom
    """

    template_fields: Sequence[str] = (*BaseMessageOperator.template_fields, "username")

    def __init__(self, *, username: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.username = username

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_telegram_message(**params)

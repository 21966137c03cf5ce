"""Send messages through the messengers that are connected to Usedesk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.operators.arguments import assign_arguments, template_fields_of
from airflow_provider_usedesk.operators.ticket import SendTicketOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.responses import CreatedTicket
    from airflow_provider_usedesk.api.ticket import MessageProfile


class SendWhatsAppMessageOperator(SendTicketOperator):
    """
    Send a WhatsApp message (`create/ticket <https://api.usedocs.com/article/51378>`__).

    WhatsApp delivers it within 24 hours of the last message of the client. Give ``client_phone``, or
    ``client_id`` alone for the first phone number of that client.

    Returns the id of the ticket. Pushes ``ticket_id`` to XCom and, where Usedesk returns them,
    ``message_status``, ``chat_id`` and ``comment_id``.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the other
        parameters of ``create/ticket``, and
        :class:`~airflow_provider_usedesk.operators.ticket.SendTicketOperator` for ``wait_for_delivery``,
        ``on_not_delivered`` and ``on_no_confirmation``.

    :param subject: subject of the ticket, text of at most 255 characters; the client does not see it
        (templated)
    :param message: message, text of at most 65,535 bytes; or the name of a template file that ends in .html,
        .md or .txt (templated)
    :param channel_id: id of the WhatsApp channel, 32-bit number (templated)
    :param user_id: id of the agent who writes, 32-bit number; without an agent WhatsApp delivers no message
        (templated)
    :param from_: author of the message, must be ``user``; default: user (templated)
    :param files: files to attach: local paths, URLs of Airflow's object storage
        (``s3://conn_id@bucket/key``) or (name, content), one or a list (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or when the message was not delivered or
        not confirmed; with a ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when the ticket may exist nevertheless
    """

    def __init__(
        self,
        *,
        subject: str,
        message: str,
        channel_id: int | str,
        user_id: int | str,
        from_: str = "user",
        files: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__, SendTicketOperator.template_fields)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_whatsapp_message(**params)

    def _profile(self) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import WHATSAPP_MESSAGE

        return WHATSAPP_MESSAGE


class SendWhatsAppTemplateOperator(SendTicketOperator):
    """
    Send a WhatsApp Business template (`create/ticket <https://api.usedocs.com/article/51378>`__).

    A template can begin a conversation. Give ``client_phone``, or ``client_id`` alone for the first phone
    number of that client, and exactly one of ``template_id`` and ``template_name``.

    Returns the id of the ticket. Pushes ``ticket_id`` to XCom and, where Usedesk returns them,
    ``message_status``, ``chat_id`` and ``comment_id``.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the other
        parameters of ``create/ticket``, and
        :class:`~airflow_provider_usedesk.operators.ticket.SendTicketOperator` for ``wait_for_delivery``,
        ``on_not_delivered`` and ``on_no_confirmation``.

    :param channel_id: id of the WhatsApp channel, 32-bit number (templated)
    :param template_id: id of the template, for pact, 32-bit number (templated)
    :param template_name: name of the template, for Landbot and infobip, text of at most 255 characters
        (templated)
    :param template_variables: texts for the variables of the template in their order, a list (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param subject: subject of the ticket, text of at most 255 characters; sent if given (templated)
    :param message: message of the ticket, text of at most 65,535 bytes; sent if given (templated)
    :param from_: author of the message, must be ``user``; default: user (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or when the template was not delivered or
        not confirmed; with a ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when the ticket may exist nevertheless
    """

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
        super().__init__(**kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__, SendTicketOperator.template_fields)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_whatsapp_template(**params)

    def _profile(self) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import WHATSAPP_TEMPLATE

        return WHATSAPP_TEMPLATE


class SendViberMessageOperator(SendTicketOperator):
    """
    Send a message through a Viber (c2d) channel.

    See the API method `create/ticket <https://api.usedocs.com/article/51378>`__. Give ``client_phone``, or
    ``client_id`` alone for the first phone number of that client.

    Returns the id of the ticket. Pushes ``ticket_id`` and ``chat_id`` to XCom.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the other
        parameters of ``create/ticket``, and
        :class:`~airflow_provider_usedesk.operators.ticket.SendTicketOperator` for ``wait_for_delivery``,
        ``on_not_delivered`` and ``on_no_confirmation``.

    :param subject: subject of the ticket, text of at most 255 characters; the client does not see it
        (templated)
    :param message: message, text of at most 65,535 bytes; or the name of a template file that ends in .html,
        .md or .txt (templated)
    :param channel_id: id of the Viber channel, 32-bit number (templated)
    :param files: files to attach: local paths, URLs of Airflow's object storage
        (``s3://conn_id@bucket/key``) or (name, content), one or a list (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or does not confirm the message; with a
        ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when the ticket may exist nevertheless
    """

    def __init__(
        self, *, subject: str, message: str, channel_id: int | str, files: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__, SendTicketOperator.template_fields)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_viber_message(**params)

    def _profile(self) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import VIBER_MESSAGE

        return VIBER_MESSAGE


class SendTelegramMessageOperator(SendTicketOperator):
    """
    Send a message through a Telegram personal (pact) channel.

    See the API method `create/ticket <https://api.usedocs.com/article/51378>`__. Give ``username`` or
    ``client_phone``; if both are given, Usedesk uses ``username``.

    Returns the id of the ticket. Pushes ``ticket_id`` and ``message_status`` to XCom.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.ticket.BaseTicketOperator` for the other
        parameters of ``create/ticket``, and
        :class:`~airflow_provider_usedesk.operators.ticket.SendTicketOperator` for ``wait_for_delivery``,
        ``on_not_delivered`` and ``on_no_confirmation``.

    :param subject: subject of the ticket, text of at most 255 characters; the client does not see it
        (templated)
    :param message: message, text of at most 65,535 bytes; or the name of a template file that ends in .html,
        .md or .txt (templated)
    :param channel_id: id of the Telegram channel, 32-bit number (templated)
    :param username: Telegram name of the client, text, with or without ``@`` (templated)
    :param files: files to attach: local paths, URLs of Airflow's object storage
        (``s3://conn_id@bucket/key``) or (name, content), one or a list (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, when Usedesk refuses the request, or when the message was not delivered or
        not confirmed; with a ``retry_policy``, the ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when the ticket may exist nevertheless
    """

    def __init__(
        self,
        *,
        subject: str,
        message: str,
        channel_id: int | str,
        username: str | None = None,
        files: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__, SendTicketOperator.template_fields)

    def _send(self, params: dict[str, Any]) -> CreatedTicket:
        return self.hook.send_telegram_message(**params)

    def _profile(self) -> MessageProfile:
        from airflow_provider_usedesk.api.ticket import TELEGRAM_MESSAGE

        return TELEGRAM_MESSAGE

"""Send messages to chats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.operators.arguments import (
    assign_arguments,
    check_arguments,
    template_fields_of,
    with_lists,
)
from airflow_provider_usedesk.operators.base import UsedeskOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.parameters import Id
    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.api.responses import SentChatMessage
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments
    from airflow_provider_usedesk.idempotency.decision import LookUp, OnUnknown, SearchResult
    from airflow_provider_usedesk.operators.types import Templated


class SendChatMessageOperator(UsedeskOperator):
    """
    Write in a chat in the name of an agent (``chat/sendMessage``: https://api.usedocs.com/article/51395).

    Returns nothing: the response has no id of the message.

    If the outcome of an earlier attempt is unknown, a later attempt searches the ticket of the chat,
    ``ticket_id``, for the same text. Without ``ticket_id`` the task fails, because Usedesk lists no messages
    of chats. It is not documented that the ticket shows each message of its chat as a comment. Check this
    once before you rely on it, or set ``on_unknown_outcome``.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection, for
        what Airflow stores of the arguments, and for arguments that render to an empty value.

    :param chat_id: id of the chat, 32-bit number, such as ``chat_id`` in the response to a Viber message
        (templated)
    :param user_id: id of the agent who writes, 32-bit number (templated)
    :param text: text of at most 65,535 bytes, without markup (templated)
    :param ticket_id: id of the ticket of the chat, 32-bit number; only for the search and the link; default:
        none (templated)
    :param message_key: text that names the message and is the same in each attempt, such as the id of an
        appointment; set it in mapped tasks, and in a task that executes the operator several times; default:
        none (templated)
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        the ticket for the text), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, or when Usedesk refuses the request; with a ``retry_policy``, the
        ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the message was sent
    """

    _personal_fields = UsedeskOperator._personal_fields | {"text"}

    def __init__(
        self,
        *,
        chat_id: Templated[Id],
        user_id: Templated[Id],
        text: Templated[str],
        ticket_id: Templated[Id] | None = None,
        message_key: Templated[str] | None = None,
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())

    template_fields: Sequence[str] = template_fields_of(__init__)

    def execute(self, context: Context) -> None:
        """
        Send the message.

        :param context: the context of the task
        :raises AirflowFailException: when an argument or the connection is wrong, or when Usedesk refuses the
            request; with a ``retry_policy``, the ``UsedeskError`` itself
        :raises UsedeskOutcomeUnknown: when it is unknown whether the message was sent
        :raises UsedeskError: for every other failure
        """
        from airflow_provider_usedesk.api.chat import send_chat_message_request

        params = with_lists(self._params())
        with self._no_retry():
            ticket_id = self._ticket_id()
            send_chat_message_request(params)
            self._push_link(context, ticket_id)
            self._send_once(context, params, ticket_id)

    def _ticket_id(self) -> int | None:
        from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
        from airflow_provider_usedesk.api.values import identifier, is_empty

        if is_empty(self.ticket_id):
            return None
        try:
            return identifier(self.ticket_id)
        except ValueError as error:
            raise UsedeskInvalidRequest([f"ticket_id: {error}"]) from None

    def _send_once(self, context: Context, params: dict[str, Any], ticket_id: int | None) -> None:
        from airflow_provider_usedesk.api.responses import SentChatMessage
        from airflow_provider_usedesk.api.values import name_text
        from airflow_provider_usedesk.idempotency.keys import content_digest, digest
        from airflow_provider_usedesk.operators.contract import DeliveryContract

        content = content_digest(params)
        DeliveryContract(context, self).send(
            SentChatMessage,
            send=lambda key: self._write(params, ticket_id),
            look_up=lambda step: self._look_up(step, params, content, ticket_id),
            # The same text to another chat is another message.
            recipient=digest(name_text(params["chat_id"]), 12),
            content=content,
        )

    def _write(self, params: dict[str, Any], ticket_id: int | None) -> SentChatMessage:
        sent = self.hook.send_chat_message(**params)
        text = f"Sent a message to Usedesk chat {params['chat_id']}"
        self.log.info(f"{text}." if ticket_id is None else self._with_link(text, ticket_id))
        return sent

    def _look_up(
        self, step: LookUp, params: dict[str, Any], content: str, ticket_id: int | None
    ) -> SearchResult[SentChatMessage]:
        from airflow_provider_usedesk.api.chat import send_chat_message_request
        from airflow_provider_usedesk.api.records import Comment
        from airflow_provider_usedesk.api.responses import SentChatMessage
        from airflow_provider_usedesk.idempotency.decision import Ambiguous, Found
        from airflow_provider_usedesk.idempotency.find_comment import CommentSearch

        if ticket_id is None:
            return Ambiguous("the messages of a chat cannot be listed without ticket_id")
        sent = send_chat_message_request(params).fields
        found = CommentSearch(
            self.hook.get_conn(),
            ticket_id=ticket_id,
            ours=Comment(
                id=None, message=sent["text"], author="user", type="public", user_id=sent["user_id"]
            ),
            # Only the record of an attempt tells what it sent.
            text_may_differ=step.by != "key" or step.key.content != content,
        )(step)
        if isinstance(found, Found):
            return Found(SentChatMessage(sent["chat_id"], ticket_id))
        return found

    @classmethod
    def _method(cls) -> Method:
        from airflow_provider_usedesk.api.chat import SEND_CHAT_MESSAGE

        return SEND_CHAT_MESSAGE

    @classmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        from airflow_provider_usedesk.api.chat import send_chat_message_request

        return send_chat_message_request(params)

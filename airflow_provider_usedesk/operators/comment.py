"""Write comments to existing tickets."""

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
from airflow_provider_usedesk.operators.waiting import (
    after_sending,
    last_report,
    partial_with_inlets,
    prepare_waiting,
    refuse_private,
    resume_wait,
    wait_for_delivery,
)

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.choices import Author, CommentType
    from airflow_provider_usedesk.api.parameters import Id, Texts
    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.api.responses import CreatedComment
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import TaskArguments
    from airflow_provider_usedesk.idempotency.decision import LookUp, OnUnknown, SearchResult
    from airflow_provider_usedesk.operators.types import Templated


class CreateCommentOperator(UsedeskOperator):
    """
    Write a comment to a ticket (``create/comment``: https://api.usedocs.com/article/51381).

    Returns the id of the ticket, and pushes ``ticket_id`` and ``comment_id`` to XCom.

    A comment has no idempotency key. If the outcome of an earlier attempt is unknown, a later attempt
    searches the comments of the ticket for the same text. It cannot distinguish two tasks that write the same
    text to the same ticket at the same time.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection, for
        what Airflow stores of the arguments, and for arguments that render to an empty value.

    :param ticket_id: id of the ticket, 32-bit number (templated)
    :param type: ``public`` for the client, or ``private`` for agents only (templated)
    :param message: comment, text of at most 65,535 bytes, HTML allowed; or the name of a template file that
        ends in .html, .md or .txt; required without a WhatsApp template (templated)
    :param cc: email addresses that get a copy, a list or a text with commas (templated)
    :param bcc: email addresses that get a hidden copy, a list or a text with commas (templated)
    :param files: files to attach: local paths, URLs of object storage (``s3://conn_id@bucket/key``) or (name,
        content), one or a list (templated)
    :param user_id: id of the agent who writes, 32-bit number; required with ``from_="user"``; default of
        Usedesk: the first agent of the company (templated)
    :param from_: author of the comment: ``user``, ``client`` or ``trigger``; default: not sent (templated)
    :param trigger_id: id of a rule, 32-bit number; required with ``from_="trigger"``; with any rule, the bot
        is the author (templated)
    :param template_id: id of a WhatsApp Business template (pact), 32-bit number (templated)
    :param template_name: name of a WhatsApp Business template (Landbot, infobip), text of at most 255
        characters (templated)
    :param template_variables: texts for the variables of the template in their order, a list (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :param message_key: text that names the message and is the same in each attempt, such as the id of an
        appointment; set it in mapped tasks, and in a task that executes the operator several times; default:
        none (templated)
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk: ``verify`` (search
        the ticket for the text), ``fail``, or ``send`` (a client may get the message twice); default: verify
    :param send_again_on_clear: whether clearing the task sends again; default: false
    :param wait_for_delivery: whether to wait until the message is delivered, as ``MessageDeliverySensor``
        does with ``source="auto"``; the ids are in XCom before the wait; if the message is not delivered in
        time, the task fails; default: false
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param delivery_timeout: how long to wait, timedelta or seconds, above 0, at most a year; default: 10
        minutes
    :param delivery_poke_interval: time between two polls, timedelta or seconds, above 0, at most a year;
        default: 30 seconds
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :raises ValueError: when ``delivery_timeout`` or ``delivery_poke_interval`` is no such time
    :raises AirflowFailException: when an argument is not valid (all are named, and nothing was sent), when
        the connection is wrong, or when Usedesk refuses the request; with a ``retry_policy``, the
        ``UsedeskError`` itself
    :raises UsedeskOutcomeUnknown: when it is unknown whether the comment exists
    """

    def __init__(
        self,
        *,
        ticket_id: Templated[Id],
        type: Templated[CommentType],
        message: Templated[str] | None = None,
        cc: Templated[Texts] | None = None,
        bcc: Templated[Texts] | None = None,
        files: Any = None,
        user_id: Templated[Id] | None = None,
        from_: Templated[Author] | None = None,
        trigger_id: Templated[Id] | None = None,
        template_id: Templated[Id] | None = None,
        template_name: Templated[str] | None = None,
        template_variables: Templated[Sequence[Any] | str] | None = None,
        template_lang: Templated[str] | None = None,
        message_key: Templated[str] | None = None,
        on_unknown_outcome: OnUnknown = "verify",
        send_again_on_clear: bool = False,
        wait_for_delivery: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        delivery_timeout: timedelta | float = timedelta(minutes=10),
        delivery_poke_interval: timedelta | float = timedelta(seconds=30),
        usedesk_conn_id: str = "usedesk_default",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(usedesk_conn_id=usedesk_conn_id, **kwargs)
        assign_arguments(self, locals())
        prepare_waiting(self)

    template_fields: Sequence[str] = template_fields_of(__init__)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        return partial_with_inlets(super().partial(**kwargs))

    def execute(self, context: Context) -> int:
        """
        Write the comment, push the ids to XCom, and return the id of the ticket.

        :param context: the context of the task
        :return: the id of the ticket
        :raises AirflowFailException: when an argument or the connection is wrong, when Usedesk refuses the
            request, or when the comment was not delivered and the task waits for that; with a
            ``retry_policy``, the ``UsedeskError`` itself
        :raises AirflowSensorTimeout: when ``delivery_timeout`` has passed
        :raises UsedeskOutcomeUnknown: when it is unknown whether the comment exists
        :raises UsedeskError: for every other failure
        """
        from airflow_provider_usedesk.api.responses import as_id
        from airflow_provider_usedesk.api.values import identifier

        params = with_lists(self._params())
        with self._no_retry():
            refuse_private(self, is_private=str(params["type"]).strip().lower() == "private")
            # Before sending, so that the link is there although the request fails.
            self._push_link(context, as_id(params["ticket_id"]))
            before = last_report(self, as_id(params["ticket_id"]))
            created = self._send_once(context, params)
            ticket_id = identifier(params["ticket_id"])
            self._push_ids(context, ticket_id, {"comment_id": created.comment_id})
            if self.wait_for_delivery:
                wait_for_delivery(
                    self, context, ticket_id, created.comment_id, after_sending(context, before)
                )
        return ticket_id

    def execute_complete(
        self,
        context: Context,
        event: Any = None,
        ticket_id: int | None = None,
        comment_id: int | None = None,
        reports_after: str | None = None,
    ) -> int:
        """
        Continue after the wait in the triggerer, and return the id of the ticket.

        :param context: the context of the task
        :param event: what :class:`~airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger` fired
        :param ticket_id: the ticket whose delivery is waited for; default: that of the event
        :param comment_id: the comment; default: any message of the ticket
        :param reports_after: reports that had arrived by then are on earlier messages, ISO 8601
        :return: the id of the ticket
        :raises AirflowFailException: when the comment was not delivered
        :raises AirflowSensorTimeout: when ``delivery_timeout`` has passed
        """
        with self._no_retry():
            return resume_wait(self, context, event, ticket_id, comment_id, reports_after)

    def _send_once(self, context: Context, params: dict[str, Any]) -> CreatedComment:
        from airflow_provider_usedesk.api.responses import CreatedComment
        from airflow_provider_usedesk.api.values import name_text
        from airflow_provider_usedesk.idempotency.keys import content_digest, digest
        from airflow_provider_usedesk.operators.contract import DeliveryContract

        content = content_digest(params)
        return DeliveryContract(context, self).send(
            CreatedComment,
            send=lambda key: self._add(params),
            look_up=lambda step: self._look_up(step, params, content),
            # The same text to another ticket is another comment.
            recipient=digest(name_text(params["ticket_id"]), 12),
            content=content,
        )

    def _add(self, params: dict[str, Any]) -> CreatedComment:
        from airflow_provider_usedesk.api.values import identifier

        created = self.hook.create_comment(**params)
        ticket_id = identifier(params["ticket_id"])
        text = f"Added comment {created.comment_id} to Usedesk ticket {ticket_id}"
        self.log.info(self._with_link(text, ticket_id))
        return created

    def _look_up(self, step: LookUp, params: dict[str, Any], content: str) -> SearchResult[CreatedComment]:
        from airflow_provider_usedesk.api.comment import comment_request
        from airflow_provider_usedesk.api.records import Comment
        from airflow_provider_usedesk.idempotency.find_comment import CommentSearch

        # As Usedesk received it; the search does not use the files.
        sent = comment_request({**params, "files": None}).fields
        has_template = "template_id" in sent or "template_name" in sent
        search = CommentSearch(
            self.hook.get_conn(),
            ticket_id=sent["ticket_id"],
            ours=Comment(
                id=None,
                # Unknown: Usedesk shows the text of the template or our own.
                message=None if has_template else sent["message"],
                author=sent.get("from"),
                type=sent["type"],
                user_id=sent.get("user_id"),
            ),
            # Only the record of an attempt tells what it sent.
            text_may_differ=step.by != "key" or step.key.content != content,
        )
        return search(step)

    @classmethod
    def _method(cls) -> Method:
        from airflow_provider_usedesk.api.comment import CREATE_COMMENT

        return CREATE_COMMENT

    @classmethod
    def _request(cls, params: Mapping[str, Any]) -> Request:
        from airflow_provider_usedesk.api.comment import comment_request

        return comment_request(params)

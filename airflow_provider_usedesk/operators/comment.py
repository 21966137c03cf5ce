"""Write to the tickets that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.operators.base import SendingOperator

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.request import Method
    from airflow_provider_usedesk.api.responses import CreatedComment
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.idempotency.send_once import Absent, Ambiguous, Found, LookUp


class CreateCommentOperator(SendingOperator):
    """
    Write a comment to a ticket (``create/comment``, EN 51381).

    Returns the id of the ticket, and pushes ``ticket_id`` and ``comment_id`` to XCom.

    A comment has no key: a later try looks for the same text among the comments of the ticket. Two tasks that
    write the same text to the same ticket at the same time cannot be told apart.

    .. seealso:: :class:`~airflow_provider_usedesk.operators.base.SendingOperator` for
        ``on_unknown_outcome``, ``send_again_on_clear`` and ``wait_for_delivery``, and
        :class:`~airflow_provider_usedesk.operators.base.UsedeskOperator` for the connection.

    :param ticket_id: id of the ticket, 32 bit (templated)
    :param message: the comment, at most 65,535 bytes, HTML allowed; or the name of a template file that ends
        in .html, .md or .txt; required without a template (templated)
    :param type: ``public`` for the client, or ``private`` for agents only (templated)
    :param cc: e-mail addresses that get a copy, as a list, or as one text with commas (templated)
    :param bcc: e-mail addresses that get a hidden copy, in the same forms (templated)
    :param files: files to attach: local paths, URLs for Airflow's object storage
        (``s3://conn_id@bucket/key``) or (name, bytes) (templated)
    :param user_id: id of the agent who writes, 32 bit; default of Usedesk: the first agent of the company
        (templated)
    :param from_: who writes: ``user``, ``client`` or ``trigger`` (templated)
    :param template_id: id of a WhatsApp Business template (pact) (templated)
    :param template_name: name of a WhatsApp Business template (Landbot, infobip) (templated)
    :param template_variables: texts for the variables of the template, in their order (templated)
    :param template_lang: language of the template; default of Usedesk: ru (templated)
    :raises AirflowFailException: for what a retry cannot mend: faulty arguments (all named, nothing sent), a
        wrong connection, a refusal; with a ``retry_policy``, the :class:`UsedeskError` itself
    :raises UsedeskOutcomeUnknown: when the comment may exist all the same
    """

    template_fields: Sequence[str] = (
        "ticket_id",
        "message",
        "type",
        *SendingOperator.template_fields,
        "cc",
        "bcc",
        "files",
        "user_id",
        "from_",
        "template_id",
        "template_name",
        "template_variables",
        "template_lang",
    )

    def __init__(
        self,
        *,
        ticket_id: int | str,
        type: str,
        message: str | None = None,
        cc: str | Sequence[str] | None = None,
        bcc: str | Sequence[str] | None = None,
        files: Any = None,
        user_id: int | str | None = None,
        from_: str | None = None,
        template_id: int | str | None = None,
        template_name: str | None = None,
        template_variables: Sequence[Any] | str | None = None,
        template_lang: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ticket_id = ticket_id
        self.type = type
        self.message = message
        self.cc = cc
        self.bcc = bcc
        self.files = files
        self.user_id = user_id
        self.from_ = from_
        self.template_id = template_id
        self.template_name = template_name
        self.template_variables = template_variables
        self.template_lang = template_lang

    def execute(self, context: Context) -> int:
        """
        Write the comment, push the ids to XCom, and return the id of the ticket.

        :raises AirflowFailException: when it was not delivered, where that is waited for
        :raises AirflowSensorTimeout: when ``delivery_timeout`` has passed
        :raises UsedeskError: of the class that says what else happened
        """
        from airflow_provider_usedesk.api.responses import CreatedComment, as_id
        from airflow_provider_usedesk.api.values import identifier

        params = self._params()
        self._check_delivery_can_be_awaited(is_private=str(params["type"]).strip().lower() == "private")
        readable_id = as_id(params["ticket_id"])
        with self._failing_for_good():
            self._push_button(context, readable_id)
        created = self._send_unless_sent(
            context,
            CreatedComment,
            send=lambda: self.hook.create_comment(**params),
            look_up=lambda ask: self._search(ask, params),
            # The same words to another ticket are another comment.
            name=f"/{readable_id or ''}",
        )
        ticket_id = identifier(params["ticket_id"])
        self.log.info("Usedesk comment %s of ticket %s.", created.comment_id, ticket_id)
        self._push(context, ticket_id, {"comment_id": created.comment_id})
        if self.wait_for_delivery:
            self._wait_for_delivery(ticket_id, created.comment_id)
        return ticket_id

    def _search(self, ask: LookUp, params: dict[str, Any]) -> Found[CreatedComment] | Absent | Ambiguous:
        from airflow_provider_usedesk.api.comment import comment_request
        from airflow_provider_usedesk.api.records import Comment
        from airflow_provider_usedesk.idempotency.find_comment import CommentSearch

        # As Usedesk got it; the files are of no use in a search.
        sent = comment_request({**params, "files": None}).fields
        has_template = "template_id" in sent or "template_name" in sent
        search = CommentSearch(
            self.hook.get_conn(),
            ticket_id=sent["ticket_id"],
            ours=Comment(
                id=None,
                # Nobody knows whether the text of the template or our own is shown then.
                message=None if has_template else sent["message"],
                author=sent.get("from"),
                type=sent["type"],
                user_id=sent.get("user_id"),
            ),
            text_may_differ="message" not in self._fixed,
        )
        return search(ask)

    def _method(self) -> Method:
        from airflow_provider_usedesk.api.comment import CREATE_COMMENT

        return CREATE_COMMENT

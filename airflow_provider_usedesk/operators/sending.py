"""Send messages in tickets under the delivery contract: what the operators that create tickets share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.operators.arguments import with_lists
from airflow_provider_usedesk.operators.base import UsedeskOperator
from airflow_provider_usedesk.operators.waiting import (
    partial_with_inlets,
    refuse_private,
    resume_wait,
    wait_for_delivery,
)

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.request import Method, Request
    from airflow_provider_usedesk.api.responses import CreatedTicket
    from airflow_provider_usedesk.api.ticket import MessageProfile
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.idempotency.decision import LookUp, SearchResult
    from airflow_provider_usedesk.idempotency.keys import IdempotencyKey
    from airflow_provider_usedesk.operators.contract import DeliveryContract


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
        from airflow_provider_usedesk.api.values import is_empty, name_text
        from airflow_provider_usedesk.idempotency.keys import content_digest, recipient_digest

        params = HiddenDict(self._with_region(params))
        own_id = "" if is_empty(params.get("additional_id")) else name_text(params["additional_id"])
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
            is_known=memory.tickets.__contains__,
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


def _status_text(message_status: str) -> str:
    if message_status.strip().lower() == "delivered":
        return "The messenger's provider accepted its message. Whether the client gets it is not known yet."
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

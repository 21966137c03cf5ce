"""Whether a response shows that a messenger got the message."""

from __future__ import annotations

from typing import Any, Literal

from airflow_provider_usedesk.api.errors import UsedeskNotDelivered
from airflow_provider_usedesk.api.responses import CreatedTicket

OnNoConfirmation = Literal["fail", "warn"]


class NotConfirmed(UsedeskNotDelivered):
    """
    Usedesk created the ticket of a message for a messenger, and its response confirms nothing.

    :ivar is_shared_channel: whether all messages of a batch go to this channel
    """

    is_shared_channel = False

    @classmethod
    def of(cls, created: CreatedTicket, channel_id: Any, *, is_shared_channel: bool = False) -> NotConfirmed:
        """
        Return the error for a response.

        :param created: the response
        :param channel_id: the channel of the request; None without one
        :param is_shared_channel: whether all messages of a batch go to this channel; default: false
        """
        channel = "no channel_id was given" if channel_id is None else f"channel_id={channel_id} may be wrong"
        error = cls(
            f"Usedesk created ticket {created.ticket_id}, but did not confirm that a messenger got its "
            "message: the response has neither message_status nor chat_id. Probably nobody got it: "
            f"{channel}, and then Usedesk puts the ticket into the channel of the token. A retry does not "
            "send it again.",
            ticket_id=created.ticket_id,
        )
        error.is_shared_channel = is_shared_channel
        return error

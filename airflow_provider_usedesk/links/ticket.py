"""The link of a task to its ticket in Usedesk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_usedesk.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import BaseOperator, Context, TaskInstanceKey

TICKET_URL = "ticket_url"
"""The XCom key of the URL."""


class UsedeskTicketLink(BaseOperatorLink):
    """
    The link from a task in the Airflow UI to its ticket in Usedesk.

    Every task of this package that created, updated or read a ticket has it. The URL follows from ``web_url``
    of the connection, or from the API base URL. If neither gives a URL, the task has no link.
    """

    name = "Usedesk ticket"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the URL of the ticket from XCom; an empty text if there is none.

        :param operator: the operator of the task; not used
        :param ti_key: the task instance
        """
        from airflow_provider_usedesk.compat.sdk import XCom

        return XCom.get_value(key=TICKET_URL, ti_key=ti_key) or ""


def push_ticket_url(context: Context, url: str | None) -> None:
    """
    Push the URL of a ticket to XCom as ``ticket_url``, where the link finds it.

    :param context: the context of the task
    :param url: the URL; None, if it is not known, pushes none
    """
    if url is not None:
        context["ti"].xcom_push(key=TICKET_URL, value=url)

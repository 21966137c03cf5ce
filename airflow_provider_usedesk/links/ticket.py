"""The button of a task that leads to its ticket in Usedesk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_usedesk.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import BaseOperator, Context, TaskInstanceKey

TICKET_URL = "ticket_url"


class UsedeskTicketLink(BaseOperatorLink):
    """
    Lead from a task in the UI to its ticket in Usedesk.

    Every task of this package that made or touched a ticket has it. The address comes from ``web_url`` of the
    connection, or follows from the base URL of the API; where neither tells it, there is no button.
    """

    name = "Usedesk ticket"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        from airflow_provider_usedesk.compat.sdk import XCom

        return XCom.get_value(key=TICKET_URL, ti_key=ti_key) or ""


def push_ticket_url(context: Context, url: str | None) -> None:
    """
    Push ``ticket_url`` to XCom, where the button finds it.

    :param url: address of the ticket; None where it is not known
    """
    if url is not None:
        context["ti"].xcom_push(key=TICKET_URL, value=url)

"""The link of a task to its ticket in Usedesk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_usedesk.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import BaseOperator, Context, TaskInstanceKey

TICKET_URL = "ticket_url"
"""The XCom key of the URL."""

PUSHED = "_pushed_ticket_url"
"""The attribute of an operator with the URL that its process pushed."""


class UsedeskTicketLink(BaseOperatorLink):
    """
    The link from a task in the Airflow UI to its ticket in Usedesk.

    Every task of this package that created, updated or read a ticket has it. The URL follows from ``web_url``
    of the connection, or from the API base URL. If neither gives a URL, the task has no link.
    """

    name = "Usedesk ticket"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the URL of the ticket; an empty text if there is none.

        :param operator: the operator of the task
        :param ti_key: the key of the task instance; on Airflow 3 the task instance, at the end of its process
        """
        from airflow_provider_usedesk.compat.sdk import XCom
        from airflow_provider_usedesk.compat.task_instance import may_be_resumed

        pushed: str | None = getattr(operator, PUSHED, None)
        # Airflow logs an error if it finds no XCom.
        if pushed is None and may_be_resumed(ti_key):
            pushed = XCom.get_value(key=TICKET_URL, ti_key=ti_key)
        return pushed or ""


def push_ticket_url(operator: BaseOperator, context: Context, url: str | None) -> None:
    """
    Push the URL of a ticket to XCom as ``ticket_url``, where the link finds it.

    :param operator: the operator of the task
    :param context: the context of the task
    :param url: the URL; None, if it is not known, pushes none
    """
    if url is not None:
        context["ti"].xcom_push(key=TICKET_URL, value=url)
        setattr(operator, PUSHED, url)

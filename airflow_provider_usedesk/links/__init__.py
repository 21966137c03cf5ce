"""The links from a task to Usedesk."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_usedesk.links.ticket import UsedeskTicketLink


class TicketLinks:
    """
    The attribute ``operator_extra_links`` of a class, with the link to the ticket.

    The link is made when Airflow first reads the attribute: its base class takes longer to load than an
    operator.
    """

    def __get__(self, task: Any, owner: type) -> tuple[UsedeskTicketLink, ...]:
        return _ticket_links()


@cache
def _ticket_links() -> tuple[UsedeskTicketLink, ...]:
    from airflow_provider_usedesk.links.ticket import UsedeskTicketLink

    return (UsedeskTicketLink(),)

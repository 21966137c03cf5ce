"""The search for a comment that an earlier attempt may have created."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.api.responses import CreatedComment
from airflow_provider_usedesk.idempotency.comment_match import Period, find_match
from airflow_provider_usedesk.idempotency.decision import LookUp, SearchResult
from airflow_provider_usedesk.idempotency.matching import (
    CLOCK_TOLERANCE,
    TicketReader,
    search_until_consistent,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CommentSearch:
    """
    The search for the comment of a task, with one or two reads of its ticket.

    A comment has no key. It is recognized by its text, its type, its author and its time.

    :param client: reads from Usedesk
    :param ticket_id: the ticket
    :param ours: the comment as the request has it
    :param text_may_differ: whether an earlier attempt may have had another text; default: false
    :param sleep: waits for a number of seconds
    :param now: returns the current time, UTC
    """

    client: TicketReader
    ticket_id: int
    ours: Comment
    text_may_differ: bool = False
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, look_up: LookUp) -> SearchResult[CreatedComment]:
        """
        Return the result; if the comment is not found, search again once Usedesk shows all that was sent.

        :param look_up: since when to search
        """
        result = search_until_consistent(
            lambda: self._search_once(look_up), look_up.consistent_at, self.sleep, self.now
        )
        log.info("Searched Usedesk for the comment of an earlier attempt: %s.", type(result).__name__.lower())
        return result

    def _search_once(self, look_up: LookUp) -> SearchResult[CreatedComment]:
        comments = self.client.ticket(self.ticket_id).comments
        period = Period(look_up.since - CLOCK_TOLERANCE, self.now() + CLOCK_TOLERANCE)
        return find_match(comments, self.ours, period, self.text_may_differ)

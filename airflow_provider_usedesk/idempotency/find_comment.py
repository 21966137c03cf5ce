"""Search for the comment of an earlier attempt."""

from __future__ import annotations

import html
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.api.responses import CreatedComment
from airflow_provider_usedesk.idempotency.matching import AFTER, BEFORE, TicketReader, as_utc, letters_of
from airflow_provider_usedesk.idempotency.send_once import Absent, Ambiguous, Found, LookUp, Made

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CommentSearch:
    """
    LookUp Usedesk for the comment of a task, with one read for each look.

    A comment has no key: it is known by its text, its type, its author and its moment.

    :param client: reads from Usedesk
    :param ticket_id: the ticket
    :param ours: the comment as the request has it
    :param text_may_differ: whether an earlier try may have had another text
    :param settle: seconds after which a request that was under way and a listing that lags are done
    """

    client: TicketReader
    ticket_id: int
    ours: Comment
    text_may_differ: bool = False
    settle: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, ask: LookUp) -> Found[CreatedComment] | Absent | Ambiguous:
        """Look; when nothing is found, look again after all that was under way has settled."""
        found = _look_until_settled(lambda: self._look(ask), ask, self.settle, self.sleep, self.now)
        log.info("Asked Usedesk for the comment of an earlier try: %s.", type(found).__name__.lower())
        return found

    def _look(self, ask: LookUp) -> Found[CreatedComment] | Absent | Ambiguous:
        comments = self.client.ticket(self.ticket_id).comments
        return comment_among(comments, self.ours, _moments(ask, self.now()), self.text_may_differ)


class Match(IntEnum):
    """Say whether a comment is ours, as far as one of its properties tells."""

    NO = 0
    PERHAPS = 1
    YES = 2


@dataclass(frozen=True)
class Moments:
    """Hold when a comment must have been written to be ours, UTC."""

    earliest: datetime
    latest: datetime


def comment_among(
    comments: Iterable[Comment], ours: Comment, moments: Moments, text_may_differ: bool = False
) -> Found[CreatedComment] | Absent | Ambiguous:
    """
    Look for our comment among those of a ticket.

    Found when all that is known of a comment agrees; unsure when only nothing speaks against it.

    :param text_may_differ: whether another text speaks against it
    """
    doubtful: Comment | None = None
    for comment in comments:
        match = match_of(comment, ours, moments, text_may_differ)
        if match == Match.YES and comment.id is not None:
            return Found(CreatedComment(comment.id))
        if match != Match.NO:
            doubtful = doubtful or comment
    if doubtful is None:
        return Absent()
    return Ambiguous(f"comment {doubtful.id or 'without an id'} of the ticket may be it, or another like it")


def match_of(comment: Comment, ours: Comment, moments: Moments, text_may_differ: bool = False) -> Match:
    """Compare a comment with ours: as alike as the property in which they are least alike."""
    others = min(
        _match_of_type(comment, ours),
        _match_of_author(comment, ours),
        _match_of_moment(comment, moments),
    )
    text = _match_of_text(comment, ours)
    if text_may_differ and others == Match.YES:
        text = max(text, Match.PERHAPS)
    return min(others, text)


def _match_of_type(comment: Comment, ours: Comment) -> Match:
    if comment.type is None:
        return Match.PERHAPS
    return Match.YES if comment.type.casefold() == (ours.type or "").casefold() else Match.NO


def _match_of_author(comment: Comment, ours: Comment) -> Match:
    if comment.author is None:
        return Match.PERHAPS
    if ours.author not in (None, comment.author):
        return Match.NO
    # Unless told otherwise Usedesk takes an agent, by all that is known.
    is_author = comment.author == (ours.author or "user")
    is_agent = ours.user_id is None or comment.user_id in (None, ours.user_id)
    return Match.YES if is_author and is_agent else Match.PERHAPS


def _match_of_text(comment: Comment, ours: Comment) -> Match:
    mine, other = _plain(ours.message or ""), _plain(comment.message or "")
    if not mine or comment.message is None:
        return Match.PERHAPS
    if mine == other:
        return Match.YES
    # Usedesk may add a signature, before or after, or cut.
    is_alike = other and (
        _begin_alike(letters_of(mine), letters_of(other)) or (len(mine) >= TELLING and mine in other)
    )
    return Match.PERHAPS if is_alike else Match.NO


def _match_of_moment(comment: Comment, moments: Moments) -> Match:
    moment = as_utc(comment.published_at)
    if moment is None:
        return Match.PERHAPS
    if moments.earliest <= moment <= moments.latest:
        return Match.YES
    fits_some_zone = moments.earliest - ANY_ZONE <= moment <= moments.latest + ANY_ZONE
    return Match.PERHAPS if fits_some_zone else Match.NO


def _look_until_settled(
    look: Callable[[], Found[Made] | Absent | Ambiguous],
    ask: LookUp,
    settle: float,
    sleep: Callable[[float], None],
    now: Callable[[], datetime],
) -> Found[Made] | Absent | Ambiguous:
    settled = (ask.since if ask.is_exact else now()) + timedelta(seconds=settle)
    try:
        found = look()
        wait = (settled - now()).total_seconds()
        if isinstance(found, Absent) and wait > 0:
            sleep(wait)
            found = look()
    except UsedeskError as error:
        return Ambiguous(str(error).rstrip("."))
    return found


# In which time zone Usedesk shows the moment of a comment is not documented.
ANY_ZONE = timedelta(hours=14)


# Letters of a text that hardly stand in another one by chance.
TELLING = 10


def _moments(ask: LookUp, now: datetime) -> Moments:
    return Moments(ask.since - BEFORE, ask.since + AFTER if ask.is_exact else now + BEFORE)


# Tags, and what stands in a style or a script, which nobody reads.
_MARKUP = re.compile(r"<(?:style|script)\b[^<]*|<[!?/a-z][^<>]*>", re.IGNORECASE)


def _plain(text: str) -> str:
    """Leave what people read of a text: no tags, no entities, no white space."""
    return "".join(_MARKUP.sub("", html.unescape(text)).split())


def _begin_alike(one: str, other: str) -> bool:
    """Tell whether one begins with the other: what comes back may be shortened."""
    return one.startswith(other) or other.startswith(one)

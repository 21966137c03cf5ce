"""Whether a comment of a ticket is the one that an earlier attempt created."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.api.responses import CreatedComment
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found, SearchResult
from airflow_provider_usedesk.idempotency.matching import as_utc, letters_of

# The time zone in which Usedesk shows the time of a comment is not documented.
ANY_TIME_ZONE = timedelta(hours=14)

# Characters of a text that hardly occurs in another one by chance.
DISTINCTIVE_LENGTH = 10

# Tags, and the content of a style or a script, which readers do not see.
_MARKUP = re.compile(r"<(?:style|script)\b[^<]*|<[!?/a-z][^<>]*>", re.IGNORECASE)


class Match(IntEnum):
    """Whether a comment is ours, judged by one of its properties."""

    NO = 0
    PERHAPS = 1
    YES = 2


@dataclass(frozen=True)
class Period:
    """The time in which a comment must have been written to be ours, UTC."""

    earliest: datetime
    latest: datetime


def find_match(
    comments: Iterable[Comment], ours: Comment, period: Period, text_may_differ: bool = False
) -> SearchResult[CreatedComment]:
    """
    Search the comments of a ticket for ours.

    :param comments: the comments
    :param ours: the comment as the request has it
    :param period: when ours must have been written
    :param text_may_differ: whether ours may have had another text; default: false
    :return: found if all properties match; ambiguous if a comment matches only in part, or some of its
        properties are unknown
    """
    possible: Comment | None = None
    for comment in comments:
        match = match_of(comment, ours, period, text_may_differ)
        if match == Match.YES and comment.id is not None:
            return Found(CreatedComment(comment.id))
        if match != Match.NO:
            possible = possible or comment
    if possible is None:
        return Absent()
    return Ambiguous(f"comment {possible.id or 'without an id'} of the ticket may be it or a similar one")


def match_of(comment: Comment, ours: Comment, period: Period, text_may_differ: bool = False) -> Match:
    """Return how well a comment matches ours: as well as its worst property."""
    others = min(
        _match_of_type(comment, ours),
        _match_of_author(comment, ours),
        _match_of_time(comment, period),
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
    # As far as is known, the default author of Usedesk is an agent.
    is_author = comment.author == (ours.author or "user")
    is_agent = ours.user_id is None or comment.user_id in (None, ours.user_id)
    return Match.YES if is_author and is_agent else Match.PERHAPS


def _match_of_text(comment: Comment, ours: Comment) -> Match:
    our_text, text = _plain(ours.message or ""), _plain(comment.message or "")
    if not our_text or comment.message is None:
        return Match.PERHAPS
    if our_text == text:
        return Match.YES
    # Usedesk may add a signature before or after the text, or cut it.
    is_similar = text and (
        _share_beginning(letters_of(our_text), letters_of(text))
        or (len(our_text) >= DISTINCTIVE_LENGTH and our_text in text)
    )
    return Match.PERHAPS if is_similar else Match.NO


def _match_of_time(comment: Comment, period: Period) -> Match:
    moment = as_utc(comment.published_at)
    if moment is None:
        return Match.PERHAPS
    if period.earliest <= moment <= period.latest:
        return Match.YES
    fits_some_zone = period.earliest - ANY_TIME_ZONE <= moment <= period.latest + ANY_TIME_ZONE
    return Match.PERHAPS if fits_some_zone else Match.NO


def _plain(text: str) -> str:
    """Return the visible text: no tags, no entities, no white space."""
    return "".join(_MARKUP.sub("", html.unescape(text)).split())


def _share_beginning(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)

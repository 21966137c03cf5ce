"""Whether a comment of a ticket is ours."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.api.responses import CreatedComment
from airflow_provider_usedesk.idempotency.comment_match import Period, find_match
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OURS = Comment(None, "<p>Paid, thanks</p>", author="user", type="public", user_id=2156)
PERIOD = Period(NOW - timedelta(minutes=5), NOW + timedelta(hours=1))

TYPES = {"public": "yes", "Public": "yes", None: "perhaps", "private": "no", "error": "no"}
AUTHORS = {
    ("user", 2156): "yes",
    ("user", None): "yes",
    ("user", 1): "perhaps",
    (None, None): "perhaps",
    ("client", None): "no",
    ("trigger", None): "no",
}
TEXTS = {
    "<p>Paid, thanks</p>": "yes",
    "Paid,&nbsp;thanks\r\n": "yes",
    "&lt;p&gt;Paid, <b>thanks</b>&lt;/p&gt;": "yes",
    "<style>p > a {color: red}</style><!-- x --><div class='a'>Paid, thanks</div>": "yes",
    "Paid, thanks -- Your bank": "perhaps",
    "PAID thanks!": "perhaps",
    "Paid, tha\u0301nks": "perhaps",
    "<div>Your bank</div><p>Paid, thanks</p>": "perhaps",
    "<p>Paid, th": "perhaps",
    None: "perhaps",
    "": "no",
    "<img src='paid.png'>": "no",
    "Not paid, thanks": "no",
    "Оплачено": "no",
}
TIMES = {
    "2026-11-22 11:55:00": "yes",
    "2026-11-22 12:00:00": "yes",
    "2026-11-22T15:00:30+03:00": "yes",
    "2026-11-22 13:00:00": "yes",
    None: "perhaps",
    "": "perhaps",
    "yesterday": "perhaps",
    "2026-11-22 11:54:59": "perhaps",
    "2026-11-22 13:00:01": "perhaps",
    "2026-11-21 21:55:00": "perhaps",
    "2026-11-23 03:00:00": "perhaps",
    "2026-11-21 21:54:59": "no",
    "2026-11-23 03:00:01": "no",
}


def match(comments, ours=OURS):
    """Return the id of the comment that is ours, ``perhaps`` or ``no``."""
    result = find_match(comments, ours, PERIOD)
    if isinstance(result, Ambiguous):
        return "perhaps"
    return "no" if result == Absent() else result.response.comment_id


def comment(**changes):
    ours = {"message": "Paid, thanks", "author": "user", "type": "public", "user_id": 2156}
    return Comment(**{"id": 501, **ours, "published_at": "2026-11-22 12:00:00", **changes})


def test_worst_property_decides():
    properties = itertools.product(*(table.items() for table in (TYPES, AUTHORS, TEXTS, TIMES)))
    for (kind, of_type), ((author, user), of_author), (text, of_text), (moment, of_time) in properties:
        other = Comment(501, text, author, kind, user, published_at=moment)
        matches = {of_type, of_author, of_text, of_time}
        expected = "no" if "no" in matches else "perhaps" if "perhaps" in matches else 501
        assert match([other]) == expected, other


@pytest.mark.parametrize(
    ("author", "expected"), [("user", 501), ("client", "perhaps"), ("trigger", "perhaps")]
)
def test_default_author_is_an_agent(author, expected):
    assert match([comment(author=author)], replace(OURS, author=None)) == expected


@pytest.mark.parametrize("message", [None, "", "<img src='x'>"])
@pytest.mark.parametrize("text", ["Anything", "", None])
def test_without_our_text_any_matches(message, text):
    ours = replace(OURS, message=message)
    assert match([comment(message=text)], ours) == "perhaps"
    assert match([comment(message=text, type="private")], ours) == "no"
    assert match([comment(message=text, author="client")], ours) == "no"
    assert match([comment(message=text, published_at="2026-11-20 12:00:00")], ours) == "no"


def test_full_match_precedes_partial_ones():
    others = [
        comment(id=1, message="Another"),
        comment(id=2, message="Paid"),
        comment(id=3, published_at=None),
    ]
    assert match([*others, comment()]) == match([comment(), *others]) == 501
    assert match(others) == "perhaps"
    assert match(others[:1]) == match([]) == "no"


def test_changed_text_is_ambiguous():
    other = comment(message="Attempt 1")
    assert find_match([other], OURS, PERIOD) == Absent()
    assert isinstance(find_match([other], OURS, PERIOD, text_may_differ=True), Ambiguous)
    assert find_match([other, comment()], OURS, PERIOD, text_may_differ=True) == Found(CreatedComment(501))
    for change in ({"type": "private"}, {"author": "client"}, {"published_at": None}, {"user_id": 1}):
        stranger = comment(**{"message": "Attempt 1", **change})
        assert find_match([stranger], OURS, PERIOD, text_may_differ=True) == Absent()


def test_short_text_matches_only_whole():
    assert match([comment(message="It is ok now")], replace(OURS, message="ok")) == "no"


def test_comment_without_id_is_ambiguous():
    assert match([comment(id=None)]) == "perhaps"


def test_reason_names_comment_without_text():
    result = find_match([comment(message="Paid, thanks, Anna")], OURS, PERIOD)
    assert isinstance(result, Ambiguous)
    assert "comment 501" in result.reason
    assert "Paid" not in result.reason

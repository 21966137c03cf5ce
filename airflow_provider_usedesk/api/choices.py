"""The words that parameters of the API are chosen from, for checks, editors and type checkers."""

from __future__ import annotations

from typing import Literal

Priority = Literal["low", "medium", "urgent", "extreme"]
"""From the lowest to the highest."""

TicketType = Literal["question", "task", "problem", "incident"]

Author = Literal["user", "client", "trigger"]

CommentType = Literal["public", "private"]

PhoneType = Literal["home", "mobile", "stationary", "fax", "other"]

StatusName = Literal[
    "open", "solved", "closed", "deleted", "on hold", "pending", "spam", "new", "newsletter", "merged"
]

Role = Literal["admin", "employee", "support"]

Language = Literal["ru", "en", "es", "kk", "pt-br"]

SearchType = Literal["partial_match", "full_match"]

Order = Literal["asc", "desc"]

"""What happens in Usedesk, as assets of Airflow: one for each kind of event of each connection."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import SplitResult, quote

from airflow_provider_usedesk.compat.sdk import Asset

Kind = Literal["delivery", "ticket", "comment", "change", "rating", "chat"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""
What a webhook can be about: a delivery report, a new ticket, a comment, a change of a ticket, a rating, a
message in a chat.
"""


def usedesk_asset(usedesk_conn_id: str, kind: Kind) -> Asset:
    """
    Name the asset that has an event for each webhook of a kind.

    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param kind: ``delivery``, ``ticket``, ``comment``, ``change``, ``rating`` or ``chat``
    :raises ValueError: for another kind
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return Asset(asset_uri(usedesk_conn_id, kind))


def asset_uri(usedesk_conn_id: str, kind: Kind) -> str:
    """Name the asset's address, which is also its name."""
    return f"usedesk://{quote(usedesk_conn_id, safe='')}/{kind}"


def checked_uri(uri: SplitResult) -> SplitResult:
    """
    Check an address of the scheme ``usedesk``, for Airflow.

    :raises ValueError: when it has no connection or no event
    """
    if not uri.netloc or not uri.path.strip("/"):
        raise ValueError(
            "a usedesk:// address names a connection and an event: usedesk://usedesk_default/delivery"
        )
    return uri

"""Assets for the events of Usedesk: one for each connection and each kind of event."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import SplitResult, quote

from airflow_provider_usedesk.compat.sdk import Asset

Kind = Literal["delivery", "ticket", "comment", "change", "rating", "chat"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""
The kinds of events: a delivery report, a new ticket, a comment, a change of a ticket, a rating, and a
message in a chat.
"""


def usedesk_asset(usedesk_conn_id: str, kind: Kind) -> Asset:
    """
    Return the asset that gets an event from each webhook of one kind.

    :param usedesk_conn_id: id of the Airflow connection of type usedesk that receives the webhooks
    :param kind: ``delivery``, ``ticket``, ``comment``, ``change``, ``rating`` or ``chat``
    :raises ValueError: for any other kind
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return Asset(asset_uri(usedesk_conn_id, kind))


def asset_uri(usedesk_conn_id: str, kind: Kind) -> str:
    """
    Return the URI of an asset, which is also its name.

    :param usedesk_conn_id: id of an Airflow connection of type usedesk
    :param kind: kind of the events
    """
    return f"usedesk://{quote(usedesk_conn_id, safe='')}/{kind}"


def checked_uri(uri: SplitResult) -> SplitResult:
    """
    Return a URI with the scheme ``usedesk`` after a check; Airflow calls this for each asset.

    :param uri: the URI in its parts
    :raises ValueError: when it names no connection or no kind of event
    """
    if not uri.netloc or not uri.path.strip("/"):
        raise ValueError(
            "a usedesk:// URI must name a connection and a kind of event, such as "
            "usedesk://usedesk_default/delivery"
        )
    return uri

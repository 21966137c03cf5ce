"""The JSON values of a checkpoint: manifests and chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.batch.checkpoint import OpenRow, Recipients
from airflow_provider_usedesk.batch.digests import as_hex, from_hex
from airflow_provider_usedesk.batch.row_store import FinishedRow


@dataclass(frozen=True)
class Counts:
    """
    How much was stored.

    :param chunks: number of chunks; default: 0
    :param records: number of rows in them; default: 0
    """

    chunks: int = 0
    records: int = 0

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Counts:
        """Read the counts of a manifest."""
        return cls(_natural(value["chunks"]), _natural(value["records"]))


@dataclass(frozen=True)
class Manifest:
    """
    The manifest of a checkpoint, or of one attempt's part of it.

    :param owner: identifies the attempt that writes it
    :param clear_count: the ``clear_count`` of the attempt
    :param recipients: the recipients as a whole; None until all were read
    :param open: rows that may have been sent
    :param counts: number of chunks, and of the rows in them
    :param previous: the claims of earlier attempts, and the counts of their parts
    """

    owner: str
    clear_count: int = 0
    recipients: Recipients | None = None
    open: tuple[OpenRow, ...] = ()
    counts: Counts = Counts()
    previous: Mapping[str, Counts] = field(default_factory=dict)

    def value(self) -> dict[str, Any]:
        """Return the value to store."""
        value = {
            "owner": self.owner,
            "clear_count": self.clear_count,
            "recipients": asdict(self.recipients) if self.recipients else None,
            **asdict(self.counts),
            "open": _open_value(self.open),
        }
        if self.previous:
            value["previous"] = {name: asdict(counts) for name, counts in self.previous.items()}
        return value

    @classmethod
    def read(cls, value: Any) -> Manifest:
        """
        Read a stored value.

        :raises ValueError: or KeyError, TypeError, AttributeError, if it is no manifest
        """
        recipients = value["recipients"]
        return cls(
            value["owner"],
            _natural(value["clear_count"]),
            None if recipients is None else Recipients(**recipients),
            tuple(_open_rows(value["open"])),
            Counts.read(value),
            {name: Counts.read(counts) for name, counts in value.get("previous", {}).items()},
        )


class Chunk:
    """
    Finished rows that are stored in one value.

    :param tickets: ids of the tickets, by row id; default: none
    :param not_delivered: row ids of the messages that were not delivered; default: none
    """

    def __init__(self, tickets: Mapping[str, int] | None = None, not_delivered: Iterable[str] = ()) -> None:
        self._tickets = dict(tickets or {})
        self._not_delivered = set(not_delivered)

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, row: FinishedRow) -> None:
        """Add a row; of two records of one row, the later counts."""
        row_id = as_hex(row.digest)
        self._tickets[row_id] = row.ticket_id
        if row.not_delivered:
            self._not_delivered.add(row_id)
        else:
            self._not_delivered.discard(row_id)

    def value(self) -> dict[str, Any]:
        """Return the value to store."""
        return {"tickets": dict(self._tickets), "not_delivered": sorted(self._not_delivered)}

    @classmethod
    def read(cls, value: Any) -> Chunk:
        """
        Read a stored value.

        :raises ValueError: or KeyError, TypeError, AttributeError, if it is no chunk
        """
        tickets = {as_hex(from_hex(row_id)): _natural(ticket) for row_id, ticket in value["tickets"].items()}
        return cls(tickets, value["not_delivered"])

    def rows(self) -> Iterator[FinishedRow]:
        """Yield the rows."""
        for row_id, ticket_id in self._tickets.items():
            yield FinishedRow(from_hex(row_id), ticket_id, row_id in self._not_delivered)


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("is no number")
    return value


def _open_value(rows: Iterable[OpenRow]) -> list[dict[str, Any]]:
    # Rows that are released together share their moments.
    groups: dict[tuple[datetime, datetime], list[str]] = {}
    for row in rows:
        groups.setdefault((row.since, row.until), []).append(as_hex(row.digest))
    return [
        {"since": _floor(since), "until": _ceil(until), "rows": group}
        for (since, until), group in groups.items()
    ]


def _open_rows(groups: Iterable[dict[str, Any]]) -> Iterator[OpenRow]:
    for group in groups:
        since, until = datetime.fromisoformat(group["since"]), datetime.fromisoformat(group["until"])
        rows = group["rows"]
        if not isinstance(rows, list):
            raise TypeError("is no list of rows")
        for row_id in rows:
            yield OpenRow(from_hex(row_id), since, until)


def _floor(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _ceil(moment: datetime) -> str:
    return _floor(moment + timedelta(seconds=1) - timedelta.resolution)

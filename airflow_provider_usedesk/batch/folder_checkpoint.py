"""The checkpoint of a batch in a folder, to which stale attempts can still write."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from airflow_provider_usedesk.batch.checkpoint import (
    CheckpointTaken,
    DamagedCheckpoint,
    OpenRow,
    Recipients,
)
from airflow_provider_usedesk.batch.checkpoint_part import (
    CHUNK_SIZE,
    MANIFEST,
    CheckpointPart,
    ManifestOwner,
    read_value,
)
from airflow_provider_usedesk.batch.checkpoint_values import Counts, Manifest
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.compat.stores import ListableStore
from airflow_provider_usedesk.idempotency.clear_count import Clears, StoredClearCount

CLAIMS = "claims/"
CLAIM_NAME = re.compile(r"(i\d+-)?(\d{6,})-([0-9a-f]{16})")


@dataclass(frozen=True)
class Claim:
    """
    The claim of an attempt to the checkpoint.

    :param place: the task instance: ``i7-`` for a mapped one, else empty
    :param number: grows with each attempt
    :param token: tells two attempts with one number apart
    """

    place: str
    number: int
    token: str

    @property
    def name(self) -> str:
        return f"{self.place}{self.number:06d}-{self.token}"

    @property
    def order(self) -> tuple[int, str]:
        """What decides which of two claims is the newer one."""
        return self.number, self.token

    @classmethod
    def read(cls, name: str) -> Claim | None:
        """Read a name; None if it is no name of a claim."""
        found = CLAIM_NAME.fullmatch(name)
        return cls(found[1] or "", int(found[2]), found[3]) if found else None


def newest(claims: Iterable[Claim], place: str) -> Claim | None:
    """
    Return the newest claim of a task instance.

    :param claims: the claims of all
    :param place: the task instance
    """
    own = [claim for claim in claims if claim.place == place]
    return max(own, key=lambda claim: claim.order, default=None)


class FolderCheckpoint(ManifestOwner):
    """
    The checkpoint in a folder: each attempt writes names of its own, and reads those of all.

    An attempt puts its claim before it reads the open rows of the others. Before it sends, it first writes
    its open rows, and then looks whether there is a newer claim. So either the stale attempt sees the newer
    claim, or the newer attempt sees the open rows of the stale one.

    The storage must show each write to later reads and lists, as disks and object storages do.

    A claim counts for all attempts of the task instance, but an attempt reads only the parts of those with
    its own ``clear_count``.

    :param store: the folder
    :param map_index: index of a mapped task instance; default: -1, not mapped
    :param clears: how the task was cleared; default: never
    :param chunk_size: rows in a chunk; default: 1000
    """

    def __init__(
        self,
        store: ListableStore,
        map_index: int = -1,
        clears: Clears | None = None,
        chunk_size: int = CHUNK_SIZE,
    ) -> None:
        place = "" if map_index < 0 else f"i{map_index}-"
        self.clear_count = 0
        self._store = store
        self._clears = clears or Clears()
        self._chunk_size = chunk_size
        self._claim = Claim(place, 0, token_hex(8))
        self._part = self._part_of(self._claim)
        self._stored = Manifest(self._claim.token)
        self.open_elsewhere: Sequence[OpenRow] = ()

    def has_begun(self) -> bool:
        """See :meth:`Checkpoint.has_begun`; an attempt of any mapped task instance counts."""
        return bool(self._claims())

    def load(self) -> Iterator[FinishedRow]:
        """See :meth:`Checkpoint.load`."""
        manifests = self._manifests(self._put_claim())
        counts = _known_counts(manifests)
        for claim in manifests:
            yield from self._part_of(claim).rows(counts[claim.name])
        own = _latest(manifests, self._claim.place)
        self._write_manifest(
            replace(
                self._stored,
                clear_count=self.clear_count,
                recipients=own.recipients if own else None,
                open=self._open_of_others(manifests),
                previous=counts,
            )
        )
        self._put_claim_value(has_manifest=True)

    def write(self, finished: Sequence[FinishedRow], open_rows: Sequence[OpenRow]) -> None:
        """See :meth:`Checkpoint.write`."""
        # First the finished rows: if the process dies in between, they are stored twice rather than not.
        self._part.append(finished)
        self._write_changes(replace(self._stored, open=tuple(open_rows), counts=self._part.counts))
        # First write, then look.
        self._check_newest()

    def write_recipients(self, recipients: Recipients) -> None:
        """See :meth:`Checkpoint.write_recipients`."""
        if recipients != self.recipients:
            self._write_changes(replace(self._stored, recipients=recipients))
            self._check_newest()

    def _put_claim(self) -> list[Claim]:
        """
        Put the claim, after which no earlier attempt of the task instance sends, and return all claims.

        :raises CheckpointTaken: if another attempt puts its claim at the same time
        """
        before = self._own(self._claims())
        latest = newest(before, self._claim.place)
        self.clear_count = self._clears.count(self._clear_count_of(latest) if latest else None)
        self._claim = replace(self._claim, number=latest.number + 1 if latest else 1)
        self._part = self._part_of(self._claim)
        self._put_claim_value(has_manifest=False)
        claims = self._claims()
        if self._own(claims) != before | {self._claim}:
            raise CheckpointTaken
        return claims

    def _clear_count_of(self, claim: Claim) -> StoredClearCount | None:
        return read_value(
            self._store,
            self._claim_key(claim),
            lambda value: StoredClearCount(value["clear_count"], value["max_tries"]),
        )

    def _put_claim_value(self, has_manifest: bool) -> None:
        value = {
            "clear_count": self.clear_count,
            "max_tries": self._clears.max_tries,
            "has_manifest": has_manifest,
        }
        self._store.set(self._claim_key(self._claim), value)

    def _own(self, claims: Iterable[Claim]) -> set[Claim]:
        return {claim for claim in claims if claim.place == self._claim.place}

    def _check_newest(self) -> None:
        if newest(self._claims(), self._claim.place) != self._claim:
            raise CheckpointTaken

    def _claims(self) -> list[Claim]:
        names = (key.removeprefix(CLAIMS) for key in self._store.list(CLAIMS))
        return [claim for name in names if (claim := Claim.read(name))]

    def _manifests(self, claims: Iterable[Claim]) -> dict[Claim, Manifest]:
        """Return the manifests of other attempts: of those with a claim, and of those that they name."""
        manifests: dict[Claim, Manifest] = {}
        waiting, seen = deque(claims), {self._claim}
        while waiting:
            claim = waiting.popleft()
            if claim in seen:
                continue
            seen.add(claim)
            if manifest := self._manifest_of(claim):
                manifests[claim] = manifest
                waiting.extend(filter(None, map(Claim.read, manifest.previous)))
        return {
            claim: manifest
            for claim, manifest in manifests.items()
            if manifest.clear_count == self.clear_count
        }

    def _manifest_of(self, claim: Claim) -> Manifest | None:
        """Return the manifest of an attempt; None if it ended before it could write one."""
        part = self._part_of(claim)
        if manifest := part.manifest():
            return manifest
        has_begun = read_value(self._store, self._claim_key(claim), lambda value: value["has_manifest"])
        if has_begun is False and not part.has_chunks():
            return None
        # It may have written the manifest just now.
        if manifest := part.manifest():
            return manifest
        raise DamagedCheckpoint(f"{_prefix(claim)}{MANIFEST}", "is missing")

    def _open_of_others(self, manifests: Mapping[Claim, Manifest]) -> tuple[OpenRow, ...]:
        """Return the open rows of earlier attempts, and set those of other task instances."""
        own = _latest(manifests, self._claim.place)
        rows = {row.digest: row for row in own.open} if own else {}
        elsewhere: dict[int, OpenRow] = {}
        for place in {claim.place for claim in manifests} - {self._claim.place}:
            for row in latest.open if (latest := _latest(manifests, place)) else ():
                known = rows if row.digest in rows else elsewhere
                known[row.digest] = _wider(known.get(row.digest, row), row)
        self.open_elsewhere = tuple(elsewhere.values())
        return tuple(rows.values())

    def _part_of(self, claim: Claim) -> CheckpointPart:
        return CheckpointPart(self._store, _prefix(claim), self._chunk_size)

    def _claim_key(self, claim: Claim) -> str:
        return f"{CLAIMS}{claim.name}"


def _prefix(claim: Claim) -> str:
    return f"e/{claim.name}/"


def _latest(manifests: Mapping[Claim, Manifest], place: str) -> Manifest | None:
    """Return the newest manifest of a task instance; it has the open rows that older ones left."""
    claim = newest(manifests, place)
    return manifests[claim] if claim else None


def _known_counts(manifests: Mapping[Claim, Manifest]) -> dict[str, Counts]:
    """Return for each attempt the largest counts that a manifest names."""
    counts = {claim.name: manifest.counts for claim, manifest in manifests.items()}
    for manifest in manifests.values():
        for name, then in manifest.previous.items():
            now = counts.get(name, Counts())
            counts[name] = Counts(max(now.chunks, then.chunks), max(now.records, then.records))
    return counts


def _wider(row: OpenRow, other: OpenRow) -> OpenRow:
    """Return a row with the time in which either of two attempts may have sent it."""
    return OpenRow(row.digest, min(row.since, other.since), max(row.until, other.until))

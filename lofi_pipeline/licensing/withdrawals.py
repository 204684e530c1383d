"""The list of withdrawn sources, metadata/withdrawals.json: it only grows, and nothing on it enters a data set again.

The bytes of a withdrawn source's tracks are on it too, so that they are known again under any other name; and which
fingerprints are to be kept of them, so that a re-encoded copy is. A grant that ended is not here: see licensing/grants.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from pathlib import Path

from pydantic import Field

from lofi_pipeline.entities import (
    DatasetVersion,
    Entity,
    RecordError,
    Registry,
    Scan,
    SourceRecord,
)
from lofi_pipeline.entities.base import Identifier, Name, Sha256, TrackId
from lofi_pipeline.storage import (
    DataRoot,
    file_sha256,
    locked,
    read_json,
    read_versions,
    require_own,
    write_sealed,
)


class Withdrawal(Entity):
    """One source that was taken out: from `day` on it gives no track, nor do its bytes in any other drop."""

    source_id: Identifier
    provider: Name
    day: date
    reason: str = Field(min_length=1, max_length=5_000)
    sha256s: list[Sha256] = Field(description="Of its tracks' original bytes when it was withdrawn, sorted")
    fingerprints: dict[TrackId, Sha256] = Field(
        default_factory=dict, description="Of its tracks' fingerprint files: by these a copy is known again"
    )


class _Withdrawals(Entity):
    withdrawals: list[Withdrawal] = Field(default_factory=list)


def withdrawals_json(root: DataRoot) -> Path:
    """Where the list lies."""
    return root.metadata / "withdrawals.json"


def load_withdrawals(root: DataRoot) -> list[Withdrawal]:
    """All withdrawals, in the order they were made.

    Raises:
        RecordError: the list was damaged; named.
        UnreadableRecord: it is not JSON.
    """
    path = withdrawals_json(root)
    return list(_Withdrawals.parse(read_json(path), where=str(path)).withdrawals) if path.is_file() else []


def withdraw(
    root: DataRoot,
    source_id: str,
    *,
    reason: str,
    day: date,
    provider: str | None = None,
    contents: Iterable[str] = (),
) -> Withdrawal:
    """Take a source out from `day` on, and return its withdrawal. Doing it twice adds nothing.

    What is already published goes with the next scan and the next build; existing versions stay, for the audit.
    `provider`, `contents`: what is known beside scan, registry and versions of a source that was removed before: its provider, and
    the SHA-256 of its files.

    Raises:
        RecordError: no source of that id was ever seen here, or no reason was given.
    """
    if not reason.strip():
        raise RecordError(f"withdraw {source_id}: say why (a reason is kept on the ledger)")
    path = withdrawals_json(root)
    with locked(path):
        known = load_withdrawals(root)
        require_own(root, path)
        seen = _Seen(root, source_id)
        seen.sha256s |= set(contents)
        seen.provider = seen.provider or provider
        earlier = [item for item in known if item.source_id == source_id]
        if seen.provider is None and not earlier:
            raise RecordError(f"withdraw {source_id}: no such source here; see {root.sources_json}")
        for item in earlier:
            if item.day <= day and seen.sha256s <= set(item.sha256s):
                return item
        contents = seen.sha256s.union(*(item.sha256s for item in earlier))
        withdrawal = Withdrawal(
            source_id=source_id,
            provider=seen.provider or earlier[0].provider,
            day=day,
            reason=reason.strip(),
            sha256s=sorted(contents),
            fingerprints=_fingerprints(root, contents),
        )
        write_sealed(root, path, _Withdrawals(withdrawals=[*known, withdrawal]))
    return withdrawal


def _fingerprints(root: DataRoot, contents: Collection[str]) -> dict[str, str]:
    """Hashes of the fingerprint files that there are of tracks with these original bytes."""
    if not root.registry_json.is_file():
        return {}
    registry = Registry.parse(read_json(root.registry_json), where=str(root.registry_json))
    found = [root.fingerprint(track.track_id) for track in registry.tracks if track.sha256 in contents]
    return {path.stem: file_sha256(path) for path in found if path.is_file()}


def in_force(withdrawals: Sequence[Withdrawal], day: date) -> list[Withdrawal]:
    """Those that hold on a day."""
    return [item for item in withdrawals if item.day <= day]


def withdrawn_sources(withdrawals: Sequence[Withdrawal], day: date) -> dict[str, Withdrawal]:
    """By source id, the first withdrawal that holds on a day."""
    return {item.source_id: item for item in reversed(in_force(withdrawals, day))}


def withdrawn_contents(withdrawals: Sequence[Withdrawal], day: date) -> dict[str, Withdrawal]:
    """By SHA-256 of original bytes, the first withdrawal that holds on a day."""
    return {sha256: item for item in reversed(in_force(withdrawals, day)) for sha256 in item.sha256s}


class _Seen:
    """What was ever known here of one source: its provider, and its tracks' original bytes."""

    def __init__(self, root: DataRoot, source_id: str) -> None:
        self.provider: str | None = None
        self.sha256s: set[str] = set()
        self._source_id = source_id
        if root.drops_json.is_file():
            self._from_scan(Scan.parse(read_json(root.drops_json), where=str(root.drops_json)))
        if root.registry_json.is_file():
            self._from_registry(Registry.parse(read_json(root.registry_json), where=str(root.registry_json)))
        for _, version in read_versions(root, source_id=source_id):
            self._from_version(version)
        if self.provider is None and root.sources_json.is_file():
            where = str(root.sources_json)
            self._from_sources(
                [SourceRecord.parse(item, where=where) for item in read_json(root.sources_json)]
            )

    def _from_scan(self, scan: Scan) -> None:
        for drop in scan.drops:
            if drop.manifest is not None and drop.manifest.source_id == self._source_id:
                self.provider = self.provider or drop.manifest.provider
                self.sha256s |= {file.sha256 for file in drop.files if file.sha256}

    def _from_registry(self, registry: Registry) -> None:
        for track in registry.tracks:
            if any(origin.source_id == self._source_id for origin in track.origins):
                self.sha256s.add(track.sha256)

    def _from_version(self, version: DatasetVersion) -> None:
        self._from_sources(version.sources)
        self.sha256s |= {track.sha256 for track in version.tracks if self._source_id in track.source_ids}

    def _from_sources(self, sources: Sequence[SourceRecord]) -> None:
        for source in sources:
            if source.source_id == self._source_id:
                self.provider = self.provider or source.provider

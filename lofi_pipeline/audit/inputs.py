"""The records that an audit rests on, each read once and handed to every part of it.

What is wrong with a record is said in audit/integrity/. Files that are hashed, and the records of single tracks, are read there.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from lofi_pipeline.checkpoints.folder import CheckpointFolder, all_checkpoints
from lofi_pipeline.dataset.duplicates import Comparisons, load_comparisons
from lofi_pipeline.entities import (
    Acceptance,
    Dataset,
    DatasetVersion,
    Drop,
    DropManifest,
    DropStatus,
    Entity,
    RecordError,
    RegisteredTrack,
    Registry,
    Scan,
)
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest import (
    DeclaredTermsRecord,
    Memory,
    RefusedRecording,
    clock_day,
    load_declared_terms,
    load_memory,
    load_refused,
)
from lofi_pipeline.ingest.day_changes import DayChange, load_day_changes
from lofi_pipeline.licensing.withdrawals import Withdrawal, load_withdrawals
from lofi_pipeline.storage import (
    DataRoot,
    Ledger,
    opened_items,
    parsed,
    read_json,
    read_ledger,
    read_versions,
    version_files,
)

Record = TypeVar("Record", bound=Entity)


@dataclass(frozen=True)
class ReadRecord(Generic[Record]):
    """A record as it was read. Without a value: it is not there, or `error` says why it can't be read."""

    where: str
    """Relative to the data root."""
    value: Record | None = None
    error: str | None = None
    data: bytes = b""
    """The bytes that `value` was read from, where they are asked for."""


@dataclass(frozen=True)
class ReadVersions:
    """Every data set version that can be read with its file, and a sentence for each that can't."""

    found: tuple[tuple[Path, DatasetVersion], ...]
    unreadable: tuple[str, ...]


@dataclass(frozen=True)
class ReadRegistry:
    """Of each registered track the SHA-256 of its original and where that lies; or why the registry can't be read."""

    where: str
    error: str | None
    tracks: dict[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class AuditInputs:
    """The records of one data root. Each is read when it is first asked for and kept: all parts of an audit see the same bytes.

    Nothing is read that nobody asks for: looking up a file needs no registry. A new audit takes new inputs.
    """

    root: DataRoot

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, as far as its chain holds."""
        return read_ledger(self.root)

    @cached_property
    def withdrawals(self) -> list[Withdrawal]:
        """All withdrawn sources; raises RecordError or UnreadableRecord when the list was damaged."""
        return load_withdrawals(self.root)

    @cached_property
    def scan(self) -> ReadRecord[Scan]:
        """drops.json: what the last scan of raw/ found."""
        return _read(self.root, self.root.drops_json, Scan)

    @cached_property
    def day_changes(self) -> list[DayChange]:
        """Who set the day that is judged for; raises RecordError or UnreadableRecord when the record was damaged."""
        return load_day_changes(self.root)

    @cached_property
    def registry(self) -> ReadRecord[Registry]:
        """registry.json: every track id."""
        return _read(self.root, self.root.registry_json, Registry)

    @cached_property
    def comparisons(self) -> Comparisons:
        """duplicates.json: which recordings are the same, as far as they were compared."""
        return load_comparisons(self.root)

    @cached_property
    def memory(self) -> Memory:
        """remembered.json: the terms of what was refused or removed; raises RecordError when it was damaged."""
        return load_memory(self.root)

    @cached_property
    def refused(self) -> list[RefusedRecording]:
        """refused.json: what was listened to so that it is known again; raises RecordError when it was damaged."""
        return load_refused(self.root)

    @cached_property
    def declared(self) -> DeclaredTermsRecord:
        """claims.json: the terms that each source was ingested with; raises RecordError when it was damaged."""
        return load_declared_terms(self.root, self.scan.value, day=clock_day())

    @cached_property
    def registered(self) -> ReadRegistry:
        """Of every track id only what an audit compares: a tenth of the memory of the registry itself."""
        path = self.root.registry_json
        if "registry" not in vars(self):  # else all of it was read already
            with suppress(OSError, ValueError), opened_items(path) as items:
                if items and items.places.keys() == {"tracks"}:
                    tracks = map(RegisteredTrack.model_validate_json, items.of("tracks"))
                    return ReadRegistry(self.root.relative(path), None, _compared(tracks))
        read = self.registry
        return ReadRegistry(read.where, read.error, _compared(read.value.tracks if read.value else ()))

    def forget_registered(self) -> None:
        """Give back what `registered` takes, once every file is proved: what is written next needs the room."""
        vars(self).pop("registered", None)

    @cached_property
    def dataset(self) -> ReadRecord[Dataset]:
        """dataset_manifest.json: the data set as it is now."""
        return _read(self.root, self.root.dataset_manifest_json, Dataset, keep=True)

    @cached_property
    def checkpoints(self) -> list[CheckpointFolder]:
        """Every checkpoint, the active ones first."""
        return all_checkpoints(self.root)

    @cached_property
    def version_hashes(self) -> list[str]:
        """The hash of every data set version, by the names of their files."""
        return [path.stem for path in version_files(self.root)]

    @cached_property
    def versions(self) -> ReadVersions:
        """Every data set version."""
        unreadable: list[str] = []
        return ReadVersions(tuple(read_versions(self.root, unreadable=unreadable)), tuple(unreadable))

    @cached_property
    def _drops(self) -> dict[str, list[Drop]]:
        """By source id, its drops that were judged by the last scan; nothing where the scan can't be read."""
        found: dict[str, list[Drop]] = {}
        for drop in self.scan.value.drops if self.scan.value else []:
            if drop.manifest is not None and drop.status in (DropStatus.ACCEPTED, DropStatus.FORBIDDEN):
                found.setdefault(drop.manifest.source_id, []).append(drop)
        return found

    def drops_of(self, source_id: str) -> list[Drop]:
        """The drops of a source that were judged by the last scan."""
        return self._drops.get(source_id, [])

    @cached_property
    def manifests(self) -> dict[str, DropManifest]:
        """What each source's first drop says by the last scan; nothing where the scan can't be read."""
        return {source_id: drops[0].manifest for source_id, drops in self._drops.items() if drops[0].manifest}

    def accepted_since(self, source_id: str) -> list[Acceptance]:
        """Who accepted terms of a source, as its source.json files say now: an audit needs no scan before it."""
        found: list[Acceptance] = []
        for drop in self.drops_of(source_id):
            path = self.root.path / drop.folder / SOURCE_JSON
            try:
                manifest = DropManifest.parse(read_json(path), where=str(path))
            except (OSError, RecordError):
                continue  # audit/integrity/ says that it can't be read
            found += manifest.accepted if manifest.source_id == source_id else []
        return found


def _compared(tracks: Iterable[RegisteredTrack]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {it.track_id: (it.sha256, tuple(origin.path for origin in it.origins)) for it in tracks}


def _read(root: DataRoot, path: Path, model: type[Record], *, keep: bool = False) -> ReadRecord[Record]:
    where = root.relative(path)
    try:
        data = path.read_bytes()
        return ReadRecord(where, parsed(model, data, path, where=where), data=data if keep else b"")
    except FileNotFoundError:
        return ReadRecord(where)
    except (OSError, RecordError) as error:
        return ReadRecord(where, error=str(error))

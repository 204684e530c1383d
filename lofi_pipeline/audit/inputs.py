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

from pydantic import ValidationError

from lofi_pipeline.checkpoints.folder import CheckpointFolder, all_checkpoints
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    DropManifest,
    DropStatus,
    Entity,
    RecordError,
    RegisteredTrack,
    Registry,
    Scan,
)
from lofi_pipeline.ingest.day_changes import DayChange, load_day_changes
from lofi_pipeline.licensing.withdrawals import Withdrawal, load_withdrawals
from lofi_pipeline.storage import (
    DataRoot,
    Ledger,
    list_items,
    parsed,
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
    def registered(self) -> ReadRegistry:
        """Of every track id only what an audit compares: a tenth of the memory of the registry itself."""
        with suppress(OSError, ValidationError):
            data = self.root.registry_json.read_bytes()
            if (places := list_items(data)) is not None and places.keys() == {"tracks"}:
                items = (RegisteredTrack.model_validate_json(data[at:end]) for at, end in places["tracks"])
                return ReadRegistry(self.root.relative(self.root.registry_json), None, _compared(items))
        read = self.registry
        return ReadRegistry(read.where, read.error, _compared(read.value.tracks if read.value else ()))

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
    def manifests(self) -> dict[str, DropManifest]:
        """What each source's drop says by the last scan; nothing where the scan can't be read."""
        drops = self.scan.value.drops if self.scan.value else []
        return {
            drop.manifest.source_id: drop.manifest
            for drop in reversed(drops)
            if drop.manifest is not None and drop.status in (DropStatus.ACCEPTED, DropStatus.FORBIDDEN)
        }


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

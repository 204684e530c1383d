"""What the pipeline would say of a drop before it takes it: the same scan and the same work, in a data root that is thrown away.

Nothing is written into the data root itself. The scan is in scan.py, the work on a track in process_track.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import (
    RAW_FOLDER,
    Drop,
    DropStatus,
    Entity,
    RecordError,
    Registry,
    TrackRecord,
    TrackStatus,
)
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.batch import work_batch
from lofi_pipeline.ingest.judging_day import judging_day
from lofi_pipeline.ingest.layout import KINDS, is_drop
from lofi_pipeline.ingest.registry import assign_ids, load_registry, load_scan
from lofi_pipeline.ingest.scan import scan_drops
from lofi_pipeline.ingest.source_history import load_declared_terms
from lofi_pipeline.review import HOLD, awaits_person
from lofi_pipeline.storage import DataRoot, link_or_copy, read_json, temporary_folder, write_json_atomic

Progress = Callable[[int, int, str], None]


class CheckedFile(Entity):
    """One audio file of a drop, and what would come of it."""

    file: str
    taken: bool
    reason: str | None = None
    waits: bool = False
    """Whether it is taken, and stays out of data sets until a person has looked at it."""
    same_bytes_as: str | None = None
    """The track that has these bytes already."""
    record: TrackRecord | None = None
    """None: refused by name, or not listened to."""


class CheckedDrop(Entity):
    """A drop as the next run would find it."""

    drop: Drop
    files: list[CheckedFile]

    @property
    def takes_something(self) -> bool:
        """Whether a run would take any file of it."""
        return self.drop.status is DropStatus.ACCEPTED and any(item.taken for item in self.files)


@dataclass(frozen=True)
class _Place:
    """Where a drop lies, and its place in a data root."""

    folder: Path
    relative: Path


def check_drop(
    root: DataRoot,
    config: PipelineConfig,
    folder: Path,
    *,
    style_ids: set[str],
    listen: bool = True,
    progress: Progress = lambda _done, _total, _what: None,
) -> CheckedDrop:
    """Scan a drop, in data/raw or not yet there, and do the work on its tracks, as the next run would; keep nothing of it.

    A drop that lies elsewhere is taken for one of the kind that its source.json names.

    Args:
        listen: decode and measure every file, too; else only what its name, its bytes and source.json say.

    Raises:
        RecordError: it can't be a drop.
    """
    place = _place_of(root, folder)
    known = load_scan(root)
    with _scratch(root, place) as scratch:
        scan = scan_drops(
            scratch,
            style_ids=style_ids,
            licensing=config.licensing,
            known=known,
            record=load_declared_terms(root, known, day=judging_day(known)),
            base=config.training.base,
            only=scratch.path / place.relative,
        )
        drop = next(drop for drop in scan.drops if drop.folder == place.relative.as_posix())
        before = load_registry(root)
        registry = assign_ids(scratch, before, scan.model_copy(update={"drops": [drop]}))
        ids = {track.sha256: track.track_id for track in registry.tracks if track.origins}
        records = _worked_on(scratch, config, registry, list(ids.values()), progress) if listen else {}
    holds = config.tagging.needs_review == HOLD
    return CheckedDrop(drop=drop, files=_files(drop, before, ids, records, holds=holds))


def _place_of(root: DataRoot, folder: Path) -> _Place:
    """Where a drop lies in data/raw, or would.

    Raises:
        RecordError: it is no folder, lies in a drop, or does not say of which kind it is.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise RecordError(f"{folder}: is no folder; give the folder that holds source.json and the music")
    folder = folder.resolve()
    if is_drop(root, folder):
        return _Place(folder, folder.relative_to(root.path.resolve()))
    if folder.is_relative_to(root.raw.resolve()):
        raise RecordError(
            f"{folder}: is no drop; drops lie in raw/<kind>/, which is one of {', '.join(KINDS)}"
        )
    if not (folder / SOURCE_JSON).is_file():
        raise RecordError(f"{folder}: has no {SOURCE_JSON}; write one with `lofi source new {folder}`")
    said = read_json(folder / SOURCE_JSON)
    kind = said.get("source_type") if isinstance(said, dict) else None
    kinds = {str(each): name for each, name in RAW_FOLDER.items()}
    if kind not in kinds:
        raise RecordError(f"{folder / SOURCE_JSON}: source_type: must be one of {', '.join(kinds)}")
    return _Place(folder, Path("raw", kinds[kind], folder.name))


@contextmanager
def _scratch(root: DataRoot, place: _Place) -> Iterator[DataRoot]:
    """A data root that holds this drop, and the records of the real one that others' music is judged by."""
    parent = (
        root.path if root.path.is_dir() and os.access(root.path, os.W_OK) else Path(tempfile.gettempdir())
    )
    with temporary_folder(parent, "check") as path:
        scratch = DataRoot(path)
        scratch.metadata.mkdir(parents=True)
        for file in sorted(root.metadata.glob("*")):
            if file.is_file():
                shutil.copyfile(
                    file, scratch.metadata / file.name
                )  # no link: the ledger is appended to in place
        if root.edits.is_dir():
            _copy_tree(root.edits, scratch.edits)
        _copy_tree(place.folder, path / place.relative)
        yield scratch


def _copy_tree(source: Path, target: Path) -> None:
    """The files of a drop, as hard links where that can be; what is no regular file as it is."""
    target.mkdir(parents=True)
    for entry in os.scandir(source):
        if entry.is_symlink():
            (target / entry.name).symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            _copy_tree(Path(entry.path), target / entry.name)
        elif entry.is_file():
            link_or_copy(Path(entry.path), target / entry.name)


def _worked_on(
    scratch: DataRoot, config: PipelineConfig, registry: Registry, ids: list[str], progress: Progress
) -> dict[str, TrackRecord]:
    """By track id, the records of what would be done; none where the drop gives no tracks."""
    write_json_atomic(scratch.registry_json, registry)
    found = {}
    for record in work_batch(scratch, config, ids):
        found[record.track_id] = record
        progress(len(found), len(ids), record.filename)
    return found


def _files(
    drop: Drop, before: Registry, ids: dict[str, str], records: dict[str, TrackRecord], *, holds: bool
) -> list[CheckedFile]:
    known = {track.sha256: track.track_id for track in before.tracks}
    found = []
    for file in drop.files:
        record = records.get(ids.get(file.sha256 or "", ""))
        reason = file.refusal or (drop.reason if drop.status is not DropStatus.ACCEPTED else None)
        if reason is None and record is not None and record.status is not TrackStatus.OK:
            reason = record.reason
        waits = awaits_person(record) if holds and record is not None and reason is None else None
        found.append(
            CheckedFile(
                file=file.path.removeprefix(f"{drop.folder}/"),
                taken=reason is None,
                reason=reason or waits,
                waits=waits is not None,
                same_bytes_as=known.get(file.sha256 or ""),
                record=record,
            )
        )
    return found

"""Files that no record names, and what killed processes left. Nothing of it is removed here but temporary files that nobody writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from lofi_pipeline.audit.fsck.examination import Examination
from lofi_pipeline.entities import (
    DatasetVersion,
    FindingCode,
    RecordError,
    Severity,
    TrackRecord,
    TrackStatus,
)
from lofi_pipeline.ingest import output_files
from lofi_pipeline.storage import (
    TEMPORARY_PREFIX,
    DataRoot,
    is_left_over,
    remove_left_over,
    temporary_files,
)


def check_leftovers(
    examination: Examination, version: DatasetVersion | None, records: dict[str, TrackRecord]
) -> None:
    """Look through the folders that hold nothing but what records name."""
    if examination.inputs.registry.error is None:
        _orphans(examination, version, records)
    _temporaries(examination)


def _orphans(
    examination: Examination, version: DatasetVersion | None, records: dict[str, TrackRecord]
) -> None:
    """Files that no record names. A track that is not done may have some of an earlier time: they are its own."""
    root = examination.root
    known = {path for record in records.values() for path in output_files(record)}
    for item in version.tracks if version else []:
        known |= {item.track.audio_path, item.track.prompt_path, item.track.lyrics_path}
    registry = examination.inputs.registry.value
    ids = {track.track_id for track in registry.tracks} if registry else set(records)
    for track_id in ids:
        known |= {
            root.relative(path)
            for path in (root.track_record(track_id), root.fingerprint(track_id), root.thumbnail(track_id))
        }
    with suppress(RecordError):  # damaged: named where the ledger is checked
        known |= {root.relative(root.fingerprint(it.recording_id)) for it in examination.inputs.refused}
    unsettled = ids - {track_id for track_id, record in records.items() if record.status is TrackStatus.OK}
    for path in _files(root):
        where = path.relative_to(root.path).as_posix()
        if where not in known and _track_of(path) not in unsettled:
            sentence = f"{where} lies where the pipeline writes, and no record names it: look what it is, and remove it."
            examination.verifier.log(Severity.WARNING, FindingCode.FILE_ORPHAN, where, sentence)


def _track_of(path: Path) -> str:
    """The id of the track that a file is of by its name, such as track_001 of track_001_prompt.txt."""
    return "_".join(path.stem.split("_")[:2])


def _files(root: DataRoot) -> Iterator[Path]:
    folders = [
        root.processed,
        root.final,
        root.validation,
        root.track_records,
        root.fingerprint("any").parent,
        root.thumbnail("any").parent,
    ]
    for folder in folders:
        for here, _, names in os.walk(folder):
            for name in sorted(names):
                if not name.startswith((TEMPORARY_PREFIX, ".")):
                    yield Path(here) / name


def _temporaries(examination: Examination) -> None:
    for path in temporary_files(examination.root):
        where = path.relative_to(examination.root.path).as_posix()
        if is_left_over(path):
            sentence = (
                f"{where} was left by a process that was killed; the next scan of the drops removes it."
            )
            examination.verifier.log(Severity.WARNING, FindingCode.FILE_TEMPORARY, where, sentence)
            examination.mends[where] = partial(_remove_left_over, where, path)
        elif os.path.lexists(path):
            sentence = f"{where} is a temporary file: somebody writes it now, or did so elsewhere and was killed; a later scan removes it."
            examination.verifier.log(Severity.INFO, FindingCode.FILE_TEMPORARY, where, sentence)


def _remove_left_over(where: str, path: Path) -> str:
    remove_left_over([path])
    return f"{where}: removed"

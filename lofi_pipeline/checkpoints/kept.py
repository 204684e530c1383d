"""Whether a checkpoint's files are still what was written: weights and all else that landed, scores, and samples.

They look changed by size and time, which is asked at each run; whether they are is told by their bytes. What is remembered of
them stands in checkpoint.json, and is no part of what the ledger holds of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lofi_pipeline.checkpoints.folder import COMFYUI_FOLDER, SAMPLES_FOLDER, CheckpointFolder
from lofi_pipeline.checkpoints.ledger_entries import scored_files
from lofi_pipeline.checkpoints.manifest import RESUME_FOLDER, WEIGHTS_SUFFIX, read_record, write_record
from lofi_pipeline.entities import SCORES_RECORD, CheckpointRecord, KeptFile, Scores
from lofi_pipeline.storage import (
    content_sha256,
    file_sha256,
    is_kept,
    kept_file,
    looks_kept,
    refreshed,
    regular_stat,
)


def landed_files(record: CheckpointRecord) -> list[str]:
    """The files of a checkpoint that should be there: all that landed, without what retention removed."""
    if not record.pruned:
        return sorted(record.files)
    return sorted(name for name in record.files if not _is_pruned(name))


def _is_pruned(name: str) -> bool:
    return name.startswith((f"{RESUME_FOLDER}/", f"{COMFYUI_FOLDER}/")) or (
        "/" not in name and name.endswith(WEIGHTS_SUFFIX)
    )


def files_that_look_changed(folder: Path, record: CheckpointRecord) -> list[str]:
    """The files in a checkpoint's folder whose size or time is not the one that was kept. Nothing is read.

    Of a file that nothing is kept of it is asked whether it holds anything.
    """
    names = [*landed_files(record), *(name for name in record.kept_files if is_scored(name))]
    return [name for name in names if not looks_kept(os.path.join(folder, name), record.kept_files.get(name))]


def changed_scores(folder: Path, record: CheckpointRecord) -> list[str]:
    """Of scores.json and samples, those that are missing or hold other bytes than were written."""
    kept = record.kept_files.items()
    return [name for name, item in kept if is_scored(name) and not is_kept(folder / name, item)]


def is_scored(name: str) -> bool:
    """Whether a file in a checkpoint's folder was written when it was scored."""
    return name == SCORES_RECORD or name.startswith(f"{SAMPLES_FOLDER}/")


def appearance(found: CheckpointFolder, record: CheckpointRecord) -> str:
    """A hash of how a checkpoint's files look now, and of what is kept of them: another whenever one was touched."""
    names = sorted({*record.files, *record.kept_files, SCORES_RECORD})
    facts = [regular_stat(found.folder / name) for name in names]
    looks = [fact and [fact.st_size, fact.st_mtime_ns] for fact in facts]
    return content_sha256([names, looks, record.kept_files])


def kept_of(folder: Path, files: Mapping[str, str]) -> dict[str, KeptFile]:
    """What is to be remembered of files that were just written into `folder`, given with their hashes."""
    return {name: kept_file(folder / name, sha256) for name, sha256 in files.items()}


def with_present_times(folder: Path, record: CheckpointRecord) -> CheckpointRecord:
    """The record of a checkpoint whose files were just found to be those that landed, as it remembers them from now on."""
    landed = kept_of(folder, {name: record.files[name] for name in landed_files(record)})
    scored = {name: item for name, item in record.kept_files.items() if is_scored(name)}
    return record.model_copy(update={"kept_files": {**landed, **refreshed(folder, scored)}})


def remember_scores(folder: Path, scores: Scores) -> None:
    """Have checkpoint.json remember scores and samples that were just written."""
    record = read_record(folder)
    landed = {name: item for name, item in record.kept_files.items() if not is_scored(name)}
    paths = scored_files(folder, record, scores).values()
    written = {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}
    kept = {**landed, **kept_of(folder, written)}
    write_record(folder, record.model_copy(update={"kept_files": kept}))

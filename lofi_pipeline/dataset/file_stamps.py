"""What tells whether files changed since an index was made of them: their size, time and inode."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lofi_pipeline import __version__
from lofi_pipeline.config import PipelineConfig, base_name
from lofi_pipeline.dataset.version import current_hash
from lofi_pipeline.entities import RecordError
from lofi_pipeline.ingest import clock_day
from lofi_pipeline.ingest.refused import refused_json
from lofi_pipeline.ingest.remembered import remembered_json
from lofi_pipeline.licensing.withdrawals import withdrawals_json
from lofi_pipeline.storage import DataRoot, content_sha256, file_stamp

_SETTLED_NS = 2_000_000_000
"""A folder that was changed a moment ago may be changed again without another time."""
UNSETTLED = "?"
"""In place of the time of such a folder."""


def deciding_files(root: DataRoot) -> list[Path]:
    """The files, beside the records of tracks, that decide what is said of them."""
    version = None
    with suppress(RecordError):  # a damaged one decides nothing
        version = current_hash(root)
    return [
        *(root.registry_json, root.drops_json, root.claims_json, root.duplicates_json, root.built_from_json),
        *(remembered_json(root), refused_json(root), withdrawals_json(root), root.dataset_manifest_json),
        *([root.dataset_version(version)] if version else []),
    ]


def state_of_inputs(root: DataRoot, config: PipelineConfig) -> str:
    """What tells whether anything changed, beside the records of tracks, that decides what is said of them."""
    stamps = [file_stamp(path) for path in deciding_files(root)]
    known = [__version__, str(clock_day()), base_name(config), config.model_dump(mode="json"), stamps]
    return content_sha256(known)


def folder_stamp(folder: Path, moment: int) -> str:
    """A folder's time; another sign while it may be changed again without another time."""
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return "-"
    return str(changed) if moment - changed > _SETTLED_NS else UNSETTLED


def stamps_in(folder: Path, suffix: str) -> dict[str, str]:
    """By track, the state of its file in a folder."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return {
            entry.name.removesuffix(suffix): f"{info.st_mtime_ns} {info.st_size} {info.st_ino}"
            for entry in entries
            if entry.name.startswith("track_") and entry.name.endswith(suffix)
            for info in [entry.stat()]
        }
    return {}

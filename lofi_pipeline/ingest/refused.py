"""Fingerprints of music that is not taken: refused by its licence, so that a copy of it is known again under any other.

They are kept as those of tracks are, under ids of their own; metadata/refused.json says whose they are. It only grows, and is
entered into the ledger each time. What was refused, under which terms, is in remembered.py.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from pydantic import Field

from lofi_pipeline import audio
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import DropStatus, Entity, Scan
from lofi_pipeline.entities.base import RecordingId, RelativePath, Sha256
from lofi_pipeline.ingest.batch import seconds_for
from lofi_pipeline.ingest.in_time import ending_after
from lofi_pipeline.ingest.registry import load_registry, load_scan
from lofi_pipeline.ingest.remembered import load_memory
from lofi_pipeline.processes import worker_processes
from lofi_pipeline.storage import (
    DataRoot,
    file_sha256,
    is_entered,
    locked,
    read_record,
    require_own,
    write_bytes_atomic,
    write_sealed,
)


class RefusedRecording(Entity):
    """One file that was refused, and its fingerprint or why there is none."""

    recording_id: RecordingId
    sha256: Sha256 = Field(description="Of the file")
    path: RelativePath = Field(description="Where it lay, relative to the data root")
    fingerprint: Sha256 | None = Field(default=None, description="Of its fingerprint file")
    reason: str | None = Field(default=None, description="Why it has no fingerprint")


class RefusedRecordings(Entity):
    """metadata/refused.json, in the order in which they were listened to."""

    recordings: list[RefusedRecording] = Field(default_factory=list)


def refused_json(root: DataRoot) -> Path:
    """The path of the record."""
    return root.metadata / "refused.json"


def load_refused(root: DataRoot) -> list[RefusedRecording]:
    """Every refused file that was listened to.

    Raises:
        RecordError: the record is damaged.
    """
    path = refused_json(root)
    return read_record(RefusedRecordings, path).recordings if path.is_file() else []


def refused_without_fingerprint(root: DataRoot, scan: Scan | None = None) -> dict[str, str]:
    """By SHA-256, where each refused file lies that was not listened to yet, or whose fingerprint was lost."""
    scan = scan or load_scan(root)
    remembered = load_memory(root)
    found = {
        file.sha256: file.path
        for drop in (scan.drops if scan else [])
        for file in drop.files
        if file.sha256 and (drop.status is DropStatus.FORBIDDEN or file.sha256 in remembered)
    }
    if not found:
        return {}
    known = {
        it.sha256 for it in load_refused(root) if it.reason or root.fingerprint(it.recording_id).is_file()
    }
    known |= {it.sha256 for it in load_registry(root).tracks if root.fingerprint(it.track_id).is_file()}
    known |= {it.sha256 for it in load_registry(root).tracks if it.origins}
    return {sha256: path for sha256, path in sorted(found.items()) if sha256 not in known}


def listen_to_refused(
    root: DataRoot, config: PipelineConfig, progress: Callable[[str], None] = lambda message: None
) -> int:
    """Keep the fingerprint of each refused file that has none; returns how many files were listened to.

    Nothing else is made of them. A file that cannot be decoded is recorded with the reason, and not tried again.

    Raises:
        OSError: the disk is full or cannot be written.
        RecordError: refused.json was edited, or lost, since it was entered.
    """
    if is_entered(root, refused_json(root)) and not refused_without_fingerprint(root):
        return 0
    with locked(refused_json(root)):
        require_own(root, refused_json(root))
        missing = refused_without_fingerprint(root)
        if not missing:
            return 0
        progress(f"listening to {len(missing)} refused files, so that copies of them are known")
        known = {it.sha256: it for it in load_refused(root)}
        ids = {sha256: it.recording_id for sha256, it in known.items()}
        for sha256 in missing:
            ids.setdefault(sha256, f"refused_{len(ids) + 1:03d}")
        for sha256, (bands, reason) in _heard(root, config, missing):
            if bands is None and reason is None:
                continue  # it is not there as it was scanned: the next scan tells
            known[sha256] = RefusedRecording(
                recording_id=ids[sha256],
                sha256=sha256,
                path=missing[sha256],
                fingerprint=_keep(root, ids[sha256], bands) if bands is not None else None,
                reason=reason,
            )
        recordings = [known[sha256] for sha256 in ids if sha256 in known]
        write_sealed(root, refused_json(root), RefusedRecordings(recordings=recordings))
    return len(missing)


def _keep(root: DataRoot, recording_id: str, bands: np.ndarray) -> str:
    data = io.BytesIO()
    np.save(data, bands, allow_pickle=False)
    write_bytes_atomic(root.fingerprint(recording_id), data.getvalue())
    return file_sha256(root.fingerprint(recording_id))


Heard = tuple[np.ndarray | None, str | None]


def _heard(root: DataRoot, config: PipelineConfig, missing: Mapping[str, str]) -> Iterator[tuple[str, Heard]]:
    """By SHA-256, the fingerprint of each file, or why there is none. Files are opened in worker processes alone."""
    left = dict(missing)
    try:
        for sha256, heard in _in_workers(root, config, left):
            del left[sha256]
            yield sha256, heard
    except TerminatedWorkerError:
        for sha256, path in left.items():
            try:
                yield from _in_workers(root, config, {sha256: path})
            except TerminatedWorkerError:
                yield sha256, (None, "the worker process died over this file, or found no end of it")


def _in_workers(
    root: DataRoot, config: PipelineConfig, missing: Mapping[str, str]
) -> Iterator[tuple[str, Heard]]:
    workers = config.ingest.workers or -1
    with worker_processes(max(2, workers) if workers > 0 else workers):
        parallel = Parallel(return_as="generator_unordered", batch_size=1)  # pyright: ignore[reportArgumentType]
        found = parallel(delayed(_hear)(root, config, sha256, path) for sha256, path in list(missing.items()))
    yield from cast(Iterator[tuple[str, Heard]], found)


def _hear(root: DataRoot, config: PipelineConfig, sha256: str, path: str) -> tuple[str, Heard]:
    with ending_after(seconds_for(root, path, config)):
        try:
            file = root.inside(path)
            if file_sha256(file) != sha256:
                return sha256, (None, None)
            return sha256, (audio.fingerprint_of(file, config.audio), None)
        except audio.RefusedAudio as refusal:
            return sha256, (None, str(refusal))
        except OSError:
            return sha256, (None, None)

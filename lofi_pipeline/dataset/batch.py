"""A batch of tracks on all cores. A worker that dies over one track costs that track alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.registry import load_registry
from lofi_pipeline.dataset.track_work import Workshop, failed_record, needs_work, work_on
from lofi_pipeline.entities import RegisteredTrack, TrackRecord
from lofi_pipeline.storage import DataRoot

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def pending_tracks(root: DataRoot, config: PipelineConfig) -> list[str]:
    """The ids of the tracks that have something to be done, in the order they were registered."""
    workshop = Workshop.open(config)
    return [track.track_id for track in load_registry(root).tracks if needs_work(root, track, workshop)]


def _work(root: DataRoot, track: RegisteredTrack, config: PipelineConfig) -> TrackRecord:
    os.environ.update(_ONE_THREAD)
    return work_on(root, track, Workshop.open(config))


def work_batch(root: DataRoot, config: PipelineConfig, track_ids: list[str]) -> Iterator[TrackRecord]:
    """Work on each track; yield its record as soon as it is done, in any order."""
    known = load_registry(root).by_id()
    tracks = [known[track_id] for track_id in track_ids if track_id in known and known[track_id].origins]
    workers = min(config.ingest.workers or os.cpu_count() or 1, len(tracks)) or 1
    open_tracks = {track.track_id: track for track in tracks}
    try:
        for record in _parallel(root, config, tracks, workers):
            del open_tracks[record.track_id]
            yield record
    except TerminatedWorkerError:
        yield from _one_by_one(root, config, list(open_tracks.values()))


def _parallel(
    root: DataRoot, config: PipelineConfig, tracks: list[RegisteredTrack], workers: int
) -> Iterator[TrackRecord]:
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
    yield from parallel(delayed(_work)(root, track, config) for track in tracks)


def _one_by_one(root: DataRoot, config: PipelineConfig, tracks: list[RegisteredTrack]) -> Iterator[TrackRecord]:
    """After a worker died: each remaining track in a worker of its own, so that the deadly one is known."""
    for track in tracks:
        try:
            # Two workers even for one task: with one, joblib works in this very process.
            yield from _parallel(root, config, [track], 2)
        except TerminatedWorkerError:
            reason = "the worker process died over this file (decoder crash or out of memory); convert it and drop it again"
            yield failed_record(root, track, Workshop.open(config), reason)

"""A batch of tracks on all cores. A worker that dies over one track costs that track alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import cast

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.registry import load_registry
from lofi_pipeline.dataset.track_work import Workshop, failed_record, needs_work, work_on
from lofi_pipeline.entities import RegisteredTrack, TrackRecord
from lofi_pipeline.storage import DataRoot

AHEAD = 2
"""Tracks handed out for each worker: one in work, one waiting."""


def pending_tracks(root: DataRoot, config: PipelineConfig) -> list[str]:
    """The ids of the tracks that have something to be done, in the order they were registered."""
    workshop = Workshop.open(config)
    return [track.track_id for track in load_registry(root).tracks if needs_work(root, track, workshop)]


def _work(root: DataRoot, track: RegisteredTrack, config: PipelineConfig) -> TrackRecord:
    return work_on(root, track, Workshop.open(config))


def work_batch(root: DataRoot, config: PipelineConfig, track_ids: list[str]) -> Iterator[TrackRecord]:
    """Work on each track; yield its record as soon as it is done, in any order.

    Raises:
        OSError: the disk is full or cannot be written; what was done until then is kept.
    """
    known = load_registry(root).by_id()
    tracks = [known[track_id] for track_id in track_ids if track_id in known and known[track_id].origins]
    workers = min(config.ingest.workers or os.cpu_count() or 1, len(tracks)) or 1
    open_tracks = {track.track_id: track for track in tracks}
    while open_tracks:
        try:
            for record in _parallel(root, config, list(open_tracks.values()), workers):
                del open_tracks[record.track_id]
                yield record
        except TerminatedWorkerError:
            # Tracks are handed out in order: whoever killed the worker is most likely among the first.
            suspects = list(islice(open_tracks.values(), AHEAD * workers))
            for record in _one_by_one(root, config, suspects):
                del open_tracks[record.track_id]
                yield record


def _parallel(
    root: DataRoot, config: PipelineConfig, tracks: list[RegisteredTrack], workers: int
) -> Iterator[TrackRecord]:
    # At least two workers, even if one has nothing to do: with one, joblib works in this very process.
    with parallel_config(backend="loky", n_jobs=max(2, workers), inner_max_num_threads=1):
        ahead = AHEAD * workers if workers > 1 else 1
        parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch=str(ahead))  # pyright: ignore[reportArgumentType]
        records = parallel(delayed(_work)(root, track, config) for track in tracks)
    yield from cast(Iterator[TrackRecord], records)


def _one_by_one(
    root: DataRoot, config: PipelineConfig, tracks: list[RegisteredTrack]
) -> Iterator[TrackRecord]:
    """After a worker died: each track in a worker of its own, so that the deadly one is known."""
    for track in tracks:
        try:
            yield from _parallel(root, config, [track], 1)
        except TerminatedWorkerError:
            reason = "the worker process died over this file (decoder crash or out of memory); convert it and drop it again"
            yield failed_record(root, track, Workshop.open(config), reason)

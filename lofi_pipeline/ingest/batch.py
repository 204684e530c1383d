"""Work on a batch of tracks, on all cores, or by a cluster (elsewhere.py). If a worker dies or hangs, only the track that it was working on fails.

A worker that hangs is ended by an alarm signal, which no decoder can block; it then counts as one that died. What is done for
one track is in process_track.py.
"""

from __future__ import annotations

import os
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import cast

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import RegisteredTrack, TrackRecord
from lofi_pipeline.ingest.context import ProcessingContext
from lofi_pipeline.ingest.elsewhere import AHEAD, work_on_cluster
from lofi_pipeline.ingest.in_time import ending_after, keep_freed_memory
from lofi_pipeline.ingest.process_track import failed_record, work_on
from lofi_pipeline.ingest.registry import load_registry
from lofi_pipeline.processes import worker_processes
from lofi_pipeline.storage import DataRoot

_START_SECONDS = 60.0
"""For a worker's imports and compilations, on a slow machine."""
_BYTES_A_SECOND = 10e6
_TIMES_REAL_TIME = 2.0
"""Far below the speed of any machine (60 times real time on one core): a worker that is slower hangs."""
_THINNEST_BYTES_A_SECOND = 750
"""Opus at 6 kbit/s: it gives the longest audio that a file of some size can hold."""


def time_limit(root: DataRoot, track: RegisteredTrack, config: PipelineConfig) -> float:
    """Seconds after which work on a track counts as hanging, from its file's size and the audio that may be in it."""
    return seconds_for(root, track.origins[0].path, config)


def seconds_for(root: DataRoot, path: str, config: PipelineConfig) -> float:
    """Seconds after which work on a file counts as hanging."""
    try:
        size = root.inside(path).lstat().st_size
    except OSError:
        size = 0  # gone: the work on the track records that
    audio_seconds = min(size / _THINNEST_BYTES_A_SECOND, config.audio.max_seconds)
    tagging = config.tagging
    captioner = tagging.caption_seconds if tagging.caption_command or tagging.caption_url else 0.0
    return _START_SECONDS + size / _BYTES_A_SECOND + audio_seconds / _TIMES_REAL_TIME + captioner


def work_with_limit(
    root: DataRoot, track: RegisteredTrack, config: PipelineConfig, seconds: float
) -> TrackRecord:
    """Work on a track in this process, which ends after so many seconds."""
    keep_freed_memory()
    with ending_after(seconds):
        return work_on(root, track, ProcessingContext.open(config))


TimeLimit = Callable[[DataRoot, RegisteredTrack, PipelineConfig], float]


def work_batch(
    root: DataRoot,
    config: PipelineConfig,
    track_ids: list[str],
    *,
    time_limit: TimeLimit = time_limit,
    tell: Callable[[str], None] = lambda said: None,
) -> Iterator[TrackRecord]:
    """Work on each track; yield its record as soon as it is done, in any order. `tell` hears of nodes that are spared.

    A track whose worker dies, or takes longer than `time_limit` allows, is tried once more in a worker of its own. If that
    ends the same way, the track has failed.

    Raises:
        OSError: the disk is full or cannot be written; what was done until then is kept.
        ClusterFault: so it is on all nodes of a cluster, or it cannot work for another reason.
    """
    known = load_registry(root).by_id()
    tracks = [known[track_id] for track_id in track_ids if track_id in known and known[track_id].origins]
    if config.ingest.backend != "loky":
        yield from work_on_cluster(root, config, tracks, time_limit, tell)
        return
    workers = min(config.ingest.workers or os.cpu_count() or 1, len(tracks)) or 1
    open_tracks = {track.track_id: track for track in tracks}
    while open_tracks:
        try:
            for record in _parallel(root, config, list(open_tracks.values()), workers, time_limit):
                del open_tracks[record.track_id]
                yield record
        except TerminatedWorkerError:
            # Tracks are handed out in order: the one that killed the worker is most likely among the first.
            suspects = list(islice(open_tracks.values(), AHEAD * workers))
            for record in _one_by_one(root, config, suspects, time_limit):
                del open_tracks[record.track_id]
                yield record


def _parallel(
    root: DataRoot, config: PipelineConfig, tracks: list[RegisteredTrack], workers: int, time_limit: TimeLimit
) -> Iterator[TrackRecord]:
    # At least two workers, even if one has nothing to do: with one, joblib works in this very process.
    with worker_processes(max(2, workers)):
        ahead = AHEAD * workers if workers > 1 else 1
        parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch=str(ahead))  # pyright: ignore[reportArgumentType]
        records = parallel(
            delayed(work_with_limit)(root, track, config, time_limit(root, track, config)) for track in tracks
        )
    with warnings.catch_warnings():
        # A caller that stops early does so on purpose: joblib would warn of the tracks that are cancelled.
        warnings.filterwarnings("ignore", message=".*have been cancelled", category=UserWarning)
        yield from cast(Iterator[TrackRecord], records)


def _one_by_one(
    root: DataRoot, config: PipelineConfig, tracks: list[RegisteredTrack], time_limit: TimeLimit
) -> Iterator[TrackRecord]:
    """After a worker died: each track in a worker of its own, so that it is known which one killed it."""
    for track in tracks:
        try:
            yield from _parallel(root, config, [track], 1, time_limit)
        except TerminatedWorkerError as error:
            limit = time_limit(root, track, config)
            yield failed_record(root, track, ProcessingContext.open(config), _death_in_words(error, limit))


def _death_in_words(error: TerminatedWorkerError, limit: float) -> str:
    ended_by = re.findall(r"\b(SIG[A-Z]+)\(-\d+\)", str(error))
    if signal.SIGALRM.name in ended_by:
        return (
            f"no end after {limit:.0f} s of work over this file, twice (a decoder that hangs, or a very slow disk);"
            " convert it and drop it again"
        )
    by = f" by {ended_by[0]}" if ended_by else ""
    return (
        f"the worker process died over this file{by} (decoder crash or out of memory);"
        " convert it and drop it again"
    )

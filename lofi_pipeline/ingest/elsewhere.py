"""Work on tracks by the workers of a cluster. What is promised of workers on this machine holds: one that dies costs one track.

Names of files go out, never audio: each node reads and writes in the data root itself. A node whose code or configuration is another
would write other records: it is refused by its name, and so is one that does not see the data root.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from pickle import UnpicklingError
from threading import Lock

from threadpoolctl import threadpool_limits

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import RegisteredTrack, TrackRecord
from lofi_pipeline.ingest.cluster import Cluster, open_cluster
from lofi_pipeline.ingest.context import ProcessingContext
from lofi_pipeline.ingest.errors import ClusterFault
from lofi_pipeline.ingest.in_time import ending_after, keep_freed_memory
from lofi_pipeline.ingest.process_track import failed_record, work_on
from lofi_pipeline.installation import code_version
from lofi_pipeline.storage import DataRoot

AHEAD = 2
"""Tracks handed out for each worker: one in work, one waiting."""
TRIES = 2
_LOOK_SECONDS = 30.0
_LOOKS_WITHOUT_WORKERS = 10
"""Five minutes in which a node may come back."""

_ONE_AT_A_TIME = Lock()
"""A clock for a track ends the whole process: a worker with more threads works on one track after the other."""


@dataclass(frozen=True)
class Asked:
    """A track to be worked on, and what must hold where that is done."""

    root: DataRoot
    track: RegisteredTrack
    config: PipelineConfig
    seconds: float
    code: str
    inputs: dict[str, str]
    """By stage, the hash of all it depends on, as it is here."""


@dataclass(frozen=True)
class Unfit:
    """A node that must not work on the track, and why."""

    node: str
    reason: str


def work_on_cluster(
    root: DataRoot,
    config: PipelineConfig,
    tracks: list[RegisteredTrack],
    time_limit: Callable[[DataRoot, RegisteredTrack, PipelineConfig], float],
) -> Iterator[TrackRecord]:
    """Work on each track; yield its record as soon as it is done, in any order.

    Raises:
        ClusterFault: the cluster is not reached, has no workers any more, or a node of it is unfit.
        OSError: the disk is full or cannot be written; what was done until then is kept.
    """
    context, code = ProcessingContext.open(config), code_version()
    waiting, tries = iter(tracks), dict.fromkeys((track.track_id for track in tracks), 0)
    running: dict[Future[TrackRecord | Unfit], Asked] = {}
    with open_cluster(config.ingest) as cluster:

        def hand_out(asked: Asked) -> None:
            tries[asked.track.track_id] += 1
            running[cluster.submit(work_here, asked)] = asked

        try:
            while True:
                for track in islice(waiting, max(0, AHEAD * max(1, cluster.workers()) - len(running))):
                    limit = time_limit(root, track, config)
                    hand_out(Asked(root, track, config, limit, code, context.inputs_of(root, track)))
                if not running:
                    return
                for future in _next_done(cluster, running):
                    asked = running.pop(future)
                    try:
                        found = cluster.result(future)
                    except cluster.deaths:
                        if tries[asked.track.track_id] < TRIES:
                            hand_out(asked)
                        else:
                            yield failed_record(root, asked.track, context, _death_in_words(asked.seconds))
                        continue
                    except Exception as error:
                        if _is_of_other_code(error):
                            raise ClusterFault(_not_understood(cluster.name, error)) from error
                        raise
                    if isinstance(found, Unfit):
                        raise ClusterFault(f"node {found.node}: {found.reason}")
                    yield found
        finally:
            for future in running:
                future.cancel()


def _next_done(
    cluster: Cluster, running: dict[Future[TrackRecord | Unfit], Asked]
) -> set[Future[TrackRecord | Unfit]]:
    """What is done next. Nodes may go and come back; where none is left for long, nobody waits for ever."""
    for _ in range(_LOOKS_WITHOUT_WORKERS):
        while True:
            done, _left = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if done:
                return done
            if not cluster.workers():
                break
    raise ClusterFault(
        f"the cluster of {cluster.name} has no workers any more; start them, then give the same command again: what was done is kept"
    )


def work_here(asked: Asked) -> TrackRecord | Unfit:
    """On a node: work on the track, if the node is fit for it, in one thread and within the time."""
    if reason := _unfit(asked):
        return Unfit(platform.node(), reason)
    keep_freed_memory()
    with _ONE_AT_A_TIME, threadpool_limits(1), ending_after(asked.seconds):
        return work_on(asked.root, asked.track, ProcessingContext.open(asked.config))


def _unfit(asked: Asked) -> str | None:
    if (own := code_version()) != asked.code:
        return (
            f"has another version of the code ({own} here, {asked.code} where the command was given), and would write other records; "
            "install the same version of lofi-pipeline and of what it needs on it, and start its worker again"
        )
    if not asked.root.registry_json.is_file():
        return f"does not see the data root {asked.root.path}; mount it there under the same path"
    if ProcessingContext.open(asked.config).inputs_of(asked.root, asked.track) != asked.inputs:
        return (
            "has other style presets, another vocabulary or other models than where the command was given; give it the same "
            "configuration folder and weights, and start its worker again"
        )
    return None


def _is_of_other_code(error: BaseException | None) -> bool:
    """Whether a node could not even read what it was to do: its code knows other names."""
    while error:
        if isinstance(error, ImportError | AttributeError | UnpicklingError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _not_understood(backend: str, error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return (
        f"a node of the cluster of {backend} cannot read what it is to do ({' '.join(str(error).split())[:200]}): it has another version of "
        "lofi-pipeline, or lacks a package; install the same version, with the same extras, on each node, and start its workers again"
    )


def _death_in_words(limit: float) -> str:
    return (
        f"its worker died over this file, {TRIES} times (no end after {limit:.0f} s of work, a decoder that crashed, no memory left, or "
        "a machine that went away; see the worker's log); convert it and drop it again"
    )

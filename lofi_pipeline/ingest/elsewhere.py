"""Work on tracks by the workers of a cluster. What is promised of workers on this machine holds: one that dies costs one track.

Names of files go out, never audio: each node reads and writes in the data root itself. A node whose code or configuration is another
would write other records: it is refused by its name, and so is one that does not see the data root. One whose disk is full, or cannot
be written, is spared: the others do its tracks.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
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
from lofi_pipeline.storage import DataRoot, in_words, is_of_the_disk

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
    own_node: Callable[[], str] = platform.node
    """Where the work is done: the id of that node."""


@dataclass(frozen=True)
class Unfit:
    """A node that must not work on the track, and why."""

    node: str
    reason: str
    spared: str | None = None
    """The id of the node where its disk alone is to blame: it is spared, and the others do its tracks."""


def work_on_cluster(
    root: DataRoot,
    config: PipelineConfig,
    tracks: list[RegisteredTrack],
    time_limit: Callable[[DataRoot, RegisteredTrack, PipelineConfig], float],
    tell: Callable[[str], None],
) -> Iterator[TrackRecord]:
    """Work on each track; yield its record as soon as it is done, in any order. `tell` hears which nodes are spared, and why.

    Raises:
        ClusterFault: the cluster is not reached, has no workers any more, a node of it is unfit, or the disks of all are full
            or cannot be written; what was done until then is kept.
    """
    context, code, waiting = ProcessingContext.open(config), code_version(), iter(tracks)
    with open_cluster(config.ingest) as cluster:
        work = _Work(cluster, tell)
        try:
            while True:
                for track in islice(waiting, work.room()):
                    limit, inputs = time_limit(root, track, config), context.inputs_of(root, track)
                    work.hand_out(Asked(root, track, config, limit, code, inputs, cluster.own_node))
                if not work.running:
                    return
                for future in work.next_done():
                    asked = work.running.pop(future)
                    try:
                        found = cluster.result(future)
                    except cluster.deaths:
                        if work.tries[asked.track.track_id] < TRIES:
                            work.hand_out(asked)
                        else:
                            yield failed_record(root, asked.track, context, _death_in_words(asked.seconds))
                        continue
                    except Exception as error:
                        if _is_of_other_code(error):
                            raise ClusterFault(_not_understood(cluster.name, error)) from error
                        raise
                    if isinstance(found, Unfit):
                        work.do_elsewhere(asked, found)
                    else:
                        yield found
        finally:
            for future in work.running:
                future.cancel()


@dataclass
class _Work:
    """What a cluster works on, and which of its nodes are spared."""

    cluster: Cluster
    tell: Callable[[str], None]
    running: dict[Future[TrackRecord | Unfit], Asked] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    spared: dict[str, str] = field(default_factory=dict)
    """By the id of a node, what is wrong with its disk."""

    def room(self) -> int:
        """How many more tracks may be handed out."""
        self.cluster.nodes()
        return max(0, AHEAD * max(1, self.cluster.workers()) - len(self.running))

    def hand_out(self, asked: Asked) -> None:
        """Have the track worked on by a node that is not spared."""
        self.tries[asked.track.track_id] += 1
        self.running[self.cluster.submit(self.spared, work_here, asked)] = asked

    def do_elsewhere(self, asked: Asked, unfit: Unfit) -> None:
        """Spare a node whose disk takes nothing, and have its track done by another.

        Raises:
            ClusterFault: something else is wrong with the node, or there is no other.
        """
        said = f"node {unfit.node}: {unfit.reason}"
        if unfit.spared is None:
            raise ClusterFault(said)
        is_news = unfit.spared not in self.spared
        self.spared[unfit.spared] = said
        if not self.cluster.seen - self.spared.keys():
            raise ClusterFault(said)
        if is_news:
            self.tell(f"{said}. Until then the other nodes do its tracks")
        self.tries[asked.track.track_id] -= 1  # the track is not to blame
        self.hand_out(asked)

    def next_done(self) -> set[Future[TrackRecord | Unfit]]:
        """What is done next. Nodes may go and come back; where none is left for long, nobody waits for ever."""
        for _ in range(_LOOKS_WITHOUT_WORKERS):
            while True:
                done, _left = wait(self.running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                if done:
                    return done
                if not self.cluster.nodes() - self.spared.keys():
                    break
        but = (
            f" but those of nodes whose disk is to blame ({'; '.join(self.spared.values())})"
            if self.spared
            else ""
        )
        raise ClusterFault(
            f"the cluster of {self.cluster.name} has no workers any more{but}; start them, then give the same command again: "
            "what was done is kept"
        )


def work_here(asked: Asked) -> TrackRecord | Unfit:
    """On a node: work on the track, if the node is fit for it, in one thread and within the time."""
    if reason := _unfit(asked):
        return Unfit(platform.node(), reason)
    keep_freed_memory()
    try:
        with _ONE_AT_A_TIME, threadpool_limits(1), ending_after(asked.seconds):
            return work_on(asked.root, asked.track, ProcessingContext.open(asked.config))
    except OSError as error:
        if not is_of_the_disk(error, inputs=asked.root.raw):
            raise
        # In words here: where the command was given, another disk lies under the same path
        return Unfit(platform.node(), in_words(error), asked.own_node())


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

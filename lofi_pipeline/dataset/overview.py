"""Every track, and every file that is none, with what came of it: what `lofi tracks` lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.eligibility import eligibility_of
from lofi_pipeline.dataset.exclusions import Barriers, LeftOut, left_out
from lofi_pipeline.dataset.version import load_version
from lofi_pipeline.dataset.waiting import TO_BE_TAKEN_UP
from lofi_pipeline.dataset.worked import Worked, load_worked
from lofi_pipeline.entities import (
    Drop,
    Entity,
    RecordError,
    RegisteredTrack,
    Split,
    TrackState,
    TrackStatus,
)
from lofi_pipeline.ingest import load_registry, load_scan
from lofi_pipeline.storage import DataRoot

_DECLARED = 1.0
"""Confidence of styles that a person said."""


class TrackOverview(Entity):
    """One track, or one file that gives none. `file` is relative to data/raw."""

    track_id: str | None
    file: str
    source_id: str | None
    title: str | None = None
    artist: str | None = None
    licence: str | None = None
    state: TrackState | None = None
    status: TrackStatus | None = None
    split: Split | None = None
    """The side of the current data set version that it is on; None: it is not in it."""
    refused: bool
    """Whether a data set that is built now leaves it out."""
    reason: str | None = None
    unsure: bool = False
    """Whether a person should look at its styles, or at what was claimed of it."""
    waits: bool = False
    """Whether it is left out until a person has looked at it."""
    verified_by: str | None = None
    """Who looked at it, accepted it or corrected it."""
    disputed: list[str] = []
    """What was claimed of it and measured otherwise."""
    offered: list[str] = []
    """Tags that may be true as well, and are in no prompt."""
    quality_score: int | None = None
    seconds: float | None = None
    bpm: int | None = None
    key: str | None = None
    style_ids: list[str] = []
    style_confidence: float | None = None
    prompt: str | None = None
    verified: bool = False
    """Whether a person looked at it."""
    styles_declared: bool = False

    def is_as_sure_as(self, confidence: float) -> bool:
        """Whether its suggested style has that confidence, nothing of it is disputed, and nobody has looked at it."""
        return (
            self.track_id is not None
            and self.verified_by is None
            and not self.disputed
            and (self.waits or not self.refused)
            and confidence <= (self.style_confidence or 0.0) < _DECLARED
        )


def track_overview(root: DataRoot, config: PipelineConfig) -> list[TrackOverview]:
    """The tracks whose files are there in the order of their ids, then the files that give no track, by name."""
    known: dict[str, Worked | None] = {}

    def worked(track_id: str) -> Worked | None:
        if track_id not in known:
            known[track_id] = load_worked(root, track_id)
        return known[track_id]

    return overview(root, Barriers.of(root, eligibility_of(root, config)), worked)


def overview(
    root: DataRoot, barriers: Barriers, worked: Callable[[str], Worked | None]
) -> list[TrackOverview]:
    """See `track_overview`; by track, what came of it."""
    raw = f"{root.relative(root.raw)}/"
    sides = _sides(root)
    reasons: dict[str, LeftOut] = {}
    others: list[TrackOverview] = []
    sources = {
        drop.folder.removeprefix(raw): drop.manifest.source_id for drop in _drops(root) if drop.manifest
    }
    tracks = [track for track in load_registry(root).tracks if track.origins]
    first = {track.origins[0].path.removeprefix(raw): track.track_id for track in tracks}
    for item in left_out(root, barriers=barriers, worked=worked):
        if item.track_id is not None and first.get(item.file) == item.track_id:
            reasons.setdefault(item.track_id, item)
        else:
            source = sources.get("/".join(item.file.split("/")[:2]))
            others.append(
                TrackOverview(
                    track_id=item.track_id, file=item.file, source_id=source, refused=True, reason=item.reason
                )
            )
    rows = [
        with_work(
            _registered(track, raw, sides.get(it)),
            worked(it),
            left.reason if left else None,
            waits=bool(left and left.waits),
        )
        for track in tracks
        for it in [track.track_id]
        for left in [reasons.get(it)]
    ]
    return [*rows, *sorted(others, key=lambda row: row.file)]


def _drops(root: DataRoot) -> Sequence[Drop]:
    scan = load_scan(root)
    return scan.drops if scan else []


def _sides(root: DataRoot) -> dict[str, Split]:
    try:
        return {item.track.track_id: item.track.split for item in load_version(root).tracks}
    except RecordError:
        return {}


def _registered(track: RegisteredTrack, raw: str, split: Split | None) -> TrackOverview:
    """What is known of a track before it is worked on."""
    origin = track.origins[0]
    return TrackOverview(
        track_id=track.track_id,
        file=origin.path.removeprefix(raw),
        source_id=origin.source_id,
        title=origin.title,
        artist=origin.artist,
        licence=origin.licence,
        split=split,
        refused=False,
    )


def with_work(
    row: TrackOverview, worked: Worked | None, reason: str | None, *, waits: bool = False
) -> TrackOverview:
    """The row of a track with what came of it, and why it is left out."""
    status = worked.status if worked else TrackStatus.PENDING
    facts = {name: getattr(worked, name) for name in _OF_THE_WORK} if worked else _BEFORE_WORK
    refused = reason not in (None, TO_BE_TAKEN_UP) and status is not TrackStatus.PENDING
    said = {"status": status, "refused": refused, "reason": reason, "waits": waits}
    if waits:  # ready for training it is once somebody has looked at it
        said["state"] = TrackState.TAGGED
    return row.model_copy(update={**facts, **said})


_OF_THE_WORK = tuple(
    name for name in TrackOverview.model_fields if name in Worked.model_fields and name != "reason"
)
_BEFORE_WORK = {
    name: TrackOverview.model_fields[name].get_default(call_default_factory=True) for name in _OF_THE_WORK
}
_BEFORE_WORK["state"] = TrackState.RAW

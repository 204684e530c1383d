"""Every track, and every file that is none, with what came of it: what `lofi tracks` lists."""

from __future__ import annotations

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.dataset.eligibility import eligibility_of
from lofi_pipeline.dataset.exclusions import LeftOut, left_out
from lofi_pipeline.dataset.version import load_version
from lofi_pipeline.dataset.waiting import is_unsure
from lofi_pipeline.entities import (
    Drop,
    Entity,
    RecordError,
    RegisteredTrack,
    Split,
    TrackRecord,
    TrackState,
    TrackStatus,
)
from lofi_pipeline.ingest import load_record, load_registry, load_scan
from lofi_pipeline.storage import DataRoot


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


def track_overview(root: DataRoot, config: PipelineConfig) -> list[TrackOverview]:
    """The tracks whose files are there in the order of their ids, then the files that give no track, by name."""
    raw = f"{root.relative(root.raw)}/"
    sides = _sides(root)
    reasons: dict[str, LeftOut] = {}
    others: list[TrackOverview] = []
    sources = {
        drop.folder.removeprefix(raw): drop.manifest.source_id for drop in _drops(root) if drop.manifest
    }
    tracks = [track for track in load_registry(root).tracks if track.origins]
    first = {track.origins[0].path.removeprefix(raw): track.track_id for track in tracks}
    for item in left_out(root, eligibility_of(root, config)):
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
        _row(
            track,
            load_record(root, track.track_id),
            raw,
            sides.get(track.track_id),
            reasons.get(track.track_id),
        )
        for track in tracks
    ]
    return [*rows, *sorted(others, key=lambda row: row.file)]


def _drops(root: DataRoot) -> list[Drop]:
    scan = load_scan(root)
    return scan.drops if scan else []


def _sides(root: DataRoot) -> dict[str, Split]:
    try:
        return {item.track.track_id: item.track.split for item in load_version(root).tracks}
    except RecordError:
        return {}


def _row(
    track: RegisteredTrack, record: TrackRecord | None, raw: str, split: Split | None, left: LeftOut | None
) -> TrackOverview:
    origin = track.origins[0]
    processed, tagged = (record.processed, record.tagged) if record else (None, None)
    status = record.status if record else TrackStatus.PENDING
    pending = status is TrackStatus.PENDING
    return TrackOverview(
        track_id=track.track_id,
        file=origin.path.removeprefix(raw),
        source_id=origin.source_id,
        title=origin.title,
        artist=origin.artist,
        licence=origin.licence,
        state=record.state if record else TrackState.RAW,
        status=status,
        split=split,
        refused=left is not None and not pending,
        reason=left.reason if left else None,
        waits=bool(left and left.waits),
        verified_by=record.review.by.get("verified") if record and record.review else None,
        unsure=bool(record and is_unsure(record)),
        disputed=tagged.disputed if tagged else [],
        offered=[tag.tag for tag in tagged.offered] if tagged else [],
        quality_score=processed.quality.score if processed else None,
        seconds=processed.duration if processed else None,
        bpm=tagged.bpm if tagged else None,
        key=(tagged and tagged.keyscale)
        or (processed and f"{processed.measurements.key} {processed.measurements.mode}"),
        style_ids=list(tagged.style_ids) if tagged else [],
        style_confidence=tagged.style_confidence if tagged else None,
        prompt=tagged.prompt if tagged else None,
    )

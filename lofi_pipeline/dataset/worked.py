"""What came of the work on a track, as far as lists of tracks say it: a small part of its record."""

from __future__ import annotations

from collections.abc import Sequence

from lofi_pipeline import styles
from lofi_pipeline.dataset.waiting import awaits_run
from lofi_pipeline.entities import Entity, Review, TrackOrigin, TrackRecord, TrackState, TrackStatus
from lofi_pipeline.ingest import load_record
from lofi_pipeline.review import ReviewError, applied, awaits_person, found_by_pipeline, review_of
from lofi_pipeline.storage import DataRoot, content_sha256


class Worked(Entity):
    """A track's record in short."""

    state: TrackState
    status: TrackStatus
    reason: str | None
    for_a_run: str | None
    """Why the record does not say what people say, where it does not."""
    for_a_person: str | None
    """Why somebody should look at it first."""
    origins: str
    """Of `TrackRecord.origins`, a hash: the record of a track that lies elsewhere by now is about to be made anew."""
    verified: bool
    verified_by: str | None
    unsure: bool
    disputed: list[str]
    offered: list[str]
    quality_score: int | None
    seconds: float | None
    bpm: int | None
    key: str | None
    style_ids: list[str]
    styles_declared: bool
    style_confidence: float | None
    prompt: str | None

    @classmethod
    def of(cls, record: TrackRecord, review: Review | None, for_a_run: str | None) -> Worked:
        """What a record says, and over it what people said since; `for_a_run`: see `awaits_run`."""
        processed, tagged = record.processed, found_by_pipeline(record)
        if tagged and review:
            tagged = applied(review, tagged, record, styles.load_presets(), styles.load_vocabulary())
        verified = review.verified if review else record.human_verified
        measured = processed.measurements if processed else None
        key = f"{measured.key} {measured.mode}" if measured else None
        return cls(
            state=record.state,
            status=record.status,
            reason=record.reason,
            for_a_run=for_a_run,
            for_a_person=awaits_person(record),
            origins=hash_of_origins(record.origins),
            verified=verified,
            verified_by=review.by.get("verified") if review else None,
            unsure=bool(tagged and (tagged.needs_review or tagged.disputed) and not verified),
            disputed=tagged.disputed if tagged else [],
            offered=[tag.tag for tag in tagged.offered] if tagged else [],
            quality_score=processed.quality.score if processed else None,
            seconds=processed.duration if processed else None,
            bpm=tagged.bpm if tagged else None,
            key=(tagged.keyscale if tagged else None) or key,
            style_ids=list(tagged.style_ids) if tagged else [],
            styles_declared=bool(tagged and tagged.styles_declared),
            style_confidence=tagged.style_confidence if tagged else None,
            prompt=tagged.prompt if tagged else None,
        )


def load_worked(root: DataRoot, track_id: str) -> Worked | None:
    """What came of a track so far; None before its first work."""
    record = load_record(root, track_id)
    if record is None:
        return None
    try:
        review = review_of(root, track_id)
    except ReviewError:  # `awaits_run` says so
        review = record.review
    return Worked.of(record, review, awaits_run(root, record))


def hash_of_origins(origins: Sequence[TrackOrigin]) -> str:
    """Of where a track lies, and what is said of it there."""
    return content_sha256([origin.model_dump(mode="json") for origin in origins])

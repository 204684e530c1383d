"""Tracks that are done and wait: for a person who looks at them, or for a run that takes up what one said."""

from __future__ import annotations

from collections.abc import Set
from contextlib import suppress
from functools import cached_property

from lofi_pipeline.dataset.built_from import load_built_from
from lofi_pipeline.dataset.eligibility import Eligibility
from lofi_pipeline.dataset.version import load_version
from lofi_pipeline.entities import RecordError, TrackRecord
from lofi_pipeline.review import HOLD, ReviewError, awaits_person, rejection, review_of
from lofi_pipeline.storage import DataRoot

TO_BE_TAKEN_UP = "it was reviewed since; `lofi run` takes that up"


def awaits_run(root: DataRoot, record: TrackRecord) -> str | None:
    """Why the record of a track does not say what people say of it, or None: it does."""
    try:
        review = review_of(root, record.track_id, sha256=record.sha256)
    except ReviewError as error:
        return str(error)
    if review == record.review:
        return None
    return (review and rejection(review)) or TO_BE_TAKEN_UP


class Waiting:
    """Which tracks wait. One for a whole list of them: what it rests on is read once."""

    def __init__(self, root: DataRoot, eligibility: Eligibility | None) -> None:
        self._root = root
        self._holds = eligibility is not None and eligibility.needs_review == HOLD

    def for_a_run(self, record: TrackRecord) -> str | None:
        """See `awaits_run`."""
        return awaits_run(self._root, record)

    def for_a_person(self, record: TrackRecord) -> str | None:
        """Why a track stays out until somebody has looked at it, or None."""
        return awaits_person(record) if self.holds(record.track_id) else None

    def holds(self, track_id: str) -> bool:
        """Whether a track stays out while it is unsure."""
        return self._holds and track_id not in self.staying

    @cached_property
    def staying(self) -> Set[str]:
        """The unsure tracks that were in the data set before it was asked whether somebody had looked at them: they stay."""
        built_from = load_built_from(self._root)
        if built_from is None:
            return frozenset()
        if built_from.needs_review is not None:
            return frozenset(built_from.stay)
        with suppress(RecordError):
            return {item.track.track_id for item in load_version(self._root).tracks}
        return frozenset()

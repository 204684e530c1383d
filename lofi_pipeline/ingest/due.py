"""Which tracks have something to be done, and which were refused. Of many tracks, what their records say of it is kept in an index: 50,000 are looked through in seconds.

See record_index.py. Whether the files that were made of a track are still as written is asked of the disk each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.entities import RecordError, RegisteredTrack, TrackRecord, TrackStatus
from lofi_pipeline.ingest.context import ProcessingContext
from lofi_pipeline.ingest.outcome import Outcome
from lofi_pipeline.ingest.process_track import load_record
from lofi_pipeline.ingest.record_index import opened_index
from lofi_pipeline.ingest.registry import load_registry
from lofi_pipeline.storage import DataRoot, file_stamp, require_music


def pending_tracks(root: DataRoot, config: PipelineConfig) -> list[str]:
    """The ids of the tracks that have something to be done, in the order they were registered."""
    require_music(root)
    context = ProcessingContext.open(config)
    with _outcomes(root) as (present, outcome_of):
        return [
            track.track_id
            for track in present
            if (outcome := outcome_of(track.track_id)) is None or outcome.needs_work(root, track, context)
        ]


def refused_tracks(root: DataRoot) -> list[TrackRecord]:
    """The records of the tracks that lie in data/raw and that policy refused, in the order they were registered."""
    refused: list[TrackRecord] = []
    with _outcomes(root) as (present, outcome_of):
        for track in present:
            with suppress(
                RecordError, OSError
            ):  # the next work on the track says what is wrong with its record
                outcome = outcome_of(track.track_id)
                if outcome and outcome.status is TrackStatus.REJECTED:
                    refused += filter(None, [load_record(root, track.track_id)])
    return refused


@contextmanager
def _outcomes(root: DataRoot) -> Iterator[tuple[list[RegisteredTrack], Callable[[str], Outcome | None]]]:
    """The tracks that lie in data/raw, and what tells what came of one."""
    present = [track for track in load_registry(root).tracks if track.origins]
    with opened_index(root, "outcomes", "said", tracks=len(present)) as known:

        def outcome_of(track_id: str) -> Outcome | None:
            stamp = file_stamp(root.track_record(track_id))
            said = known.find(track_id, stamp, "said")
            if said is not None:
                return Outcome.model_validate_json(said)
            record = load_record(root, track_id)
            outcome = Outcome.of(record) if record else None
            if outcome:
                known.note(track_id, stamp, outcome.model_dump_json())
            return outcome

        yield present, outcome_of

"""What a track's record says of whether there is something to be done: the part of it that is looked at for every track, again and again."""

from __future__ import annotations

from lofi_pipeline.entities import Entity, RegisteredTrack, TrackRecord, TrackStatus
from lofi_pipeline.ingest.context import ProcessingContext
from lofi_pipeline.ingest.outputs import Look, look_whole, looks_of
from lofi_pipeline.storage import DataRoot


class Outcome(Entity):
    """What came of the work on a track."""

    status: TrackStatus
    attempts: int
    inputs: dict[str, str]
    looks: dict[str, Look] | None
    """Of the files that were made of it; None where not all were."""

    @classmethod
    def of(cls, record: TrackRecord) -> Outcome:
        """What a record says."""
        return cls(
            status=record.status, attempts=record.attempts, inputs=record.inputs, looks=looks_of(record)
        )

    def needs_work(self, root: DataRoot, track: RegisteredTrack, context: ProcessingContext) -> bool:
        """Whether the track's bytes, facts, configuration or code changed since, or a fault may be retried."""
        if self.inputs != context.inputs_of(root, track):
            return True
        match self.status:
            case TrackStatus.FAILED:
                return self.attempts < context.config.ingest.max_attempts
            case TrackStatus.OK:
                return self.looks is None or not look_whole(root, self.looks)
            case TrackStatus.REJECTED:
                return False
            case TrackStatus.PENDING:
                return True

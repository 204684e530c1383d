"""What can be wrong with a review of a track, or with the file that it is kept in."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class ReviewError(RecordError):
    """An edit that cannot be made, or a file of edits that cannot be read. The message says what to do."""

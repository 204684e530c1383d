"""What people say of tracks: edits that are kept for ever, and what they come to.

    accept(root, "track_001", "kim")
    edit(root, "track_001", "kim", TrackEdit(bpm=82, add_tags=["rain"]))
    review_of(root, "track_001")   # what all edits come to
    shown(root, "track_001")       # styles and prompt with the latest edits, before the pipeline takes them up

The pipeline takes a review up where it tags a track (ingest/process_track.py).
"""

from lofi_pipeline.review.apply import applied
from lofi_pipeline.review.edit_file import edits_path, read_edits, together
from lofi_pipeline.review.errors import ReviewError
from lofi_pipeline.review.fold import fold, in_force, rejection
from lofi_pipeline.review.make import (
    accept,
    check_edit,
    edit,
    found_by_pipeline,
    history,
    record_of,
    reject,
    review_hash,
    review_of,
    shown,
    undo,
)
from lofi_pipeline.review.spreadsheet import RowChange, export_csv, import_csv
from lofi_pipeline.review.unsure import HOLD, awaits_person, is_unsure

__all__ = [
    "HOLD",
    "ReviewError",
    "RowChange",
    "accept",
    "applied",
    "awaits_person",
    "check_edit",
    "edit",
    "edits_path",
    "export_csv",
    "fold",
    "found_by_pipeline",
    "history",
    "import_csv",
    "in_force",
    "is_unsure",
    "read_edits",
    "record_of",
    "reject",
    "rejection",
    "review_hash",
    "review_of",
    "shown",
    "together",
    "undo",
]

"""What can be wrong with a file that holds a record, before anybody looks at its fields."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class UnreadableRecord(RecordError):
    """A file that should hold JSON does not. The message names the file and what to do."""

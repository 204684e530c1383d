"""What can be wrong with a file that holds a record, before anybody looks at its fields."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class UnreadableRecord(RecordError):
    """A file that should hold JSON does not. The message names the file and what to do."""


class BrokenSeal(RecordError):
    """A record that decides what is trained on, or the ledger itself, is not what was sealed. Nothing is judged or built by it."""


class ChangedWhileRead(RecordError):
    """A file was written to while it was read: what was read of it may be of two contents."""

"""What can go wrong when the files of an audit are written."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class AuditFileError(RecordError):
    """A file of an audit can't be written, or does not keep to its format; the message names the file and the rule."""

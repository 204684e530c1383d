"""What can go wrong when the files of an audit are written."""

from __future__ import annotations

from lofi_pipeline.audit.errors import AuditError


class AuditFileError(AuditError):
    """A file of an audit cannot be written, or does not keep to its format; the message names the file and the rule."""

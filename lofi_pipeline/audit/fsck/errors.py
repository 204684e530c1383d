"""What keeps a file from being mended."""

from __future__ import annotations

from lofi_pipeline.audit.errors import AuditError


class CannotMend(AuditError):
    """What should make a file again is not there, or somebody works on it; the message says what to do."""

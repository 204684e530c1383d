"""What keeps an audit from being signed or verified at all. That a signature does not hold is a result, not an error."""

from __future__ import annotations

from lofi_pipeline.audit.errors import AuditError


class SigningError(AuditError):
    """A key or a signed file can't be used; the message names it and says what to do."""

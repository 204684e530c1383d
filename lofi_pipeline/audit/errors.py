"""What keeps an audit from being made at all. What an audit finds is a Finding, not an error."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class AuditError(RecordError):
    """An audit can't be made; the message says what to do."""


class UnknownSubject(AuditError):
    """Nothing here has the name that was asked for, or several things have."""


class BrokenRecord(AuditError):
    """A record that the audit rests on is missing or was changed so that it can't be read; it is named."""

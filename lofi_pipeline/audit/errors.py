"""What keeps an audit from being made at all. What an audit finds is a Finding, not an error."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class AuditError(LofiError):
    """An audit cannot be made or written; the message says what to do."""


class UnknownSubject(AuditError):
    """Nothing has the name that was asked for, or several things have it; the message lists the candidates."""


class BrokenRecord(AuditError):
    """A record that the audit rests on is missing, or cannot be read any more; the message names it."""

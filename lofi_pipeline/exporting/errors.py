"""What can keep an export from being written."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class ExportError(LofiError):
    """It is not written; the message says why, and what to do."""

"""What can keep a backup from being written or restored."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class BackupError(LofiError):
    """Nothing was written; the message says why, and what to do."""

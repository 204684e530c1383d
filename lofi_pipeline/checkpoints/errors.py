"""What can go wrong with a checkpoint that lies in a data root. Every message says what to do."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class CheckpointError(LofiError):
    """A checkpoint cannot be written, read or resumed from."""

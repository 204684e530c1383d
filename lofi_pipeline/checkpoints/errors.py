"""What can go wrong with a checkpoint that lies in a data root. Every message says what to do."""

from __future__ import annotations


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, read or resumed from."""

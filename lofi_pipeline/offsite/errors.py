"""What can go wrong with an object store. Every message says what to do; what was done is kept."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class StoreError(LofiError):
    """The object store cannot be used, or holds something else than what is on record."""


class OtherObject(StoreError):
    """An object is not the one that is on record, or that its own metadata speak of."""

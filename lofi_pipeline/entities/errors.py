"""What can be wrong with a record of the data model. Every message names the record, each field and each rule."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class RecordError(LofiError, ValueError):
    """A record breaks a rule of the data model. It is a ValueError too, so that pydantic's validators may raise it."""

"""What is remembered of a file that was written, so that one that was emptied, changed or lost since is noticed."""

from __future__ import annotations

from pydantic import Field

from lofi_pipeline.entities.base import Entity, Sha256


class KeptFile(Entity):
    """How a file was when it was written. Size and time are looked at first; the hash decides where they differ."""

    size: int = Field(ge=0, description="In bytes")
    mtime_ns: int = Field(description="When its bytes were last changed, in nanoseconds since 1970")
    sha256: Sha256

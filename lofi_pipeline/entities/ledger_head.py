"""How far the ledger went when a record was written, so that a ledger that was cut afterwards contradicts it."""

from __future__ import annotations

from pydantic import Field

from lofi_pipeline.entities.base import Entity, Sha256


class LedgerHead(Entity):
    """The ledger's length and the end of its chain on the day of the record that holds this."""

    first: Sha256 = Field(
        description="Chain hash of its first line: tells one data root's ledger from another's"
    )
    lines: int = Field(ge=1)
    head: Sha256 = Field(description="Chain hash of its last line then")

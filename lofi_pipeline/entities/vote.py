"""What people preferred who heard clips of two checkpoints without knowing which was which."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from lofi_pipeline.entities.base import Entity, Timestamp
from lofi_pipeline.entities.lineage import PartitionKey

BlindId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
Person = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
"""What somebody calls themselves."""


class Side(StrEnum):
    """Which of two clips was preferred."""

    A = "A"
    B = "B"
    NEITHER = "neither"


class BlindSession(Entity):
    """metadata/votes/sessions/<id>.json: two checkpoints that one person compares. The base is step 0."""

    session: BlindId
    who: Person
    one: PartitionKey
    other: PartitionKey
    started: Timestamp
    secret: str = Field(min_length=16, max_length=64, description="Decides order and sides; never shown")
    clips: int = Field(ge=1, description="Pairs of clips that are heard")
    ended: Timestamp | None = Field(
        default=None, description="When it was said which was which: no vote is taken after that"
    )

    @model_validator(mode="after")
    def _are_two(self) -> Self:
        if self.one == self.other:
            raise ValueError("other: is the same checkpoint; name two")
        return self


class Vote(Entity):
    """A line of metadata/votes/<one>--<other>.jsonl: one pair of clips, of the same prompt and seed. No line is ever changed."""

    session: BlindId
    who: Person
    when: Timestamp
    one: PartitionKey
    other: PartitionKey
    prompt: str
    seed: int
    heard_as_a: PartitionKey = Field(description="Which of both was A")
    side: Side

    @model_validator(mode="after")
    def _is_of_the_pair(self) -> Self:
        if self.heard_as_a not in (self.one, self.other):
            raise ValueError(f"heard_as_a: is neither {self.one} nor {self.other}")
        return self

    @property
    def preferred(self) -> str | None:
        """The partition key of the one that was preferred; None: neither."""
        if self.side is Side.NEITHER:
            return None
        if self.side is Side.A:
            return self.heard_as_a
        return self.other if self.heard_as_a == self.one else self.one

"""What stands against a source beside its licence: terms that a person must accept, and who accepted them.

Which terms there are is decided in licensing/grants.py and licensing/contradictions.py.
"""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from lofi_pipeline.entities.base import Entity, Name
from lofi_pipeline.entities.finding import FindingCode

TermHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2_000, strip_whitespace=True)]


class Acceptance(Entity):
    """In source.json under `accepted`: a person who answers for terms of the source, named by their hashes."""

    accepted_by: Name = Field(description="Who accepted them")
    date: datetime.date = Field(description="On which day")
    reason: Reason = Field(description="Why they are met, or do not stand against the training")
    terms: tuple[TermHash, ...] = Field(
        min_length=1, description="The hashes that the refusal or the audit named"
    )

    @field_validator("date")
    @classmethod
    def _not_in_the_future(cls, value: datetime.date) -> datetime.date:
        if value > datetime.date.today():
            raise ValueError("must not be in the future")
        return value


class Term(Entity):
    """Something that limits a source. Other words, days or places make another hash, which must be accepted anew."""

    sentence: str
    hash: TermHash = Field(description="Of the source's id and the exact term, for `accepted` in source.json")
    refuses: bool = Field(default=False, description="Whether the music is kept out until it is accepted")


class Statement(Entity):
    """What somebody wrote of the rights beside `license_type`: in url, notes, or a tag of a file."""

    place: str = Field(description='Where it stands, such as "notes" or "COPYRIGHT"')
    text: str
    file: str | None = Field(default=None, description="Whose tag it is, relative to the data root")


class Remark(Entity):
    """Something to be known of a source that keeps no music out; an audit makes a finding of it."""

    code: FindingCode
    sentence: str

"""What people say of a track when they look at it: each edit, kept for ever, and what all of them come to."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from lofi_pipeline.entities.base import Entity, Name, Sha256, StyleId, Timestamp, TrackId
from lofi_pipeline.entities.key import Keyscale
from lofi_pipeline.entities.metre import Metre
from lofi_pipeline.entities.style import Tag

LOWEST_BPM, HIGHEST_BPM = 50, 200
"""The tempi that the vocabulary has tags for."""
LONGEST_CAPTION, LONGEST_LYRICS, MOST_TAGS = 1_000, 65_536, 40
_ODD = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u202d\\u202e]")


def _plain(text: str) -> str:
    if odd := _ODD.search(text):
        raise ValueError(f"holds the control character U+{ord(odd[0]):04X}; take it out")
    return text


def _one_line(text: str) -> str:
    return " ".join(_plain(text).split())


def _whole(value: object) -> object:
    """A tempo that was tapped or measured, to the nearest whole number."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return round(value) if isinstance(value, float) and value == value and abs(value) < 1e6 else value


def _known_tempo(value: int) -> int:
    if not LOWEST_BPM <= value <= HIGHEST_BPM:
        raise ValueError(
            f"must be between {LOWEST_BPM} and {HIGHEST_BPM}; say one outside as its double or half"
        )
    return value


Who = Annotated[Name, AfterValidator(_one_line), Field(max_length=200)]
SaidBpm = Annotated[int, BeforeValidator(_whole), AfterValidator(_known_tempo)]
SaidCaption = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_CAPTION),
    AfterValidator(_one_line),
]
SaidLyrics = Annotated[str, StringConstraints(max_length=LONGEST_LYRICS), AfterValidator(_plain)]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000), AfterValidator(_one_line)
]
Styles = Annotated[list[StyleId], Field(min_length=1, max_length=20)]
Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS)]


class EditField(StrEnum):
    """What people can say of a track."""

    STYLE_IDS = "style_ids"
    TAGS = "tags"
    CAPTION = "caption"
    BPM = "bpm"
    KEY = "key"
    TIME_SIGNATURE = "time_signature"
    LYRICS = "lyrics"


_VALUE: dict[EditField, TypeAdapter[Any]] = {
    EditField.STYLE_IDS: TypeAdapter(Styles | None),
    EditField.TAGS: TypeAdapter(Tags | None),
    EditField.CAPTION: TypeAdapter(SaidCaption | None),
    EditField.BPM: TypeAdapter(SaidBpm | None),
    EditField.KEY: TypeAdapter(Keyscale | None),
    EditField.TIME_SIGNATURE: TypeAdapter(Metre | None),
    EditField.LYRICS: TypeAdapter(SaidLyrics | None),
}


class EditAction(StrEnum):
    """What somebody did."""

    ACCEPT = "accept"
    REJECT = "reject"
    EDIT = "edit"
    UNDO = "undo"


class Change(Entity):
    """One field: what it said, and what it says since. After is null: what the pipeline finds holds again."""

    field: EditField
    before: list[str] | int | str | None = None
    after: list[str] | int | str | None = None

    @model_validator(mode="after")
    def _of_the_fields_kind(self) -> Self:
        try:
            _VALUE[self.field].validate_python(self.after)
        except ValidationError as error:
            rule = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"{self.field}: {rule}") from error
        return self


class Edit(Entity):
    """One line of metadata/edits/<track_id>.jsonl: who did what to a track, when and why. It is never changed.

    For an accepted track the changes say what was accepted: the same before and after.
    """

    number: int = Field(ge=1, description="Of the line, from 1")
    track_id: TrackId
    sha256: Sha256 = Field(description="Of the track's original file, which the edit speaks of")
    who: Who
    when: Timestamp
    action: EditAction
    changes: list[Change] = Field(default_factory=list)
    reason: Reason | None = None
    undoes: int | None = Field(default=None, ge=1, description="The number of the edit that is taken back")
    row: str | None = Field(
        default=None, max_length=40, description="Of a table that was read, the mark of the row that said so"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.action is EditAction.REJECT and not self.reason:
            raise ValueError("reason: must say why the track is rejected")
        if (self.action is EditAction.UNDO) is not (self.undoes is not None):
            raise ValueError("undoes: goes with the action undo, and with no other")
        if self.action is EditAction.EDIT and not self.changes:
            raise ValueError("changes: an edit changes something")
        if len({change.field for change in self.changes}) < len(self.changes):
            raise ValueError("changes: a field is changed twice")
        return self


class TrackEdit(Entity):
    """What is to be changed of a track. What is not given stays; `clear` gives a field back to the pipeline."""

    style_ids: Styles | None = Field(default=None, description="Most important first")
    add_tags: Tags = Field(default_factory=list)
    remove_tags: Tags = Field(default_factory=list)
    caption: SaidCaption | None = None
    bpm: SaidBpm | None = None
    key: Keyscale | None = None
    time_signature: Metre | None = None
    lyrics: SaidLyrics | None = None
    clear: list[EditField] = Field(default_factory=list)
    reason: Reason | None = None

    @property
    def given(self) -> dict[EditField, Any]:
        """The values that are set, by field; not the tags, which are added and removed."""
        names = [name for name in EditField if name is not EditField.TAGS]
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        both = [name for name in self.clear if name in self.given]
        if EditField.TAGS in self.clear and (self.add_tags or self.remove_tags):
            both.append(EditField.TAGS)
        if both:
            raise ValueError(f"clear: {', '.join(both)} cannot be set and cleared at once")
        if twice := sorted(set(self.add_tags) & set(self.remove_tags)):
            raise ValueError(f"remove_tags: {', '.join(twice)} cannot be added and removed at once")
        return self


class Review(Entity):
    """What the edits of a track come to. None of a value: what the pipeline finds holds."""

    verified: bool = Field(description="Whether a person looked at the track, and did not reject it")
    rejected: str | None = Field(default=None, description="Why a person keeps it out of the data set")
    style_ids: list[StyleId] | None = None
    accepted_tags: list[Tag] | None = Field(
        default=None, description="The prompt's tags as they were when it was accepted"
    )
    added_tags: list[Tag] = Field(default_factory=list)
    removed_tags: list[Tag] = Field(default_factory=list)
    caption: str | None = None
    bpm: int | None = None
    key: str | None = None
    time_signature: Metre | None = None
    lyrics: str | None = None
    by: dict[str, str] = Field(
        default_factory=dict, description="Who said each: a field, `verified` or `rejected`"
    )

    @property
    def verified_by(self) -> str | None:
        """Who looked at the track last, and did not reject it."""
        return self.by.get("verified")

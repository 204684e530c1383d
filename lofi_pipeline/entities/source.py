"""Where music comes from and what its licence allows: the SourceRecord, and the source.json of a drop."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from datetime import date
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from lofi_pipeline.entities.base import Entity, Identifier, Name, StyleId, TrackId, absent, few
from lofi_pipeline.entities.drop_file import DropFileName, is_plain_file_name
from lofi_pipeline.entities.grant import Evidence, Grant
from lofi_pipeline.entities.key import Keyscale
from lofi_pipeline.entities.metre import Metre
from lofi_pipeline.entities.review import SaidBpm, SaidCaption, Tags
from lofi_pipeline.entities.terms import Acceptance


class SourceType(StrEnum):
    """How the music was acquired; each has its folder under data/raw."""

    COMMISSIONED = "commissioned"
    ROYALTY_FREE = "royalty_free"
    CREATIVE_COMMONS = "creative_commons"
    PARTNERSHIP = "partnership"


RAW_FOLDER = {
    SourceType.COMMISSIONED: "commissioned",
    SourceType.ROYALTY_FREE: "royalty-free",
    SourceType.CREATIVE_COMMONS: "creative-commons",
    SourceType.PARTNERSHIP: "partnerships",
}
SOURCE_JSON = "source.json"
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SOURCE_TYPE_OF_FOLDER = {folder: kind for kind, folder in RAW_FOLDER.items()}


class _Licensed(Entity):
    """The licensing fields that a SourceRecord and a source.json share."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {
                "properties": {"source_type": {"const": SourceType.COMMISSIONED}},
                "required": ["source_type"],
            },
            "then": {"properties": {"cost": {"type": "number"}}, "required": ["cost"]},
        }
    )

    source_id: Identifier = Field(description="Unique identifier")
    source_type: SourceType = Field(description="How the music was acquired")
    provider: Name = Field(description="Platform or artist name")
    license_type: Name = Field(
        description='Specific licence, such as "CC BY 4.0"; must explicitly permit AI training'
    )
    cost: float | None = Field(default=None, ge=0, description="Acquisition cost in USD")
    date_acquired: date = Field(description="ISO 8601 date, not in the future")
    verified_by: str | None = Field(default=None, max_length=500, description="Who verified the licence")
    notes: str | None = Field(default=None, max_length=10_000, description="Additional licensing notes")

    @field_validator("cost", mode="before")
    @classmethod
    def _a_number(cls, value: object) -> object:
        # pydantic would take true for 1
        if isinstance(value, bool):
            raise ValueError("must be a number, not true or false")
        return value

    @field_validator("date_acquired", mode="before")
    @classmethod
    def _iso_8601(cls, value: object) -> object:
        # pydantic would read a number as seconds since 1970
        if (isinstance(value, str) and ISO_DATE.fullmatch(value)) or isinstance(value, date):
            return value
        raise ValueError("must be an ISO 8601 date such as 2025-12-22")

    @field_validator("date_acquired")
    @classmethod
    def _not_in_the_future(cls, value: date) -> date:
        if value > date.today():
            raise ValueError("must not be in the future")
        return value

    @model_validator(mode="after")
    def _commissioned_costs(self) -> Self:
        if self.source_type is SourceType.COMMISSIONED and self.cost is None:
            raise ValueError('source_type "commissioned" requires the field cost')
        return self


class SourceRecord(_Licensed):
    """Licensing and provenance of one source.

    With `context={"permits_training": callable}` the licence must explicitly permit AI training:
    the callable gets the record and returns None, or the reason why not.
    """

    track_ids: list[TrackId] = Field(description="Tracks from this source")

    @model_validator(mode="after")
    def _licence_permits_training(self, info: ValidationInfo) -> Self:
        judge = (info.context or {}).get("permits_training")
        reason = judge(self) if judge is not None else None
        if reason:
            raise ValueError(f"license_type: {reason}")
        return self


class DropFile(Entity):
    """What a source.json may say about one audio file, or about all of them under `defaults`."""

    title: str | None = Field(default=None, max_length=500)
    artist: str | None = Field(default=None, max_length=500)
    style_ids: list[StyleId] | None = Field(default=None, min_length=1)
    lyrics: DropFileName | None = Field(default=None, description="A text file in the drop")
    language: str | None = Field(default=None, max_length=40)
    vocals: bool | None = Field(default=None, description="Whether somebody sings")
    stems: bool | None = Field(
        default=None,
        description="True: one part of a recording alone (drums, a bass) is meant to be trained on",
    )
    url: str | None = Field(default=None, max_length=2_000, pattern=r"^https?://\S+$")
    album: str | None = Field(default=None, max_length=500)
    isrc: str | None = Field(default=None, max_length=40)
    copyright: str | None = Field(default=None, max_length=500, description="The copyright notice")
    bpm: SaidBpm | None = Field(default=None, exclude_if=absent, description="Quarter notes a minute")
    key: Keyscale | None = Field(default=None, exclude_if=absent, description='Such as "A minor"')
    time_signature: Metre | None = Field(default=None, exclude_if=absent)
    caption: SaidCaption | None = Field(
        default=None, exclude_if=absent, description="A sentence, trained on beside the prompt"
    )
    tags: Tags | None = Field(
        default=None,
        min_length=1,
        exclude_if=absent,
        description="Of config/tag_categories.yaml; what is heard of these categories is left out of the prompt",
    )

    def over(self, defaults: DropFile) -> DropFile:
        """These values, and the defaults' where a field is not given."""
        if not defaults.__pydantic_fields_set__:
            return self
        given = {name: value for name, value in self.__dict__.items() if value is not None}
        return defaults.model_copy(update=given)


class Superseded(Entity):
    """A record that other terms replace, and the documents that prove it."""

    record: str = Field(
        min_length=1, max_length=200, description="The source_id, or the hash of the terms, that is replaced"
    )
    evidence: list[Evidence] = Field(default_factory=list, description="Documents in the drop")
    reason: str | None = Field(default=None, max_length=5_000)


def _no_file_twice(files: Any) -> Any:
    """The names as they compare (NFC), each once: ./a.mp3 is a.mp3, and an accent may be written in two ways."""
    if not isinstance(files, dict) or all(isinstance(it, str) and is_plain_file_name(it) for it in files):
        return files
    names = [
        unicodedata.normalize("NFC", PurePosixPath(name).as_posix())
        for name in files
        if isinstance(name, str)
    ]
    if len(names) == len(files) != len(set(names)):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise ValueError(f"the same file is named twice: {few(twice)}")
    return {
        unicodedata.normalize("NFC", name) if isinstance(name, str) else name: files[name] for name in files
    }


class DropManifest(_Licensed):
    """The source.json of a drop: a SourceRecord without track_ids, and facts about its files.

    With `context={"style_ids": {...}}` the style ids must be among those. With `check_tag`, a callable, each tag is given to it: it
    returns None, or the reason why there is no such tag.
    """

    files: Annotated[dict[DropFileName, DropFile], BeforeValidator(_no_file_twice)] = Field(
        default_factory=dict
    )
    defaults: DropFile = Field(default_factory=DropFile)
    grant: Grant | None = Field(default=None, description="What was granted beside the licence")
    url: str | None = Field(
        default=None, max_length=2_000, pattern=r"^https?://\S+$", description="Where the source can be found"
    )

    amends: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{12,64}$",
        description="The claims on record that these replace, by their hash: a change that is meant",
    )
    accepted: list[Acceptance] = Field(
        default_factory=list, description="Who answers for terms that would keep the music out"
    )
    supersedes: list[Superseded] = Field(
        default_factory=list,
        description="Stricter terms on record for this music that these replace, with what proves it",
    )

    @model_validator(mode="after")
    def _known_styles_and_tags(self, info: ValidationInfo) -> Self:
        known, check_tag = ((info.context or {}).get(name) for name in ("style_ids", "check_tag"))
        for name, entry in [("defaults", self.defaults), *self.files.items()]:
            unknown = [style for style in entry.style_ids or [] if known is not None and style not in known]
            if unknown:
                raise ValueError(f"{name}: style_ids: unknown style ids: {few(unknown)}")
            for tag in entry.tags or []:
                if reason := check_tag and check_tag(tag):
                    raise ValueError(f"{name}: tags: {reason}")
        return self

    def facts_of(self, file_name: str) -> DropFile:
        """What is known of one file: its own entry over the defaults."""
        own = self.files.get(unicodedata.normalize("NFC", file_name))
        return own.over(self.defaults) if own else self.defaults

    def record(self, track_ids: list[str]) -> SourceRecord:
        """The SourceRecord of this drop."""
        fields = {name: getattr(self, name) for name in _Licensed.model_fields}
        return SourceRecord.model_construct(**fields, track_ids=track_ids)

"""Style presets (named tag combinations) and the controlled vocabulary their tags come from."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from lofi_pipeline.entities.base import Entity, Name, StyleId

Tag = Annotated[
    str, StringConstraints(pattern=r"^[^\s,\"<>]([^,\"<>\n]*[^\s,\"<>])?$", max_length=60, to_lower=True)
]
Bpm = Annotated[int, Field(ge=30, le=250)]


class StyleCategory(StrEnum):
    """The five families of styles; each has its id prefix and its folder under data/processed."""

    CORE = "core"
    SEASONAL = "seasonal"
    THEMATIC = "thematic"
    INSTRUMENTAL = "instrumental"
    VOCAL = "vocal"


ID_PREFIX = {
    StyleCategory.CORE: "CORE",
    StyleCategory.SEASONAL: "SEASON",
    StyleCategory.THEMATIC: "THEME",
    StyleCategory.INSTRUMENTAL: "INST",
    StyleCategory.VOCAL: "VOCAL",
}
CATEGORY_OF_PREFIX = {prefix: category for category, prefix in ID_PREFIX.items()}


def category_of_style(style_id: str) -> StyleCategory:
    """The category that a style id's prefix stands for."""
    return CATEGORY_OF_PREFIX[style_id.split("-")[0]]


class StylePreset(Entity):
    """A tag combination for consistent prompts, after inheritance has been resolved."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "if": {"properties": {"category": {"const": category}}},
                    "then": {"properties": {"style_id": {"pattern": f"^{prefix}-[0-9]{{2}}$"}}},
                }
                for category, prefix in ID_PREFIX.items()
            ]
        }
    )

    style_id: StyleId = Field(description='Unique ID, such as "CORE-01"')
    name: Name = Field(description="Human-readable name")
    category: StyleCategory = Field(description="Family of the style")
    extends: StyleId | None = Field(default=None, description="Parent preset ID for inheritance")
    base_tags: list[Tag] = Field(min_length=1, description="Primary genre and style tags")
    instruments: list[Tag] = Field(min_length=1, description="Typical instruments")
    production: list[Tag] = Field(min_length=1, description="Production characteristics")
    mood_options: list[Tag] = Field(min_length=1, description="Applicable mood tags")
    tempo_range: tuple[Bpm, Bpm] = Field(description="Lowest and highest beats per minute")
    atmosphere: Tag | None = Field(default=None, description="Default atmosphere tag")
    vocal_type: Tag | None = Field(default=None, description="Default vocal type if applicable")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if ID_PREFIX[self.category] != self.style_id.split("-")[0]:
            raise ValueError(
                f"category {self.category} wants an id {ID_PREFIX[self.category]}-NN, not {self.style_id}"
            )
        if self.tempo_range[0] > self.tempo_range[1]:
            raise ValueError("tempo_range: the lower bound lies above the upper one")
        return self


class TagKind(StrEnum):
    """The seven categories of the controlled vocabulary, in the order of a prompt."""

    GENRE = "genre"
    MOOD = "mood"
    INSTRUMENTS = "instruments"
    TEMPO = "tempo"
    PRODUCTION = "production"
    ATMOSPHERE = "atmosphere"
    VOCAL_TYPE = "vocal_type"


class TagCategory(Entity):
    """One category of the vocabulary: its tags, and the aliases that lead to them."""

    category: TagKind = Field(description="Which part of a prompt these tags are for")
    tags: list[Tag] = Field(min_length=1, description="Valid tags in this category")
    canonical_forms: dict[Tag, Tag] = Field(default_factory=dict, description="Alias to canonical tag")

    @model_validator(mode="after")
    def _aliases_lead_somewhere(self) -> Self:
        lost = [f"{alias} -> {tag}" for alias, tag in self.canonical_forms.items() if tag not in self.tags]
        if lost:
            raise ValueError(f"canonical_forms lead to tags that are not listed: {', '.join(lost)}")
        if len(set(self.tags)) != len(self.tags):
            raise ValueError("tags: a tag is listed twice")
        return self

"""A version of the training set."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from lofi_pipeline.entities.base import Entity, Identifier, Sha256, Timestamp
from lofi_pipeline.entities.style import StyleCategory

Count = Annotated[int, Field(ge=0)]


class Dataset(Entity):
    """What a version of the training set holds; the tracks themselves are in its immutable version file."""

    dataset_id: Identifier = Field(description="Version identifier")
    created: Timestamp = Field(description="Creation timestamp")
    track_count: int = Field(ge=0, description="Total tracks in the data set")
    train_count: int = Field(ge=0, description="Tracks in the training split")
    validation_count: int = Field(ge=0, description="Tracks in the validation split")
    total_duration: float = Field(ge=0, description="Total audio duration in hours")
    style_distribution: dict[StyleCategory, Count] = Field(description="Track count per style category")
    hash: Sha256 = Field(description="Content hash for reproducibility")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.train_count + self.validation_count != self.track_count:
            raise ValueError("track_count: is not train_count + validation_count")
        return self

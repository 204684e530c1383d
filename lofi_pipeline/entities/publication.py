"""What only those who publish a model can say of it: no record of the music knows it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from lofi_pipeline.entities.base import Entity

Line = Annotated[str, Field(min_length=1, max_length=500)]
Words = Annotated[str, Field(min_length=1, max_length=5_000)]


class Publication(Entity):
    """Who publishes what was trained, and on which terms. What is not given is shown as left open."""

    provider: Line | None = Field(default=None, description="Who publishes the model: name of person or firm")
    contact: Line | None = Field(default=None, description="How the provider can be reached")
    representative: Line | None = Field(
        default=None,
        description="Name and contact of the authorised representative in the EU, for a provider outside of it",
    )
    model_name: Line | None = Field(
        default=None, description="Name and version that the model is published under"
    )
    placed_on_market: date | None = Field(
        default=None, description="The day it was placed on the market of the EU"
    )
    weights_licence: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Licence of the LoRA's weights: SPDX id or expression, or a name"
    )
    copyright: Line | None = Field(
        default=None,
        description="Copyright notice of what is published, such as © 2026 The Label; else the provider's name is one",
    )
    signed_code_of_practice: bool | None = Field(
        default=None, description="Whether the provider signed the EU's code of practice for such models"
    )
    reservation_measures: Words | None = Field(
        default=None,
        description="What is done so that no music is used whose owner reserved text and data mining, beside the licence policy",
    )
    illegal_content_measures: Words | None = Field(
        default=None, description="What is done against illegal content in the music"
    )
    scraped_data: Words | None = Field(
        default=None, description="Which of the music was crawled or scraped, how and when; or that none was"
    )
    user_data: Words | None = Field(
        default=None, description="Which of the music came from users of a service; or that none did"
    )
    synthetic_data: Words | None = Field(
        default=None, description="Which of the music was made by other AI models; or that none was"
    )
    other_data: Words | None = Field(default=None, description="What else the music's origin should say")

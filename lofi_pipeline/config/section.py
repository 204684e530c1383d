"""What every section of the configuration is made of: kinds of numbers with their units, and no truth value where one is asked for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from lofi_pipeline.entities import Entity

Decibels = Annotated[float, Field(json_schema_extra={"unit": "dB"})]
Seconds = Annotated[float, Field(json_schema_extra={"unit": "s"})]
Steps = Annotated[int, Field(ge=1, json_schema_extra={"unit": "steps"})]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(Entity):
    """A section of the configuration: where a number is asked for, true is not 1."""

    @model_validator(mode="before")
    @classmethod
    def _no_truth_values(cls, data: Any) -> Any:
        given = data.items() if isinstance(data, dict) else ()
        for name, value in given:
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field and field.annotation in (int, float):
                raise ValueError(f"{name}: must be a number, not {str(value).lower()}")
        return data

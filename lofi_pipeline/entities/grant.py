"""What a rights holder granted, in the words of CAWG's training-and-data-mining assertion, and what proves it.

https://cawg.io/training-and-data-mining/1.1/
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from lofi_pipeline.entities.base import Entity, Name, RelativePath, Sha256
from lofi_pipeline.entities.drop_file import DropFileName

CAWG = "cawg."


class Permission(StrEnum):
    """CAWG's three answers."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "notAllowed"
    CONSTRAINED = "constrained"


class Use(StrEnum):
    """What the music, or what was learnt from it, is used for."""

    TRAIN = "train"
    COMMERCIAL = "commercial"
    REDISTRIBUTE_WEIGHTS = "redistribute_weights"
    # CAWG's four entries; with its prefix, such as cawg.data_mining, they are read as well
    DATA_MINING = "data_mining"
    AI_INFERENCE = "ai_inference"
    AI_GENERATIVE_TRAINING = "ai_generative_training"
    AI_TRAINING = "ai_training"


class Right(StrEnum):
    """Whose rights a grant covers."""

    RECORDING = "recording"
    COMPOSITION = "composition"
    PERFORMERS = "performers"


class Validity(Entity):
    """From when to when a grant holds, both days included; open where a day is not given."""

    start: date | None = None
    end: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start and self.end and self.start > self.end:
            raise ValueError("start must not be after end")
        return self


class Evidence(Entity):
    """A document that proves a grant, as source.json names it."""

    document: DropFileName = Field(description="A file in the drop, such as contract.pdf")
    clause: str | None = Field(default=None, max_length=5_000, description="The words that grant it, quoted")
    url: str | None = Field(default=None, max_length=2_000, pattern=r"^https?://\S+$")
    captured: date | None = Field(default=None, description="When the document was taken down")
    licensor: Name | None = Field(default=None, description="Who signed")


class EvidenceFile(Entity):
    """A document of evidence as it was when its drop was scanned."""

    evidence: Evidence
    path: RelativePath = Field(description="Relative to the data root")
    sha256: Sha256
    size: int = Field(ge=0)


class Grant(Entity):
    """Rights granted beside the licence; in source.json under `grant`."""

    uses: dict[Use, Permission] = Field(min_length=1)
    constraints: str | None = Field(
        default=None, max_length=5_000, description="The conditions of what is constrained"
    )
    rights: list[Right] = Field(default=[Right.RECORDING, Right.COMPOSITION, Right.PERFORMERS], min_length=1)
    territory: str = Field(default="worldwide", max_length=500)
    validity: Validity = Validity()
    revocable: bool = False
    withdrawn: date | None = Field(default=None, description="From this day on the grant is withdrawn")
    model_versions: list[Name] = Field(
        default_factory=list, description="The base models it is limited to; empty: any"
    )
    evidence: list[Evidence] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _as_cawg_writes_it(cls, value: Any) -> Any:
        """Entries of CAWG's assertion as they stand there: {"cawg.ai_training": {"use": "constrained", "constraint_info": ...}}."""
        if not isinstance(value, dict) or not isinstance(value.get("uses"), dict):
            return value
        uses: dict[str, Any] = {}
        info: list[str] = []
        for key, said in value["uses"].items():
            name = str(key).removeprefix(CAWG)
            if name in uses:
                raise ValueError(f"uses: {name} is said twice, once with {CAWG} before it; say it once")
            if isinstance(said, dict) and set(said) <= {"use", "constraint_info"}:
                info += [str(said["constraint_info"])] if said.get("constraint_info") else []
                said = said.get("use")
            uses[name] = said
        constraints = value.get("constraints") or "; ".join(dict.fromkeys(info)) or None
        return {**value, "uses": uses, "constraints": constraints}

    @model_validator(mode="after")
    def _constraints_are_said(self) -> Self:
        if Permission.CONSTRAINED in self.uses.values() and not (self.constraints or "").strip():
            raise ValueError('constraints: say the conditions of what is "constrained"')
        return self

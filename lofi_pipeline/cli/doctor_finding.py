"""One thing that `lofi doctor` looked at."""

from __future__ import annotations

from typing import Literal

from lofi_pipeline.entities import Entity

Level = Literal["good", "optional", "broken"]


class Finding(Entity):
    """One thing that was looked at."""

    what: str
    level: Level
    found: str
    advice: str = ""

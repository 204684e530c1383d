"""How long clips will take to generate, told before: as long as those took that were generated last with these settings."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import RecordError
from lofi_pipeline.storage import DataRoot, content_sha256, read_json, write_json_atomic

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]


class Pace:
    """Seconds a clip with one model, device and set of sampling settings; kept from one evaluation to the next."""

    def __init__(self, root: DataRoot, pipeline: AceStepPipeline, settings: EvaluationSettings) -> None:
        weights = pipeline.transformer.parameters()
        sampling = settings.model_dump(
            include={"clip_seconds", "inference_steps", "guidance_scale", "batch_size"}
        )
        facts = [sum(each.numel() for each in weights), str(pipeline._execution_device), sampling]
        self._path: Path = root.cache / "pace" / f"{content_sha256(facts)[:16]}.json"

    def said(self, clips: int) -> str:
        """A sentence on how long so many clips will take."""
        with suppress(OSError, RecordError, KeyError, TypeError, ValueError):
            seconds = clips * float(read_json(self._path)["seconds_a_clip"])
            return f"{clips} clips to generate: about {in_words(seconds)}, by how long the last ones took"
        return f"{clips} clips to generate: how long that takes is told after the first few"

    def note(self, clips: int, seconds: float) -> None:
        """Keep how long so many clips took."""
        if clips:
            write_json_atomic(self._path, {"seconds_a_clip": round(seconds / clips, 4)})


def in_words(seconds: float) -> str:
    """`40 s`, `7 min`, `2.5 h`; rounded up."""
    if seconds < 60:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{math.ceil(seconds / 360) / 10:g} h"

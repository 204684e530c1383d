"""The kinds of base models, and how each is generated with: ACE-Step's turbo, sft and base models, and nano. Torch-free.

The model's own configuration says which kind it is and, where its scheduler has one, the shift. What the configuration of the
pipeline says goes before all of it.
"""

from __future__ import annotations

import re
from typing import Any

from lofi_pipeline.config import EvaluationSettings, SamplingSettings, Variant
from lofi_pipeline.storage import read_json
from lofi_pipeline.training.bases import NANO, base_folder, shown_name
from lofi_pipeline.training.errors import BaseModelError

# ACE-Step 1.5's documents: 8 steps without guidance at shift 3 for turbo, 50 steps (32 to 100) with a guidance of 7 at shift 1
# for the others. Nano's are those that its scores were always made with.
_SUITING: dict[Variant, SamplingSettings] = {
    "nano": SamplingSettings(inference_steps=16, guidance_scale=4.0, shift=3.0, clip_seconds=5.0),
    "turbo": SamplingSettings(inference_steps=8, guidance_scale=1.0, shift=3.0, clip_seconds=30.0),
    "sft": SamplingSettings(inference_steps=50, guidance_scale=7.0, shift=1.0, clip_seconds=30.0),
    "base": SamplingSettings(inference_steps=50, guidance_scale=7.0, shift=1.0, clip_seconds=30.0),
}
_IN_NAME = re.compile(r"ace-?step.*?\b(turbo|sft)\b", re.IGNORECASE)


def variant_of(base: str) -> Variant:
    """Which kind a base model is: what its transformer's configuration says; where it says nothing, what ACE-Step calls it.

    Raises:
        BaseModelError: see `base_folder`; or its configuration cannot be read.
    """
    if base == NANO:
        return "nano"
    config = _configuration(base, "transformer/config.json")
    said = str(config.get("model_version") or "").lower()
    if config.get("is_turbo") or "turbo" in said:
        return "turbo"
    if said:
        return "sft" if "sft" in said else "base"
    named = _IN_NAME.search(shown_name(base))
    return "base" if named is None else "turbo" if named[1].lower() == "turbo" else "sft"


def scheduler_shift(base: str) -> float:
    """The shift that the base's scheduler applies by itself; 1 is none."""
    config = _configuration(base, "scheduler/scheduler_config.json")
    shift = config.get("shift", 1.0)
    return float(shift) if isinstance(shift, int | float) and shift > 0 else 1.0


def suiting(settings: EvaluationSettings, base: str) -> EvaluationSettings:
    """The settings with all that is left out filled in as it suits this base model. A turbo base is asked for no guidance."""
    variant = variant_of(base)
    chosen = _SUITING[variant].model_dump()
    own_shift = 1.0 if variant == "nano" else scheduler_shift(base)
    if own_shift != 1.0:
        chosen["shift"] = own_shift
    if variant in settings.sampling:
        chosen |= settings.sampling[variant].model_dump(exclude_none=True)
    missing = {name: value for name, value in chosen.items() if name not in settings.model_fields_set}
    if variant == "turbo":
        missing["guidance_scale"] = 1.0
    return settings.model_copy(update=missing)


def _configuration(base: str, name: str) -> dict[str, Any]:
    path = base_folder(base) / name
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise BaseModelError(
            f"base model {base!r}: {path} is not readable ({error}); fetch the model again"
        ) from error
    return found if isinstance(found, dict) else {}

"""How a base is generated with belongs to its kind; what the configuration says goes before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.config import EvaluationSettings, load_config
from lofi_pipeline.evaluation.prompts import prompts_sha256
from lofi_pipeline.training.bases import BaseModelError
from lofi_pipeline.training.variants import suiting, variant_of

FORMER_KEY = "687db4624dbcc908fd07bc6ff52d8651a4e06a32ba7adad8b0dbda9cb775c5d8"
"""Of no prompts, with 12 steps, a guidance of 4 and 5 s: what it was when these were no settings of a kind of base."""
NAMES = ("inference_steps", "guidance_scale", "shift", "clip_seconds")
TURBO, TUNED, NANO = (8, 1.0, 3.0, 30.0), (50, 7.0, 1.0, 30.0), (16, 4.0, 3.0, 5.0)


def base_of(folder: Path, transformer: dict[str, Any], scheduler: dict[str, Any] | None = None) -> str:
    """A base as far as its configuration goes."""
    files = {
        "model_index.json": {"_class_name": "AceStepPipeline"},
        "transformer/config.json": transformer,
        "scheduler/scheduler_config.json": scheduler or {"shift": 1.0},
    }
    for name, value in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(value))
    return str(folder)


def sampling(settings: EvaluationSettings, base: str) -> tuple[float, ...]:
    return tuple(getattr(suiting(settings, base), name) for name in NAMES)


@pytest.mark.parametrize(
    ("name", "said", "variant", "suits"),
    [
        ("x", {"is_turbo": True, "model_version": None}, "turbo", TURBO),
        ("x", {"is_turbo": False, "model_version": "turbo"}, "turbo", TURBO),
        ("acestep-v15-turbo", {"is_turbo": False, "model_version": "base"}, "base", TUNED),
        ("x", {"is_turbo": False, "model_version": "sft"}, "sft", TUNED),
        ("acestep-v15-xl-turbo-diffusers", {"is_turbo": False, "model_version": None}, "turbo", TURBO),
        ("acestep-v15-sft", {}, "sft", TUNED),
        ("my-turbo-mix", {"is_turbo": False}, "base", TUNED),
        ("x", {}, "base", TUNED),
    ],
)
def test_the_model_itself_says_which_kind_it_is(
    tmp_path: Path, name: str, said: dict[str, Any], variant: str, suits: tuple[float, ...]
) -> None:
    base = base_of(tmp_path / name, said)
    assert variant_of(base) == variant
    assert sampling(EvaluationSettings(), base) == suits


def test_what_is_set_goes_before_what_suits_the_base(tmp_path: Path) -> None:
    base = base_of(tmp_path / "x", {"model_version": "sft"})
    for_kind = EvaluationSettings.model_validate({"sampling": {"sft": {"inference_steps": 80, "shift": 2.0}}})
    assert sampling(for_kind, base) == (80, 7.0, 2.0, 30.0)
    both = EvaluationSettings.model_validate(
        {"inference_steps": 5, "sampling": {"sft": {"inference_steps": 80}}}
    )
    assert sampling(both, base) == (5, 7.0, 1.0, 30.0)
    other_kind = EvaluationSettings.model_validate({"sampling": {"turbo": {"inference_steps": 80}}})
    assert sampling(other_kind, base) == TUNED
    assert sampling(EvaluationSettings(inference_steps=16, shift=3.0), base)[:3] == (16, 7.0, 3.0), (
        "a value that happens to be a default counts, too"
    )


def test_a_turbo_base_is_never_asked_for_guidance(tmp_path: Path) -> None:
    base = base_of(tmp_path / "x", {"is_turbo": True})
    assert sampling(EvaluationSettings(guidance_scale=4.0), base) == TURBO


def test_the_shift_is_that_of_the_base_s_own_scheduler(tmp_path: Path) -> None:
    base = base_of(tmp_path / "x", {"model_version": "base"}, {"shift": 2.5})
    assert sampling(EvaluationSettings(), base) == (50, 7.0, 2.5, 30.0)
    assert suiting(EvaluationSettings(shift=4.0), base).shift == 4.0


def test_nano_is_generated_with_as_it_always_was_and_its_scores_keep_their_key() -> None:
    assert sampling(EvaluationSettings(), "nano") == NANO
    assert sampling(load_config().evaluation, "nano") == (12, *NANO[1:]), "as the shipped configuration says"
    assert prompts_sha256([], suiting(load_config().evaluation, "nano")) == FORMER_KEY


def test_a_base_without_configuration_is_named(tmp_path: Path) -> None:
    base = base_of(tmp_path / "x", {})
    (tmp_path / "x" / "transformer" / "config.json").unlink()
    with pytest.raises(BaseModelError, match="transformer/config.json is not readable"):
        variant_of(base)

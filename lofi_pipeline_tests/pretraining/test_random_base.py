"""Bases with random weights: of the published shapes, and good for everything but listening."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import soundfile
import torch
from typer.testing import CliRunner

from benchmarks import real_size
from lofi_pipeline.cli.app import app
from lofi_pipeline.pretraining import random_base
from lofi_pipeline.pretraining.random_base import (
    SIZES,
    random_codec,
    random_condition_encoder,
    random_text_encoder,
    random_transformer,
    write_random_base,
)
from lofi_pipeline.training.bases import describe_base, load_base
from lofi_pipeline.training.errors import BaseModelError


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "toy"
    done = CliRunner().invoke(app, ["dev", "random-base", "--size", "toy", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def test_it_is_a_base_that_generates(toy: Path):
    facts = describe_base(str(toy))
    assert (facts.sampling_rate, facts.latents_per_second) == (48_000, 25.0)
    pipeline: Any = load_base(str(toy))
    assert bool(pipeline.condition_encoder.silence_latent.any())
    sound = pipeline(
        prompt="lofi hip hop",
        lyrics="",
        audio_duration=1.0,
        bpm=80,
        num_inference_steps=1,
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).audios[0]
    assert sound.shape == (2, 48_000) and bool(torch.isfinite(sound).all())


def test_a_folder_that_is_there_is_left_alone(toy: Path):
    before = sorted(toy.rglob("*"))
    with pytest.raises(BaseModelError, match="is there already"):
        write_random_base("toy", toy)
    assert sorted(toy.rglob("*")) == before


def test_it_is_written_with_one_part_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made: list[weakref.ref[Any]] = []

    def watched(make: Callable[..., Any]) -> Callable[..., Any]:
        def make_alone(*given: Any, **named: Any) -> Any:
            assert not [part for part in made if part() is not None]
            part = make(*given, **named)
            made.append(weakref.ref(part))
            return part

        return make_alone

    makers = ("random_codec", "random_condition_encoder", "random_text_encoder", "random_transformer")
    for name in makers:
        monkeypatch.setattr(random_base, name, watched(getattr(random_base, name)))
    write_random_base("toy", tmp_path / "toy")
    assert len(made) == len(makers)


@pytest.mark.slow
def test_a_tenth_of_the_2b_goes_through_the_whole_of_training(tmp_path: Path):
    """The 24 layers, the sliding windows, Oobleck and Qwen3 of the 2B: all of them work in each stage."""
    place = real_size.Place(tmp_path, "toy")
    with patch.dict(os.environ):  # generating says its settings there
        said = {stage: work(place) for stage, work in real_size.STAGES.items()}
    assert "by plan" in said["train"] and said["reload"] == "valid" and said["score"].startswith("FAD")
    assert soundfile.info(tmp_path / "sound.wav").duration == pytest.approx(2, abs=0.1)


def test_the_sizes_are_those_that_are_published():
    """Billions of parameters of transformer, condition encoder, codec and text encoder."""
    makers = (random_transformer, random_condition_encoder, random_codec, random_text_encoder)
    counts = {
        name: [
            round(
                sum(parameter.numel() for parameter in make(SIZES[name], device="meta").parameters()) / 1e9, 3
            )
            for make in makers
        ]
        for name in ("2b", "xl")
    }
    assert counts == {"2b": [1.575, 0.608, 0.169, 0.596], "xl": [4.169, 0.608, 0.169, 0.596]}

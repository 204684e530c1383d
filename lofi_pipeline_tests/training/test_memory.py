"""The plan of a training's memory against what torch keeps and what GPUs measured; and what is said where there is too little."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lofi_pipeline.config import TrainingPreset, load_config
from lofi_pipeline.pretraining.random_base import SIZES, Size, SizeName, random_transformer
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training import encoder
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.loss import FlowMatching
from lofi_pipeline.training.memory import Load, MemoryPlan, Shape, plan_memory, savings
from lofi_pipeline.training.weights import add_adapter, autocast
from lofi_pipeline_tests.training.conftest import Train
from lofi_pipeline_tests.training.toy import toy_preset

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


def preset_with(**changes: Any) -> TrainingPreset:
    """The preset for ACE-Step, without gradient checkpointing."""
    preset = load_config().training.presets["ace-step"]
    return preset.model_copy(update={"gradient_checkpointing": False} | changes)


def shape_of(size: Size) -> Shape:
    return Shape.of_transformer(random_transformer(size, device="meta"))


def kept_for_the_way_back(size: Size, preset: TrainingPreset, load: Load) -> int:
    """Bytes of activations that torch saves in one forward pass."""
    dtype = torch.bfloat16 if preset.precision == "bf16" else torch.float32
    transformer = random_transformer(size, dtype=dtype)
    add_adapter(transformer, preset)
    transformer.train()
    own = {
        tensor.untyped_storage().data_ptr() for tensor in (*transformer.parameters(), *transformer.buffers())
    }
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            kept[place] = tensor
        return tensor

    latents = torch.randn(load.batch, load.frames, size.channels)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        autocast(preset.precision, "cpu"),
    ):
        transformer(
            hidden_states=latents,
            timestep=torch.rand(load.batch),
            timestep_r=torch.rand(load.batch),
            encoder_hidden_states=torch.randn(load.batch, load.tokens, size.condition),
            context_latents=torch.cat([latents, latents], dim=-1),
            return_dict=False,
        )
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("targets", [ATTENTION, ATTENTION + FEED_FORWARD])
@pytest.mark.parametrize("adapter", ["lora", "lokr"])
def test_activations_are_what_torch_keeps(adapter: str, precision: str, targets: tuple[str, ...]):
    preset = preset_with(
        precision=precision, lora_targets=targets, lora_rank=8, adapter=adapter, decompose_factor=4
    )
    size = replace(SIZES["toy"], layers=8)
    for load in (Load(batch=2, frames=600, tokens=100), Load(batch=1, frames=1200, tokens=40)):
        planned = plan_memory(shape_of(size), preset, load).activations
        assert planned == pytest.approx(kept_for_the_way_back(size, preset, load), rel=0.1)


MEASURED: list[tuple[SizeName, int, int, bool, float]] = [
    ("2b", 60, 1, False, 6.8),
    ("2b", 60, 1, True, 4.1),
    ("2b", 60, 8, False, 26.8),
    ("2b", 60, 8, True, 5.6),
    ("2b", 240, 1, True, 4.7),
    ("2b", 240, 8, False, 92.6),
    ("xl", 60, 1, False, 15.6),
    ("xl", 60, 1, True, 10.0),
    ("xl", 60, 8, True, 12.3),
]
"""Size, seconds, batch, gradient checkpointing, and the peak on an H200 in GB, as docs/real-weights.md has it."""


@pytest.mark.parametrize(("size", "seconds", "batch", "checkpointing", "peak"), MEASURED)
def test_the_plan_is_what_a_gpu_measured(
    size: SizeName, seconds: int, batch: int, checkpointing: bool, peak: float
):
    preset = preset_with(gradient_checkpointing=checkpointing)
    plan = plan_memory(shape_of(SIZES[size]), preset, Load(batch, 25 * seconds, 256))
    assert plan.total / 1e9 == pytest.approx(peak, rel=0.03)


@pytest.mark.parametrize("kind", [{}, {"adapter": "lokr", "decompose_factor": 2, "lora_rank": 3}])
def test_the_plan_of_a_base_on_disk_counts_its_weights_and_its_adapter(base: Path, kind: dict[str, Any]):
    preset = toy_preset(**kind)
    transformer: Any = load_base(str(base)).transformer
    plan = plan_memory(Shape.of_base(base), preset, Load(1, 50, 20))
    assert plan.weights == 4 * sum(weight.numel() for weight in transformer.parameters())
    trained = sum(parameter.numel() for parameter in add_adapter(transformer, preset))
    assert (plan.adapter, plan.optimiser) == (8 * trained, 8 * trained)  # with gradients; two moments


def test_plan_and_peak_are_told(run: Train):
    told = [event.message for event in run(preset={"max_steps": 2})]
    (plan,) = (line for line in told if line.startswith("memory by plan"))
    assert "LoRA and gradients" in plan and "optimiser" in plan and "activations" in plan
    (peak,) = (line for line in told if "at the peak" in line)
    assert told.index(plan) < told.index(peak) and "by plan" in peak and "the process had" in peak


def fault(monkeypatch: pytest.MonkeyPatch, raising: Callable[[], object]) -> None:
    """A step that does `raising`."""
    monkeypatch.setattr(FlowMatching, "loss", lambda *_given, **_named: raising())


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "no_room",
    [
        lambda: _raise(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")),
        lambda: torch.empty(1 << 60),
    ],
    ids=["gpu", "cpu"],
)
def test_out_of_memory_names_what_to_lower_in_order_and_what_each_saves(
    run: Train, monkeypatch: pytest.MonkeyPatch, no_room: Callable[[], object]
):
    fault(monkeypatch, no_room)
    saves = r" saves \d+\.\d+ GB; training.presets.toy."
    order = saves.join(
        ["gradient_checkpointing: true", "precision: bf16", "batch_size: 1", "crop_seconds: 1", ""]
    )
    with pytest.raises(
        TrainingError, match=rf"^out of memory at step 0 .*plan training takes .*toy\.{order}lora_rank: 2 "
    ):
        run()


def test_a_gpu_that_fails_in_the_middle_is_told_in_words(run: Train, monkeypatch: pytest.MonkeyPatch):
    fault(
        monkeypatch,
        lambda: _raise(RuntimeError("CUDA error: an illegal memory access was encountered\nmore")),
    )
    with pytest.raises(
        TrainingError, match=r"the GPU failed at step 0 \(CUDA error.*encountered\)\. Run again"
    ):
        run()


def test_savings_are_those_of_the_plan_and_none_that_saves_nothing():
    shape, preset, load = shape_of(SIZES["2b"]), preset_with(), Load(8, 1500, 256)
    found = dict(savings(shape, preset, load, "p"))
    before, after = (
        plan_memory(shape, preset_with(**change), load) for change in ({}, {"gradient_checkpointing": True})
    )
    assert found["p.gradient_checkpointing: true"] == before.total - after.total > 10e9
    assert list(found) == [
        "p.gradient_checkpointing: true",
        "p.batch_size: 4",
        "p.crop_seconds: 30",
        "p.lora_rank: 32",
    ]  # bf16 it is already
    assert not any("batch_size" in name for name in dict(savings(shape, preset, Load(1, 1500, 256), "p")))


def test_no_room_to_encode_names_the_length_of_the_chunks(
    root: DataRoot, run: Train, monkeypatch: pytest.MonkeyPatch
):
    shutil.rmtree(root.cache / "latents")
    monkeypatch.setattr(encoder.Encoder, "posterior", lambda *_given: torch.empty(1 << 60))
    with pytest.raises(TrainingError, match="out of memory while encoding.*encode_chunk_seconds to 15"):
        run()


def test_goals_by_plan():
    """What docs/real-weights.md promises: 2B in 8 GB, XL in 16 GB, at 60 s and batch 1 with checkpointing."""
    preset = preset_with(gradient_checkpointing=True)
    totals = [plan_memory(shape_of(SIZES[size]), preset, Load(1, 1500, 256)).total for size in ("2b", "xl")]
    assert totals[0] < 8e9 and totals[1] < 16e9


def test_a_plan_is_one_line():
    line = str(
        MemoryPlan(weights=3_150_000_000, adapter=352_000_000, optimiser=352_000_000, activations=250_000_000)
    )
    assert line == (
        "4.10 GB: base 3.15 GB, LoRA and gradients 0.35 GB, optimiser 0.35 GB, activations 0.25 GB"
    )

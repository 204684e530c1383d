"""What a training will take of the device's memory, by formula, before anything is loaded. Torch-free.

Counted is what autograd keeps of a step for the way back. The coefficients were read off what torch saves in one block of
AceStepTransformer1DModel under each precision (test_memory.py counts it again), and the sum is within 3 % of the peaks that
were measured on an H200 (docs/real-weights.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.storage import read_json
from lofi_pipeline.training.errors import BaseModelError
from lofi_pipeline.training.safetensors_head import NO_SAFETENSORS, read_head

GIGABYTE = 1e9
WEIGHT_BYTES = {"bf16": 2, "fp32": 4}
ADAPTER_BYTES = 4  # float32, whatever the base is in
ADAMW_BYTES = 8  # two moments of a parameter


class _Kept(NamedTuple):
    """Bytes that one block keeps of a step, for each token or condition token, and each unit of a width."""

    hidden: int
    intermediate: int
    query: int
    key: int
    rank: int
    condition_hidden: int
    condition_key: int
    condition_rank: int
    checkpointed: int
    """Of the hidden width, where the rest is computed again on the way back."""


# The products are in bfloat16, norms and rotations in float32: both are kept
_KEPT = {
    "bf16": _Kept(26, 6, 24, 11, 12, 4, 10, 4, 2),
    "fp32": _Kept(20, 12, 24, 14, 24, 0, 12, 8, 4),
}
_FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class Shape:
    """A transformer's widths, and its parameters."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    query: int
    key: int
    patch: int
    linears: dict[str, tuple[int, int]]
    """Width of output and input of each linear layer, by name."""

    @classmethod
    def of_base(cls, folder: Path) -> Shape:
        """Of the transformer in a base's folder: out of its configuration and the headers of its files.

        Raises:
            BaseModelError: one of them is no safetensors file.
        """
        place = folder / "transformer"
        return cls._of(read_json(place / "config.json"), dict(_tensor_shapes(place)))

    @classmethod
    def of_transformer(cls, transformer: Any) -> Shape:
        """Of one that was made already."""
        shapes = {name: list(weight.shape) for name, weight in transformer.named_parameters()}
        return cls._of(dict(transformer.config), shapes)

    @classmethod
    def _of(cls, config: dict[str, Any], shapes: dict[str, list[int]]) -> Shape:
        head = int(config["head_dim"])
        return cls(
            parameters=sum(map(math.prod, shapes.values())),
            layers=int(config["num_hidden_layers"]),
            hidden=int(config["hidden_size"]),
            intermediate=int(config["intermediate_size"]),
            query=int(config["num_attention_heads"]) * head,
            key=int(config["num_key_value_heads"]) * head,
            patch=int(config.get("patch_size", 2)),
            linears={
                name.removesuffix(".weight"): (shape[0], shape[1])
                for name, shape in shapes.items()
                if name.endswith(".weight") and len(shape) == 2
            },
        )

    def targets(self, preset: TrainingPreset) -> list[tuple[int, int]]:
        """Width of output and input of each layer that the preset adapts."""
        endings = tuple(f".{target}" for target in preset.lora_targets)
        return [pair for name, pair in self.linears.items() if name.endswith(endings)]

    def adapter_parameters(self, preset: TrainingPreset) -> int:
        """Of an adapter of the preset's rank on the preset's targets."""
        if preset.adapter != "lokr":
            return preset.lora_rank * sum(map(sum, self.targets(preset)))
        from peft.tuners.lokr.layer import factorization  # torch: only where it is wanted

        pairs = (
            [factorization(width, preset.decompose_factor) for width in pair] for pair in self.targets(preset)
        )
        return sum(a * b + preset.lora_rank * (c + d) for (a, c), (b, d) in pairs)


@dataclass(frozen=True)
class Load:
    """The largest batch of a training: crops of one shape."""

    batch: int
    frames: int
    tokens: int
    """Of each condition."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of what a training holds at its peak."""

    weights: int
    adapter: int
    """The LoRA and its gradients."""
    optimiser: int
    activations: int
    """What is kept for the way back, and the gradients under way."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.adapter + self.optimiser + self.activations

    def __str__(self) -> str:
        """One line to show."""
        parts = {
            "base": self.weights,
            "LoRA and gradients": self.adapter,
            "optimiser": self.optimiser,
            "activations": self.activations,
        }
        return f"{gigabytes(self.total)}: " + ", ".join(
            f"{name} {gigabytes(part)}" for name, part in parts.items()
        )


def gigabytes(count: float) -> str:
    """Bytes to be shown."""
    return f"{count / GIGABYTE:.2f} GB"


def plan_memory(shape: Shape, preset: TrainingPreset, load: Load) -> MemoryPlan:
    """What training a preset on the largest batch takes.

    A block keeps, for T tokens and L condition tokens of widths H (hidden), I (feed-forward), Q (queries), K (keys and
    values) and a LoRA of rank r, so many bytes, by the coefficients of the precision:

        T (a H + b I + c Q + d K + e r) + L (f H + g K + h r)

    LoKr has no such r; it keeps the change of each layer's weights, as large as they are.
    Without gradient checkpointing all blocks keep it; with it one block does, and each other one its input. On the way back
    the gradients of one block's feed-forward and residual stream are there beside it. The mask of the sliding window is T x T.
    """
    adapter = shape.adapter_parameters(preset)
    return MemoryPlan(
        weights=shape.parameters * WEIGHT_BYTES[preset.precision],
        adapter=adapter * 2 * ADAPTER_BYTES,
        optimiser=adapter * ADAMW_BYTES,
        activations=_activations(shape, preset, load),
    )


def _activations(shape: Shape, preset: TrainingPreset, load: Load) -> int:
    kept, size = _KEPT[preset.precision], WEIGHT_BYTES[preset.precision]
    tokens = load.frames // shape.patch
    is_lokr = preset.adapter == "lokr"
    rank = 0 if is_lokr else preset.lora_rank
    changes = size * sum(map(math.prod, shape.targets(preset))) // shape.layers if is_lokr else 0
    of_token = (
        kept.hidden * shape.hidden
        + kept.intermediate * shape.intermediate
        + kept.query * shape.query
        + kept.key * shape.key
        + kept.rank * rank
    )
    # A LoRA on the feed-forward keeps its input, too, once for each target
    of_token += size * sum(
        shape.intermediate if target == "down_proj" else shape.hidden
        for target in preset.lora_targets
        if target in _FEED_FORWARD
    )
    of_condition = (
        kept.condition_hidden * shape.hidden + kept.condition_key * shape.key + kept.condition_rank * rank
    )
    block = load.batch * (tokens * of_token + load.tokens * of_condition) + changes
    under_way = load.batch * tokens * 2 * size * (shape.intermediate + 2 * shape.hidden)
    mask = size * tokens * tokens
    if preset.gradient_checkpointing:
        inputs = load.batch * tokens * kept.checkpointed * shape.hidden * shape.layers
        return block + inputs + under_way + mask
    return block * shape.layers + under_way + mask


class Saving(NamedTuple):
    """A change of a setting, and the bytes that it saves by the plan."""

    setting: str
    saves: int


def savings(shape: Shape, preset: TrainingPreset, load: Load, where: str) -> list[Saving]:
    """What to lower, in the order in which it costs least: time, then what each step sees, then what the LoRA can learn.

    `where`: what the settings of the preset are called, such as training.presets.ace-step.
    """
    now = plan_memory(shape, preset, load).total
    lower = {
        "gradient_checkpointing: true": (preset.model_copy(update={"gradient_checkpointing": True}), load),
        "precision: bf16": (preset.model_copy(update={"precision": "bf16"}), load),
        f"batch_size: {load.batch // 2}": (preset, replace(load, batch=load.batch // 2)),
        f"crop_seconds: {preset.crop_seconds / 2:g}": (preset, replace(load, frames=load.frames // 2)),
        f"lora_rank: {preset.lora_rank // 2}": (
            preset.model_copy(update={"lora_rank": preset.lora_rank // 2}),
            load,
        ),
    }
    found = [
        Saving(f"{where}.{setting}", now - plan_memory(shape, changed, smaller).total)
        for setting, (changed, smaller) in lower.items()
        if smaller.batch and smaller.frames >= shape.patch and changed.lora_rank
    ]
    return [saving for saving in found if saving.saves > 0]


def largest_load(preset: TrainingPreset, shapes: list[tuple[int, int]]) -> Load:
    """The batch that takes most: all its crops as long as the longest, with the longest condition."""
    frames, tokens = (max((shape[place] for shape in shapes), default=0) for place in (0, 1))
    return Load(preset.batch_size, frames, tokens)


def count_parameters(component: Path) -> int:
    """Of a component of a base, by the headers of its files; 0 where it has no weights.

    Raises:
        BaseModelError: one of them is no safetensors file.
    """
    return sum(math.prod(shape) for _, shape in _tensor_shapes(component))


def _tensor_shapes(folder: Path) -> Iterator[tuple[str, list[int]]]:
    for path in sorted(folder.glob("*.safetensors")):
        head, fault = read_head(path)
        if fault == NO_SAFETENSORS:
            raise BaseModelError(f"{path}: {fault}; fetch the base model again")
        yield from ((name, tensor.shape) for name, tensor in head.items())

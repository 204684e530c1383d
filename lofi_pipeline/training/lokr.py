"""LoKr (Yeh et al. 2024, arXiv 2309.14859): a layer's change as kron(w1, B A), a small matrix times one of low rank.

No file that AceStepPipeline reads can hold it. It is a LoRA of a higher rank, exactly, and that is what a checkpoint publishes:
with w1 [a, b], kron(w1, B A) = kron(w1, B) kron(1, A) = kron(1, B) kron(w1, A), of the rank of A times b or a.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoKrConfig, LoraConfig
from peft.tuners.lokr import LoKrLayer

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.lora_config import plain_config


def lokr_config(preset: TrainingPreset) -> LoKrConfig:
    """What PEFT attaches a preset's LoKr by."""
    return LoKrConfig(
        r=preset.lora_rank,
        alpha=preset.lora_alpha,
        target_modules=list(preset.lora_targets),
        decompose_factor=preset.decompose_factor,
        rank_pattern=dict(preset.rank_pattern),
        alpha_pattern=dict(preset.alpha_pattern),
        init_weights="lycoris",
    )


def lokr_layers(transformer: Any) -> dict[str, LoKrLayer]:
    """The layers with a LoKr, by name."""
    return {name: part for name, part in transformer.named_modules() if isinstance(part, LoKrLayer)}


def require_low_rank(transformer: Any, adapter: str) -> None:
    """Raises: TrainingError, where PEFT trains a second matrix of full rank: the LoRA would be as large as the layer itself."""
    for name, layer in lokr_layers(transformer).items():
        if adapter in layer.lokr_w2:
            width = max(layer.lokr_w2[adapter].shape)
            raise TrainingError(
                f"lora_rank {layer.r[adapter]}: too high for a LoKr of {name}, whose larger matrix has the width {width} with this "
                f"decompose_factor: set a rank below {width / 2:g}, or a lower decompose_factor"
            )


@torch.no_grad()
def as_lora(transformer: Any, adapter: str) -> tuple[dict[str, torch.Tensor], LoraConfig]:
    """The LoRA that a LoKr is: its weights by the names of its layers, float32 on the CPU, and its configuration."""
    tensors: dict[str, torch.Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    for name, layer in lokr_layers(transformer).items():
        kept = (layer.lokr_w1, layer.lokr_w2_a, layer.lokr_w2_b)
        w1, up, down = (part[adapter].detach().float().cpu() for part in kept)
        times = min(w1.shape)
        left, right = (w1, torch.eye(times)) if times == w1.shape[1] else (torch.eye(times), w1)
        tensors[f"{name}.lora_A.weight"] = torch.kron(right, down.contiguous()).contiguous()
        tensors[f"{name}.lora_B.weight"] = torch.kron(left, up.contiguous()).contiguous()
        ranks[name], alphas[name] = times * layer.r[adapter], times * layer.alpha[adapter]
    targets = transformer.peft_config[adapter].target_modules
    return tensors, plain_config(ranks, alphas, sorted(targets))


@contextmanager
def lokr_set_aside(transformer: Any) -> Iterator[None]:
    """Meanwhile the base's own layers are where those with a LoKr were: PEFT puts no LoRA beside a LoKr."""
    layers = lokr_layers(transformer)
    if not layers:
        yield
        return
    configs = transformer.peft_config
    transformer.peft_config = {}
    for name, layer in layers.items():
        transformer.set_submodule(name, layer.get_base_layer())
    try:
        yield
    finally:
        for name, layer in layers.items():
            transformer.set_submodule(name, layer)
        transformer.peft_config, transformer._hf_peft_config_loaded = configs, True  # as diffusers marks it

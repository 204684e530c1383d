"""The configuration of a LoRA whose rank and alpha differ from layer to layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from peft import LoraConfig


def plain_config(
    ranks: Mapping[str, int], alphas: Mapping[str, float], targets: list[str] | None = None
) -> LoraConfig:
    """What PEFT attaches it by: the most common rank and alpha, with patterns for the others.

    Args:
        ranks: by the name of the layer.
        alphas: by the name of the layer.
        targets: what the layers' names end with; by default the names.
    """
    rank, alpha = _most_common(ranks), _most_common(alphas)
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=targets or sorted(ranks),
        rank_pattern={name: it for name, it in sorted(ranks.items()) if it != rank},
        alpha_pattern={name: it for name, it in sorted(alphas.items()) if it != alpha},
    )


def _most_common(values: Mapping[str, Any]) -> Any:
    return Counter(values[name] for name in sorted(values)).most_common(1)[0][0]

"""A base whose LoRA is part of its weights while clips are generated: the same sums in fewer and faster products.

A clip differs by rounding from one that is made with the LoRA beside the weights. In bfloat16 the small weights of a LoRA would
drown in the large ones, so this is for float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextmanager
def merged(transformer: Any) -> Iterator[None]:
    """Add the active LoRA to the weights while the block goes on. Afterwards the weights have the bits that they had."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    kept: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
    layers: list[Any] = [
        layer
        for layer in transformer.modules()
        if isinstance(layer, BaseTunerLayer) and not layer.disable_adapters and not layer.merged
    ]
    hook = transformer.proj_in_conv.register_forward_hook(_by_token)
    try:
        for layer in layers:
            for parameter in layer.get_base_layer().parameters(recurse=False):
                kept.append((parameter, parameter.data))
                parameter.data = parameter.data.clone()
            layer.merge()
        yield
    finally:
        hook.remove()
        for layer in layers:
            layer.merged_adapters.clear()
        for parameter, data in kept:
            parameter.data = data


def _by_token(_module: torch.nn.Module, _given: object, made: torch.Tensor) -> torch.Tensor:
    """[n, channels, tokens] with each token's channels side by side in memory: all layers keep that order, and multiply faster."""
    return made.transpose(1, 2).contiguous().transpose(1, 2)

"""What makes a step fast on a GPU changes no answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.loss import Batch, Crop, FlowMatching
from lofi_pipeline.training.speed import compile_whole, keep_tokens_together
from lofi_pipeline.training.weights import add_adapter
from lofi_pipeline_tests.training.toy import CHANNELS, WIDTH, toy_preset


def transformer_and_loss(base: Path, **preset: Any) -> tuple[Any, Any]:
    """A transformer with its adapter, and what gives the loss and the gradients of a batch of two."""
    pipeline, settings = load_base(str(base)), toy_preset(**preset)
    flow, transformer = FlowMatching(pipeline.condition_encoder, settings, "cpu"), pipeline.transformer
    parameters = add_adapter(transformer, settings)
    if settings.gradient_checkpointing:
        transformer.enable_gradient_checkpointing()
    draw = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 2, 16, CHANNELS, generator=draw)
    conditions = torch.randn(2, 5, WIDTH, generator=draw)
    batch = Batch.of([Crop(latents[n], noise[n], 0.3 + n / 2, conditions[n], False) for n in range(2)])

    def loss() -> torch.Tensor:
        found = flow.loss(transformer.train(), batch)
        gradients = torch.autograd.grad(found, parameters)
        return torch.cat([found.detach()[None], *(it.flatten() for it in gradients)])

    return transformer, loss


def test_the_tokens_of_a_batch_lie_beside_each_other(base: Path):
    transformer, loss = transformer_and_loss(base)
    seen: list[bool] = []
    transformer.layers[0].register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given["hidden_states"].is_contiguous()), with_kwargs=True
    )
    before = loss()
    keep_tokens_together(transformer)
    torch.testing.assert_close(loss(), before)
    assert seen == [False, True]


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_the_transformer_is_compiled_as_one_graph(base: Path, gradient_checkpointing: bool):
    transformer, loss = transformer_and_loss(base, gradient_checkpointing=gradient_checkpointing)
    before = loss()
    compile_whole(transformer, backend="eager", fullgraph=True)  # fails where a second graph would be needed
    torch.testing.assert_close(loss(), before)

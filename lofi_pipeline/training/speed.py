"""What makes a step of the transformer fast on a GPU: 0.34 s became 0.10 s (2B, crops of 60 s, batch 8; docs/real-weights.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lofi_pipeline.training.bases import quietly

if TYPE_CHECKING:
    from diffusers import AceStepTransformer1DModel  # pyright: ignore[reportPrivateImportUsage]

CUDA_GRAPHS = "reduce-overhead"
"""torch.compile's mode that records the kernels of a pass once, and has the GPU play them without being told one by one."""


def keep_tokens_together(transformer: AceStepTransformer1DModel) -> None:
    """Have the numbers of each token beside each other in memory, from the first layer on.

    The transformer begins with a convolution, whose answer it turns over without moving it. All that comes after it has the same
    strides: no product of matrices can take the tokens of a batch at once, and every other operation reads across memory. The
    answers are the same but for rounding.
    """

    def beside_each_other(_: Any, __: Any, answer: torch.Tensor) -> torch.Tensor:
        return answer.transpose(1, 2).contiguous().transpose(1, 2)

    transformer.proj_in_conv.register_forward_hook(beside_each_other)


def compile_whole(transformer: AceStepTransformer1DModel, **options: Any) -> None:
    """Compile the transformer as one graph; `options` are those of torch.compile.

    Its attention asks diffusers' registry which kernel is wanted, which torch.compile cannot follow: it made 7 graphs a block, and
    left the products between them out. Where the kernel is named, nothing is asked.
    """
    with quietly():  # diffusers calls the choice of a kernel experimental
        transformer.set_attention_backend("native")  # the one that it takes anyway
    transformer.compile(**options)

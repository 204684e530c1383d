"""A base model of ACE-Step 1.5's published shape with random weights: to measure and to try with, not to listen to.

The dimensions are those of the published configurations; the weights make noise. The tokenizer is nano's, so that nothing
has to be fetched: prompts have other tokens than with the published one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from lofi_pipeline.storage import commit_folder, write_json_atomic
from lofi_pipeline.training.bases import NANO_FOLDER, PIPELINE_CLASS, quietly
from lofi_pipeline.training.errors import BaseModelError, disk_faults

SizeName = Literal["toy", "2b", "xl"]
SILENCE_FRAMES = 15_000
SLIDING_WINDOW = 128


@dataclass(frozen=True)
class Size:
    """The dimensions in which the published models differ; `toy` is the 2B at about a tenth of its width."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    condition: int
    """Width of what the transformer attends to."""
    condition_intermediate: int
    condition_heads: int
    condition_kv_heads: int
    head: int
    text: int
    text_intermediate: int
    text_layers: int
    vocabulary: int
    channels: int
    """Of the latents."""
    codec_multiples: tuple[int, ...]


_2B = Size(
    hidden=2048, intermediate=6144, layers=24, heads=16, kv_heads=8, condition=2048, condition_intermediate=6144,
    condition_heads=16, condition_kv_heads=8, head=128, text=1024, text_intermediate=3072, text_layers=28,
    vocabulary=151_669, channels=64, codec_multiples=(1, 2, 4, 8, 16),
)  # fmt: skip
_XL = replace(_2B, hidden=2560, intermediate=9728, layers=32, heads=32)
_TOY = Size(
    hidden=192, intermediate=576, layers=24, heads=4, kv_heads=2, condition=192, condition_intermediate=576,
    condition_heads=4, condition_kv_heads=2, head=48, text=96, text_intermediate=288, text_layers=28,
    vocabulary=4_096, channels=8, codec_multiples=(1, 1, 1, 1, 1),
)  # fmt: skip
SIZES: dict[SizeName, Size] = {"toy": _TOY, "2b": _2B, "xl": _XL}


@contextmanager
def _made_on(device: str, dtype: torch.dtype) -> Iterator[None]:
    """What is made in the block is made where and as it is wanted: a copy of the largest would not fit beside it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(before)


def random_transformer(size: Size, *, device: str = "cpu", dtype: torch.dtype = torch.bfloat16) -> Any:
    """The transformer alone."""
    from diffusers import AceStepTransformer1DModel

    with _made_on(device, dtype):
        return AceStepTransformer1DModel(
            hidden_size=size.hidden,
            intermediate_size=size.intermediate,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.kv_heads,
            in_channels=3 * size.channels,
            audio_acoustic_hidden_dim=size.channels,
            encoder_hidden_size=size.condition,
            head_dim=size.head,
            sliding_window=SLIDING_WINDOW,
        ).eval()


def random_condition_encoder(size: Size, *, device: str = "cpu", dtype: torch.dtype = torch.bfloat16) -> Any:
    """The condition encoder alone; its silence is zeros until a codec has encoded one."""
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder

    with _made_on(device, dtype):
        return AceStepConditionEncoder(
            hidden_size=size.condition,
            intermediate_size=size.condition_intermediate,
            text_hidden_dim=size.text,
            timbre_hidden_dim=size.channels,
            num_attention_heads=size.condition_heads,
            num_key_value_heads=size.condition_kv_heads,
            head_dim=size.head,
            sliding_window=SLIDING_WINDOW,
        ).eval()


def random_codec(size: Size, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """Oobleck: 48 kHz stereo, 25 latents a second."""
    from diffusers import AutoencoderOobleck

    with _made_on(device, dtype):
        return AutoencoderOobleck(
            encoder_hidden_size=2 * size.channels,
            downsampling_ratios=[2, 4, 4, 6, 10],
            channel_multiples=list(size.codec_multiples),
            decoder_channels=2 * size.channels,
            decoder_input_channels=size.channels,
            sampling_rate=48_000,
        ).eval()


def random_text_encoder(size: Size, *, device: str = "cpu", dtype: torch.dtype = torch.bfloat16) -> Any:
    """A Qwen3."""
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(
        vocab_size=size.vocabulary,
        hidden_size=size.text,
        intermediate_size=size.text_intermediate,
        num_hidden_layers=size.text_layers,
        num_attention_heads=size.condition_heads,
        num_key_value_heads=size.condition_kv_heads,
        head_dim=size.head,
        pad_token_id=0,
        eos_token_id=0,
        bos_token_id=None,
    )
    with _made_on(device, dtype):
        return Qwen3Model(config).eval()


def random_base(
    name: SizeName,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    vae_dtype: torch.dtype | None = None,
) -> Any:
    """The whole AceStepPipeline, made where it is wanted; `vae_dtype`: of the codec alone.

    The weights follow from torch's seed.
    """
    from diffusers import AceStepPipeline

    parts = {part: make() for part, make in _makers(SIZES[name], device, dtype, vae_dtype or dtype).items()}
    return AceStepPipeline(**parts)


def _makers(
    size: Size, device: str, dtype: torch.dtype, vae_dtype: torch.dtype
) -> dict[str, Callable[[], Any]]:
    """What makes each component, in the order in which they are made: the codec's silence goes into the condition encoder."""
    silence: list[torch.Tensor] = []

    def codec() -> Any:
        made = random_codec(size, device=device, dtype=vae_dtype)
        silence.append(_silence(made))
        return made

    def condition_encoder() -> Any:
        encoder = random_condition_encoder(size, device=device, dtype=dtype)
        encoder.silence_latent.copy_(silence[0])
        return encoder

    def tokenizer() -> Any:
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(NANO_FOLDER / "tokenizer", local_files_only=True)

    def scheduler() -> Any:
        from diffusers import FlowMatchEulerDiscreteScheduler

        return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0)

    return {
        "vae": codec,
        "condition_encoder": condition_encoder,
        "text_encoder": lambda: random_text_encoder(size, device=device, dtype=dtype),
        "tokenizer": tokenizer,
        "transformer": lambda: random_transformer(size, device=device, dtype=dtype),
        "scheduler": scheduler,
    }


@torch.no_grad()
def _silence(vae: Any) -> torch.Tensor:
    """The codec's encoding of silence, [1, frames, channels]: zeros would be nothing that a model is trained with."""
    quiet = torch.zeros(1, 2, vae.config.sampling_rate, device=vae.device, dtype=vae.dtype)
    latents = vae.encode(quiet).latent_dist.mode().transpose(1, 2)
    return latents.repeat(1, -(-SILENCE_FRAMES // latents.shape[1]), 1)[:, :SILENCE_FRAMES]


def write_random_base(name: SizeName, folder: Path, *, seed: int = 0) -> Path:
    """Write a diffusers folder with weights in bfloat16 that follow from `seed`; it appears whole or not at all.

    Component by component: the largest is all that is in memory.

    Raises:
        BaseModelError: the folder is there already.
        OSError: the disk is full, for one.
    """
    if folder.exists():
        raise BaseModelError(f"{folder}: is there already; name a folder that is not, or remove it")
    torch.manual_seed(seed)
    makers = _makers(SIZES[name], "cpu", torch.bfloat16, torch.bfloat16)
    with quietly(), commit_folder(folder) as temporary, disk_faults(folder):
        index = {}
        for part, make in makers.items():
            made = make()
            made.save_pretrained(temporary / part)
            index[part] = [type(made).__module__.split(".")[0], type(made).__name__]
            del made
            gc.collect()
        index["condition_encoder"][0] = "ace_step"  # as diffusers names a class of the pipeline's own folder
        facts = {"_class_name": PIPELINE_CLASS, "_diffusers_version": version("diffusers")}
        write_json_atomic(temporary / "model_index.json", facts | index)
    return folder

"""The nano base before training: an AceStepPipeline from nothing, whose silence carries a clock."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

HIDDEN, CONDITION = 192, 128
CLOCK = 1.5


def clock(frames: int) -> torch.Tensor:
    """Sines and cosines of 32 frequencies at 50 frames a second, [frames, 64]: the beats of 60 to 174 bpm and their bars.

    The transformer has relative positions only and would not know where a bar begins; this tells it.
    """
    slow, bars = np.array([1 / 30, 0.1]), np.geomspace(0.25, 0.95, 8)
    frequencies = torch.tensor(np.concatenate((slow, bars, np.linspace(1.0, 2.9, 22))))
    angle = 2 * math.pi * frequencies * torch.arange(frames, dtype=torch.float64)[:, None] / 50
    return torch.cat((angle.sin(), angle.cos()), dim=1).float()


def silence(vae: Any, frames: int = 15_000) -> torch.Tensor:
    """The codec's encoding of silence with the clock on top, [1, frames, 64]: what the transformer gets as context."""
    quiet = vae.encode(torch.zeros(1, 2, vae.config.sampling_rate)).latent_dist.mode().transpose(1, 2)[:, :1]
    return (quiet.expand(1, frames, -1) + CLOCK * clock(frames)).bfloat16().float()


def build(embedder: Path) -> Any:
    """The pipeline before training."""
    from diffusers import (
        AceStepPipeline,
        AceStepTransformer1DModel,
        FlowMatchEulerDiscreteScheduler,
    )
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder
    from lofi_pipeline.training.nano.codec import MelCodec

    config = json.loads((embedder / "config.json").read_text(encoding="utf-8"))
    text_encoder = Qwen3Model(Qwen3Config(**config["text_encoder"]))
    text_encoder.load_state_dict(NanoEmbedder.load(embedder).text_encoder_weights())
    vae = MelCodec(band_mean=tuple(config["band_mean"]), band_std=tuple(config["band_std"]))
    transformer = AceStepTransformer1DModel(
        hidden_size=HIDDEN, intermediate_size=448, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=4,
        head_dim=48, in_channels=192, audio_acoustic_hidden_dim=64, patch_size=2, sliding_window=64,
        encoder_hidden_size=CONDITION,
    )  # fmt: skip
    condition_encoder = AceStepConditionEncoder(
        hidden_size=CONDITION, intermediate_size=256, text_hidden_dim=text_encoder.config.hidden_size, timbre_hidden_dim=64,
        num_lyric_encoder_hidden_layers=1, num_timbre_encoder_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=4, head_dim=32, sliding_window=64,
    )  # fmt: skip
    condition_encoder.silence_latent.copy_(silence(vae))
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(embedder, local_files_only=True)
    return AceStepPipeline(
        vae=cast(Any, vae), text_encoder=text_encoder, tokenizer=tokenizer, transformer=transformer,
        condition_encoder=condition_encoder, scheduler=scheduler,
    )  # fmt: skip

"""A toy AceStepPipeline with the real Oobleck VAE and Qwen3 classes and random weights, and a small data set for it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from diffusers.models.autoencoders.autoencoder_oobleck import AutoencoderOobleck
from diffusers.models.transformers.ace_step_transformer import AceStepTransformer1DModel
from diffusers.pipelines.ace_step.modeling_ace_step import (
    AceStepAudioTokenDetokenizer,
    AceStepAudioTokenizer,
    AceStepConditionEncoder,
)
from diffusers.pipelines.ace_step.pipeline_ace_step import AceStepPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from transformers import Qwen3Config, Qwen3Model

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    SourceRecord,
    SourceType,
    Split,
    StyleCategory,
    Track,
    VersionTrack,
)
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, write_json_atomic
from lofi_pipeline_tests.tokenizer import toy_tokenizer

CHANNELS = 4
WIDTH = 32
SECONDS = 4.0
PROMPTS = (
    "lofi hip hop, mellow, rhodes, 82 bpm, instrumental",
    "lofi hip hop, dreamy, guitar, 74 bpm, instrumental",
    "lofi hip hop, mellow, rhodes, boom bap drums, 90 bpm, instrumental",
    "ambient, calm, pads, 70 bpm, instrumental",
)


def save_toy_base(folder: Path, *, seed: int = 0) -> Path:
    """Build the toy base with weights that follow from `seed`, and save it in diffusers layout."""
    torch.manual_seed(seed)
    tokenizer = toy_tokenizer()
    text_encoder = Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=2048,
            pad_token_id=0,
            eos_token_id=0,
            bos_token_id=None,
        )
    ).eval()
    vae: Any = AutoencoderOobleck(
        encoder_hidden_size=2 * CHANNELS,
        downsampling_ratios=[10, 6, 4, 4, 2],
        channel_multiples=[1, 1, 1, 1, 1],
        decoder_channels=4,
        decoder_input_channels=CHANNELS,
        audio_channels=2,
        sampling_rate=48_000,
    ).eval()
    attention: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16}
    transformer = AceStepTransformer1DModel(
        hidden_size=WIDTH,
        intermediate_size=WIDTH * 2,
        num_hidden_layers=2,
        in_channels=3 * CHANNELS,
        audio_acoustic_hidden_dim=CHANNELS,
        patch_size=2,
        sliding_window=16,
        encoder_hidden_size=WIDTH,
        **attention,
    )
    encoder = AceStepConditionEncoder(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        text_hidden_dim=WIDTH,
        timbre_hidden_dim=CHANNELS,
        num_lyric_encoder_hidden_layers=1,
        num_timbre_encoder_hidden_layers=1,
        sliding_window=16,
        **attention,
    ).eval()
    with torch.no_grad():
        silence = vae.encode(torch.zeros(1, 2, 48_000 * 2)).latent_dist.mode().transpose(1, 2)
        encoder.silence_latent.copy_(silence.repeat(1, math.ceil(15_000 / silence.shape[1]), 1)[:, :15_000])
    pipeline = AceStepPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
        condition_encoder=encoder,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipeline.save_pretrained(folder)
    return folder


def save_planned_base(folder: Path, base: Path) -> Path:
    """The toy base in `base` with what makes plans, and reads the codes of ACE-Step's language model."""
    torch.manual_seed(5)
    size: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "audio_acoustic_hidden_dim": CHANNELS,
        "num_attention_pooler_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    pipeline = AceStepPipeline.from_pretrained(base)
    pipeline.register_modules(
        audio_tokenizer=AceStepAudioTokenizer(fsq_dim=WIDTH, **size),
        audio_token_detokenizer=AceStepAudioTokenDetokenizer(**size),
    )
    pipeline.save_pretrained(folder)
    return folder


def toy_preset(**changes: object) -> TrainingPreset:
    """Six steps with a checkpoint after every second one."""
    settings = {
        "checkpoint_interval": 2,
        "max_steps": 6,
        "batch_size": 3,
        "crop_seconds": 2.0,
        "learning_rate": 0.01,
        "lora_rank": 4,
        "lora_alpha": 8,
        "precision": "fp32",
        "validation_batches": 1,
    }
    return TrainingPreset.model_validate(settings | changes)


def make_dataset(root: DataRoot, *, seconds: float = SECONDS, count: int = 4) -> DatasetVersion:
    """Synthetic tracks as MP3 under final/ and the data set version that names them; the last is for validation."""
    root.create()
    tracks = [_make_track(root, number, seconds, count) for number in range(1, count + 1)]
    dataset = Dataset(
        dataset_id="toy",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        track_count=count,
        train_count=count - 1,
        validation_count=1,
        total_duration=count * seconds / 3600,
        style_distribution={StyleCategory.CORE: count},
        hash=content_sha256([track.audio_sha256 for track in tracks]),
    )
    source = SourceRecord(
        source_id="toy",
        track_ids=[track.track.track_id for track in tracks],
        source_type=SourceType.CREATIVE_COMMONS,
        provider="tests",
        license_type="CC0-1.0",
        date_acquired=date(2026, 1, 1),
    )
    version = DatasetVersion(dataset=dataset, tracks=tracks, sources=[source])
    write_json_atomic(root.dataset_version(dataset.hash), version)
    return version


def _make_track(root: DataRoot, number: int, seconds: float, count: int) -> VersionTrack:
    track_id = f"track_{number:03d}"
    side = Split.VALIDATION if number == count else Split.TRAIN
    path = (root.validation if side is Split.VALIDATION else root.final) / f"{track_id}.mp3"
    time = np.arange(int(seconds * 48_000)) / 48_000
    noise = np.random.default_rng(number).standard_normal(time.size) * 0.01
    tone = 0.3 * np.sin(2 * np.pi * 110 * number * time) + noise
    soundfile.write(path, np.stack([tone, tone * 0.5], axis=1).astype("float32"), 48_000, format="MP3")
    return VersionTrack(
        track=Track(
            track_id=track_id,
            filename=f"{track_id}.wav",
            audio_path=root.relative(path),
            prompt_path=root.relative(path.with_name(f"{track_id}_prompt.txt")),
            lyrics_path=root.relative(path.with_name(f"{track_id}_lyrics.txt")),
            duration=30.0,
            sample_rate=48_000,
            quality_score=80,
            style_ids=["CORE-01"],
            source_id="toy",
            split=side,
        ),
        sha256=file_sha256(path),
        audio_sha256=file_sha256(path),
        processing=file_sha256(path),
        prompt=PROMPTS[(number - 1) % len(PROMPTS)],
        lyrics="[instrumental]",
        language="en",
        bpm=80,
        keyscale="A minor",
        time_signature="4",
        licence="CC0-1.0",
        source_ids=["toy"],
    )

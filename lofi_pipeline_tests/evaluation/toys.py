"""Small real things to score with: a random AceStepPipeline, an embedder of band energies, a data root with MP3s."""

from __future__ import annotations

import hashlib
import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AceStepPipeline,  # pyright: ignore[reportPrivateImportUsage]
    AceStepTransformer1DModel,  # pyright: ignore[reportPrivateImportUsage]
    AutoencoderOobleck,  # pyright: ignore[reportPrivateImportUsage]
    FlowMatchEulerDiscreteScheduler,  # pyright: ignore[reportPrivateImportUsage]
)
from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
from transformers import Qwen3Config, Qwen3Model

from lofi_pipeline import audio
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    SourceRecord,
    SourceType,
    Split,
    StyleCategory,
    Track,
    VersionTrack,
    now,
)
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, write_bytes_atomic
from lofi_pipeline.training.nano.codec import BANDS, MelCodec
from lofi_pipeline_tests.tokenizer import toy_tokenizer

SETTINGS = EvaluationSettings(
    clip_seconds=1.0,
    validation_prompts=3,
    inference_steps=2,
    guidance_scale=3.0,
    batch_size=8,
)


def toy_pipeline(*, oobleck: bool = False) -> AceStepPipeline:
    """An AceStepPipeline of the real classes with random weights: over the nano codec, or over a small Oobleck."""
    torch.manual_seed(0)
    tokenizer = toy_tokenizer()
    channels, width = (8, 32) if oobleck else (BANDS, 32)
    vae = (
        AutoencoderOobleck(
            encoder_hidden_size=2 * channels,
            downsampling_ratios=[10, 6, 4, 4, 2],
            channel_multiples=[1, 1, 1, 1, 1],
            decoder_channels=4,
            decoder_input_channels=channels,
            audio_channels=2,
            sampling_rate=48_000,
        )
        if oobleck
        else MelCodec(iterations=2)
    )
    attention: dict[str, Any] = {
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "sliding_window": 64,
    }
    text = Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=2048,
            pad_token_id=0,
            eos_token_id=0,
            bos_token_id=None,
        )
    )
    transformer = AceStepTransformer1DModel(
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=2,
        in_channels=3 * channels,
        audio_acoustic_hidden_dim=channels,
        patch_size=2,
        encoder_hidden_size=width,
        **attention,
    )
    conditions = AceStepConditionEncoder(
        hidden_size=width,
        intermediate_size=64,
        text_hidden_dim=width,
        timbre_hidden_dim=channels,
        num_lyric_encoder_hidden_layers=1,
        num_timbre_encoder_hidden_layers=1,
        **attention,
    )
    pipeline = AceStepPipeline(
        vae=vae,  # pyright: ignore[reportArgumentType]
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
        condition_encoder=conditions.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class BandEmbedder:
    """Levels of 8 frequency bands; a text lies where its letters' hash puts it. Deterministic, and quick."""

    name = "bands"
    weights_sha256 = hashlib.sha256(b"bands").hexdigest()
    dimension = 8
    sample_rate = 16_000
    window_seconds = 0.5

    def __init__(self, *, texts: bool = True) -> None:
        self._texts = texts

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        bands = np.array_split(np.abs(np.fft.rfft(samples)), self.dimension, axis=1)
        return np.stack([np.log(band.mean(axis=1) + 1e-3) for band in bands], axis=1).astype(np.float32)

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        if not self._texts:
            return None
        digests = [hashlib.sha256(text.encode()).digest()[: self.dimension] for text in texts]
        return (
            np.array([list(digest) for digest in digests], dtype=np.float32).reshape(-1, self.dimension) - 128
        )


def toy_root(folder: Path, *, validation_tracks: int = 2) -> tuple[DataRoot, DatasetVersion]:
    """A data root with short synthetic MP3s in data/validation and a version that names them."""
    root = DataRoot(folder).create()
    tracks = []
    for number in range(1, validation_tracks + 1):
        track_id = f"track_{number:03d}"
        path = root.validation / f"{track_id}.mp3"
        write_bytes_atomic(path, audio.encode_mp3(_tone(300.0 * 4**number), vbr_quality=5))
        tracks.append(_version_track(root, path, track_id, 70 + 4 * number))
    dataset = Dataset(
        dataset_id="dataset-toy",
        created=now(),
        track_count=len(tracks),
        train_count=0,
        validation_count=len(tracks),
        total_duration=0.01,
        style_distribution={StyleCategory.CORE: len(tracks)},
        hash="0" * 64,
    )
    source = SourceRecord(
        source_id="source-1",
        track_ids=[track.track.track_id for track in tracks],
        source_type=SourceType.CREATIVE_COMMONS,
        provider="toys",
        license_type="CC0-1.0",
        date_acquired=date(2025, 1, 1),
    )
    return root, DatasetVersion(dataset=dataset, tracks=tracks, sources=[source])


def _tone(pitch: float, seconds: float = 4.0) -> np.ndarray:
    times = np.arange(int(seconds * 48_000)) / 48_000
    beat = 0.5 + 0.5 * np.sin(2 * math.pi * 1.5 * times)
    noise = np.random.default_rng(int(pitch)).normal(0, 0.01, len(times))
    mono = 0.3 * beat * np.sin(2 * math.pi * pitch * times) + noise
    return np.stack([mono, mono]).astype(np.float32)


def _version_track(root: DataRoot, path: Path, track_id: str, bpm: int) -> VersionTrack:
    track = Track(
        track_id=track_id,
        filename=f"{track_id}.wav",
        audio_path=root.relative(path),
        prompt_path=f"validation/{track_id}_prompt.txt",
        lyrics_path=f"validation/{track_id}_lyrics.txt",
        duration=30.0,
        sample_rate=48_000,
        quality_score=80,
        style_ids=["CORE-01"],
        source_id="source-1",
        split=Split.VALIDATION,
    )
    return VersionTrack(
        track=track,
        sha256=file_sha256(path),
        audio_sha256=file_sha256(path),
        processing=content_sha256(track_id),
        prompt=f"lofi hip hop, mellow, rhodes, {bpm} bpm, instrumental",
        lyrics="[instrumental]",
        language="unknown",
        bpm=bpm,
        keyscale="A minor",
        time_signature="4",
        licence="CC0-1.0",
        source_ids=["source-1"],
    )

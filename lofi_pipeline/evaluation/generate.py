"""Clips from prompts, through diffusers' own sampling: many prompts, tempos and keys in a batch, none padded.

AceStepPipeline takes one tempo, key and language a call, and pads a batch's conditions to the longest; its transformer
has no mask for them, so padding changes the audio. Here every prompt is encoded by itself, as in training, and only
conditions of one length share a batch. Nothing is scored here.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.merged import merged
from lofi_pipeline.evaluation.prompts import PromptSpec
from lofi_pipeline.training.prompt_encoding import encode_prompt
from lofi_pipeline.training.sampling import groups_of_equal_shape

if TYPE_CHECKING:
    from lofi_pipeline.training.prompt_encoding import EncodedPrompt


SMALL_BASE = 100_000_000
"""Parameters of a transformer, of which several batches fit into memory."""
MOST_AT_ONCE = 4


@dataclass(frozen=True)
class Clip:
    """One generated clip."""

    spec: PromptSpec
    samples: np.ndarray
    """float32 [channels, frames]; the pipeline scales the peak to -1 dBFS."""
    sample_rate: int
    path: Path | None = None
    """The file it was read from, if it was not generated now."""

    @cached_property
    def sha256(self) -> str:
        """Of its sound."""
        return sound_sha256(self.samples, self.sample_rate)

    @cached_property
    def is_finite(self) -> bool:
        """Whether it holds neither NaN nor infinity."""
        return bool(np.isfinite(self.samples).all())


def sound_sha256(samples: np.ndarray, sample_rate: int) -> str:
    """Of float [channels, frames] and their rate."""
    digest = sha256(f"{sample_rate} {samples.shape}".encode())
    digest.update(np.ascontiguousarray(samples, dtype=np.float32).tobytes())
    return digest.hexdigest()


class _EncodedPipeline(AceStepPipeline):
    """The same components and the same call, with prompts that were encoded before."""

    encoded: list[EncodedPrompt]

    def encode_prompt(self, *args: object, **kwargs: object) -> EncodedPrompt:
        """The encodings that were given, whatever is asked for."""
        text, text_mask, lyrics, lyrics_mask = zip(*self.encoded, strict=True)
        return torch.cat(text), torch.cat(text_mask), torch.cat(lyrics), torch.cat(lyrics_mask)


def generate(
    pipeline: AceStepPipeline,
    prompts: list[PromptSpec],
    settings: EvaluationSettings,
    progress: Callable[[str], None] = lambda message: None,
) -> list[Clip]:
    """One clip of evaluation.clip_seconds for each prompt, in the order of the prompts.

    Each clip has a noise generator of its own, seeded by its prompt's seed on the CPU: its noise depends neither on its
    neighbours in a batch nor on the device. The samples depend on the neighbours by rounding only.

    Raises:
        PromptTooLong: the base would read a prompt in part only.
    """
    with torch.no_grad():
        device = pipeline._execution_device
        encoded = [
            encode_prompt(
                pipeline,
                spec.as_played,
                settings.clip_seconds,
                device,
                planned=bool(spec.codes),
            )
            for spec in prompts
        ]
    shapes = [
        (text.shape[1], lyrics.shape[1], len(spec.codes))
        for spec, (text, _, lyrics, _) in zip(prompts, encoded, strict=True)
    ]
    batches = [
        members[start : start + settings.batch_size]
        for members in groups_of_equal_shape(shapes)
        for start in range(0, len(members), settings.batch_size)
    ]

    def made(batch: list[int]) -> list[Clip]:
        # One of its own: a pipeline and its scheduler know how far they are
        sampler = _EncodedPipeline(**{**pipeline.components, "scheduler": _without_shift(pipeline.scheduler)})
        sampler.set_progress_bar_config(disable=True)
        sampler.encoded = [encoded[index] for index in batch]
        audio = _sample(sampler, [prompts[index] for index in batch], settings)
        return [
            Clip(prompts[index], samples, sampler.sample_rate)
            for index, samples in zip(batch, audio, strict=True)
        ]

    clips: dict[int, Clip] = {}
    began = time.monotonic()
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(batches_at_once(pipeline), "generate", torch.set_num_threads, (threads,))
    exact = _is_small(pipeline) and pipeline.transformer.dtype == torch.float32
    with merged(pipeline.transformer) if exact else nullcontext():
        try:
            for batch, found in zip(batches, pool.map(made, batches), strict=True):
                clips |= dict(zip(batch, found, strict=True))
                progress(
                    f"generated {len(clips)} of {len(prompts)} clips{_left(began, len(clips), len(prompts))}"
                )
        finally:
            pool.shutdown(cancel_futures=True)
    return [clips[index] for index in range(len(prompts))]


def batches_at_once(pipeline: AceStepPipeline) -> int:
    """How many batches are worked on together: on the CPU one for each core that the threads of a batch leave idle.

    Each gives the same bits as it does alone. A large base fills memory with one batch, and one that comes from disk part by
    part can do one thing at a time.
    """
    if not _is_small(pipeline):
        return 1
    return min(MOST_AT_ONCE, max(1, (os.cpu_count() or 1) // torch.get_num_threads()))


def _is_small(pipeline: AceStepPipeline) -> bool:
    """Whether a base lies whole in a computer's memory, with room for more."""
    transformer = pipeline.transformer
    if pipeline._execution_device.type != "cpu" or hasattr(transformer, "_hf_hook"):
        return False
    return sum(each.numel() for each in transformer.parameters()) <= SMALL_BASE


def _without_shift(scheduler: Any) -> Any:
    """The scheduler without a shift of its own, which would come on top of the one that is asked for."""
    return type(scheduler).from_config(scheduler.config, shift=1.0)


def _left(began: float, done: int, total: int) -> str:
    """How long the rest will take, from what was generated so far; nothing where that is under a minute."""
    minutes = (time.monotonic() - began) / done * (total - done) / 60
    return f", about {math.ceil(minutes)} min left" if minutes > 1 else ""


def _sample(
    sampler: _EncodedPipeline, specs: list[PromptSpec], settings: EvaluationSettings
) -> list[np.ndarray]:
    found: Any = sampler(
        prompt=[spec.prompt for spec in specs],
        lyrics=[spec.lyrics for spec in specs],
        audio_duration=settings.clip_seconds,
        audio_codes=[spec.codes for spec in specs] if specs[0].codes else None,
        num_inference_steps=settings.inference_steps,
        guidance_scale=settings.guidance_scale,
        shift=settings.shift,
        generator=[torch.Generator().manual_seed(spec.seed) for spec in specs],
        output_type="np",
    )
    # Codecs make whole latents; what goes beyond the asked length is cut off.
    frames = round(settings.clip_seconds * sampler.sample_rate)
    return [np.ascontiguousarray(samples[:, :frames], dtype=np.float32) for samples in found.audios]

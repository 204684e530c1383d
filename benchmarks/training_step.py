"""The trainer's own step, taken apart: what benchmarks/training.py measures.

`MeasuredTrainer` is the product's Trainer with a base model and a cache of latents that are given to it; the step itself is
not touched. What encodes each crop anew at every step is `EncodesEachTime`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.entities import BaseModelFacts, DatasetVersion, Lineage, Split, VersionTrack
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.bases import FixedInputs
from lofi_pipeline.training.encoded_file import write_encoded
from lofi_pipeline.training.encoder import Encoder
from lofi_pipeline.training.loop import Trainer
from lofi_pipeline.training.loss import Batch, Crop, CropReader
from lofi_pipeline.training.memory import Shape
from lofi_pipeline.training.records import EncodedCaption, EncodedDataset, EncodedTrack, TrainingJob
from lofi_pipeline.training.sampling import Chosen, crop_frames

TRACKS = 8
ANY_HASH = "0" * 64
LONGEST_TRAINING = 10**6


@dataclass(frozen=True)
class Timing:
    """Seconds of one step, and of what it consists of."""

    step: float
    draw: float
    """Reading and drawing crops, beside the step."""
    passes: float
    """Forward and backward."""

    @property
    def overhead(self) -> float:
        """The share of the step that is neither forward nor backward."""
        return 1 - self.passes / self.step


@dataclass
class _Watch:
    """Adds up the time between `start` and `stop`; on a GPU as the GPU sees it, without waiting for it."""

    on_gpu: bool
    _spans: list[tuple[Any, Any]] = field(default_factory=list)
    _open: Any = None

    def start(self) -> None:
        """A span begins."""
        self._open = self._moment()

    def stop(self) -> None:
        """The span ends."""
        self._spans.append((self._open, self._moment()))

    def seconds(self) -> float:
        """Of all spans since this was asked last."""
        spans, self._spans = self._spans, []
        if not self.on_gpu:
            return sum(end - begin for begin, end in spans)
        torch.cuda.synchronize()
        return sum(begin.elapsed_time(end) for begin, end in spans) / 1000

    def _moment(self) -> Any:
        if not self.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def synthetic_cache(root: DataRoot, pipeline: Any, preset: TrainingPreset, tokens: int) -> EncodedDataset:
    """Files as encode.py writes them, of random numbers: TRACKS tracks, each a third longer than a crop."""
    config = pipeline.transformer.config
    rate, channels = float(pipeline.latents_per_second), int(config.audio_acoustic_hidden_dim)
    wanted = int(preset.crop_seconds * rate) // config.patch_size * config.patch_size
    frames, rng = wanted * 4 // 3, np.random.default_rng(0)
    tracks = []
    for number in range(TRACKS):
        latents, condition = (
            root.cache / f"latents-{number}.safetensors",
            root.cache / f"condition-{number}.safetensors",
        )
        latents.parent.mkdir(parents=True, exist_ok=True)
        shape = (frames, channels)
        std = rng.random(shape, dtype=np.float32) / 10
        write_encoded(latents, {"mean": rng.standard_normal(shape, np.float32), "std": std}, ANY_HASH)
        width = config.encoder_hidden_size or config.hidden_size
        write_encoded(condition, {"condition": rng.standard_normal((tokens, width), np.float32)}, ANY_HASH)
        tracks.append(
            EncodedTrack(
                track_id=f"track_{number:03d}",
                split=Split.TRAIN,
                latents=root.relative(latents),
                frames=frames,
                crop_frames=crop_frames(frames, wanted, config.patch_size),
                bar_frames=rate * 3,
                captions=[EncodedCaption(condition=root.relative(condition), tokens=tokens)],
            )
        )
    return EncodedDataset(
        dataset_hash=ANY_HASH, base_sha256=ANY_HASH, channels=channels, latents_per_second=rate, tracks=tracks,
        encoded=0, cached=2 * TRACKS,
    )  # fmt: skip


class EncodesEachTime(CropReader):
    """Crops whose latents and conditions are encoded anew from samples in memory, as without a cache."""

    def __init__(self, cached: CropReader, encoder: Encoder, track: VersionTrack, seconds: float) -> None:
        self.__dict__.update(cached.__dict__)
        self._encoder, self._track, self._seconds = encoder, track, seconds
        count = round(seconds * float(encoder.pipeline.sample_rate))
        self._samples = torch.rand(2, count, generator=torch.Generator().manual_seed(0)) - 0.5

    def draw(self, chosen: list[Chosen], *key: int | str, measured: bool = False) -> list[Crop]:
        """The same crops as from the cache, their latents and conditions made now."""
        return [self._encoded(crop) for crop in super().draw(chosen, *key, measured=measured)]

    def _encoded(self, crop: Crop) -> Crop:
        mean, std = self._encoder.posterior(self._samples)
        frames = crop.latents.shape[0]
        latents = (mean + std * torch.randn(mean.shape))[:frames]
        condition = self._encoder.condition(self._track, self._seconds)
        return replace(crop, latents=latents.nan_to_num(), condition=condition.nan_to_num())


class MeasuredTrainer(Trainer):
    """The product's trainer on a base that is loaded already and a cache that was made up."""

    def __init__(
        self, root: DataRoot, pipeline: Any, encoded: EncodedDataset, preset: TrainingPreset, device: str
    ) -> None:
        self._given = pipeline, encoded
        job = TrainingJob.model_validate(
            {
                "data_root": root.path,
                "dataset_hash": ANY_HASH,
                "preset_name": "benchmark",
                "preset": preset,
                "device": device,
            }
        )
        unused: Any = None
        super().__init__(job, root, unused, _lineage(encoded, preset), lambda event: None)
        self.transformer.train()

    def _encode(self, version: DatasetVersion) -> EncodedDataset:
        return self._given[1]

    def _open_base(self) -> Any:
        return self._given[0]

    def _fixed_inputs(self) -> FixedInputs:
        encoder = self._given[0].condition_encoder
        self._given[0].register_modules(condition_encoder=None)  # nothing else is wanted of it
        return FixedInputs(encoder.null_condition_emb.detach().clone(), encoder.silence_latent.clone())

    def _shape(self) -> Shape:
        return Shape.of_transformer(self._given[0].transformer)

    def encode_each_time(self, encoder: Encoder, track: VersionTrack) -> None:
        """From now on each step encodes its crops."""
        self._training = EncodesEachTime(self._training, encoder, track, self.preset.crop_seconds)

    def measure(self, steps: int, warm_up: int, until: float) -> list[Timing]:
        """Take so many steps, or as many as end before `until` (time.monotonic), at least one."""
        on_gpu = self.accelerator.device.type == "cuda"
        passes, drawing = _Watch(on_gpu), _Watch(on_gpu=False)
        self._watch(passes, drawing)
        found: list[Timing] = []
        for number in range(warm_up + steps):
            began = time.perf_counter()
            if self._step() is None:
                raise ValueError("loss or gradient was not finite: such a step is not the one to measure")
            taken = time.perf_counter() - began
            timing = Timing(taken, drawing.seconds(), passes.seconds())
            if number >= warm_up or time.monotonic() > until:
                found.append(timing)
            if found and time.monotonic() > until:
                break
        self._crops.close()  # what it draws for the step after the last would disturb what comes next
        return found

    def _watch(self, passes: _Watch, drawing: _Watch) -> None:
        flow, reader, accelerator = self.flow, self._training, self.accelerator
        loss, draw, backward = flow.loss, reader.draw, accelerator.backward

        def timed_draw(*given: Any, **named: Any) -> list[Crop]:
            drawing.start()
            found = draw(*given, **named)
            drawing.stop()
            return found

        def timed_loss(transformer: Any, batch: Batch, *, weighted: bool = True) -> torch.Tensor:
            passes.start()
            return loss(transformer, batch, weighted=weighted)

        def timed_backward(loss: torch.Tensor, **named: Any) -> None:
            backward(loss, **named)
            passes.stop()

        flow.loss, reader.draw, accelerator.backward = timed_loss, timed_draw, timed_backward


def _lineage(encoded: EncodedDataset, preset: TrainingPreset) -> Lineage:
    facts = BaseModelFacts(
        name="benchmark", sha256=ANY_HASH, sampling_rate=1, latents_per_second=encoded.latents_per_second
    )
    return Lineage(
        dataset_hash=ANY_HASH, config_hash=ANY_HASH, lineage=ANY_HASH, base=facts, preset="benchmark",
        checkpoint_interval=preset.checkpoint_interval, max_steps=preset.max_steps,
    )  # fmt: skip


def matrix_rate(device: str, dtype: torch.dtype, size: int, times: int = 10) -> float:
    """Floating-point operations a second of a product of two random square matrices: what a step is held against."""
    one, other = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for _ in range(3):
        torch.matmul(one, other)
    wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    for _ in range(times):
        torch.matmul(one, other)
    wait()
    return 2 * size**3 * times / (time.perf_counter() - began)


def step_flops(config: Any, frames: int, tokens: int, batch: int) -> float:
    """Floating-point operations that one LoRA step of ACE-Step's transformer needs; nothing that is computed twice counts.

    Linear layers: the forward pass and the gradient of their input, as the base's weights are frozen. Attention: the forward
    pass and two and a half times as much on the way back. The LoRA itself, below 3 %, is left out.
    """
    length, width, key = (
        frames // config.patch_size,
        config.num_attention_heads * config.head_dim,
        (config.num_key_value_heads * config.head_dim),
    )
    hidden, layers = config.hidden_size, config.num_hidden_layers
    each_frame = (
        2 * hidden * width + 2 * hidden * key + 2 * hidden * width + 3 * hidden * config.intermediate_size
    )
    each_token = 2 * hidden * key
    linear = 2 * layers * (each_frame * length + each_token * tokens)
    full = length * length
    sliding = length * min(length, 2 * config.sliding_window + 1)
    attention = 4 * width * layers * ((full + sliding) / 2 + length * tokens)
    return batch * (2 * linear + 3.5 * attention)

"""Crops from the latent cache, and the flow-matching loss of ACE-Step 1.5 over them, without ever padding.

Which tracks a step sees, and where crops begin, is decided in sampling.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.bases import FixedInputs
from lofi_pipeline.training.records import EncodedCaption, EncodedClip
from lofi_pipeline.training.sampling import Chosen, crop_offset, generator, groups_of_equal_shape, timesteps
from lofi_pipeline.training.weights import autocast

OPEN_SHARDS = 4096
"""Maps of memory that a process may have by default are 65,530."""


@dataclass(frozen=True)
class Crop:
    """One crop of one track with everything that is random about it."""

    latents: torch.Tensor  # float32 [frames, channels]
    noise: torch.Tensor  # float32 [frames, channels]
    timestep: float
    condition: torch.Tensor  # float32 [tokens, width]
    unconditional: bool
    plan: torch.Tensor | None = None  # float32 [frames, channels], in place of silence

    @property
    def shape(self) -> tuple[int, int]:
        """Latent frames and condition tokens: crops of one shape can be a batch."""
        return self.latents.shape[0], self.condition.shape[0]


class CropReader:
    """Draws crops from the latent cache. All that is random follows from the key that is given."""

    def __init__(self, root: DataRoot, tracks: Sequence[EncodedClip], preset: TrainingPreset) -> None:
        self.tracks = tracks
        self._preset = preset
        self._inside = cache(root.inside)  # looks at each folder on the way
        self._shard = lru_cache(OPEN_SHARDS)(lambda path: safe_open(self._inside(path), framework="numpy"))

    def draw(self, chosen: list[Chosen], *key: int | str, measured: bool = False) -> list[Crop]:
        """Crops of tracks, each with one of its captions.

        `key` decides offsets, posterior samples, noise, timesteps, dropout and plans: the same key gives the same crops.
        `measured`: without the last two, as scoring and most generating are.
        """
        preset = self._preset
        rng = generator(*key)
        steps = timesteps(
            rng, len(chosen), kind=preset.timestep, mean=preset.timestep_mean, std=preset.timestep_std
        )
        dropped = rng.random(len(chosen)) < preset.condition_dropout
        planned = rng.random(len(chosen)) < preset.plan_share if preset.plan_share else [False] * len(chosen)
        crops = []
        for (index, caption), timestep, drop, follow in zip(chosen, steps, dropped, planned, strict=True):
            track = self.tracks[index]
            plan = track.plan if follow and not measured else None
            bar = track.bar_frames if preset.crops_on_bars else None
            start = crop_offset(rng, track.frames, track.crop_frames, bar)
            start -= start % plan.window if plan else 0
            with self._open(track.latents, track.entry) as file:
                mean = file.get_slice(f"{track.entry}mean")[start : start + track.crop_frames]
                std = file.get_slice(f"{track.entry}std")[start : start + track.crop_frames]
            latents = mean + std * rng.standard_normal(mean.shape, dtype=np.float32)
            noise = rng.standard_normal(mean.shape, dtype=np.float32)
            crops.append(
                Crop(
                    torch.from_numpy(latents),
                    torch.from_numpy(noise),
                    float(timestep),
                    self._condition((plan or track).captions[caption]),
                    bool(drop) and not measured,
                    self._condition(plan, slice(start, start + track.crop_frames)) if plan else None,
                )
            )
        return crops

    def _condition(self, said: EncodedCaption, part: slice = slice(None)) -> torch.Tensor:
        with self._open(said.condition, said.entry) as file:
            return torch.from_numpy(file.get_slice(f"{said.entry}condition")[part])

    def _open(self, path: str, entry: str) -> AbstractContextManager[Any]:
        """A file of the cache. Shards stay open: what they hold is listed at their beginning, and read when they are opened."""
        return nullcontext(self._shard(path)) if entry else safe_open(self._inside(path), framework="numpy")


@dataclass(frozen=True)
class Batch:
    """Crops of one shape, as the tensors that are sent to a device."""

    latents: torch.Tensor  # float32 [crops, frames, channels]
    noise: torch.Tensor  # float32 [crops, frames, channels]
    timestep: torch.Tensor  # float32 [crops]
    condition: torch.Tensor  # float32 [crops, tokens, width]
    unconditional: torch.Tensor  # bool [crops]
    plan: torch.Tensor | None = None  # float32 [crops, frames, channels], where any crop has one
    planned: torch.Tensor | None = None  # bool [crops]: which of them have

    @classmethod
    def of(cls, crops: Sequence[Crop]) -> Batch:
        """These crops."""
        plan = planned = None
        if any(crop.plan is not None for crop in crops):
            planned = torch.tensor([crop.plan is not None for crop in crops])
            plan = torch.stack([torch.zeros_like(it.latents) if it.plan is None else it.plan for it in crops])
        return cls(
            torch.stack([crop.latents for crop in crops]),
            torch.stack([crop.noise for crop in crops]),
            torch.tensor([crop.timestep for crop in crops], dtype=torch.float32),
            torch.stack([crop.condition for crop in crops]),
            torch.tensor([crop.unconditional for crop in crops]),
            plan,
            planned,
        )

    def pinned(self) -> Batch:
        """The same in memory that a GPU reads by itself, while the process goes on."""
        return self._each(torch.Tensor.pin_memory)

    def to(self, device: str) -> Batch:
        """The same on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def __len__(self) -> int:
        """How many crops."""
        return len(self.timestep)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        return replace(self, **{name: change(it) for name, it in vars(self).items() if it is not None})


def bucket_by_shape(crops: list[Crop], *, most: int | None = None) -> list[list[Crop]]:
    """Crops of one shape together, at most `most` of them. Different shapes never share a call: the transformer has no masks,
    so padding would change its answers.
    """
    groups = groups_of_equal_shape([crop.shape for crop in crops])
    size = most or max(1, len(crops))
    parts = [group[at : at + size] for group in groups for at in range(0, len(group), size)]
    return [[crops[place] for place in part] for part in parts]


class FlowMatching:
    """Flow matching (Lipman et al. 2023, arXiv 2210.02747; Liu et al. 2023, arXiv 2209.03003), as ACE-Step 1.5 is trained.

    x_t = t noise + (1 - t) x_0; the transformer is to answer v = noise - x_0; mean squared error in float32. With `cosmap` the
    error at t counts 2 / (pi (1 - 2 t + 2 t^2)) times (Esser et al. 2024, arXiv 2403.03206, section 3.1).
    """

    def __init__(self, fixed: FixedInputs, preset: TrainingPreset, device: str) -> None:
        self._null = fixed.null_condition_emb.detach().float().to(device)
        self._silence = fixed.silence_latent.detach().float().to(device)
        self._preset = preset
        self._device = device

    def loss(self, transformer: Any, batch: Batch, *, weighted: bool = True) -> torch.Tensor:
        """Mean loss over a batch, a scalar to call backward on; `weighted` as the preset weights noise levels."""
        batch = batch.to(self._device)
        clean, noise, t = batch.latents, batch.noise, batch.timestep
        dropped = batch.unconditional[:, None, None]
        condition = torch.where(dropped, self._null.expand_as(batch.condition), batch.condition)
        mixed = t[:, None, None] * noise + (1 - t[:, None, None]) * clean
        with autocast(self._preset.precision, self._device):
            answer = transformer(
                hidden_states=mixed,
                timestep=t,
                timestep_r=t,
                encoder_hidden_states=condition,
                context_latents=self._context(batch),
                return_dict=False,
            )[0]
        if not weighted or self._preset.loss_weighting == "none":
            return torch.nn.functional.mse_loss(answer.float(), noise - clean)
        from diffusers.training_utils import compute_loss_weighting_for_sd3  # a second of CPU

        errors = torch.nn.functional.mse_loss(answer.float(), noise - clean, reduction="none")
        weights = compute_loss_weighting_for_sd3(self._preset.loss_weighting, t)
        return (weights[:, None, None] * errors).mean()

    def _context(self, batch: Batch) -> torch.Tensor:
        """Encoded silence, or what a plan says, and a mask of ones, as the pipeline gives it: [batch, frames, 2 channels]."""
        frames = batch.latents.shape[1]
        repeats = -(-frames // self._silence.shape[1])
        silence = self._silence.repeat(1, repeats, 1)[:, :frames].expand(len(batch), -1, -1)
        if batch.plan is not None and batch.planned is not None:
            silence = torch.where(batch.planned[:, None, None], batch.plan, silence)
        return torch.cat([silence, torch.ones_like(batch.latents)], dim=-1)

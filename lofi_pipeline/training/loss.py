"""Crops from the latent cache, and the flow-matching loss of ACE-Step 1.5 over them, without ever padding.

Which tracks a step sees, and where crops begin, is decided in sampling.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
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

    def loss(self, transformer: Any, crops: list[Crop], *, weighted: bool = True) -> torch.Tensor:
        """Mean loss over crops of one shape, a scalar to call backward on; `weighted` as the preset weights noise levels."""
        device = self._device
        clean = torch.stack([crop.latents for crop in crops]).to(device)
        noise = torch.stack([crop.noise for crop in crops]).to(device)
        condition = torch.stack([crop.condition for crop in crops]).to(device)
        t = torch.tensor([crop.timestep for crop in crops], dtype=torch.float32, device=device)
        dropped = torch.tensor([crop.unconditional for crop in crops], device=device)[:, None, None]
        condition = torch.where(dropped, self._null.expand_as(condition), condition)
        mixed = t[:, None, None] * noise + (1 - t[:, None, None]) * clean
        with autocast(self._preset.precision, device):
            answer = transformer(
                hidden_states=mixed,
                timestep=t,
                timestep_r=t,
                encoder_hidden_states=condition,
                context_latents=self._context(crops, clean),
                return_dict=False,
            )[0]
        if not weighted or self._preset.loss_weighting == "none":
            return torch.nn.functional.mse_loss(answer.float(), noise - clean)
        from diffusers.training_utils import compute_loss_weighting_for_sd3  # a second of CPU

        errors = torch.nn.functional.mse_loss(answer.float(), noise - clean, reduction="none")
        weights = compute_loss_weighting_for_sd3(self._preset.loss_weighting, t)
        return (weights[:, None, None] * errors).mean()

    def _context(self, crops: list[Crop], clean: torch.Tensor) -> torch.Tensor:
        """Encoded silence, or what a plan says, and a mask of ones, as the pipeline gives it: [batch, frames, 2 channels]."""
        frames = clean.shape[1]
        repeats = -(-frames // self._silence.shape[1])
        silence = self._silence.repeat(1, repeats, 1)[:, :frames].expand(clean.shape[0], -1, -1)
        if any(crop.plan is not None for crop in crops):
            plans = [silence[0] if crop.plan is None else crop.plan.to(self._device) for crop in crops]
            silence = torch.stack(plans)
        return torch.cat([silence, torch.ones_like(clean)], dim=-1)

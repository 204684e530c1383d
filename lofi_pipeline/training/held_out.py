"""What tells when to stop: the loss on held-out tracks, by band of noise, and how far the training tracks are ahead of it.

All of it is measured on crops that never change, with noise that never changes: one checkpoint can be compared with another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from lofi_pipeline.checkpoints.loss_log import LogEntry, NoiseBands
from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.training.averages import Averages
from lofi_pipeline.training.loss import Batch, Crop, CropReader, FlowMatching, bucket_by_shape

BANDS = {"high_noise": 0.85, "middle_noise": 0.5, "low_noise": 0.15}
"""The timestep that stands for each band."""


@dataclass(frozen=True)
class HeldOut:
    """Measures a transformer on fixed crops of validation tracks, and of as many training tracks."""

    validation: CropReader
    training: CropReader
    flow: FlowMatching
    preset: TrainingPreset

    def measured(self, entry: LogEntry, transformer: Any, averages: Averages) -> LogEntry:
        """The entry with all of it, of the weights that are published; of those beside them the validation loss alone."""
        beside = None
        with averages.published():
            held_out, seen = self.by_band(transformer)
            loss = self.validation_loss(transformer)
        if averages.beside:
            with averages.not_published():
                beside = self.validation_loss(transformer)
        measured = {"validation_loss": loss, "held_out": held_out, "seen": seen, "beside": beside}
        return entry.model_copy(update=measured)

    def validation_loss(self, transformer: Any) -> float | None:
        """The loss at the timesteps that are trained; None without validation tracks."""
        return self._mean(transformer, self.validation, "validation", lambda crop: crop)

    def by_band(self, transformer: Any) -> tuple[NoiseBands | None, NoiseBands | None]:
        """The loss at one timestep of each band, of validation tracks and of training tracks; None where there are none."""
        return self._bands(transformer, self.validation, "validation"), self._bands(
            transformer, self.training, "seen"
        )

    def _bands(self, transformer: Any, reader: CropReader, key: str) -> NoiseBands | None:
        losses = {
            band: self._mean(transformer, reader, key, lambda crop, t=timestep: replace(crop, timestep=t))
            for band, timestep in BANDS.items()
        }
        return None if None in losses.values() else NoiseBands.model_validate(losses)

    @torch.inference_mode()
    def _mean(
        self, transformer: Any, reader: CropReader, key: str, change: Callable[[Crop], Crop]
    ) -> float | None:
        if not reader.tracks:
            return None
        was_training = transformer.training
        transformer.eval()
        sums, count, size = [], len(reader.tracks), self.preset.batch_size
        for batch in range(self.preset.validation_batches):
            chosen = [((batch * size + place) % count, 0) for place in range(size)]
            crops = reader.draw(chosen, key, self.preset.seed, batch, measured=True)
            groups = bucket_by_shape([change(crop) for crop in crops])
            sums += [
                float(self.flow.loss(transformer, Batch.of(group), weighted=False)) * len(group) / size
                for group in groups
            ]
        transformer.train(was_training)
        loss = sum(sums) / self.preset.validation_batches
        return loss if math.isfinite(loss) else None

"""The average of the weights over the last steps (EMA), beside the live ones; one of both is what a checkpoint publishes.

The averaging is diffusers' EMAModel: its decay grows from 0.1 to ema_decay, so that the untrained start is soon forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.training.weights import Tensors, adapter_tensors, set_adapter_tensors

LIVE, AVERAGE = "live", "ema"


class Averages:
    """The live weights of an adapter and their average. Without ema_decay there are only the live ones."""

    def __init__(
        self, transformer: Any, parameters: list[torch.nn.Parameter], preset: TrainingPreset
    ) -> None:
        self._transformer, self._parameters = transformer, parameters
        self._average = _average_of(parameters, preset.ema_decay) if preset.ema_decay else None
        self._publish_average = bool(self._average) and preset.ema_publish

    @property
    def beside(self) -> str | None:
        """Which weights lie beside the published ones."""
        if self._average is None:
            return None
        return LIVE if self._publish_average else AVERAGE

    def update(self) -> None:
        """Count the weights after a step in."""
        if self._average:
            self._average.step(self._parameters)

    @contextmanager
    def published(self) -> Iterator[None]:
        """Meanwhile the adapter has the weights that are published."""
        with self.averaged() if self._publish_average else _as_it_is():
            yield

    @contextmanager
    def not_published(self) -> Iterator[None]:
        """Meanwhile the adapter has the others. Not within `published`."""
        with self.averaged() if not self._publish_average else _as_it_is():
            yield

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Meanwhile the adapter has the average."""
        assert self._average
        self._average.store(self._parameters)
        self._average.copy_to(self._parameters)
        try:
            yield
        finally:
            self._average.restore(self._parameters)

    def tensors(self) -> Tensors | None:
        """The average by diffusers' names; None where there is none."""
        if self._average is None:
            return None
        with self.averaged():
            return adapter_tensors(self._transformer)

    def restore(self, live: Tensors, average: Tensors | None, counted: int) -> None:
        """Go on from live weights and their average after `counted` steps.

        Raises:
            CheckpointError: one of them does not fit.
        """
        if self._average:
            set_adapter_tensors(self._transformer, live if average is None else average)
            self._average.shadow_params = [p.detach().clone() for p in self._parameters]
            self._average.optimization_step = counted
        set_adapter_tensors(self._transformer, live)


def _average_of(parameters: list[torch.nn.Parameter], decay: float) -> Any:
    from diffusers.training_utils import EMAModel  # half of diffusers comes with it: a second of CPU

    return EMAModel(parameters, decay=decay)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield

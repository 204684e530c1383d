"""What a training step sees, as pure functions of (seed, step): resuming needs no state of any loader, and several processes
see together what one would see alone.

Each epoch is a permutation of the tracks, each with one of its captions. Within a window of at most one epoch the tracks are
ordered by the shape of their crop and condition, so that batches need few groups of equal shape; then the window's batches
are shuffled. Torch-free: the tensors are read in loss.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import numpy as np

WINDOW_BATCHES = 16
TURBO_STEPS = 8
TURBO_SHIFT = 3.0

Shape = tuple[int, int]  # such as crop frames and condition tokens
Chosen = tuple[int, int]  # index of a track, index of one of its captions


def generator(*key: int | str) -> np.random.Generator:
    """A random generator that depends on nothing but `key`, the same on every machine."""
    digest = sha256("/".join(str(part) for part in key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))


@dataclass(
    frozen=True, eq=False
)  # found by what it is: the shapes of 50,000 tracks take milliseconds to hash
class BatchPlan:
    """Which tracks each step trains on, and with which of their captions.

    `shapes`: of each track, the shape of its crop with each of its captions.
    """

    shapes: tuple[tuple[Shape, ...], ...]
    batch_size: int
    seed: int
    world: int = 1

    @property
    def _global_batch(self) -> int:
        return self.batch_size * self.world

    @property
    def _window(self) -> int:
        """Batches in a window: as many as an epoch fills, at least one, at most WINDOW_BATCHES."""
        return max(1, min(WINDOW_BATCHES, len(self.shapes) // self._global_batch))

    def chosen(self, step: int) -> list[Chosen]:
        """The tracks that all processes together train on at `step`, each with one of its captions."""
        window, place = divmod(step, self._window)
        return list(_window_batches(self, window)[place])

    def share(self, rank: int) -> slice:
        """The `batch_size` of them that are of one process."""
        return slice(rank * self.batch_size, (rank + 1) * self.batch_size)

    def _at(self, position: int) -> Chosen:
        epoch, place = divmod(position, len(self.shapes))
        track = int(_permutation(self.seed, epoch, len(self.shapes))[place])
        captions = len(self.shapes[track])
        if captions == 1:
            return track, 0
        return track, int(generator("caption", self.seed, epoch, track).integers(captions))


@lru_cache(maxsize=8)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return generator("epoch", seed, epoch).permutation(count)


@lru_cache(maxsize=4)
def _window_batches(plan: BatchPlan, window: int) -> tuple[tuple[Chosen, ...], ...]:
    size = plan._window * plan._global_batch
    chosen = [plan._at(position) for position in range(window * size, (window + 1) * size)]
    chosen.sort(key=lambda one: plan.shapes[one[0]][one[1]])
    batches = [tuple(chosen[at : at + plan._global_batch]) for at in range(0, size, plan._global_batch)]
    order = generator("window", plan.seed, window).permutation(len(batches))
    return tuple(batches[place] for place in order)


def crop_frames(frames: int, wanted: int, patch: int) -> int:
    """Length of the crops of a track in latent frames: `wanted`, or all of a shorter track, in whole patches."""
    return min(frames, wanted) // patch * patch


def crop_offset(rng: np.random.Generator, frames: int, length: int, bar: float | None = None) -> int:
    """Where a crop of `length` frames begins in a track of `frames`.

    Anywhere, or with `bar` (the frames in a bar) a whole number of bars from the start of the track.
    """
    last = frames - length
    if not bar:
        return int(rng.integers(0, last + 1))
    return min(round(int(rng.integers(0, int(last / bar) + 1)) * bar), last)


def timesteps(rng: np.random.Generator, count: int, *, kind: str, mean: float, std: float) -> np.ndarray:
    """Timesteps in (0, 1] as float32 [count].

    `logit_normal`: sigmoid(N(mean, std)), what ACE-Step 1.5 was trained with (Esser et al. 2024, arXiv 2403.03206).
    `turbo8`: one of the eight steps that the turbo models generate with, t = s u / (1 + (s - 1) u) for u = 1, 7/8 ... 1/8
    and shift s = 3.
    `uniform`: all alike.
    """
    if kind == "uniform":
        return (1.0 - rng.random(count)).astype(np.float32)
    if kind == "turbo8":
        u = 1.0 - rng.integers(0, TURBO_STEPS, count) / TURBO_STEPS
        return (TURBO_SHIFT * u / (1 + (TURBO_SHIFT - 1) * u)).astype(np.float32)
    return (1 / (1 + np.exp(-(rng.standard_normal(count) * std + mean)))).astype(np.float32)


def groups_of_equal_shape(shapes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """The positions of each shape, together: they can be one batch without padding."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(position)
    return list(groups.values())

"""The synthetic corpus: thousands of short pieces rendered once, kept as log-mel frames beside their prompts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lofi_pipeline.demo.distributions import Example, Kind, draw
from lofi_pipeline.processes import end_with_process

RATE = 24_000
SECONDS = 6.4
FRAMES = 320
HELD_OUT = 1_000_000
BATCH = 100


@dataclass(frozen=True)
class Corpus:
    """Raw log-mel frames [n, FRAMES, 64] (float16, not standardised) and the examples they were rendered from."""

    frames: NDArray[np.float16]
    examples: list[Example]

    @property
    def sha256(self) -> str:
        """Hash of every frame and prompt."""
        digest = hashlib.sha256(np.ascontiguousarray(self.frames).tobytes())
        digest.update(json.dumps([example.prompt for example in self.examples]).encode())
        return digest.hexdigest()


def build(kind: Kind, first: int, count: int, cache: Path, workers: int = 0) -> Corpus:
    """Render `count` pieces with the seeds from `first` on, or read those already in `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    starts = range(first, first + count, BATCH)
    missing = [start for start in starts if not _file(cache, kind, start).exists()]
    if missing:
        with ProcessPoolExecutor(
            workers or None, initializer=end_with_process, initargs=(os.getpid(),)
        ) as pool:
            for done, _ in enumerate(pool.map(_render, [(kind, start, cache) for start in missing]), 1):
                if done % 10 == 0 or done == len(missing):
                    print(
                        f"{kind}: {done * BATCH} of {len(missing) * BATCH} pieces rendered",
                        flush=True,
                    )
    frames = np.concatenate([np.load(_file(cache, kind, start)) for start in starts])[:count]
    return Corpus(frames, [draw(kind, seed, SECONDS) for seed in range(first, first + count)])


def band_statistics(corpora: Iterable[Corpus]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each of the 64 bands, for the codec's configuration."""
    sample = np.concatenate([corpus.frames[::7].reshape(-1, 64).astype(np.float32) for corpus in corpora])
    return [round(float(x), 4) for x in sample.mean(0)], [round(float(x), 4) for x in sample.std(0)]


def _file(cache: Path, kind: Kind, start: int) -> Path:
    return cache / f"{kind}-{start:07d}.npy"


def _render(job: tuple[Kind, int, Path]) -> None:
    import torch

    from lofi_pipeline.demo.synth import render
    from lofi_pipeline.training.nano.codec import BANDS, MelCodec

    torch.set_num_threads(1)
    kind, start, cache = job
    raw = MelCodec(band_mean=(0.0,) * BANDS, band_std=(1.0,) * BANDS)
    rows = []
    for seed in range(start, start + BATCH):
        samples = render(draw(kind, seed, SECONDS).spec, RATE).samples
        rows.append(raw.encode(torch.from_numpy(samples)[None]).latent_dist.mean[0].T.numpy())
    path = _file(cache, kind, start)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.save(file, np.stack(rows).astype(np.float16))
    temporary.replace(path)

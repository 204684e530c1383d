"""What a base model's codec leaves of music. A clip that repeats a track has passed through it, and differs from the track as
far as the codec is lossy; so do all other clips, so that copies stay as far from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from lofi_pipeline.entities import DatasetVersion, Split
from lofi_pipeline.evaluation.copies.search import EXACT, Likeness, likeness_of
from lofi_pipeline.evaluation.copies.sound import bands_of, mono_of
from lofi_pipeline.evaluation.stereo import is_mono
from lofi_pipeline.storage import DataRoot

STRETCHES, SECONDS = 3, 4.0
WORST = 0.75
"""A codec that leaves less makes no music, such as one of random weights: no allowance is made for it."""


@dataclass(frozen=True)
class Codec:
    """What a codec leaves of a few stretches of training music."""

    left: Likeness = EXACT
    """How far what came out changes like what went in."""
    keeps_stereo: bool = False
    """Whether stereo went in and came out."""

    @property
    def lost(self) -> Likeness:
        """What is allowed for in copies: see `find_copies`."""
        return self.left if self.left.correlation >= WORST else EXACT


def listen_to_codec(root: DataRoot, version: DatasetVersion, pipeline: Any) -> Codec:
    """Pass the beginnings of a few training tracks through the pipeline's codec."""
    rate = int(pipeline.sample_rate)
    left, stereo = [], []
    for music in islice(_stretches(root, version, rate), STRETCHES):
        returned = _returned(pipeline, music)
        left.append(likeness_of(*(bands_of(mono_of(sound, rate)) for sound in (returned, music))))
        stereo.append(not is_mono(*music) and not is_mono(returned[0], returned[-1]))
    if not left:
        return Codec()
    correlation, apart = (
        float(np.median(of_all)) for of_all in zip(*((it.correlation, it.apart) for it in left), strict=True)
    )
    return Codec(Likeness(min(1.0, correlation), apart), any(stereo))


def _returned(pipeline: Any, music: np.ndarray) -> np.ndarray:
    import torch

    vae = pipeline.vae
    with torch.no_grad():
        given = torch.from_numpy(music)[None].to(pipeline._execution_device, vae.dtype)
        return vae.decode(vae.encode(given).latent_dist.mode()).sample[0].float().cpu().numpy()


def _stretches(root: DataRoot, version: DatasetVersion, rate: int) -> Iterator[np.ndarray]:
    """float32 [2, n] at `rate` Hz of training tracks that can be read; the middle of their first seconds."""
    import soxr

    from lofi_pipeline import audio

    for track in version.side(Split.TRAIN):
        try:
            read = audio.read(root.inside(track.track.audio_path), max_seconds=3600, keep_seconds=2 * SECONDS)
        except (audio.AudioError, OSError):
            continue
        part = read.samples[:, -round(SECONDS * audio.SAMPLE_RATE) :]
        yield np.ascontiguousarray(soxr.resample(part.T, audio.SAMPLE_RATE, rate).T, dtype=np.float32)

"""A clip that lies in a file and is read when it is heard: however many there are, one is in memory at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from lofi_pipeline.evaluation.generate import Clip, sound_sha256
from lofi_pipeline.evaluation.prompts import PromptSpec


class FiledClip(Clip):
    """A clip of an audio file.

    Raises:
        OSError, soundfile.LibsndfileError: the file is gone, or is no whole audio file.
    """

    def __init__(self, spec: PromptSpec, path: Path) -> None:
        # Seen to be whole now: who hears it later could do nothing about it. What else needs all of it is done at once
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        facts = {"sha256": sound_sha256(samples.T, rate), "is_finite": bool(np.isfinite(samples).all())}
        for name, value in {"spec": spec, "path": path, "sample_rate": rate, **facts}.items():
            object.__setattr__(self, name, value)

    @property
    def samples(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        """float32 [channels, frames], as they are in the file."""
        assert self.path is not None
        samples, _ = soundfile.read(self.path, dtype="float32", always_2d=True)
        return samples.T

"""The tagger of recorded music: musicnn, which is shipped. It hears tracks whose style nobody declared.

Each worker loads it once, for the first such track. What it hears becomes tags in styles/hearing.py.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lofi_pipeline import audio, styles
from lofi_pipeline.config import EvaluationSettings, PipelineConfig
from lofi_pipeline.evaluation import cut_windows, missing_weights, weights_sha256
from lofi_pipeline.styles import Hearing

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.embedders.musicnn import MusicnnEmbedder

MOST_WINDOWS = 16
"""Spread over the track: 48 s of audio."""
SILENCE = 1e-4
"""RMS of windows that are not listened to: they would all be made as loud."""
_MUSICNN = EvaluationSettings(embedder="musicnn")


def hearing_sha256(config: PipelineConfig) -> str | None:
    """The hash of the tagger's weights; None where it is off or not there. Nothing is loaded."""
    if config.tagging.tagger == "off" or missing_weights(_MUSICNN):
        return None
    return weights_sha256(_MUSICNN)


def heard_in(path: Path, config: PipelineConfig) -> Hearing | None:
    """What the tagger hears in an audio file; None where there is no tagger, or the file is shorter than one of its windows.

    Raises:
        BadWeights: the weights are damaged.
    """
    found = hearing_sha256(config)
    if found is None:
        return None
    return heard_in_samples(audio.read(path, max_seconds=config.audio.max_input_seconds).samples, found)


def heard_in_samples(samples: np.ndarray, weights: str) -> Hearing | None:
    """What the tagger with weights of that hash hears in float32 [channels, n] at 48 kHz."""
    tagger = _opened(weights)
    windows = cut_windows(samples, audio.SAMPLE_RATE, tagger, tagger.window_seconds)
    windows = windows[np.square(windows).mean(axis=1) > SILENCE**2]
    if not len(windows):
        return None
    spread = np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS)).round().astype(int)
    return styles.Hearing(tagger.name, tagger.tags(windows[spread]))


@cache
def _opened(_weights: str) -> MusicnnEmbedder:
    """Loaded again when the weights have changed."""
    from lofi_pipeline.evaluation.embedders.musicnn import MusicnnEmbedder

    return MusicnnEmbedder.load()

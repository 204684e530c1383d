"""What is heard in a track: tempo, key, time signature, brightness, onset density."""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio.rhythm import RATE, onset_strength, onsets_per_second, tempo_of
from lofi_pipeline.audio.spectrum import frequencies, magnitudes
from lofi_pipeline.audio.tonality import key_of
from lofi_pipeline.entities import TrackMeasurements

_MOST_CERTAIN_METRE = 0.5
"""Four beats are assumed because this music has them; the onsets can support that, hardly prove it."""


def measure(mono: np.ndarray) -> TrackMeasurements:
    """Measure float32 [n] at 22.05 kHz. The tempo lies in 55..110, not yet folded into a style's range."""
    strength = onset_strength(mono)
    tempo = tempo_of(strength)
    key = key_of(mono)
    return TrackMeasurements(
        tempo_bpm=round(tempo.bpm, 2),
        tempo_confidence=round(tempo.confidence, 3),
        key=key.tonic,
        mode=key.mode,
        key_confidence=round(key.confidence, 3),
        time_signature="4/4",
        time_signature_confidence=round(_MOST_CERTAIN_METRE * tempo.four, 3),
        brightness_hz=round(brightness(mono), 1),
        onset_density=round(onsets_per_second(strength), 3),
    )


def brightness(mono: np.ndarray) -> float:
    """Mean spectral centroid in Hz over the frames that are not silent, of float32 [n] at 22.05 kHz."""
    spectrum = magnitudes(mono, 2048, 2048)
    weight = spectrum.sum(axis=1)
    heard = weight > 1e-3 * weight.max(initial=0.0)
    if not heard.any():
        return 0.0
    centroids = spectrum[heard] @ frequencies(2048, RATE).astype(np.float32) / weight[heard]
    return float(centroids.mean())

"""All measurements of a track in one call: tempo, beats, key, metre, swing, brightness, timbre, voice, drums, noise.

Each measurement is made in a module of its own; how well they do is in docs/analysis.md. The quality score is in quality.py.
"""

from __future__ import annotations

import numpy as np

from lofi_pipeline.audio.analysis.bands import growth, log_bands
from lofi_pipeline.audio.analysis.beats import beats_of, by_range
from lofi_pipeline.audio.analysis.chroma import chroma_of
from lofi_pipeline.audio.analysis.metre import bars_of, smoothed
from lofi_pipeline.audio.analysis.presence import presence_features, presence_of
from lofi_pipeline.audio.analysis.recurrence import recurrence_of
from lofi_pipeline.audio.analysis.rhythm import onsets_per_second, retimed, strength_of, tempo_of
from lofi_pipeline.audio.analysis.tempo import weigh
from lofi_pipeline.audio.analysis.timbre import NUMBERS, brightness, coarse_spectra
from lofi_pipeline.audio.analysis.tonality import key_of
from lofi_pipeline.entities import TrackMeasurements


def measure(mono: np.ndarray) -> TrackMeasurements:
    """Measure float32 [n] at 22.05 kHz. The tempo is from 55 to 110 bpm (in 6/8 from 40 to 92), not yet folded into the range of a style."""
    bands = log_bands(mono)
    grown = growth(bands)
    strength = strength_of(grown)
    chroma = chroma_of(mono)
    onsets = by_range(grown)
    even = smoothed(onsets)
    recurrence = recurrence_of(even, bands, chroma)
    tempo = weigh(tempo_of(strength), strength, recurrence)
    bars = bars_of(even, recurrence) if recurrence else None
    if bars and bars.is_sure:
        tempo = retimed(tempo, bars.bpm, strength)
    key = key_of(chroma, tempo.bpm)
    beats = beats_of(onsets, chroma, bands, tempo.bpm, bars)
    spectra = coarse_spectra(mono)
    features = presence_features(mono, spectra, bands, grown, tempo.bpm)
    present = presence_of(features)
    return TrackMeasurements(
        tempo_bpm=round(tempo.bpm, 2),
        tempo_confidence=round(tempo.confidence, 3),
        tempo_alternatives=[round(other, 2) for other in tempo.alternatives],
        key=key.tonic,
        mode=key.mode,
        key_confidence=round(key.confidence, 3),
        time_signature=beats.metre if beats else "4/4",
        time_signature_confidence=round(beats.metre_confidence, 3) if beats else 0.0,
        brightness_hz=round(brightness(spectra), 1),
        onset_density=round(onsets_per_second(strength), 3),
        beat_offset_s=round(beats.offset, 3) if beats else None,
        downbeat=beats.downbeat if beats else 0,
        beat_confidence=round(beats.confidence, 3) if beats else 0.0,
        beat_steadiness=round(beats.steadiness, 3) if beats else 0.0,
        swing=round(beats.swing, 3) if beats and beats.swing is not None else None,
        swing_confidence=round(beats.swing_confidence, 3) if beats else 0.0,
        voice=round(present.voice, 3),
        drums=round(present.drums, 3),
        crackle=round(present.crackle, 3),
        rain=round(present.rain, 3),
        noise=round(present.noise, 3),
        timbre=[round(float(number), 3) for number in features[:NUMBERS]],
    )

"""Why a style fits a track, or does not, in words: the measurements beside what one expects of the preset."""

from __future__ import annotations

from lofi_pipeline.entities import StylePreset, TrackMeasurements
from lofi_pipeline.styles.contradiction import DRUM_INSTRUMENTS, NEEDS_RAIN
from lofi_pipeline.styles.prompt import INSTRUMENTAL
from lofi_pipeline.styles.tempo import fold_tempo

_PRESENT, _ABSENT = 0.7, 0.3
"""Probabilities from which something counts as heard, or as not heard."""


def why(measured: TrackMeasurements, preset: StylePreset) -> list[str]:
    """A short phrase for each measurement that speaks for or against a style; what was not clear is left out."""
    drums = "no drums" not in preset.production and bool(DRUM_INSTRUMENTS.intersection(preset.instruments))
    sings = preset.vocal_type not in (None, INSTRUMENTAL)
    expected = {
        "drums": (measured.drums, drums),
        "a voice": (measured.voice, sings),
        "crackle": (measured.crackle, "vinyl crackle" in preset.production),
        "rain": (measured.rain, preset.atmosphere in NEEDS_RAIN),
    }
    heard = [_heard(name, probability, wanted) for name, (probability, wanted) in expected.items()]
    return [_tempo(measured, preset), *(said for said in heard if said)]


def _tempo(measured: TrackMeasurements, preset: StylePreset) -> str:
    low, high = preset.tempo_range
    folded = round(fold_tempo(measured.tempo_bpm, preset.tempo_range))
    fits = "fits" if low <= folded <= high else "lies outside"
    return f"tempo {folded} {fits} {low} to {high}"


def _heard(name: str, probability: float | None, wanted: bool) -> str | None:
    if probability is None or _ABSENT < probability < _PRESENT:
        return None
    is_there = probability >= _PRESENT
    if is_there is wanted:
        return f"{name} heard, as expected" if wanted else None
    return f"{name} heard, not expected" if is_there else f"{name} expected, not heard"

"""Tags that a measurement contradicts so surely that a prompt leaves them out.

Only near certainty counts: between SURELY_NOT and SURELY a tag stays, because the person who declared the style has listened.
Swing is never measured that surely (chopped samples hide it), nor is it sure that there is a voice; that there is none is.
"""

from __future__ import annotations

from lofi_pipeline.entities import TrackMeasurements
from lofi_pipeline.styles.hearing import Hearing

SURELY, SURELY_NOT = 0.98, 0.02

NEEDS_DRUMS = frozenset({"dusty drums", "swung drums", "half-time drums"})
NEEDS_CRACKLE = frozenset({"vinyl crackle"})
NEEDS_RAIN = frozenset({"rain", "rainy window", "thunderstorm"})
DRUM_INSTRUMENTS = frozenset(
    {"boom bap drums", "brushed drums", "drum machine", "soft percussion", "bongos", "shaker", "finger snaps"}
)


def contradicted(tag: str, measurements: TrackMeasurements) -> bool:
    """Whether what was measured rules a tag out."""
    if tag == "no drums":
        return _is(measurements.drums)
    if tag in NEEDS_DRUMS or tag in DRUM_INSTRUMENTS:
        return _is_not(measurements.drums)
    if tag in NEEDS_CRACKLE:
        return _is_not(measurements.crackle)
    return tag in NEEDS_RAIN and _is_not(measurements.rain)


def _is(probability: float | None) -> bool:
    return probability is not None and probability >= SURELY


def _is_not(probability: float | None) -> bool:
    return probability is not None and probability <= SURELY_NOT


def voice_is_ruled_out(measurements: TrackMeasurements, heard: Hearing | None) -> bool:
    """Whether a voice surely was not measured, or a tagger that listened heard none."""
    return _is_not(measurements.voice) or (heard is not None and heard.no_voice)

"""What measurements say of a track whose style is not known: no drums, rain, nobody who sings.

Each limit is where the measurement was right at least nine times in ten on real music that it was not fitted on (docs/captions.md).
"""

from __future__ import annotations

from lofi_pipeline.entities import Support, SupportedTag, TrackMeasurements
from lofi_pipeline.styles.hearing import Hearing
from lofi_pipeline.styles.prompt import INSTRUMENTAL

SURE_OF_RAIN = 0.98
NO_DRUMS, NO_VOICE = 0.005, 0.05
"""Probabilities up to which there are none; of a voice, where no tagger listened."""
MAYBE_VOICE = 0.6
"""Probability of a voice from which there may be one, though a tagger hears none."""


def measured_tags(
    measurements: TrackMeasurements, heard: Hearing | None, *, vocals: bool | None
) -> list[SupportedTag]:
    """The tags that measurements support; where a tagger listened, only those that it does not deny."""
    # Crackle is not among them: of computer games' music, beeps are taken for it with probabilities up to 1
    found = [
        _absent("no drums", "drums", measurements.drums, NO_DRUMS)
        if heard is None or heard.no_drums
        else None,
        _present("rain", "rain", measurements.rain, SURE_OF_RAIN),
        _without_voice(measurements, heard) if vocals is None else None,
    ]
    return [tag for tag in found if tag is not None]


def _without_voice(measurements: TrackMeasurements, heard: Hearing | None) -> SupportedTag | None:
    if heard is None:
        return _absent(INSTRUMENTAL, "voice", measurements.voice, NO_VOICE)
    if not heard.surely_no_voice or (measurements.voice or 0.0) > MAYBE_VOICE:
        return None
    return SupportedTag(
        tag=INSTRUMENTAL,
        support=Support.TAGGED,
        by=f"{heard.tagger}: no voice",
        confidence=round(1 - heard.voice, 3),
    )


def _present(tag: str, name: str, probability: float | None, least: float) -> SupportedTag | None:
    if probability is None or probability < least:
        return None
    return SupportedTag(tag=tag, support=Support.MEASURED, by=name, confidence=probability)


def _absent(tag: str, name: str, probability: float | None, most: float) -> SupportedTag | None:
    if probability is None or probability > most:
        return None
    return SupportedTag(
        tag=tag, support=Support.MEASURED, by=f"no {name}", confidence=round(1 - probability, 3)
    )

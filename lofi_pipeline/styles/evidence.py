"""What measurements say of a track whose style is not known: no drums, crackle, rain, nobody who sings.

Each limit is where the measurement was right at least nine times in ten on real music that it was not fitted on (docs/captions.md).
"""

from __future__ import annotations

from lofi_pipeline.entities import Support, SupportedTag, TrackMeasurements
from lofi_pipeline.styles.hearing import Hearing
from lofi_pipeline.styles.prompt import INSTRUMENTAL

SURE_OF_CRACKLE, SURE_OF_RAIN = 0.98, 0.98
NO_DRUMS, NO_DRUMS_HEARD = 0.05, 0.1
"""Probabilities of drums, measured and heard, up to which there are none."""
NO_VOICE, MAYBE_VOICE, NO_VOICE_HEARD = 0.05, 0.6, 0.12
"""Probabilities of a voice: measured, up to which there is none; measured, from which there may be one; heard, up to which there is none."""


def measured_tags(
    measurements: TrackMeasurements, heard: Hearing | None, *, vocals: bool | None
) -> list[SupportedTag]:
    """The tags that measurements support; where a tagger listened, only those that it does not deny."""
    found = [
        _absent("no drums", "drums", measurements.drums, NO_DRUMS)
        if heard is None or heard.drums <= NO_DRUMS_HEARD
        else None,
        _present("vinyl crackle", "crackle", measurements.crackle, SURE_OF_CRACKLE),
        _present("rain", "rain", measurements.rain, SURE_OF_RAIN),
        _without_voice(measurements, heard) if vocals is None else None,
    ]
    return [tag for tag in found if tag is not None]


def _without_voice(measurements: TrackMeasurements, heard: Hearing | None) -> SupportedTag | None:
    if heard is None:
        return _absent(INSTRUMENTAL, "voice", measurements.voice, NO_VOICE)
    if heard.voice > NO_VOICE_HEARD or (measurements.voice or 0.0) > MAYBE_VOICE:
        return None
    sure = 1 - max(heard.voice, 0.0)
    return SupportedTag(
        tag=INSTRUMENTAL, support=Support.TAGGED, by=f"{heard.tagger}: no voice", confidence=round(sure, 3)
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

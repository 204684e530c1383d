"""What source.json says of a track beside its styles: tempo, key, metre, tags. It goes before what was measured.

Where a measurement surely says otherwise, that is a sentence for the person who looks at the track.
"""

from __future__ import annotations

from collections.abc import Iterator

from lofi_pipeline.entities import Support, SupportedTag, TagKind, TrackMeasurements, TrackOrigin
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.styles.claims import other_key, other_tempo
from lofi_pipeline.styles.contradiction import contradicted, voice_is_ruled_out
from lofi_pipeline.styles.errors import UnknownTag
from lofi_pipeline.styles.prompt import INSTRUMENTAL
from lofi_pipeline.styles.tempo import tempo_tag
from lofi_pipeline.styles.vocabulary import Vocabulary, load_vocabulary

SURE_OF_METRE = 0.5


def no_such_tag(tag: str) -> str | None:
    """Why a tag cannot stand in source.json, or None."""
    vocabulary = load_vocabulary()
    try:
        kind = vocabulary.kind_of(tag)
    except UnknownTag as error:
        return str(error)
    return "a tempo is said as `bpm`" if kind is TagKind.TEMPO else None


def declared_tags(origin: TrackOrigin, vocabulary: Vocabulary) -> list[SupportedTag]:
    """The tags that source.json says, the tempo among them.

    Raises:
        UnknownTag: a tag that is not in the vocabulary any more.
    """
    said = [vocabulary.canonical(tag) for tag in origin.tags or []]
    if origin.bpm is not None:
        said.append(tempo_tag(origin.bpm))
    return [
        SupportedTag(tag=tag, support=Support.DECLARED, by=SOURCE_JSON, confidence=1.0)
        for tag in dict.fromkeys(said)
    ]


def declared_otherwise(
    origin: TrackOrigin, measurements: TrackMeasurements, vocabulary: Vocabulary
) -> Iterator[str]:
    """A sentence for each thing that source.json says and that was surely measured otherwise."""
    if origin.bpm is not None and (measured := other_tempo(origin.bpm, measurements)):
        yield f"{origin.bpm} bpm is declared; {measured}"
    if origin.key is not None and (measured := other_key(origin.key, measurements)):
        yield f"the key {origin.key} is declared; {measured}"
    metre, sure = measurements.time_signature, measurements.time_signature_confidence
    if origin.time_signature not in (None, metre) and sure >= SURE_OF_METRE:
        yield f"{origin.time_signature} is declared; measured is {metre}, with confidence {sure:.2f}"
    for tag in map(vocabulary.canonical, origin.tags or []):
        is_voice = vocabulary.kind_of(tag) is TagKind.VOCAL_TYPE and tag != INSTRUMENTAL
        if contradicted(tag, measurements):
            yield f"{tag} is declared; what was measured rules it out"
        elif is_voice and (origin.vocals is False or voice_is_ruled_out(measurements, None)):
            why = "declared is, too, that nobody sings" if origin.vocals is False else "no voice was heard"
            yield f"{tag} is declared; {why}"

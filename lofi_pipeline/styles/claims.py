"""What a model that writes captions claims of a track, checked against what was measured and heard.

A claim that another witness confirms may stand in a prompt; one that a measurement contradicts sends the track to review; what
can't be checked is offered to the person who looks at it. None enters a prompt unchecked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import Field

from lofi_pipeline.entities import Entity, Support, SupportedTag, TagKind, TrackMeasurements
from lofi_pipeline.entities.key import keyscale, same_notes
from lofi_pipeline.styles.contradiction import contradicted, voice_is_ruled_out
from lofi_pipeline.styles.hearing import WORDS, Hearing
from lofi_pipeline.styles.mood import SURE_OF_KEY
from lofi_pipeline.styles.prompt import INSTRUMENTAL
from lofi_pipeline.styles.tempo import SURE_IN_RANGE, as_tagged, tempo_support, tempo_tag
from lofi_pipeline.styles.vocabulary import Vocabulary

MOST_TAGS, LONGEST_CAPTION, LONGEST_TAG = 200, 20_000, 60
SURE_OF_VOICE = 0.3
"""Heard probability of a voice from which one that is claimed is believed."""
_SAME_TEMPO = math.log2(1.04)
_LONGEST_PHRASE = 4
_WORD = re.compile(r"[\w&#'’-]+")
_BPM = re.compile(r"(?<![\d.])(\d{2,3}(?:\.\d+)?)\s*bpm\b", re.IGNORECASE)
_KEY = re.compile(r"\b([A-G](?:#|♯|b|♭)?)\s+(major|minor)\b")


class Claims(Entity):
    """What the model answers: any of these. Of `caption`, words of the vocabulary, a tempo and a key are read."""

    caption: str = Field(default="", max_length=LONGEST_CAPTION)
    tags: list[str] = Field(default_factory=list, max_length=MOST_TAGS)
    tempo: float | None = Field(default=None, gt=0, le=1000)
    key: str | None = Field(default=None, max_length=LONGEST_TAG)
    voice: bool | None = None


@dataclass
class CheckedClaims:
    """Which claims were confirmed, which can't be checked, and a sentence for each that was contradicted."""

    confirmed: list[SupportedTag] = field(default_factory=list)
    unchecked: list[SupportedTag] = field(default_factory=list)
    disputed: list[str] = field(default_factory=list)


def check_claims(
    claims: Claims,
    measurements: TrackMeasurements,
    heard: Hearing | None,
    vocabulary: Vocabulary,
    *,
    vocals: bool | None,
) -> CheckedClaims:
    """Check each claim by what can contradict or confirm it. `vocals`: whether somebody sings, as declared; None if unknown."""
    found = CheckedClaims()
    tempo = claims.tempo or _tempo_in(claims)
    if tempo is not None:
        _check_tempo(tempo, measurements, found)
    if key := claims.key or _key_in(claims.caption):
        _check_key(key, measurements, found)
    tags = dict.fromkeys(_tags_in(claims, vocabulary))
    if claims.voice is False:
        tags.setdefault(INSTRUMENTAL)
    if claims.voice and not any(_is_voice(tag, vocabulary) for tag in tags):
        _check_voice(None, measurements, heard, vocals, found)
    for tag in tags:
        match vocabulary.kind_of(tag):
            case TagKind.TEMPO:
                pass
            case TagKind.VOCAL_TYPE:
                _check_voice(tag, measurements, heard, vocals, found)
            case _:
                _check_sound(tag, measurements, heard, found)
    return found


def _tempo_in(claims: Claims) -> float | None:
    found = _BPM.search("\n".join([*claims.tags, claims.caption]))
    return float(found[1]) if found else None


def _key_in(caption: str) -> str | None:
    found = _KEY.search(caption)
    return f"{found[1]} {found[2]}" if found else None


def _tags_in(claims: Claims, vocabulary: Vocabulary) -> Iterator[str]:
    """The tags that are claimed one by one, and those whose words stand in the caption, longest phrases first."""
    yield from (vocabulary.canonical(tag) for tag in claims.tags if tag in vocabulary)
    for sentence in re.split(r"[.,;:!?\n]", claims.caption):
        yield from _phrases(_WORD.findall(sentence), vocabulary)


def _phrases(words: list[str], vocabulary: Vocabulary) -> Iterator[str]:
    at = 0
    while at < len(words):
        phrases = (words[at : at + length] for length in range(min(_LONGEST_PHRASE, len(words) - at), 0, -1))
        known = next((phrase for phrase in phrases if " ".join(phrase) in vocabulary), None)
        denied = at > 0 and words[at - 1].lower() in ("no", "not", "without")
        if known and not denied:
            yield vocabulary.canonical(" ".join(known))
        at += len(known) if known else 1


def _is_voice(tag: str, vocabulary: Vocabulary) -> bool:
    return vocabulary.kind_of(tag) is TagKind.VOCAL_TYPE and tag != INSTRUMENTAL


def _check_tempo(bpm: float, measurements: TrackMeasurements, found: CheckedClaims) -> None:
    if is_octave_of(bpm, measurements.tempo_bpm) and measurements.tempo_confidence >= SURE_IN_RANGE:
        tag = tempo_tag(as_tagged(measurements.tempo_bpm))
        by = "confirmed by the measured tempo"
        found.confirmed.append(_claimed(tag, by, measurements.tempo_confidence))
    elif measured := other_tempo(bpm, measurements):
        found.disputed.append(f"{bpm:g} bpm is claimed; {measured}")


def is_octave_of(bpm: float, measured: float) -> bool:
    """Whether two tempi are the same, but for a power of two."""
    octaves = math.log2(bpm / measured)
    return abs(octaves - round(octaves)) <= _SAME_TEMPO


def other_tempo(bpm: float, measurements: TrackMeasurements) -> str | None:
    """In words, which tempo was surely measured in place of this one; None: this one, its octave, or none surely."""
    sure = tempo_support(measurements, None)
    agrees = is_octave_of(bpm, measurements.tempo_bpm) and measurements.tempo_confidence >= SURE_IN_RANGE
    if agrees or sure is None:
        return None
    return f"measured are {measurements.tempo_bpm:g} bpm, with confidence {sure:.2f}"


def _check_key(key: str, measurements: TrackMeasurements, found: CheckedClaims) -> None:
    """A claimed key is in no prompt, but one that is surely another says how far the model can be trusted."""
    try:
        plain = keyscale(key)
    except ValueError:
        return
    if measured := other_key(plain, measurements):
        found.disputed.append(f"the key {key} is claimed; {measured}")


def other_key(key: str, measurements: TrackMeasurements) -> str | None:
    """In words, which key was surely measured in place of this one; None: this one, its relative one, or none surely."""
    measured = f"{measurements.key} {measurements.mode}"
    if measurements.key_confidence < SURE_OF_KEY or measured in (key, same_notes(key)):
        return None
    return f"measured is {measured}, with confidence {measurements.key_confidence:.2f}"


def _check_voice(
    tag: str | None,
    measurements: TrackMeasurements,
    heard: Hearing | None,
    vocals: bool | None,
    found: CheckedClaims,
) -> None:
    """A claim that somebody sings (None: in no particular way), or that nobody does."""
    if tag == INSTRUMENTAL:
        if vocals or (heard is not None and heard.voice >= SURE_OF_VOICE):
            found.disputed.append(
                "it is claimed that nobody sings; a voice is " + ("declared" if vocals else "heard")
            )
        elif vocals is None:
            found.unchecked.append(_claimed(tag, "not checked", 0.0))
        return
    words = tag or "a voice"
    if vocals is False or (vocals is None and voice_is_ruled_out(measurements, heard)):
        why = "declared is that nobody sings" if vocals is False else "no voice was heard"
        found.disputed.append(f"{words} is claimed; {why}")
    elif tag and (vocals or (heard is not None and heard.voice >= SURE_OF_VOICE)):
        sure = 1.0 if vocals else heard.voice if heard else 0.0
        found.confirmed.append(
            _claimed(
                tag, "confirmed by source.json" if vocals else "confirmed by a voice that was heard", sure
            )
        )
    elif tag:
        found.unchecked.append(_claimed(tag, "not checked", 0.0))


def _check_sound(
    tag: str, measurements: TrackMeasurements, heard: Hearing | None, found: CheckedClaims
) -> None:
    """Instruments, and sounds that are measured. Of genres and moods nobody else can say anything."""
    if contradicted(tag, measurements):
        found.disputed.append(f"{tag} is claimed; what was measured rules it out")
        return
    word = next((word for word in WORDS if word.tag == tag and word.is_instrument), None)
    probability = heard.labels[word.label] if word and heard else 0.0
    if word and probability >= word.offered:
        found.confirmed.append(_claimed(tag, f"confirmed by {word.label}", probability))
    else:
        found.unchecked.append(_claimed(tag, "not checked", 0.0))


def _claimed(tag: str, by: str, confidence: float) -> SupportedTag:
    return SupportedTag(tag=tag, support=Support.CLAIMED, by=by, confidence=min(1.0, round(confidence, 3)))

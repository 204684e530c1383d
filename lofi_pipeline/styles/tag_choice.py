"""The tags of a track's prompt: those that something supports, each with what does.

A preset's words are taken where its style was declared, verified, or suggested with high confidence. Of other tracks a prompt
says what was measured or heard (evidence.py), and no more; the rest is offered to the person who looks at the track.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lofi_pipeline.entities import StylePreset, Support, SupportedTag, TagKind, TrackMeasurements
from lofi_pipeline.styles.claims import CheckedClaims
from lofi_pipeline.styles.contradiction import voice_is_ruled_out
from lofi_pipeline.styles.evidence import measured_tags
from lofi_pipeline.styles.hearing import Hearing, heard_tags
from lofi_pipeline.styles.prompt import (
    INSTRUMENTAL,
    style_words,
    styles_of,
    vocal_type_of,
)
from lofi_pipeline.styles.tempo import as_tagged, fold_tempo, tempo_support, tempo_tag
from lofi_pipeline.styles.vocabulary import Vocabulary

SURE_OF_STYLE = 0.8
"""Confidence from which the words of a suggested style are taken for true: more than what needs no review."""
NOTHING_KNOWN = "lofi"
"""The prompt of a track of which nothing is known: what this project is for."""
NOTHING_KNOWN_TAG = SupportedTag(
    tag=NOTHING_KNOWN, support=Support.NOTHING, by="nothing was measured surely", confidence=0.0
)


@dataclass(frozen=True)
class KnownStyles:
    """The styles of a track, most important first, and how they are known: declared, verified by a person, or suggested."""

    style_ids: Sequence[str]
    support: Support
    confidence: float

    @property
    def give_words(self) -> bool:
        """Whether the presets' own words may stand in a prompt."""
        return self.support is not Support.SUGGESTED or self.confidence >= SURE_OF_STYLE


@dataclass(frozen=True)
class TagChoice:
    """The tags of a prompt, one of a category and in its order; and those that are only offered."""

    tags: list[SupportedTag]
    offered: list[SupportedTag]

    @property
    def prompt(self) -> str:
        """As it is trained on."""
        return ", ".join(tag.tag for tag in self.tags)


def choose_tags(
    known: KnownStyles,
    measurements: TrackMeasurements,
    presets: Mapping[str, StylePreset],
    vocabulary: Vocabulary,
    *,
    vocals: bool | None = None,
    key: str = "",
    heard: Hearing | None = None,
    claims: CheckedClaims | None = None,
) -> TagChoice:
    """The supported tags of a track.

    Args:
        vocals: whether somebody sings, as declared or as lyrics show; None if unknown.
        key: draws among a preset's moods and instruments, such as the track's sha256.
        heard: what a tagger made of the audio.
        claims: of a model that writes captions, checked.

    Raises:
        UnknownStyle: a style id without preset.
        StyleError: no style id at all.
    """
    listed = styles_of(known.style_ids, presets)
    words = _words(known, listed, measurements, vocals, key, heard)
    more = [] if heard is None else heard_tags(heard, vocals=vocals)
    sure = [
        *_tempo(measurements, listed[0].tempo_range if known.give_words else None),
        *_declared_voice(vocals),
    ]
    if known.give_words:
        sure += words
    else:
        sure += [
            *measured_tags(measurements, heard, vocals=vocals),
            *(tag for tag, is_sure in more if is_sure),
        ]
    claims = claims or CheckedClaims()
    sure += claims.confirmed
    chosen = _first_of_each_kind(sure, vocabulary) or [NOTHING_KNOWN_TAG]
    rest = [*sure, *words, *(tag for tag, _ in more), *claims.unchecked]
    return TagChoice(chosen, _others(rest, chosen))


SINGLE = (TagKind.TEMPO, TagKind.VOCAL_TYPE)
"""Categories of which a prompt has one tag: what a person says takes the place of what was there."""


def with_said(
    tags: Iterable[SupportedTag],
    said: Sequence[SupportedTag],
    vocabulary: Vocabulary,
    *,
    without: Collection[str] = (),
    replace: Collection[TagKind] = SINGLE,
) -> list[SupportedTag]:
    """The tags of a prompt with those that a person says, and without some, in the order of a prompt.

    Args:
        replace: the categories in which only what is said stays.

    Raises:
        UnknownTag: a tag that is not in the vocabulary any more.
    """
    replaced = {kind for tag in said if (kind := vocabulary.kind_of(tag.tag)) in replace}
    names = {tag.tag for tag in said}
    kept = [tag for tag in tags if tag.tag not in names and vocabulary.kind_of(tag.tag) not in replaced]
    order = list(TagKind)
    found = [tag for tag in [*kept, *said] if tag.tag not in without]
    return sorted(found, key=lambda tag: order.index(vocabulary.kind_of(tag.tag)))


def build_prompt(
    style_ids: Sequence[str],
    measurements: TrackMeasurements,
    presets: Mapping[str, StylePreset],
    vocabulary: Vocabulary,
    *,
    vocals: bool | None = None,
    key: str = "",
) -> str:
    """The prompt of a track of declared styles. Arguments and errors as those of `choose_tags`."""
    known = KnownStyles(style_ids, Support.DECLARED, 1.0)
    return choose_tags(known, measurements, presets, vocabulary, vocals=vocals, key=key).prompt


def prompt_bpm(
    known: KnownStyles, measurements: TrackMeasurements, presets: Mapping[str, StylePreset]
) -> int:
    """The measured tempo in whole bpm: in the octave of the first style where that is known, else as measured."""
    octave = styles_of(known.style_ids, presets)[0].tempo_range if known.give_words else None
    return round(_folded(measurements, octave))


def _words(
    known: KnownStyles,
    listed: Sequence[StylePreset],
    measurements: TrackMeasurements,
    vocals: bool | None,
    key: str,
    heard: Hearing | None,
) -> list[SupportedTag]:
    """What the presets say of the track, as far as nothing speaks against it."""
    chosen = style_words(listed, measurements, key)
    voice = vocal_type_of(listed, vocals)
    no_voice = vocals is None and voice_is_ruled_out(measurements, heard)
    chosen[TagKind.VOCAL_TYPE] = None if voice != INSTRUMENTAL and no_voice else voice
    by = f"style {listed[0].style_id}"
    return [
        SupportedTag(tag=tag, support=known.support, by=by, confidence=known.confidence)
        for tag in chosen.values()
        if tag is not None
    ]


def _tempo(measurements: TrackMeasurements, tempo_range: tuple[int, int] | None) -> list[SupportedTag]:
    sure = tempo_support(measurements, tempo_range)
    if sure is None:
        return []
    tag = tempo_tag(_folded(measurements, tempo_range))
    return [SupportedTag(tag=tag, support=Support.MEASURED, by="tempo", confidence=sure)]


def _folded(measurements: TrackMeasurements, tempo_range: tuple[int, int] | None) -> float:
    bpm = measurements.tempo_bpm
    return fold_tempo(bpm, tempo_range) if tempo_range else as_tagged(bpm)


def _declared_voice(vocals: bool | None) -> list[SupportedTag]:
    if vocals is not False:
        return []
    return [SupportedTag(tag=INSTRUMENTAL, support=Support.DECLARED, by="vocals", confidence=1.0)]


def _first_of_each_kind(tags: Iterable[SupportedTag], vocabulary: Vocabulary) -> list[SupportedTag]:
    by_kind: dict[TagKind, SupportedTag] = {}
    for tag in tags:
        canonical = vocabulary.canonical(tag.tag)
        by_kind.setdefault(vocabulary.kind_of(tag.tag), tag.model_copy(update={"tag": canonical}))
    return [by_kind[kind] for kind in TagKind if kind in by_kind]


def _others(tags: Iterable[SupportedTag], chosen: Sequence[SupportedTag]) -> list[SupportedTag]:
    """Each tag that was not chosen, once."""
    taken = {tag.tag for tag in chosen}
    found: dict[str, SupportedTag] = {}
    for tag in tags:
        if tag.tag not in taken:
            found.setdefault(tag.tag, tag)
    return list(found.values())

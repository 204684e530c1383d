"""Prompts: canonical tags of the vocabulary, one for each category that applies, in a fixed order, joined by ", ". Here are the
words of presets; which of them a track's prompt holds is decided in tag_choice.py.

lofi hip hop, mellow, rhodes, 82 bpm, vinyl crackle, rain, instrumental
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from lofi_pipeline.entities import StylePreset, TagKind, TrackMeasurements
from lofi_pipeline.styles.contradiction import contradicted
from lofi_pipeline.styles.errors import StyleError
from lofi_pipeline.styles.mood import moods_that_fit
from lofi_pipeline.styles.presets import preset_of
from lofi_pipeline.styles.tempo import tempo_tag
from lofi_pipeline.styles.vocabulary import Vocabulary

INSTRUMENTAL = "instrumental"
WITHOUT_WORDS = frozenset({INSTRUMENTAL, "vocal chops", "humming"})
RHYTHM_SECTION = frozenset(
    {
        "electric bass",
        "upright bass",
        "sub bass",
        "boom bap drums",
        "brushed drums",
        "drum machine",
        "soft percussion",
        "bongos",
        "shaker",
        "finger snaps",
    }
)
"""Instruments that accompany in nearly every style, and so characterise none."""


def style_words(
    styles: Sequence[StylePreset], measurements: TrackMeasurements, key: str
) -> dict[TagKind, str | None]:
    """What presets say of a track, but for its voice and tempo.

    The first style counts; the others only supply an atmosphere that it leaves open. Genre and production are the first ones of
    the style. Mood and leading instrument are drawn from its options by `key` (such as the track's sha256), so that tracks of one
    style vary and a track always gets the same; moods that fit the measured mode are preferred. A tag that a measurement surely
    contradicts is replaced by the style's next one, or left out.
    """
    first = styles[0]
    instruments = _not_contradicted(leading_instruments(first), measurements)
    return {
        TagKind.GENRE: first.base_tags[0],
        TagKind.MOOD: _draw(moods_that_fit(first.mood_options, measurements), key, TagKind.MOOD),
        TagKind.INSTRUMENTS: _draw(instruments, key, TagKind.INSTRUMENTS) if instruments else None,
        TagKind.PRODUCTION: next(iter(_not_contradicted(first.production, measurements)), None),
        TagKind.ATMOSPHERE: next(
            iter(_not_contradicted([s.atmosphere for s in styles if s.atmosphere], measurements)), None
        ),
    }


def style_prompt(preset: StylePreset, vocabulary: Vocabulary) -> str:
    """The fixed prompt of a preset, the same for every checkpoint: the first tag of each list, the middle of the tempo range."""
    low, high = preset.tempo_range
    chosen = {
        TagKind.GENRE: preset.base_tags[0],
        TagKind.MOOD: preset.mood_options[0],
        TagKind.INSTRUMENTS: leading_instruments(preset)[0],
        TagKind.TEMPO: tempo_tag((low + high) // 2),
        TagKind.PRODUCTION: preset.production[0],
        TagKind.ATMOSPHERE: preset.atmosphere,
        TagKind.VOCAL_TYPE: preset.vocal_type or INSTRUMENTAL,
    }
    return joined(chosen, vocabulary)


def leading_instruments(preset: StylePreset) -> list[str]:
    """The instruments in front of the rhythm section; all of them when there is nothing else."""
    return [name for name in preset.instruments if name not in RHYTHM_SECTION] or list(preset.instruments)


def vocal_type_of(styles: Sequence[StylePreset], vocals: bool | None) -> str | None:
    """The vocal tag: `instrumental` without a voice; None if there is a voice and no style names its kind."""
    if vocals is False:
        return INSTRUMENTAL
    voice = next(
        (style.vocal_type for style in styles if style.vocal_type not in (None, INSTRUMENTAL)),
        None,
    )
    return voice or (None if vocals else INSTRUMENTAL)


def has_words(style_ids: Sequence[str], presets: Mapping[str, StylePreset], vocals: bool | None) -> bool:
    """Whether a track needs lyrics: it was declared vocal, or its declared style sings, speaks or raps."""
    if vocals is not None:
        return vocals
    return vocal_type_of(styles_of(style_ids, presets), None) not in WITHOUT_WORDS


def _not_contradicted(tags: Sequence[str], measurements: TrackMeasurements) -> list[str]:
    return [tag for tag in tags if not contradicted(tag, measurements)]


def styles_of(style_ids: Sequence[str], presets: Mapping[str, StylePreset]) -> list[StylePreset]:
    """The presets of style ids.

    Raises:
        UnknownStyle: no such preset.
        StyleError: no style id at all.
    """
    if not style_ids:
        raise StyleError("a prompt needs at least one style id")
    return [preset_of(style_id, presets) for style_id in style_ids]


def _draw(options: Sequence[str], key: str, kind: TagKind) -> str:
    digest = hashlib.sha256(f"{kind}:{key}".encode()).digest()
    return options[int.from_bytes(digest[:8], "big") % len(options)] if key else options[0]


def joined(chosen: Mapping[TagKind, str | None], vocabulary: Vocabulary) -> str:
    """One tag of each category that has one, in the order of a prompt."""
    tags = [vocabulary.canonical(tag) for kind in TagKind if (tag := chosen.get(kind)) is not None]
    return ", ".join(dict.fromkeys(tags))

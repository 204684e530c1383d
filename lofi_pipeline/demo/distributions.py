"""Three distributions of synthetic music: random SongSpecs, and the prompts that describe them. Rendering is in synth.py.

`lofi`: 60 to 95 bpm, filtered, crackling, swung. `bright`: the opposite, 96 to 168 bpm, straight and clean. Both use the whole
vocabulary of instruments and moods, so that a word means the same sound in both. `preset`: pieces in the 38 styles, with the
prompts that the pipeline gives to tracks. Such a prompt names only one of several instruments and productions; the genre has to
stand for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.instruments import TIMBRES, VOICES, Role
from lofi_pipeline.demo.synth import KEYS, MOODS, SongSpec
from lofi_pipeline.demo.textures import TEXTURE_OF
from lofi_pipeline.entities import StylePreset, TrackMeasurements
from lofi_pipeline.styles import Vocabulary, build_prompt, load_presets, load_vocabulary

Kind = Literal["lofi", "bright", "preset"]
Rng = np.random.Generator

CHORDS = tuple(tag for tag, timbre in TIMBRES.items() if timbre.role is Role.CHORDS and tag not in VOICES)
LEADS = tuple(tag for tag, timbre in TIMBRES.items() if timbre.role is Role.LEAD and tag not in VOICES)
BASSES = tuple(tag for tag, timbre in TIMBRES.items() if timbre.role is Role.BASS)
DRUMS = tuple(tag for tag, timbre in TIMBRES.items() if timbre.role is Role.DRUMS)

LOFI_GENRES = (
    "lofi", "lofi hip hop", "chillhop", "jazzhop", "boom bap", "lofi house", "lofi r&b", "ambient lofi", "bossa lofi",
    "lofi trap", "lofi piano", "lofi guitar", "synthwave lofi", "asian lofi", "lofi soul", "lofi folk",
    "classical lofi", "lofi jazz", "sleep music", "study beats",
)  # fmt: skip
BRIGHT_GENRES = {
    "house": "four", "trance": "four", "disco": "four", "techno": "four", "electro": "backbeat", "synth pop": "backbeat",
    "funk": "backbeat", "dance pop": "four", "indie pop": "backbeat", "drum and bass": "half", "breakbeat": "boom bap",
}  # fmt: skip
LOFI_PRODUCTION = (
    "vinyl crackle", "tape hiss", "low-pass filtered", "tape wobble", "tape saturation", "dusty drums", "swung drums",
    "muted highs", "warm analog", "bit crushed", "chopped samples", "mono warmth", "spacious reverb",
    "sidechain compression", "half-time drums", "no drums", "dry close mix", "wide stereo",
)  # fmt: skip
BRIGHT_PRODUCTION = (
    "sidechain compression",
    "spacious reverb",
    "dry close mix",
    "wide stereo",
    "no drums",
    "half-time drums",
)
BRIGHT_WORDS = ("bright", "clean", "crisp", "polished")


@dataclass(frozen=True)
class Example:
    """A piece to render, and the prompt that describes it (tags joined by ", ")."""

    kind: Kind
    spec: SongSpec
    prompt: str
    style_id: str | None = None


def draw(kind: Kind, seed: int, seconds: float = 5.2) -> Example:
    """A random piece of a kind; the same seed gives the same piece and prompt."""
    if kind == "preset":
        return _preset(seed, seconds)
    rng = np.random.default_rng([seed, 1 if kind == "lofi" else 2])
    spec = _lofi(rng, seed, seconds) if kind == "lofi" else _bright(rng, seed, seconds)
    return Example(kind, spec, describe(kind, spec, rng))


def _pick(rng: Rng, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _band(rng: Rng, drums: bool) -> tuple[str, ...]:
    """One to four instruments, at least one that carries the harmony or a melody."""
    parts = []
    shape = rng.random()
    if shape < 0.75:
        parts.append(_pick(rng, CHORDS))
    if shape >= 0.75 or rng.random() < 0.45:
        parts.append(_pick(rng, LEADS))
    if rng.random() < 0.5:
        parts.append(_pick(rng, BASSES))
    if drums:
        first_three = rng.random() < 0.8
        parts.append(_pick(rng, DRUMS[:3] if first_three else DRUMS[3:]))
    return tuple(parts)


def _lofi(rng: Rng, seed: int, seconds: float) -> SongSpec:
    wanted = {_pick(rng, LOFI_PRODUCTION) for _ in range(int(rng.integers(1, 4)))}
    if rng.random() < 0.7:
        wanted.add(_pick(rng, LOFI_PRODUCTION[:5]))
    no_drums = "no drums" in wanted
    if no_drums:
        wanted -= {"swung drums", "dusty drums", "half-time drums"}
    production = tuple(tag for tag in LOFI_PRODUCTION if tag in wanted)
    vocals = _pick(rng, tuple(sorted(VOICES))) if rng.random() < 0.12 else "instrumental"
    return SongSpec(
        seed=seed,
        bpm=float(rng.integers(60, 96)),
        key=_pick(rng, KEYS),
        mode=_pick(rng, ("minor", "major")),
        seconds=seconds,
        instruments=_band(rng, drums=not no_drums and rng.random() < 0.85),
        mood=_pick(rng, tuple(MOODS)),
        production=production,
        atmosphere=_pick(rng, tuple(TEXTURE_OF)) if rng.random() < 0.45 else None,
        vocal_type=vocals,
        genre=_pick(rng, LOFI_GENRES),
        groove=_pick(rng, ("boom bap", "boom bap", "half", "backbeat")),
        swing=float(rng.uniform(0.52, 0.6)),
    )


def _bright(rng: Rng, seed: int, seconds: float) -> SongSpec:
    genre = _pick(rng, tuple(BRIGHT_GENRES))
    production = () if rng.random() < 0.6 else (_pick(rng, BRIGHT_PRODUCTION),)
    no_drums = "no drums" in production
    vocals = _pick(rng, tuple(sorted(VOICES))) if rng.random() < 0.08 else "instrumental"
    return SongSpec(
        seed=seed,
        bpm=float(rng.integers(96, 169)),
        key=_pick(rng, KEYS),
        mode=_pick(rng, ("minor", "major")),
        seconds=seconds,
        instruments=_band(rng, drums=not no_drums and rng.random() < 0.9),
        mood=_pick(rng, tuple(MOODS)),
        production=production,
        vocal_type=vocals,
        genre=genre,
        groove=BRIGHT_GENRES[genre],
    )


APART_FROM_DEMO = 10_000_000
"""Added to the seeds of preset pieces, so that none of them is a track of the demo music."""


def _preset(seed: int, seconds: float) -> Example:
    """A piece in one of the styles, with the prompt of a track with exactly its measurements."""
    presets, vocabulary = _styles()
    style_id = sorted(presets)[seed % len(presets)]
    spec = spec_of(presets[style_id], seed + APART_FROM_DEMO, seconds)
    measured = TrackMeasurements(
        tempo_bpm=spec.bpm, tempo_confidence=1, key=spec.key, mode="major" if spec.mode == "major" else "minor", key_confidence=1,
        time_signature_confidence=1, brightness_hz=0, onset_density=0, beat_confidence=1, beat_steadiness=1,
    )  # fmt: skip
    return Example(
        "preset", spec, build_prompt([style_id], measured, presets, vocabulary, key=str(seed)), style_id
    )


@cache
def _styles() -> tuple[dict[str, StylePreset], Vocabulary]:
    return load_presets(), load_vocabulary()


def describe(kind: Kind, spec: SongSpec, rng: Rng) -> str:
    """A prompt for a spec: the convention's order, complete three times out of ten, else with tags left out."""
    complete = rng.random() < 0.3
    keep = lambda share: complete or rng.random() < share  # noqa: E731 - one line, used for each category
    tags = [spec.genre] if keep(0.85) else []
    tags += [spec.mood] if keep(0.85) else []
    tags += [tag for tag in spec.instruments if keep(0.9)]
    tags += [f"{spec.bpm:.0f} bpm"] if keep(0.85) else []
    tags += [tag for tag in spec.production if keep(0.85)]
    tags += [_pick(rng, BRIGHT_WORDS)] if kind == "bright" and rng.random() < 0.4 else []
    tags += [spec.atmosphere] if spec.atmosphere and keep(0.9) else []
    if spec.vocal_type and (spec.vocal_type != "instrumental" or keep(0.7)):
        tags.append(spec.vocal_type)
    return ", ".join(tags or [spec.genre])

"""What the corpus knows of each piece, as the targets of the embedder's auxiliary questions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lofi_pipeline.demo.distributions import (
    BASSES,
    CHORDS,
    DRUMS,
    LEADS,
    LOFI_PRODUCTION,
    Example,
)
from lofi_pipeline.demo.instruments import TIMBRES, VOICES
from lofi_pipeline.demo.synth import MOODS
from lofi_pipeline.demo.textures import TEXTURE_OF
from lofi_pipeline.evaluation.embedders.nano_towers import HeadSizes

TEMPO_BINS = np.geomspace(55.0, 178.0, 49)
INSTRUMENTS = tuple(TIMBRES)
TEXTURES = ("none", *sorted(set(TEXTURE_OF.values())))
MOOD_GROUPS = tuple(dict.fromkeys(MOODS.values()))
SIZES = HeadSizes(
    len(TEMPO_BINS),
    len(INSTRUMENTS),
    len(LOFI_PRODUCTION),
    len(TEXTURES),
    len(MOOD_GROUPS),
)
ROLES = (CHORDS, LEADS, BASSES, DRUMS)


@dataclass(frozen=True)
class Labels:
    """Targets of a list of examples. Tempo and the multi-label rows are soft or 0/1 floats, the others class ids."""

    tempo: torch.Tensor
    instruments: torch.Tensor
    production: torch.Tensor
    atmosphere: torch.Tensor
    mood: torch.Tensor
    mode: torch.Tensor
    kind: torch.Tensor

    def pick(self, rows: torch.Tensor) -> Labels:
        """The labels of some rows."""
        return Labels(**{name: value[rows] for name, value in vars(self).items()})


def of(examples: list[Example]) -> Labels:
    """The targets of `examples`, row by row."""
    specs = [example.spec for example in examples]
    tempo = np.log2(TEMPO_BINS)[None] - np.log2([[spec.bpm] for spec in specs])
    soft = np.exp(-0.5 * (tempo / np.log2(1.03)) ** 2)
    tags_of = [{*spec.instruments, spec.vocal_type} for spec in specs]
    return Labels(
        tempo=torch.tensor(soft / soft.sum(1, keepdims=True)).float(),
        instruments=torch.tensor([[float(tag in tags) for tag in INSTRUMENTS] for tags in tags_of]),
        production=torch.tensor(
            [[float(tag in spec.production) for tag in LOFI_PRODUCTION] for spec in specs]
        ),
        atmosphere=torch.tensor(
            [TEXTURES.index(TEXTURE_OF[s.atmosphere] if s.atmosphere else "none") for s in specs]
        ),
        mood=torch.tensor([MOOD_GROUPS.index(MOODS[spec.mood]) for spec in specs]),
        mode=torch.tensor([int(spec.mode == "major") for spec in specs]),
        kind=torch.tensor([int(example.kind != "bright") for example in examples]),
    )


def with_wrong_tag(prompt: str, rng: np.random.Generator) -> str:
    """The prompt with one tag exchanged for another of its kind: a prompt that does not fit the audio."""
    tags = prompt.split(", ")
    order = rng.permutation(len(tags))
    for index in order:
        other = other_tag(tags[index], rng)
        if other is not None:
            return ", ".join([*tags[:index], other, *tags[index + 1 :]])
    return f"{prompt}, {CHORDS[int(rng.integers(len(CHORDS)))]}"


def other_tag(tag: str, rng: np.random.Generator) -> str | None:
    """Another tag of the same kind, drawn with `rng`; None for a tag of no kind that is known."""
    if tag.endswith(" bpm"):
        bpm = float(tag.removesuffix(" bpm"))
        far = [value for value in range(60, 169) if abs(np.log2(value / bpm)) > 0.16]
        return f"{far[int(rng.integers(len(far)))]} bpm"
    for role in ROLES:
        if tag in role:
            rest = [other for other in role if other != tag]
            return rest[int(rng.integers(len(rest)))]
    if tag in MOODS:
        rest = [other for other, mood in MOODS.items() if mood != MOODS[tag]]
        return rest[int(rng.integers(len(rest)))]
    if tag in LOFI_PRODUCTION:
        rest = [other for other in LOFI_PRODUCTION if other != tag]
        return rest[int(rng.integers(len(rest)))]
    if tag in TEXTURE_OF:
        rest = [other for other, texture in TEXTURE_OF.items() if texture != TEXTURE_OF[tag]]
        return rest[int(rng.integers(len(rest)))]
    if tag in VOICES:
        rest = [other for other in sorted(VOICES) if other != tag]
        return rest[int(rng.integers(len(rest)))]
    return None

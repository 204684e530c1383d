"""Zero-shot tagging: the texts that a text-audio model compares a track with, and the interpretation of its cosines.

The model itself is opened in ingest/zero_shot.py. Cosines of different models have different means and spreads, so a preset is
judged by its distance from the mean of all presets, in standard deviations.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np

from lofi_pipeline.entities import StylePreset, TagKind
from lofi_pipeline.styles.prompt import INSTRUMENTAL, joined, leading_instruments
from lofi_pipeline.styles.tempo import tempo_tag
from lofi_pipeline.styles.vocabulary import Vocabulary


def style_texts(preset: StylePreset, vocabulary: Vocabulary) -> list[str]:
    """Prompts of a preset in the usual order of tags: each mood with each leading instrument, at both ends of the tempo range."""
    return [
        joined(
            {
                TagKind.GENRE: preset.base_tags[0],
                TagKind.MOOD: mood,
                TagKind.INSTRUMENTS: instrument,
                TagKind.TEMPO: tempo_tag(bpm),
                TagKind.PRODUCTION: preset.production[0],
                TagKind.ATMOSPHERE: preset.atmosphere,
                TagKind.VOCAL_TYPE: preset.vocal_type or INSTRUMENTAL,
            },
            vocabulary,
        )
        for mood, instrument, bpm in product(
            preset.mood_options, leading_instruments(preset), preset.tempo_range
        )
    ]


def direction(vectors: np.ndarray) -> np.ndarray:
    """The normalised mean of unit vectors: float32 [dimension] of float32 [n, dimension]."""
    middle = vectors.mean(axis=0)
    return middle / max(float(np.linalg.norm(middle)), 1e-9)


def standouts(cosines: Mapping[str, float]) -> dict[str, float]:
    """By how many standard deviations each style's cosine exceeds the mean of all; 0 where all are equal."""
    values = np.array(list(cosines.values()))
    spread = float(values.std())
    if spread < 1e-6:
        return dict.fromkeys(cosines, 0.0)
    return {style_id: float((cosine - values.mean()) / spread) for style_id, cosine in cosines.items()}

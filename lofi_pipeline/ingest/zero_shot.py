"""The tagger: a text-audio model that compares a track without a declared style with the descriptions of the presets.

It is CLAP where its weights are installed, or nano if the configuration says so. Each worker loads the model once, for the
first such track; the embeddings of the descriptions are cached. nano is not the default: it adds little to the measurements
(docs/analysis.md), and torch would double a worker's memory. How the suggestion is made of all this is in styles/.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from lofi_pipeline import audio, styles
from lofi_pipeline.config import EvaluationSettings, PipelineConfig
from lofi_pipeline.entities import StylePreset
from lofi_pipeline.evaluation import Embedder, cut_windows, missing_weights, open_embedder, weights_sha256
from lofi_pipeline.evaluation.vectors import read_vectors, write_vectors
from lofi_pipeline.storage import DataRoot, content_sha256

MOST_WINDOWS = 12
"""Spread over the track: a minute of audio is enough to suggest a style."""


def tagger_of(config: PipelineConfig) -> EvaluationSettings | None:
    """The settings that the tagger is opened with; None where it is off or its weights are missing."""
    if config.tagging.zero_shot == "off":
        return None
    # Any weights will do: a suggestion is no score, and its record holds their hash
    changed = {"embedder": config.tagging.zero_shot, "allow_unknown_weights": True}
    tagger = config.evaluation.model_copy(update=changed)
    return None if missing_weights(tagger) else tagger


def tagger_sha256(config: PipelineConfig) -> str | None:
    """The hash of the tagger's weights; None where there is no tagger. Nothing is loaded."""
    tagger = tagger_of(config)
    return weights_sha256(tagger) if tagger else None


def zero_shot_styles(
    root: DataRoot,
    path: Path,
    config: PipelineConfig,
    presets: Mapping[str, StylePreset],
    vocabulary: styles.Vocabulary,
) -> dict[str, float] | None:
    """By preset, how much better it fits an audio file than presets usually do (`styles.standouts`).

    None where there is no tagger, or the file is shorter than one of its windows.

    Raises:
        BadWeights: the weights are damaged.
    """
    tagger = tagger_of(config)
    if tagger is None:
        return None
    embedder = _opened(tagger.model_dump_json(), weights_sha256(tagger))
    samples = audio.read(path, max_seconds=config.audio.max_input_seconds).samples
    windows = cut_windows(samples, audio.SAMPLE_RATE, embedder, embedder.window_seconds)
    if not len(windows):
        return None
    spread = np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS)).round().astype(int)
    position = styles.direction(embedder.embed_audio(windows[spread]))
    directions = _directions(root, embedder, presets, vocabulary)
    return styles.standouts(dict(zip(presets, (directions @ position).tolist(), strict=True)))


@cache
def _opened(tagger: str, _weights: str) -> Embedder:
    """The model of some settings (JSON); loaded again when the weights have changed."""
    return open_embedder(EvaluationSettings.model_validate_json(tagger))


def _directions(
    root: DataRoot, embedder: Embedder, presets: Mapping[str, StylePreset], vocabulary: styles.Vocabulary
) -> np.ndarray:
    """The direction of each preset in the model's space, float32 [presets, dimension]: embedded once, cached by content."""
    texts = [styles.style_texts(preset, vocabulary) for preset in presets.values()]
    key = content_sha256([embedder.name, embedder.weights_sha256, texts])
    path = root.cache / "style_texts" / f"{key}.npy"
    found = read_vectors(path, embedder.dimension)
    if found is not None and len(found) == len(texts):
        return found
    rows = [embedder.embed_text(each) for each in texts]
    made = np.stack([styles.direction(np.asarray(row)) for row in rows]).astype(np.float32)
    write_vectors(path, made)
    return made

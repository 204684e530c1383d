"""What a text-audio model hears in a track that nobody declared a style for: CLAP where its weights are, or nano if asked to.

The model is loaded once in a worker, by the first such track; what the presets say of themselves is embedded once and kept.
nano is not the default: it adds little to the measurements (docs/analysis.md), and torch would double a worker's memory.
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
"""Spread over the track: a minute of audio says what a style needs."""


def tagger_of(config: PipelineConfig) -> EvaluationSettings | None:
    """The settings that the listening model is opened with; None where the configuration or the weights want none."""
    if config.tagging.zero_shot == "off":
        return None
    tagger = config.evaluation.model_copy(update={"embedder": config.tagging.zero_shot})
    return None if missing_weights(tagger) else tagger


def ear_sha256(config: PipelineConfig) -> str | None:
    """A hash of the model that would listen; None where none does. Nothing is loaded."""
    tagger = tagger_of(config)
    return weights_sha256(tagger) if tagger else None


def zero_shot_styles(
    root: DataRoot,
    path: Path,
    config: PipelineConfig,
    presets: Mapping[str, StylePreset],
    vocabulary: styles.Vocabulary,
) -> dict[str, float] | None:
    """How far each preset stands out in what the model hears in an audio file; None where no model listens, or the file
    is shorter than one of its windows.

    Raises:
        BadWeights: the weights that lie there are damaged.
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
    place = styles.direction(embedder.embed_audio(windows[spread]))
    directions = _directions(root, embedder, presets, vocabulary)
    return styles.standouts(dict(zip(presets, (directions @ place).tolist(), strict=True)))


@cache
def _opened(tagger: str, _weights: str) -> Embedder:
    """The model of settings as JSON; loaded again when other weights lie there."""
    return open_embedder(EvaluationSettings.model_validate_json(tagger))


def _directions(
    root: DataRoot, embedder: Embedder, presets: Mapping[str, StylePreset], vocabulary: styles.Vocabulary
) -> np.ndarray:
    """Where each preset lies in the model's space, float32 [presets, dimension]: embedded once, kept by content."""
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

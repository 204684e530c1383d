"""The shipped embedder through the doors that evaluation uses."""

from __future__ import annotations

import numpy as np
import pytest

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation import (
    Embedder,
    WeightsMissing,
    missing_weights,
    open_embedder,
    open_text_embedder,
)
from lofi_pipeline.evaluation.embedders import files
from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder
from lofi_pipeline_tests.evaluation.toys import BandEmbedder


@pytest.fixture(scope="module")
def nano() -> Embedder:
    return open_embedder(EvaluationSettings())


def test_nano_is_there_without_anything_to_fetch(nano: Embedder) -> None:
    assert missing_weights(EvaluationSettings()) == []
    assert (nano.name, len(nano.weights_sha256)) == ("nano", 64)
    assert nano.window_seconds <= EvaluationSettings().clip_seconds


def test_audio_and_text_share_a_space(nano: Embedder) -> None:
    frames = round(nano.window_seconds * nano.sample_rate)
    windows = np.random.default_rng(0).normal(0, 0.1, (3, frames)).astype(np.float32)
    audio, text = nano.embed_audio(windows), nano.embed_text(["lofi hip hop, mellow, rhodes", "rain"])
    assert audio.shape == (3, nano.dimension)
    assert text is not None
    assert text.shape == (2, nano.dimension)
    assert np.isfinite(audio).all()
    assert np.isfinite(nano.embed_audio(np.zeros_like(windows))).all(), "silence has a place too"


def test_prompts_are_judged_by_nano_where_an_embedder_knows_no_text(nano: Embedder) -> None:
    assert open_text_embedder(nano) is nano
    assert open_text_embedder(BandEmbedder(texts=False)).name == "nano"


def test_missing_files_of_nano_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(files, "NANO_FOLDER", tmp_path)
    assert [file.path.name for file in missing_weights(EvaluationSettings())] == list(files.NANO_FILES)
    with pytest.raises(WeightsMissing, match=r"model\.safetensors"):
        open_embedder(EvaluationSettings())


def test_files_are_looked_for_where_nano_reads_them() -> None:
    assert missing_weights(EvaluationSettings()) == []
    assert NanoEmbedder.load().weights_sha256 == NanoEmbedder.load(files.NANO_FOLDER).weights_sha256

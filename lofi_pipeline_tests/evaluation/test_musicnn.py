"""musicnn says what the package says, and is an embedder like the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation import (
    BadWeights,
    Embedder,
    WeightsMissing,
    missing_weights,
    open_embedder,
    open_text_embedder,
)
from lofi_pipeline.evaluation.embedders import files
from lofi_pipeline.evaluation.embedders.musicnn import LOUDNESS, PATCH_FRAMES, MusicnnEmbedder
from lofi_pipeline.evaluation.embedders.musicnn_network import SAMPLE_RATE, Musicnn, log_mel

SETTINGS = EvaluationSettings(embedder="musicnn")
ORIGINAL = json.loads((Path(__file__).parent / "musicnn_outputs.json").read_text())


def _clip(rms: float, seconds: float = 3.0) -> np.ndarray:
    """Chords and ticks that no random numbers decide."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * hertz * times) for hertz in (110.0, 220.0, 277.2, 329.6))
    ticks = np.sin(2 * np.pi * (3000 * times + 1500 * times**2)) * np.exp(-40 * (times % 0.25))
    both = chord * np.exp(-4 * (times % 0.5)) + ticks
    return (both * (rms / np.sqrt(np.mean(both**2)))).astype(np.float32)


@pytest.fixture(scope="module")
def musicnn() -> Embedder:
    torch.set_num_threads(1)
    return open_embedder(SETTINGS)


@pytest.mark.parametrize("file", files.MUSICNN_FILES)
@pytest.mark.parametrize(("name", "rms", "off"), [("loud", 0.1, 2e-5), ("quiet", 0.002, 6e-4)])
def test_features_and_tags_are_those_of_the_package(file: str, name: str, rms: float, off: float) -> None:
    """`quiet` as the package is, which rounds to half precision; `loud` without that."""
    expected = ORIGINAL[file.removesuffix(".safetensors")][name]
    network = Musicnn().eval()
    network.load_state_dict(load_file(files.MUSICNN_FOLDER / file))
    with torch.no_grad():
        spectrogram = log_mel(torch.from_numpy(_clip(rms))[None])[:, :PATCH_FRAMES]
        features, logits = network(spectrogram)
    np.testing.assert_allclose(features[0], expected["features"], atol=off, rtol=0)
    np.testing.assert_allclose(torch.sigmoid(logits)[0], expected["tags"], atol=off / 2, rtol=0)


def test_the_embedder_gives_the_features_of_both(musicnn: Embedder) -> None:
    found = musicnn.embed_audio(_clip(LOUDNESS)[None])
    assert found.shape == (1, musicnn.dimension) and found.dtype == np.float32
    expected = [
        ORIGINAL[file.removesuffix(".safetensors")]["loud"]["features"] for file in files.MUSICNN_FILES
    ]
    np.testing.assert_allclose(found[0], np.concatenate(expected), atol=1e-4)


def test_loudness_does_not_matter_and_silence_has_a_place(musicnn: Embedder) -> None:
    found = musicnn.embed_audio(np.stack([_clip(0.1), _clip(0.003), np.zeros(48_000, np.float32)]))
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert np.isfinite(found).all()


def test_a_window_is_embedded_the_same_in_any_company(musicnn: Embedder) -> None:
    windows = np.stack([_clip(0.1, 1.0) * sign for sign in np.linspace(0.5, 1, 9)]).astype(np.float32)
    found = musicnn.embed_audio(windows)
    assert found.shape == (9, 400), "a clip shorter than a patch is one patch"
    np.testing.assert_allclose(found[8:], musicnn.embed_audio(windows[8:]), atol=1e-4)
    assert musicnn.embed_audio(windows[:0]).shape == (0, 400)


def test_a_long_window_is_the_mean_of_the_patches_that_fit(musicnn: Embedder) -> None:
    one, other = _clip(0.1), _clip(0.1)[::-1]
    parts = musicnn.embed_audio(np.stack([one, other]))
    (both,) = musicnn.embed_audio(np.concatenate([one, other])[None])
    np.testing.assert_allclose(both, parts.mean(axis=0), atol=1e-3)


def test_it_comes_with_the_project_and_leaves_prompts_to_nano(
    musicnn: Embedder, tmp_path, monkeypatch
) -> None:
    assert missing_weights(SETTINGS) == []
    assert (musicnn.name, len(musicnn.weights_sha256)) == ("musicnn", 64)
    assert open_text_embedder(musicnn).name == "nano"
    assert "Universitat Pompeu Fabra" in (files.MUSICNN_FOLDER / "LICENSE.md").read_text()
    monkeypatch.setattr(files, "MUSICNN_FOLDER", tmp_path)
    with pytest.raises(WeightsMissing, match=r"musicnn\.safetensors"):
        open_embedder(SETTINGS)


def test_shipped_weights_that_are_not_finite_are_refused(tmp_path) -> None:
    for file in files.MUSICNN_FILES:
        shutil.copy(files.MUSICNN_FOLDER / file, tmp_path)
    assert MusicnnEmbedder.load(tmp_path).weights_sha256 == MusicnnEmbedder.load().weights_sha256
    broken = tmp_path / files.MUSICNN_FILES[1]
    weights = load_file(broken)
    weights["tags.bias"][3] = float("nan")
    save_file(weights, broken)
    with pytest.raises(BadWeights, match=r"MSD_musicnn.*tags\.bias holds NaN"):
        MusicnnEmbedder.load(tmp_path)

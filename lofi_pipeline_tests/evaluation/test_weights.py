"""Embedders whose weights the user brings: what is missing is named, what is broken or dangerous is refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation import (
    BadWeights,
    WeightsMissing,
    chosen,
    missing_weights,
    open_embedder,
    score_key,
)
from lofi_pipeline.evaluation.embedders import files
from lofi_pipeline.evaluation.embedders.files import (
    PANN_FILE,
    VGGISH_REPOSITORY,
    files_sha256,
    weights_folder,
)
from lofi_pipeline_tests.evaluation.toys import BandEmbedder

VGGISH_CODE = '''
"""A stand-in for the torchvggish repository: the same entry point, names and call, a far smaller network."""
import torch
from torch import hub, nn

URLS = {
    "vggish": "https://example.invalid/vggish-10086976.pth",
    "pca": "https://example.invalid/vggish_pca_params-970ea276.pth",
}


class VGGish(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.Sequential(nn.Linear(160, 128), nn.ReLU(True))
        self.load_state_dict(hub.load_state_dict_from_url(URLS["vggish"], progress=False))
        self.pca = hub.load_state_dict_from_url(URLS["pca"], progress=False)
        self.preprocess = self.postprocess = True
        self.asked = []

    def _preprocess(self, x, fs):
        assert fs == 16_000
        count = (len(x) - 240) // (96 * 160)
        return torch.as_tensor(x[: count * 96 * 160]).float().reshape(count, 1, 96, 160)

    def forward(self, x, fs=None):
        assert not self.postprocess
        examples = self._preprocess(x, fs) if self.preprocess else x
        self.asked.append(len(examples))
        return self.embeddings(examples.mean(2).flatten(1))


def vggish(**kwargs):
    return VGGish()
'''


def _settings(folder: Path, embedder: str) -> EvaluationSettings:
    return EvaluationSettings.model_validate(
        {"embedder": embedder, "weights_dir": str(folder), "allow_unknown_weights": True}
    )


def _vggish_folder(folder: Path) -> Path:
    (folder / VGGISH_REPOSITORY).mkdir(parents=True)
    (folder / VGGISH_REPOSITORY / "hubconf.py").write_text("dependencies = ['torch']\n" + VGGISH_CODE)
    (folder / "checkpoints").mkdir()
    weights = torch.nn.Linear(160, 128).state_dict()
    torch.save(
        {f"embeddings.0.{name}": value for name, value in weights.items()},
        folder / "checkpoints" / "vggish-10086976.pth",
    )
    torch.save({"pca_means": np.zeros(128)}, folder / "checkpoints" / "vggish_pca_params-970ea276.pth")
    return folder


class Trap:
    """An object that leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    ("embedder", "files"),
    [
        ("pann", [PANN_FILE]),
        (
            "vggish",
            [
                f"{VGGISH_REPOSITORY}/hubconf.py",
                "checkpoints/vggish-10086976.pth",
                "checkpoints/vggish_pca_params-970ea276.pth",
            ],
        ),
        (
            "clap",
            ["music_audioset_epoch_15_esc_90.14.pt", "roberta-base/vocab.json", "roberta-base/merges.txt"],
        ),
    ],
)
def test_every_missing_file_is_named_with_its_place(tmp_path, embedder: str, files: list[str]) -> None:
    settings = _settings(tmp_path, embedder)
    assert [missing.path for missing in missing_weights(settings)] == [tmp_path / name for name in files]
    with pytest.raises(WeightsMissing) as refusal:
        open_embedder(settings)
    assert all(str(tmp_path / name) in str(refusal.value) for name in files)
    assert "evaluation.embedder to nano" in str(refusal.value)


def test_either_clap_checkpoint_will_do(tmp_path) -> None:
    (tmp_path / "630k-audioset-best.pt").write_bytes(b"x")
    missing = missing_weights(_settings(tmp_path, "clap"))
    assert {file.path.parent.name for file in missing} == {"roberta-base"}


def test_the_folder_is_relative_to_the_project_and_has_a_default(tmp_path) -> None:
    assert weights_folder(EvaluationSettings()).name == "weights"
    assert weights_folder(_settings(tmp_path, "pann")) == tmp_path


def test_vggish_is_loaded_from_the_folder_alone(tmp_path) -> None:
    hub_before = torch.hub.get_dir()
    embedder = open_embedder(_settings(_vggish_folder(tmp_path), "vggish"))
    windows = np.random.default_rng(0).normal(0, 0.1, (3, round(0.975 * 16_000))).astype(np.float32)
    rows = embedder.embed_audio(windows)
    assert rows.shape == (3, 128) and rows.dtype == np.float32
    assert (rows < 0).any(), "the last activation is left out, as in the papers' FAD"
    np.testing.assert_allclose(rows[1:2], embedder.embed_audio(windows[1:2]), rtol=1e-4, atol=1e-6)
    assert embedder.embed_audio(windows[:0]).shape == (0, 128)
    assert embedder.embed_text(["lofi"]) is None
    asked: list[int] = embedder._model.asked  # pyright: ignore[reportAttributeAccessIssue]
    assert asked == [3, 1], "all windows at once"
    assert torch.hub.get_dir() == hub_before
    with pytest.raises(ValueError, match="not one VGGish example"):
        embedder.embed_audio(np.zeros((1, 32_000), np.float32))


def test_pann_is_loaded_from_the_folder_alone(tmp_path) -> None:
    from lofi_pipeline.evaluation.embedders.offline import frechet_audio_distance

    package = frechet_audio_distance()
    from frechet_audio_distance.models.pann import Cnn14

    assert package.FrechetAudioDistance
    shapes = Cnn14(
        sample_rate=32_000, window_size=1024, hop_size=320, mel_bins=64, fmin=50, fmax=16_000, classes_num=527
    ).state_dict()
    # One row of numbers for each tensor, repeated: a few kB instead of 327 MB, loaded the same way.
    weights = {
        name: (0.05 * torch.randn(value.shape[-1:])).expand(value.shape)
        if value.is_floating_point()
        else value
        for name, value in shapes.items()
    }
    for name, value in shapes.items():
        if "running_var" in name or "extractor" in name:
            weights[name] = value
    torch.save({"iteration": np.float64(7), "model": weights}, tmp_path / PANN_FILE)
    embedder = open_embedder(_settings(tmp_path, "pann"))
    windows = np.random.default_rng(0).normal(0, 0.1, (9, 32_000)).astype(np.float32)
    rows = embedder.embed_audio(windows)
    assert rows.shape == (9, 2048) and np.isfinite(rows).all()
    np.testing.assert_allclose(rows[8:], embedder.embed_audio(windows[8:]), rtol=1e-4, atol=1e-6)
    assert embedder.embed_text(["lofi"]) is None
    assert (tmp_path / PANN_FILE).stat().st_size < 5e6
    assert embedder.weights_sha256 == files_sha256([tmp_path / PANN_FILE])


def test_the_hash_follows_the_weights(tmp_path) -> None:
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        path.write_bytes(b"weights")
    before = files_sha256(paths)
    paths[1].write_bytes(b"weightz")
    assert files_sha256(paths) != before


@pytest.mark.parametrize(
    "name", ["checkpoints/vggish-10086976.pth", "checkpoints/vggish_pca_params-970ea276.pth"]
)
def test_weights_that_would_run_code_are_refused(tmp_path, name: str) -> None:
    folder, mark = _vggish_folder(tmp_path), tmp_path / "ran"
    torch.save({"weights": Trap(mark)}, folder / name)
    with pytest.raises(BadWeights, match="plain weights"):
        open_embedder(_settings(folder, "vggish"))
    assert not mark.exists()


def test_pann_weights_that_would_run_code_are_refused(tmp_path) -> None:
    mark = tmp_path / "ran"
    torch.save({"model": Trap(mark)}, tmp_path / PANN_FILE)
    with pytest.raises(BadWeights, match="plain weights"):
        open_embedder(_settings(tmp_path, "pann"))
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"<html>not found</html>"])
def test_damaged_weights_are_refused_by_name(tmp_path, content: bytes) -> None:
    (tmp_path / PANN_FILE).write_bytes(content)
    with pytest.raises(BadWeights, match="Cnn14"):
        open_embedder(_settings(tmp_path, "pann"))


def test_weights_of_another_model_are_refused(tmp_path) -> None:
    torch.save({"model": {"a": torch.zeros(3)}}, tmp_path / PANN_FILE)
    with pytest.raises(BadWeights, match="not those of pann"):
        open_embedder(_settings(tmp_path, "pann"))
    torch.save([1, 2], tmp_path / PANN_FILE)
    with pytest.raises(BadWeights, match="holds a list"):
        open_embedder(_settings(tmp_path, "pann"))


def test_weights_that_are_not_the_published_ones_are_refused_and_named_in_the_score(
    tmp_path, monkeypatch, rooted
) -> None:
    root, version = rooted
    (tmp_path / PANN_FILE).write_bytes(b"mine")
    allowed = _settings(tmp_path, "pann")
    strict = allowed.model_copy(update={"allow_unknown_weights": False})
    digest = hashlib.sha256(b"mine").hexdigest()
    with pytest.raises(BadWeights, match=f"{digest}.*allow_unknown_weights"):
        open_embedder(strict)
    assert score_key(root, version, BandEmbedder(), allowed).versions["unknown weights"] == PANN_FILE
    monkeypatch.setitem(files.KNOWN_SHA256, PANN_FILE, digest)
    with pytest.raises(BadWeights, match="cannot be read as plain weights"):
        open_embedder(strict)
    assert "unknown weights" not in score_key(root, version, BandEmbedder(), strict).versions


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value: float) -> None:
    torch.save({"model": {"a": torch.tensor([1.0, value])}}, tmp_path / PANN_FILE)
    with pytest.raises(BadWeights, match="a holds NaN or infinity"):
        open_embedder(_settings(tmp_path, "pann"))


def test_auto_takes_what_suits_the_base_and_clap_only_with_the_published_weights(
    tmp_path, monkeypatch
) -> None:
    settings = _settings(tmp_path, "auto")
    assert chosen(settings, "nano").embedder == "nano"
    assert chosen(settings, "/models/ace").embedder == "musicnn"
    (tmp_path / "roberta-base").mkdir()
    for name in (
        "music_audioset_epoch_15_esc_90.14.pt",
        "roberta-base/vocab.json",
        "roberta-base/merges.txt",
    ):
        (tmp_path / name).write_bytes(name.encode())
    assert chosen(settings, "/models/ace").embedder == "musicnn"
    for path in tmp_path.rglob("*.*"):
        monkeypatch.setitem(files.KNOWN_SHA256, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    assert chosen(settings, "/models/ace").embedder == "clap"
    assert chosen(_settings(tmp_path, "pann"), "nano").embedder == "pann", "what is asked for by name"


def test_a_cut_off_tokenizer_is_refused(tmp_path) -> None:
    """transformers makes a tokenizer of a few tokens of it, and says nothing."""
    torch.save({"state_dict": {}}, tmp_path / "630k-audioset-best.pt")
    (tmp_path / "roberta-base").mkdir()
    (tmp_path / "roberta-base" / "vocab.json").write_text(
        '{"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4}'
    )
    (tmp_path / "roberta-base" / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(BadWeights, match="roberta-base has 50265"):
        open_embedder(_settings(tmp_path, "clap"))

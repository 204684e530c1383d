"""MuQ: through its package's own classes, from files that lie there; here with random weights of a small configuration."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation import open_embedder
from lofi_pipeline.evaluation.embedders.files import MUQ_FILES
from lofi_pipeline.evaluation.errors import BadEmbedder, BadWeights, WeightsMissing
from lofi_pipeline.storage import file_sha256

MEL = {"melspec_2048_cnt": 1, "melspec_2048_mean": 6.8, "melspec_2048_std": 18.4}
ENCODER = {
    "hidden_act": "swish",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "position_embeddings_type": "rotary",
    "num_conv_pos_embeddings": 16,
}
CONFIGURATION: dict[str, Any] = {
    "codebook_size": 64,
    "conv_dim": 8,
    "encoder_dim": 32,
    "encoder_depth": 2,
    "stat": MEL,
    "w2v2_config": ENCODER,
    "rvq_ckpt_path": "/somewhere/rvq.pt",
}


def settings(folder: Path, **others: object) -> EvaluationSettings:
    return EvaluationSettings.model_validate(
        {"embedder": "muq", "weights_dir": str(folder), "allow_unknown_weights": True} | others
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Random ones, in the names that transformers 4 gave them."""
    muq = pytest.importorskip("muq")
    import torch
    from safetensors.torch import save_file

    from lofi_pipeline.evaluation.embedders.muq import _complete

    torch.manual_seed(0)
    model = muq.MuQ(CONFIGURATION | {"w2v2_config": _complete(ENCODER)})
    former = {
        "parametrizations.weight.original0": "weight_g",
        "parametrizations.weight.original1": "weight_v",
    }
    tensors = {}
    for name, tensor in model.state_dict().items():
        for now, then in former.items():
            name = name.replace(now, then)
        tensors[name] = tensor.contiguous()
    configuration, file = (tmp_path / name for name in MUQ_FILES)
    file.parent.mkdir()
    configuration.write_text(json.dumps(CONFIGURATION))
    save_file(tensors, file)
    return tmp_path


def windows(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (count, 240_000)).astype(np.float32)


def test_it_is_opened_from_the_folder_alone_and_tells_windows_apart(weights: Path) -> None:
    embedder = open_embedder(settings(weights))
    found = embedder.embed_audio(windows(9))
    assert found.shape == (9, 32) == (9, embedder.dimension) and np.isfinite(found).all()
    assert not np.allclose(found[0], found[1])
    assert np.allclose(embedder.embed_audio(windows(9)[8:]), found[8:], atol=1e-5)
    assert embedder.embed_audio(windows(0)).shape == (0, 32)
    assert embedder.embed_text(["lofi"]) is None and len(embedder.weights_sha256) == 64


def test_weights_that_nobody_knows_are_asked_for_and_damaged_ones_are_named(weights: Path) -> None:
    file = weights / MUQ_FILES[1]
    with pytest.raises(BadWeights, match=f"not the published weights of muq.*{file_sha256(file)}"):
        open_embedder(settings(weights, allow_unknown_weights=False))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(BadWeights, match=r"model\.safetensors: is damaged, or of another model"):
        open_embedder(settings(weights))


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsMissing, match="MuQ-large-msd-iter/config.json"):
        open_embedder(settings(tmp_path))
    for name in MUQ_FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    real = builtins.__import__

    def without_muq(name: str, *arguments: Any, **others: Any) -> Any:
        if name == "muq":
            raise ModuleNotFoundError("No module named 'muq'")
        return real(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without_muq)
    with pytest.raises(BadEmbedder, match=r"pip install 'lofi-pipeline\[muq\]'"):
        open_embedder(settings(tmp_path))

"""CLAP with random weights of its true size: 635 MB on disk and some 4 GB of memory, so only with `make test-slow`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation import BadWeights, Embedder, open_embedder
from lofi_pipeline.evaluation.embedders.clap import ROBERTA_TOKENS, _open_tokenizer
from lofi_pipeline.evaluation.embedders.offline import hub_answers, laion_clap
from lofi_pipeline.storage import DataRoot

pytestmark = pytest.mark.slow


def _write_tokenizer(folder: Path) -> None:
    """RoBERTa's special tokens, the 256 bytes, and fillers up to its size."""
    from tokenizers import pre_tokenizers

    tokens = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += [f"<filler{number}>" for number in range(ROBERTA_TOKENS - 1 - len(tokens))] + ["<mask>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    from transformers import RobertaConfig, RobertaModel

    root = tmp_path_factory.mktemp("clap")
    _write_tokenizer(root / "roberta-base")
    tokenizer = _open_tokenizer(root / "roberta-base" / "vocab.json", root / "roberta-base" / "merges.txt")
    config = RobertaConfig(
        vocab_size=ROBERTA_TOKENS, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1
    )
    package = laion_clap()
    torch.manual_seed(0)
    with hub_answers(tokenizer=tokenizer, text_model=lambda *args, **kwargs: RobertaModel(config)):
        model = package.CLAP_Module(enable_fusion=False, amodel="HTSAT-tiny", device="cpu").model
    weights = {f"module.{name}": value for name, value in model.state_dict().items()}
    weights["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save({"epoch": np.int64(3), "state_dict": weights}, root / "630k-audioset-best.pt")
    return root


def _settings(folder: Path) -> EvaluationSettings:
    return EvaluationSettings(embedder="clap", weights_dir=str(folder), allow_unknown_weights=True)


@pytest.fixture(scope="module")
def clap(folder) -> Embedder:
    return open_embedder(_settings(folder))


def test_audio_and_text_share_a_space(clap) -> None:
    windows = np.random.default_rng(0).normal(0, 0.1, (2, 480_000)).astype(np.float32)
    audio = clap.embed_audio(windows)
    text = clap.embed_text(["lofi hip hop", "sad piano", "rain"])
    assert audio.shape == (2, 512) and text is not None and text.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(audio, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(audio, clap.embed_audio(windows))
    np.testing.assert_allclose(text[:1], clap.embed_text(["lofi hip hop"]), atol=1e-6)


def test_longer_windows_are_refused_not_cropped_at_random(clap) -> None:
    with pytest.raises(ValueError, match="10 s"):
        clap.embed_audio(np.zeros((1, 480_001), np.float32))


def test_a_checkpoint_of_another_model_is_refused(clap, folder, tmp_path) -> None:
    (tmp_path / "roberta-base").symlink_to(folder / "roberta-base")
    torch.save({"state_dict": {"module.x": torch.zeros(2)}}, tmp_path / "630k-audioset-best.pt")
    with pytest.raises(BadWeights, match="not a checkpoint of this CLAP"):
        open_embedder(_settings(tmp_path))


def test_styles_are_told_by_it_where_its_weights_are(folder, tmp_path) -> None:
    from lofi_pipeline import styles
    from lofi_pipeline.ingest import tagger_of, zero_shot_styles
    from lofi_pipeline_tests.drops import settings, song

    config = settings(evaluation={"weights_dir": str(folder)})
    tagger = tagger_of(config)
    assert tagger is not None and tagger.embedder == "clap"
    presets = {style_id: styles.load_presets()[style_id] for style_id in ("CORE-01", "INST-01", "VOCAL-01")}
    heard = zero_shot_styles(DataRoot(tmp_path), song(0), config, presets, styles.load_vocabulary())
    assert heard is not None and set(heard) == set(presets)
    assert all(np.isfinite(value) for value in heard.values()) and len(set(heard.values())) == 3

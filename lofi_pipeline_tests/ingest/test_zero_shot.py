"""Who listens where nobody declared a style: CLAP where its weights are, or nano; loaded once, and only when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline import styles
from lofi_pipeline.config import PipelineConfig, load_config
from lofi_pipeline.evaluation import Embedder, open_embedder
from lofi_pipeline.ingest import load_record, pending_tracks, tagger_of, zero_shot, zero_shot_styles
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, settings, song, work
from lofi_pipeline_tests.evaluation.toys import BandEmbedder

CLAP_FILES = ("630k-audioset-best.pt", "roberta-base/vocab.json", "roberta-base/merges.txt")


def with_clap_at(folder: Path, *, zero_shot: str = "clap") -> PipelineConfig:
    """The configuration with files where CLAP's weights belong."""
    for name in CLAP_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return settings(evaluation={"weights_dir": str(folder)}, tagging={"zero_shot": zero_shot})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the models that were opened during the test."""
    names: list[str] = []

    def opening(tagger) -> Embedder:
        names.append(tagger.embedder)
        return open_embedder(tagger) if tagger.embedder == "nano" else BandEmbedder()

    zero_shot._opened.cache_clear()
    monkeypatch.setattr(zero_shot, "open_embedder", opening)
    yield names
    zero_shot._opened.cache_clear()


def undeclared(root: DataRoot, count: int) -> None:
    make_drop(root, "drop", {f"{number}.wav": song(number) for number in range(count)}, facts(defaults={}))


def test_who_listens_follows_from_configuration_and_weights(tmp_path: Path) -> None:
    without = settings(evaluation={"weights_dir": str(tmp_path / "none")})
    assert tagger_of(without) is None and load_config().tagging.zero_shot == "clap"
    for name in ("clap", "nano"):
        tagger = tagger_of(with_clap_at(tmp_path, zero_shot=name))
        assert tagger is not None and tagger.embedder == name
    assert tagger_of(with_clap_at(tmp_path, zero_shot="off")) is None


def test_a_model_listens_once_loaded_to_tracks_without_declared_style(
    root: DataRoot, opened: list[str]
) -> None:
    undeclared(root, 2)
    config = settings(tagging={"zero_shot": "nano"})
    found = work(root, config)
    assert opened == ["nano"]
    (kept,) = (root.cache / "style_texts").iterdir()
    record = found["0.wav"]
    assert record.tagged and record.processed
    presets, vocabulary = styles.load_presets(), styles.load_vocabulary()
    zero_shot = zero_shot_styles(root, root.inside(record.processed.audio_path), config, presets, vocabulary)
    assert zero_shot is not None and set(zero_shot) == set(presets)
    measured = record.processed.measurements
    best, review = styles.suggest_for(measured, presets, vocals=None, zero_shot=zero_shot)
    assert (record.tagged.style_ids, record.tagged.style_confidence) == ([best.style_id], best.confidence)
    assert record.tagged.needs_review is review
    # A damaged cache is made again, the same
    before = np.load(kept)
    kept.write_bytes(b"nothing")
    assert zero_shot == zero_shot_styles(
        root, root.inside(record.processed.audio_path), config, presets, vocabulary
    )
    np.testing.assert_array_equal(np.load(kept), before)


def test_nothing_is_loaded_for_declared_styles_or_when_it_is_off(root: DataRoot, opened: list[str]) -> None:
    make_drop(root, "named", {"a.wav": song(0)}, facts())
    work(root, settings(tagging={"zero_shot": "nano"}))
    undeclared(root, 1)
    work(root, settings(tagging={"zero_shot": "off"}))
    assert opened == [] and not (root.cache / "style_texts").exists()


def test_new_weights_are_heard_by_tracks_without_declared_style_alone(
    root: DataRoot, opened: list[str], tmp_path: Path
) -> None:
    make_drop(root, "named", {"a.wav": song(0)}, facts())
    undeclared(root, 1)
    work(root)
    config = settings(evaluation={"weights_dir": str(tmp_path / "none")})
    assert pending_tracks(root, config) == []
    config = with_clap_at(tmp_path / "weights")
    (waiting,) = pending_tracks(root, config)
    before = load_record(root, waiting)
    work(root, config)
    after = load_record(root, waiting)
    assert before and after and after.tagged and not after.tagged.styles_declared
    assert opened == ["clap"]
    assert after.processed and before.processed  # listened to, not processed again
    assert after.processed.audio_sha256 == before.processed.audio_sha256
    assert pending_tracks(root, config) == []
    (tmp_path / "weights" / CLAP_FILES[0]).write_bytes(b"other weights")
    assert pending_tracks(root, config) == [waiting]

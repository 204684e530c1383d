"""Scoring a pipeline: records, sample files, coverage, alignment, and the refusal of what is broken."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from lofi_pipeline.entities import DatasetVersion, Scores
from lofi_pipeline.evaluation import (
    BASE_CHECKPOINT_ID,
    BASE_STEP,
    NotComparable,
    NotFinite,
    PromptSpec,
    TooFewWindows,
    base_samples_folder,
    evaluate,
    read_base_scores,
    read_scores,
    require_comparable,
    score_key,
    write_base_scores,
    write_scores,
)
from lofi_pipeline.evaluation.clip_scores import ClipScores, score_clips
from lofi_pipeline.evaluation.generate import Clip
from lofi_pipeline.evaluation.pace import in_words
from lofi_pipeline.evaluation.reference import load_reference
from lofi_pipeline.storage import DataRoot, UnreadableRecord
from lofi_pipeline_tests.evaluation.toys import SETTINGS, BandEmbedder, toy_pipeline, toy_root

BASE_SHA256 = "b" * 64


def _evaluate(pipeline, rooted, **changes) -> Scores:
    root, version = rooted
    asked = {
        "step": BASE_STEP,
        "checkpoint_id": BASE_CHECKPOINT_ID,
        "samples_dir": root.checkpoints / "samples",
        **changes,
    }
    return evaluate(root, version, pipeline, BandEmbedder(), SETTINGS, **asked)


@pytest.fixture(scope="module")
def base(pipeline, tmp_path_factory) -> tuple[Scores, DataRoot, DatasetVersion]:
    """The toy base, scored once."""
    rooted = toy_root(tmp_path_factory.mktemp("base") / "data")
    return _evaluate(pipeline, rooted), *rooted


def test_a_base_model_is_scored_as_step_0(base) -> None:
    scores, root, version = base
    assert (scores.step, scores.metrics.checkpoint_id) == (0, "epoch=0-step=0_lora")
    assert scores.metrics.fad_score > 0 and -1 <= scores.metrics.clap_score <= 1
    assert scores.floor_fad is not None and scores.metrics.fad_score > scores.floor_fad
    assert (scores.reference_windows, scores.generated_windows, len(scores.samples)) == (16, 6, 3)
    assert scores.metrics.style_coverage is None and scores.styles is None
    assert scores.key == score_key(root, version, BandEmbedder(), SETTINGS)


def test_samples_are_audio_files_in_the_data_root(base) -> None:
    scores, root, _ = base
    for sample in scores.samples:
        assert sample.path is not None
        samples, rate = soundfile.read(root.inside(sample.path))
        assert samples.shape == (24_000, 2) and rate == 24_000 and np.abs(samples).max() > 0.5
    names = sorted(path.name for path in (root.checkpoints / "samples").iterdir())
    assert len(names) == 3 and names[-1] == "validation-03-track_001.flac"


def test_the_same_model_scores_the_same_anywhere(base, pipeline, rooted) -> None:
    one, two = base[0], _evaluate(pipeline, rooted)
    assert one.metrics.fad_score == two.metrics.fad_score
    assert one.model_copy(update={"metrics": two.metrics}) == two


def test_a_model_that_gives_nan_is_refused_and_nothing_is_written(rooted) -> None:
    import torch

    root, _ = rooted
    broken = toy_pipeline()
    with torch.no_grad():
        next(broken.transformer.parameters()).fill_(float("nan"))
    with pytest.raises(NotFinite, match="the model is broken"):
        _evaluate(broken, rooted)
    assert not (root.checkpoints / "samples").exists()


def test_how_long_it_will_take_is_told_before(pipeline, rooted) -> None:
    said: list[str] = []
    _evaluate(pipeline, rooted, progress=said.append)
    first = next(line for line in said if "to generate" in line)
    assert first == "3 clips to generate: how long that takes is told after the first few"
    said.clear()
    _evaluate(pipeline, rooted, progress=said.append)
    assert re.fullmatch(r"3 clips to generate: about \d+ (s|min), by how long the last ones took", said[0])


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (59, "59 s"), (61, "2 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_durations_are_rounded_up(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_scores_survive_the_disk(base, tmp_path) -> None:
    scores, *_ = base
    assert read_scores(tmp_path) is None
    write_scores(tmp_path, scores)
    assert read_scores(tmp_path) == scores
    (tmp_path / "scores.json").write_text("{half")
    with pytest.raises(UnreadableRecord, match=r"scores\.json"):
        read_scores(tmp_path)


def test_base_scores_are_found_by_base_and_key_alone(base) -> None:
    scores, root, version = base
    key = score_key(root, version, BandEmbedder(), SETTINGS)
    assert read_base_scores(root, BASE_SHA256, key) is None
    path = write_base_scores(root, BASE_SHA256, scores)
    assert path.parent == root.metadata / "base_scores"
    assert base_samples_folder(root, BASE_SHA256, key) == path.with_suffix("")
    assert read_base_scores(root, BASE_SHA256, key) == scores
    assert read_base_scores(root, "c" * 64, key) is None
    other = score_key(root, version, BandEmbedder(), SETTINGS.model_copy(update={"seed": 4}))
    assert read_base_scores(root, BASE_SHA256, other) is None


def test_scores_with_other_keys_are_never_compared(base) -> None:
    scores, *_ = base
    require_comparable([scores, scores.model_copy(update={"step": 5})])
    key = scores.key.model_copy(update={"embedder": "clap", "window_seconds": 10.0})
    with pytest.raises(NotComparable, match="embedder, window_seconds"):
        require_comparable([scores, scores.model_copy(update={"key": key})])
    with pytest.raises(NotComparable, match="generated_windows"):
        require_comparable([scores, scores.model_copy(update={"generated_windows": 7})])


def test_an_embedder_without_text_leaves_prompts_to_another(rooted) -> None:
    root, version = rooted
    deaf = BandEmbedder(texts=False)
    key = score_key(root, version, deaf, SETTINGS, text_embedder=BandEmbedder())
    assert key.versions["text embedder"] == f"bands {BandEmbedder.weights_sha256}"
    assert "text embedder" not in score_key(root, version, BandEmbedder(), SETTINGS).versions


class Spelling(BandEmbedder):
    """Text number i and audio whose loudest part is sine number i lie on axis i."""

    dimension = 8

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        spectrum = np.abs(np.fft.rfft(samples))
        rows = spectrum[:, [50 * (number + 1) for number in range(self.dimension)]]
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-9)).astype(np.float32)

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        return np.eye(self.dimension, dtype=np.float32)[[int(text.split()[-1]) for text in texts]]


def _clip(number: int, *, heard_as: int | None = None) -> Clip:
    pitch = 100 * ((number if heard_as is None else heard_as) + 1)
    times = np.arange(16_000) / 16_000
    noise = np.random.default_rng(number).normal(0, 0.02, len(times))
    samples = (0.5 * np.sin(2 * np.pi * pitch * times) + noise).astype(np.float32)
    spec = PromptSpec(f"clip {number}", f"style {number}", 80, "A minor", number)
    return Clip(spec, np.stack([samples, samples]), 16_000)


def _score(rooted, clips: list[Clip]) -> ClipScores:
    root, version = rooted
    embedder = Spelling()
    return score_clips(clips, load_reference(root, version, embedder, 0.5), embedder, embedder, SETTINGS)


def _clips(*, heard_as: int | None = None) -> list[Clip]:
    return [_clip(number, heard_as=heard_as) for number in range(8)]


def test_clips_that_follow_their_prompts_align_and_others_do_not(rooted) -> None:
    following, deaf = _score(rooted, _clips()), _score(rooted, _clips(heard_as=0))
    assert following.clap > 0.9 and abs(following.clap_shuffled) < 0.2
    assert deaf.clap < 0.3
    assert deaf.clap == pytest.approx(deaf.clap_shuffled, abs=0.1)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_one_broken_sample_refuses_the_score(rooted, poison: float) -> None:
    clips = [_clip(number) for number in range(3)]
    clips[1].samples[0, 77] = poison
    with pytest.raises(NotFinite, match="1 of 3 clips"):
        _score(rooted, clips)


def test_too_little_audio_is_refused(rooted) -> None:
    with pytest.raises(TooFewWindows):
        _score(rooted, [])
    with pytest.raises(TooFewWindows, match="clip 0"):
        _score(rooted, [replace(_clip(0), samples=_clip(0).samples[:, :100])])

"""How near samples are to training tracks in an embedder's space; and kept samples that are not what was written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from lofi_pipeline.entities import Nearness, Scores
from lofi_pipeline.evaluation.copies.nearest import nearness
from lofi_pipeline.evaluation.heard import warnings_of
from lofi_pipeline.evaluation.kept_clips import kept_clips
from lofi_pipeline.evaluation.prompts import PromptSpec
from lofi_pipeline.storage import write_bytes_atomic
from lofi_pipeline_tests.evaluation.toys import SETTINGS, BandEmbedder

EMBEDDER = BandEmbedder()
RNG = np.random.default_rng(5)
TRAINING = {
    f"track_{number:03d}": centre + RNG.normal(size=(20, EMBEDDER.dimension)).astype(np.float32) * 0.01
    for number, centre in enumerate(RNG.normal(size=(60, EMBEDDER.dimension)).astype(np.float32))
}
"""Sixty tracks whose windows are much alike within a track, and not between tracks."""
OTHERS = RNG.normal(size=(30, 1, EMBEDDER.dimension)).astype(np.float32)


def _near(samples: list[np.ndarray], training: Mapping[str, np.ndarray] = TRAINING) -> Nearness | None:
    return nearness([f"{number}.flac" for number in range(len(samples))], samples, training, EMBEDDER)


def test_a_sample_beside_a_training_track_is_told_and_others_are_not(rooted, pipeline) -> None:
    beside = TRAINING["track_007"][:1] + np.float32(0.005)
    found = _near([*OTHERS[:4], beside])
    assert found is not None and found.tracks == 60
    assert [(row.sample, row.track) for row in found.beyond] == [("4.flac", "track_007")]
    assert len(found.nearest) == 5


def test_the_sentence_names_sample_track_and_embedder(scored: Scores) -> None:
    beside = TRAINING["track_007"][:1] + np.float32(0.005)
    told = warnings_of(scored.model_copy(update={"nearness": _near([beside])}))
    (sentence,) = [it for it in told if "nearer to a training track" in it]
    assert "1 sample is nearer" in sentence and "0.flac to track_007" in sentence
    assert EMBEDDER.name in sentence
    assert not any(
        "nearer" in it for it in warnings_of(scored.model_copy(update={"nearness": _near([*OTHERS[:2]])}))
    )


def test_with_few_training_tracks_nothing_is_said() -> None:
    few = dict(list(TRAINING.items())[:4])
    assert _near([OTHERS[0]], few) is None
    assert _near([]) is None


@pytest.fixture
def scored(monkeypatch, pipeline, rooted) -> Scores:
    """Scores of two clips of noise, as the base's are kept."""
    from lofi_pipeline.evaluation import evaluate
    from lofi_pipeline.evaluation.generate import Clip

    root, version = rooted
    noise = RNG.normal(size=(2, 2, 5 * 48_000)).astype(np.float32) * np.float32(0.1)
    specs = [PromptSpec(f"validation-{number:02d}", "lofi", 80, "A minor", number) for number in range(2)]
    clips = [Clip(spec, samples, 48_000) for spec, samples in zip(specs, noise, strict=True)]
    monkeypatch.setattr("lofi_pipeline.evaluation.generate.generate", lambda *_: clips)
    folder = root.metadata / "base_scores" / "some"
    return evaluate(
        root,
        version,
        pipeline,
        EMBEDDER,
        SETTINGS,
        step=0,
        checkpoint_id="epoch=0-step=0_lora",
        samples_dir=folder,
        prompts=specs,
    )


def test_kept_samples_that_hold_other_bytes_are_made_anew(scored: Scores, rooted) -> None:
    root, _ = rooted
    specs = [PromptSpec(f"validation-{number:02d}", "lofi", 80, "A minor", number) for number in range(2)]
    kept = kept_clips(root, scored, scored.key, specs)
    assert kept is not None and len(kept) == 2
    first, second = (root.inside(sample.path) for sample in scored.samples if sample.path)
    write_bytes_atomic(first, second.read_bytes())
    assert kept_clips(root, scored, scored.key, specs) is None
    old = [sample.model_copy(update={"sha256": None}) for sample in scored.samples]
    assert kept_clips(root, scored.model_copy(update={"samples": old}), scored.key, specs) is not None

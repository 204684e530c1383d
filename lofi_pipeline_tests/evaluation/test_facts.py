"""What a score is made of, case by case: the floor's halves, chance, ranks, and everything that decides a clip."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from lofi_pipeline.evaluation import PromptSpec, frechet_distance, score_key
from lofi_pipeline.evaluation.clip_scores import score_clips
from lofi_pipeline.evaluation.generate import generate
from lofi_pipeline.evaluation.prompts import prompts_sha256
from lofi_pipeline.evaluation.reference import Reference, floor_fad, load_reference
from lofi_pipeline_tests.evaluation.test_generate import ROUNDING, SPECS
from lofi_pipeline_tests.evaluation.test_scores import Spelling, _clip
from lofi_pipeline_tests.evaluation.toys import SETTINGS, BandEmbedder


def test_the_floor_is_between_the_even_and_the_odd_windows_of_every_track():
    rng = np.random.default_rng(0)
    tracks = [rng.normal(size=(20, 4)) + np.arange(20)[:, None] + 30 * number for number in range(2)]
    found = floor_fad(Reference(tracks, "0" * 64, ("track_001", "track_002")))
    halves = [np.concatenate([track[start::2] for track in tracks]) for start in (0, 1)]
    assert found == pytest.approx(frechet_distance(*halves))
    # Music that changes over a track is as far from itself as its ends are apart, halved any other way
    ends = [np.concatenate([track[part] for track in tracks]) for part in (slice(10), slice(10, None))]
    assert found is not None and found < 0.1 * frechet_distance(*ends)


@pytest.mark.parametrize("field", [field.name for field in fields(PromptSpec)])
def test_every_fact_of_a_prompt_gives_another_key(field: str):
    spec = SPECS[0]
    value = getattr(spec, field)
    other = value + 1 if isinstance(value, int) else f"{value} and more"
    assert prompts_sha256([replace(spec, **{field: other})], SETTINGS) != prompts_sha256([spec], SETTINGS)


@pytest.mark.parametrize(
    "change",
    [
        {"lyrics": "[verse 1]\nrain on the window"},
        {"language": "de"},
        {"time_signature": "3"},
        {"bpm": 60},
        {"keyscale": "C major"},
        {"seed": 9},
    ],
    ids=str,
)
def test_every_fact_of_a_prompt_is_heard(pipeline, change: dict[str, Any]):
    clips = generate(pipeline, [SPECS[0], replace(SPECS[0], **change)], SETTINGS)
    assert np.abs(clips[0].samples - clips[1].samples).max() > 10 * ROUNDING


@pytest.mark.parametrize("change", [{"guidance_scale": 1.0}, {"inference_steps": 5}], ids=str)
def test_every_setting_of_sampling_is_heard(pipeline, change: dict[str, Any]):
    (one,), (other,) = (
        generate(pipeline, SPECS[:1], SETTINGS.model_copy(update=changed)) for changed in ({}, change)
    )
    assert np.abs(one.samples - other.samples).max() > 10 * ROUNDING


class Ranking(Spelling):
    """All audio is nearest to text 0, then to text 1, and so on."""

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        row = np.arange(self.dimension, 0, -1, dtype=np.float32)
        return np.tile(row / np.linalg.norm(row), (len(samples), 1))


def test_chance_is_the_mean_over_clips_and_other_prompts(rooted):
    root, version = rooted
    embedder = Ranking()
    clips = [_clip(0), _clip(2), _clip(2)]
    found = score_clips(clips, load_reference(root, version, Spelling(), 0.5), embedder, embedder, SETTINGS)
    own, far = 8 / np.sqrt(204), 6 / np.sqrt(204)  # the cosines of any clip with text 0 and with text 2
    assert found.clap_of_clip == pytest.approx([own, far, far], abs=0.01)
    assert found.clap == pytest.approx((own + 2 * far) / 3, abs=0.01)
    assert found.clap_shuffled == pytest.approx((2 * far + 2 * own) / 4, abs=0.01)


class Reweighted(BandEmbedder):
    weights_sha256 = "f" * 64

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        return super().embed_audio(samples) + 1


def test_other_weights_of_an_embedder_embed_anew_and_have_another_key(rooted):
    root, version = rooted
    before, after = (load_reference(root, version, kind(), 0.5) for kind in (BandEmbedder, Reweighted))
    np.testing.assert_allclose(after.embeddings, before.embeddings + 1, rtol=1e-6)
    keys = [score_key(root, version, kind(), SETTINGS) for kind in (BandEmbedder, Reweighted)]
    assert keys[0].embedder == keys[1].embedder and keys[0] != keys[1]

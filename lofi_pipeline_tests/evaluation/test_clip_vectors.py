"""What was embedded is kept by its sound and its embedder: neither the reference nor clips are embedded twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lofi_pipeline.evaluation import NotFinite, TooFewWindows, evaluate
from lofi_pipeline.evaluation.clip_vectors import embed_clips
from lofi_pipeline.evaluation.generate import Clip
from lofi_pipeline.evaluation.prompts import PromptSpec
from lofi_pipeline.evaluation.reference import load_reference
from lofi_pipeline_tests.evaluation.toys import SETTINGS, BandEmbedder


class Counting(BandEmbedder):
    """Counts the windows that it embeds, and how many it is given at most."""

    def __init__(self) -> None:
        super().__init__()
        self.windows, self.most = 0, 0

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        self.windows += len(samples)
        self.most = max(self.most, len(samples))
        return super().embed_audio(samples)


class Broken(BandEmbedder):
    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        found = super().embed_audio(samples)
        found[-1, 0] = np.nan
        return found


def clip(seed: int, seconds: float = 1.0) -> Clip:
    random = np.random.default_rng(seed)
    samples = random.normal(0, 0.1, (2, round(16_000 * seconds))).astype(np.float32)
    return Clip(PromptSpec(f"clip {seed}", "lofi", 80, "A minor", seed), samples, 16_000)


def test_the_tenth_checkpoint_embeds_its_own_clips_alone(pipeline, rooted) -> None:
    root, version = rooted
    embedder, counts = Counting(), []
    for step in range(10):
        settings = SETTINGS.model_copy(update={"seed": step})  # other clips, as another checkpoint makes them
        before = embedder.windows
        evaluate(
            root,
            version,
            pipeline,
            embedder,
            settings,
            step=step,
            checkpoint_id=f"epoch=0-step={step}_lora",
            samples_dir=root.checkpoints / f"{step}",
        )
        counts.append(embedder.windows - before)
    reference, own = 16, 6
    assert counts == [reference + own] + [own] * 9


def test_clips_that_were_embedded_are_not_embedded_again(rooted) -> None:
    root, _ = rooted
    clips, embedder = [clip(seed) for seed in range(3)], Counting()
    first = embed_clips(clips, embedder, 0.5, root)
    assert embedder.windows == 6
    again = embed_clips([*clips, clip(3)], embedder, 0.5, root)
    assert embedder.windows == 8
    for one, other in zip(first, again, strict=False):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(np.concatenate(again[:3]), np.concatenate(embed_clips(clips, embedder, 0.5)))


@pytest.mark.parametrize("change", ["samples", "rate", "window", "weights"])
def test_other_sound_rate_window_or_weights_are_embedded_anew(rooted, change: str) -> None:
    root, _ = rooted
    embedder, one = Counting(), clip(0)
    embed_clips([one], embedder, 0.5, root)
    before = embedder.windows
    match change:
        case "samples":
            louder = one.samples.copy()
            louder[0, -1] += 0.01
            one = replace(one, samples=louder)
        case "rate":
            one = replace(one, sample_rate=8_000)
        case "weights":
            embedder.weights_sha256 = "e" * 64
    embed_clips([one], embedder, 0.25 if change == "window" else 0.5, root)
    assert embedder.windows > before


def test_each_clip_is_embedded_alone_whatever_others_there_are() -> None:
    # Else the last digits of its vectors, and the memory that is taken, would depend on the others
    many = Counting()
    rows = embed_clips([clip(seed) for seed in range(40)], many, 0.5)
    assert (many.most, many.windows, len(rows)) == (2, 80, 40)


def test_an_embedder_with_broken_weights_is_named_and_nothing_of_it_is_kept(rooted) -> None:
    root, version = rooted
    for embed in (
        lambda: embed_clips([clip(0)], Broken(), 0.5, root),
        lambda: load_reference(root, version, Broken(), 0.5),
    ):
        with pytest.raises(NotFinite, match="the embedder bands gives embeddings that are not finite"):
            embed()
    assert list(root.cache.rglob("*.npy")) == []


def test_clips_shorter_than_a_window_are_named(rooted) -> None:
    with pytest.raises(TooFewWindows, match="clip 1"):
        embed_clips([clip(0), clip(1, seconds=0.1)], BandEmbedder(), 0.5)

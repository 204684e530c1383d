"""Which styles are recognised: those whose clips are near to their own prompt more often than chance would have it."""

from __future__ import annotations

import numpy as np

from lofi_pipeline.entities import StyleClips
from lofi_pipeline.evaluation.confusion import confusion, plot_confusion
from lofi_pipeline.evaluation.generate import Clip
from lofi_pipeline.evaluation.prompts import PromptSpec
from lofi_pipeline.evaluation.styles import LEVEL, nearest_of, outcomes, rank_styles
from lofi_pipeline_tests.evaluation.toys import SETTINGS

STYLES = [f"THEME-{number:02d}" for number in range(1, 39)]
SEEDS = 3
OF_CLIP = [style for style in STYLES for _ in range(SEEDS)]


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(OF_CLIP), len(STYLES)))


def heard(cosines: np.ndarray, style: str, columns: list[int], strength: float = 50.0) -> np.ndarray:
    """The clips of a style lie near to these prompts."""
    for row, column in zip(np.flatnonzero(np.array(OF_CLIP) == style), columns, strict=True):
        cosines[row, column] += strength
    return cosines


def clips(*, silent: str | None = None) -> list[Clip]:
    sound = np.random.default_rng(0).normal(0, 0.1, (2, 8_000)).astype(np.float32)
    return [
        Clip(PromptSpec(style, style, 80, "A minor", 0, style), sound * (style != silent), 8_000)
        for style in OF_CLIP
    ]


def recognised(cosines: np.ndarray) -> set[str]:
    ranks, _ = rank_styles(cosines, OF_CLIP)
    return {style for style, found in outcomes(clips(), ranks, SETTINGS).items() if found.recognizable}


def test_a_model_that_follows_prompts_makes_every_style():
    cosines = noise(1)
    for column, style in enumerate(STYLES):
        heard(cosines, style, [column] * SEEDS)
    ranks, by_chance = rank_styles(cosines, OF_CLIP)
    assert all(found.ranks == [1, 1, 1] and found.nearest == [style] * 3 for style, found in ranks.items())
    assert recognised(cosines) == set(STYLES) and by_chance < 3


def test_a_model_that_does_not_listen_passes_at_the_stated_level():
    """Over many models whose clips are drawn regardless of the prompt; one lucky clip of three is not enough."""
    passed, expected = [], []
    for seed in range(24):
        passed.append(len(recognised(noise(seed))))
        expected.append(rank_styles(noise(seed), OF_CLIP)[1])
    assert np.mean(passed) / len(STYLES) <= 1.4 * LEVEL
    assert np.isclose(np.mean(passed), np.mean(expected), rtol=0.25)


def test_one_near_clip_proves_nothing_and_two_do():
    lucky = heard(noise(2), STYLES[0], [0, 20, 21])
    assert STYLES[0] not in recognised(lucky)
    assert STYLES[0] in recognised(heard(noise(2), STYLES[0], [0, 0, 21]))


def test_a_prompt_that_everything_is_near_to_is_not_recognised_for_it():
    cosines = noise(3)
    cosines[:, 5] += 50
    ranks, _ = rank_styles(cosines, OF_CLIP)
    plain, _ = rank_styles(noise(3), OF_CLIP)
    assert ranks == plain


def test_an_embedder_that_tells_nothing_apart_recognises_nothing():
    assert recognised(np.ones((len(OF_CLIP), len(STYLES)))) == set()


def test_silence_is_neither_generated_nor_recognisable():
    cosines = heard(noise(4), STYLES[7], [7, 7, 7])
    ranks, _ = rank_styles(cosines, OF_CLIP)
    found = outcomes(clips(silent=STYLES[7]), ranks, SETTINGS)
    assert not found[STYLES[7]].generated and not found[STYLES[7]].recognizable
    assert found[STYLES[8]].generated


def test_a_stump_is_not_generated():
    made = clips()
    made[0] = Clip(made[0].spec, made[0].samples[:, :7_800], 8_000)
    ranks, _ = rank_styles(noise(5), OF_CLIP)
    found = outcomes(made, ranks, SETTINGS)
    assert [found[style].generated for style in STYLES[:2]] == [False, True]


def test_the_picture_shows_what_is_taken_for_what():
    cosines = heard(noise(6), STYLES[0], [1, 1, 2])
    ranks, by_chance = rank_styles(cosines, OF_CLIP)
    styles = StyleClips(
        prompts_sha256="0" * 64,
        nearest=nearest_of(len(STYLES)),
        level=LEVEL,
        by_chance=by_chance,
        styles=ranks,
        samples=[],
    )
    assert confusion(styles)[0, :3].round(2).tolist() == [0, 0.67, 0.33]
    assert np.allclose(confusion(styles).sum(axis=1), 1)
    coverage = outcomes(clips(), ranks, SETTINGS)
    image = plot_confusion(styles, coverage)
    assert image.startswith(b"\x89PNG") and len(image) < 100_000
    other = rank_styles(noise(7), OF_CLIP)[0]
    assert image != plot_confusion(styles.model_copy(update={"styles": other}), coverage)

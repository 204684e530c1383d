"""Which styles a model can make: is a style's own prompt near its clips more often than chance would have it?

Each clip of a style is held against the prompts of all presets. Some prompts lie near to whatever is played, so of each prompt's
cosines their mean over the clips of other styles is taken off first: a model that does not listen to prompts then gives every
rank alike. A clip is a hit where its own prompt is among the nearest `nearest_of`; a style is recognisable where its clips hit more
often than chance at LEVEL (one-sided binomial test). Clips of one prompt may be more alike than that test knows: `by_chance` is how many
styles pass it when each is held against another's prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import StyleOutcome, StyleRanks

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip

LEVEL = 0.05
_NEAREST, _OF = 5, 38
SILENCE_DBFS = -60.0
SOUNDING_SHARE = 0.5
"""Generation scales peaks to -1 dBFS, so a broken model's silence is a click somewhere: what counts is how much of a
clip lies above this level."""
SHORTEST_SHARE = 0.99
"""Share of the asked length that a clip must have."""


def nearest_of(styles: int) -> int:
    """How many of the nearest prompts count as a hit: 5 of the 38."""
    return max(1, styles * _NEAREST // _OF)


def rank_styles(cosines: np.ndarray, style_of_clip: Sequence[str]) -> tuple[dict[str, StyleRanks], float]:
    """By style: the ranks of its own prompt, the nearest styles, and how likely as many hits are by chance; and `by_chance`.

    `cosines`: [clips, styles], the styles in the order in which `style_of_clip` first names them.
    """
    styles = list(dict.fromkeys(style_of_clip))
    rows = {style: [at for at, of in enumerate(style_of_clip) if of == style] for style in styles}
    ranks = _ranks(_without_hubs(cosines, [rows[style] for style in styles]))
    hits = ranks <= nearest_of(len(styles))
    chances = {
        count: [_chance_of(found, count, len(styles)) for found in range(count + 1)]
        for count in {len(of) for of in rows.values()}
    }
    found, by_chance = {}, 0.0
    for column, style in enumerate(styles):
        own = rows[style]
        passes = np.array(chances[len(own)]) < LEVEL
        counted = hits[own].sum(axis=0)
        others = np.delete(counted, column)
        by_chance += float(passes[others].mean()) if len(others) else 0.0
        found[style] = StyleRanks(
            ranks=ranks[own, column].tolist(),
            nearest=[styles[at] for at in ranks[own].argmin(axis=1)],
            p_value=chances[len(own)][int(counted[column])],
        )
    return found, by_chance


def _without_hubs(cosines: np.ndarray, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Of each prompt, its cosines less their mean over the clips of other styles."""
    means = np.array(
        [
            np.delete(cosines[:, column], own).mean() if len(own) < len(cosines) else 0.0
            for column, own in enumerate(rows)
        ]
    )
    return cosines - means


def _ranks(values: np.ndarray) -> np.ndarray:
    """int64 [clips, styles]: 1 for a clip's nearest prompt. Equal values share the worst rank of theirs: a tie proves nothing."""
    return np.stack(
        [(values >= values[:, [column]]).sum(axis=1) for column in range(values.shape[1])], axis=1
    )


def _chance_of(hits: int, clips: int, styles: int) -> float:
    """How likely as many hits or more are where every rank is alike."""
    from scipy.stats import binomtest

    return float(binomtest(hits, clips, nearest_of(styles) / styles, alternative="greater").pvalue)


def outcomes(
    clips: Sequence[Clip], ranks: dict[str, StyleRanks], settings: EvaluationSettings
) -> dict[str, StyleOutcome]:
    """As QualityMetrics says it. A style is generated where each of its clips is music."""
    music: dict[str, bool] = {}
    for clip in clips:
        style = str(clip.spec.style_id)
        music[style] = music.get(style, True) and _is_music(clip, settings)
    return {
        style: StyleOutcome(generated=music[style], recognizable=music[style] and item.p_value < LEVEL)
        for style, item in ranks.items()
    }


def _is_music(clip: Clip, settings: EvaluationSettings) -> bool:
    """Whether a clip has the asked length and sounds for most of it. Its samples are known to be finite."""
    long_enough = clip.samples.shape[1] >= SHORTEST_SHARE * settings.clip_seconds * clip.sample_rate
    return long_enough and _sounding_share(clip) >= SOUNDING_SHARE


def _sounding_share(clip: Clip) -> float:
    """Share of the clip's tenths of a second whose level lies above SILENCE_DBFS."""
    size = clip.sample_rate // 10
    mono = clip.samples.mean(axis=0, dtype=np.float64)
    pieces = mono[: len(mono) // size * size].reshape(-1, size)
    levels = 10 * np.log10(np.mean(pieces**2, axis=1) + 1e-12)
    return float(np.mean(levels > SILENCE_DBFS)) if len(levels) else 0.0

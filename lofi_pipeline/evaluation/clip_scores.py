"""Measures on a set of clips: Frechet distance to the reference, alignment with prompts, coverage of styles.

How clips are generated is in generate.py; what becomes of the scores is in score.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import LeavingOut, Precision, StyleOutcome
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import NotFinite, TooFewWindows
from lofi_pipeline.evaluation.frechet import Gaussian
from lofi_pipeline.evaluation.precision import measure_precision
from lofi_pipeline.evaluation.reference import Reference
from lofi_pipeline.evaluation.windows import cut_windows, window_seconds

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip

RECOGNIZED_WITHIN = 5
"""A style is recognisable when its own prompt is among this many nearest of all style prompts (chance: 5 of 38)."""
SILENCE_DBFS = -60.0
SOUNDING_SHARE = 0.5
"""Generation scales peaks to -1 dBFS, so a broken model's silence is a click somewhere: what counts is how much of a
clip lies above this level."""
SHORTEST_SHARE = 0.99
"""Share of the asked length that a clip must have."""


@dataclass(frozen=True)
class ClipScores:
    """What was measured on a set of clips."""

    fad: float
    clap: float
    clap_shuffled: float
    clap_of_clip: list[float]
    """In the order of the clips."""
    style_coverage: dict[str, StyleOutcome]
    windows: int
    precision: Precision
    leaving_out: LeavingOut | None
    """FAD without each clip and each track; None where too little would be left."""


def score_clips(
    clips: list[Clip],
    reference: Reference,
    embedder: Embedder,
    text_embedder: Embedder,
    settings: EvaluationSettings,
) -> ClipScores:
    """Score clips that are there already.

    Alignment (clap) is the cosine between a window and its prompt, averaged over a clip's windows and then over clips,
    so that clips count alike. Shuffled is the same over all pairs of a clip and another clip's prompt: the chance level.
    Alignment takes all clips. FAD takes the clips of validation prompts alone, because a clip of a style that the
    validation split does not hold may be far from it and still be good.
    With one embedder for both, FAD and alignment are not independent of each other.

    Raises:
        NotFinite: a clip or an embedding holds NaN or infinity.
        TooFewWindows: fewer than 2 windows on a side, or a clip shorter than a window.
    """
    require_finite(clips)
    prompts = [clip.spec.prompt for clip in clips]
    rows = _embed_clips(clips, embedder, settings)
    of_validation = [windows for windows, clip in zip(rows, clips, strict=True) if clip.spec.style_id is None]
    generated = np.concatenate(of_validation) if of_validation else np.zeros((0, embedder.dimension))
    fad = reference.gaussian.distance(Gaussian.of(generated))
    judged = rows if text_embedder is embedder else _embed_clips(clips, text_embedder, settings)
    cosines = _clip_by_prompt(judged, prompts, text_embedder)
    own = [float(value) for value in np.diagonal(cosines)]
    precision, leaving_out = measure_precision(of_validation, own, reference)
    return ClipScores(
        fad=fad,
        clap=float(np.mean(own)),
        clap_shuffled=_shuffled(cosines, prompts),
        clap_of_clip=own,
        style_coverage=_coverage(clips, cosines, settings),
        windows=len(generated),
        precision=precision,
        leaving_out=leaving_out,
    )


def require_finite(clips: list[Clip]) -> None:
    """Check that all samples are finite.

    Raises:
        NotFinite: naming the clips that are not.
    """
    if broken := [clip.spec.name for clip in clips if not np.isfinite(clip.samples).all()]:
        raise NotFinite(
            f"{len(broken)} of {len(clips)} clips hold NaN or infinity ({', '.join(broken[:5])}): the model is broken; "
            "it is not scored; lower its learning rate and train again"
        )


def _embed_clips(clips: list[Clip], embedder: Embedder, settings: EvaluationSettings) -> list[np.ndarray]:
    """float32 [windows, D] for each clip, embedded together."""
    seconds = window_seconds(embedder, settings.clip_seconds)
    windows = [cut_windows(clip.samples, clip.sample_rate, embedder, seconds) for clip in clips]
    if short := [clip.spec.name for clip, cut in zip(clips, windows, strict=True) if not len(cut)]:
        raise TooFewWindows(
            f"clips shorter than a window of {seconds} s: {', '.join(short[:5])}; raise evaluation.clip_seconds"
        )
    if not clips:
        return []
    embeddings = np.asarray(embedder.embed_audio(np.concatenate(windows)), dtype=np.float32)
    return np.split(embeddings, np.cumsum([len(cut) for cut in windows])[:-1])


def _clip_by_prompt(rows: list[np.ndarray], prompts: list[str], embedder: Embedder) -> np.ndarray:
    """float64 [clips, prompts]: mean cosine between the windows of a clip and a prompt."""
    texts = embedder.embed_text(prompts)
    if texts is None:
        raise ValueError(f"the embedder {embedder.name} knows no text")
    texts = _unit(texts)
    cosines = np.stack([(_unit(windows) @ texts.T).mean(axis=0) for windows in rows])
    if not np.isfinite(cosines).all():
        raise NotFinite(
            f"the embedder {embedder.name} gives embeddings that are not finite; its weights are broken: get them again"
        )
    return np.clip(cosines, -1.0, 1.0)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _shuffled(cosines: np.ndarray, prompts: list[str]) -> float:
    """Mean over all pairs of a clip and a different prompt; 0 where all prompts are the same."""
    different = np.array([[one != other for other in prompts] for one in prompts])
    return float(cosines[different].mean()) if different.any() else 0.0


def _coverage(
    clips: list[Clip], cosines: np.ndarray, settings: EvaluationSettings
) -> dict[str, StyleOutcome]:
    """For every style: whether there is music, and whether it is nearer to its own prompt than to most others."""
    styles = [(index, clip) for index, clip in enumerate(clips) if clip.spec.style_id is not None]
    columns = [index for index, _ in styles]
    outcomes = {}
    for index, clip in styles:
        nearer = int((cosines[index, columns] > cosines[index, index]).sum())
        generated = _is_music(clip, settings)
        assert clip.spec.style_id is not None
        outcomes[clip.spec.style_id] = StyleOutcome(
            generated=generated, recognizable=generated and nearer < RECOGNIZED_WITHIN
        )
    return outcomes


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

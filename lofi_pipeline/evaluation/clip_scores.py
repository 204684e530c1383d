"""Measures on a set of clips: Frechet distance to the reference, and alignment with prompts.

How clips are generated is in generate.py; what becomes of the scores is in score.py; which styles are recognised, in styles.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import LeavingOut, Precision
from lofi_pipeline.evaluation.clip_vectors import embed_clips
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import NotFinite
from lofi_pipeline.evaluation.frechet import Gaussian
from lofi_pipeline.evaluation.precision import measure_precision
from lofi_pipeline.evaluation.reference import Reference
from lofi_pipeline.evaluation.windows import window_seconds
from lofi_pipeline.storage import DataRoot

if TYPE_CHECKING:
    from lofi_pipeline.evaluation.generate import Clip


@dataclass(frozen=True)
class ClipScores:
    """What was measured on a set of clips."""

    fad: float
    clap: float
    clap_shuffled: float
    clap_of_clip: list[float]
    """In the order of the clips."""
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
    root: DataRoot | None = None,
) -> ClipScores:
    """Score clips of validation prompts that are there already; with a data root, what was embedded before is in its cache.

    Alignment (clap) is the cosine between a window and its prompt, averaged over a clip's windows and then over clips,
    so that clips count alike. Shuffled is the same over all pairs of a clip and another clip's prompt: the chance level.
    With one embedder for both, FAD and alignment are not independent of each other.

    Raises:
        NotFinite: a clip or an embedding holds NaN or infinity.
        TooFewWindows: fewer than 2 windows on a side, or a clip shorter than a window.
    """
    require_finite(clips)
    prompts = [clip.spec.prompt for clip in clips]
    rows = embed_clips(clips, embedder, window_seconds(embedder, settings.clip_seconds), root)
    generated = np.concatenate(rows) if rows else np.zeros((0, embedder.dimension))
    fad = reference.gaussian.distance(Gaussian.of(generated))
    judged = rows if text_embedder is embedder else None
    cosines = clip_by_prompt(clips, prompts, text_embedder, settings, root, judged)
    own = [float(value) for value in np.diagonal(cosines)]
    precision, leaving_out = measure_precision(rows, own, reference)
    return ClipScores(
        fad=fad,
        clap=float(np.mean(own)),
        clap_shuffled=_shuffled(cosines, prompts),
        clap_of_clip=own,
        windows=len(generated),
        precision=precision,
        leaving_out=leaving_out,
    )


def require_finite(clips: list[Clip]) -> None:
    """Check that all samples are finite.

    Raises:
        NotFinite: naming the clips that are not.
    """
    if broken := [clip.spec.name for clip in clips if not clip.is_finite]:
        raise NotFinite(
            f"{len(broken)} of {len(clips)} clips hold NaN or infinity ({', '.join(broken[:5])}): the model is broken; "
            "it is not scored; lower its learning rate and train again"
        )


def clip_by_prompt(
    clips: list[Clip],
    prompts: list[str],
    embedder: Embedder,
    settings: EvaluationSettings,
    root: DataRoot | None = None,
    rows: list[np.ndarray] | None = None,
) -> np.ndarray:
    """float64 [clips, prompts]: mean cosine between the windows of a clip and a prompt. `rows`: the clips, embedded already.

    Raises:
        NotFinite: an embedding holds NaN or infinity.
    """
    texts = embedder.embed_text(prompts)
    if texts is None:
        raise ValueError(f"the embedder {embedder.name} knows no text")
    texts = _unit(texts)
    if rows is None:
        rows = embed_clips(clips, embedder, window_seconds(embedder, settings.clip_seconds), root)
    cosines = np.stack([(_unit(windows) @ texts.T).mean(axis=0) for windows in rows])
    if not np.isfinite(cosines).all():
        raise NotFinite(
            f"the embedder {embedder.name} gives embeddings of texts that are not finite; its weights are broken: get them again"
        )
    return np.clip(cosines, -1.0, 1.0)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _shuffled(cosines: np.ndarray, prompts: list[str]) -> float:
    """Mean over all pairs of a clip and a different prompt; 0 where all prompts are the same."""
    different = np.array([[one != other for other in prompts] for one in prompts])
    return float(cosines[different].mean()) if different.any() else 0.0

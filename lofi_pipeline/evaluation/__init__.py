"""Scores: sample generation, embedders, Frechet audio distance, text-audio alignment, coverage of styles.

Importing this is light: torch, diffusers and matplotlib are imported when something is generated, embedded or drawn. What
happens to checkpoints because of their scores is in checkpoints/retention.py.
"""

from lofi_pipeline.evaluation.embedders import (
    Embedder,
    chosen,
    missing_weights,
    open_embedder,
    open_text_embedder,
    unknown_weights,
    weights_sha256,
)
from lofi_pipeline.evaluation.errors import (
    BadEmbedder,
    BadWeights,
    EvaluationError,
    MissingFile,
    NotComparable,
    NotFinite,
    ReferenceMissing,
    TooFewWindows,
    WeightsMissing,
)
from lofi_pipeline.evaluation.frechet import Gaussian, frechet_distance
from lofi_pipeline.evaluation.key import require_comparable, score_key
from lofi_pipeline.evaluation.prompts import PromptSpec, evaluation_prompts
from lofi_pipeline.evaluation.records import (
    base_samples_folder,
    base_scores_path,
    read_base_scores,
    read_scores,
    write_base_scores,
    write_scores,
)
from lofi_pipeline.evaluation.report import LossPoint, plot_scores
from lofi_pipeline.evaluation.score import BASE_CHECKPOINT_ID, BASE_STEP, evaluate, write_sample
from lofi_pipeline.evaluation.windows import cut_windows

__all__ = [
    "BASE_CHECKPOINT_ID",
    "BASE_STEP",
    "BadEmbedder",
    "BadWeights",
    "Embedder",
    "EvaluationError",
    "Gaussian",
    "LossPoint",
    "MissingFile",
    "NotComparable",
    "NotFinite",
    "PromptSpec",
    "ReferenceMissing",
    "TooFewWindows",
    "WeightsMissing",
    "base_samples_folder",
    "base_scores_path",
    "chosen",
    "cut_windows",
    "evaluate",
    "evaluation_prompts",
    "frechet_distance",
    "missing_weights",
    "open_embedder",
    "open_text_embedder",
    "plot_scores",
    "read_base_scores",
    "read_scores",
    "require_comparable",
    "score_key",
    "unknown_weights",
    "weights_sha256",
    "write_base_scores",
    "write_sample",
    "write_scores",
]

"""The key of a score: all it depends on beside the model. Only scores with the same key are compared."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version as package_version

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import DatasetVersion, HeldOutEnds, ScoreKey, Scores
from lofi_pipeline.evaluation.clip_scorers import scorer_facts
from lofi_pipeline.evaluation.embedders import open_text_embedder
from lofi_pipeline.evaluation.embedders.files import unknown_weights
from lofi_pipeline.evaluation.embedders.plugins import embedder_facts
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import NotComparable
from lofi_pipeline.evaluation.prompts import PromptSpec, evaluation_prompts, prompts_sha256
from lofi_pipeline.evaluation.reference import reference_sha256
from lofi_pipeline.evaluation.windows import PREPARATION, window_seconds
from lofi_pipeline.storage import DataRoot

_PACKAGES = ("diffusers", "numpy", "soxr", "torch")


def score_key(
    root: DataRoot,
    version: DatasetVersion,
    embedder: Embedder,
    settings: EvaluationSettings,
    *,
    text_embedder: Embedder | None = None,
    prompts: list[PromptSpec] | None = None,
    ends: HeldOutEnds | None = None,
) -> ScoreKey:
    """The key of scores made now. Hashes the reference's audio; generates and embeds nothing.

    Raises:
        ReferenceMissing: the validation split is empty or its files are gone.
    """
    text_embedder = text_embedder or open_text_embedder(embedder)
    prompts = evaluation_prompts(version, settings) if prompts is None else prompts
    seconds = window_seconds(embedder, settings.clip_seconds)
    packages = {*_PACKAGES, *getattr(embedder, "packages", ()), *getattr(text_embedder, "packages", ())}
    versions = {name: package_version(name) for name in sorted(packages)}
    if text_embedder is not embedder:
        versions["text embedder"] = f"{text_embedder.name} {text_embedder.weights_sha256}"
    versions |= embedder_facts(embedder) | scorer_facts(settings)
    if unknown := unknown_weights(settings):
        versions["unknown weights"] = ", ".join(path.name for path in unknown)
    return ScoreKey(
        embedder=embedder.name,
        embedder_sha256=embedder.weights_sha256,
        dimension=embedder.dimension,
        window_seconds=seconds,
        reference_sha256=reference_sha256(root, version, embedder, seconds, ends=ends),
        prompts_sha256=prompts_sha256(prompts, settings),
        versions={**versions, "preparation": PREPARATION},
    )


def require_comparable(scores: Iterable[Scores]) -> None:
    """Check that scores were made in the same way.

    Raises:
        NotComparable: they differ in embedder, reference, prompts, window, versions or number of clips; says in which.
    """
    listed = list(scores)
    for other in listed[1:]:
        if differing := _differences(listed[0], other):
            raise NotComparable(
                f"the scores of {listed[0].metrics.checkpoint_id} and {other.metrics.checkpoint_id} differ in "
                f"{', '.join(differing)}; evaluate both again with the same settings"
            )


def _differences(one: Scores, other: Scores) -> list[str]:
    fields = [name for name in ScoreKey.model_fields if getattr(one.key, name) != getattr(other.key, name)]
    return fields + ["generated_windows"] * (one.generated_windows != other.generated_windows)

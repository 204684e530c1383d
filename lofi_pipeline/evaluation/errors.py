"""What can go wrong when a checkpoint is scored. Every message says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.errors import LofiError


class EvaluationError(LofiError):
    """A score could not be made; a wrong one would be worse."""


class TooFewWindows(EvaluationError):
    """There is too little audio for a statistic."""


class NotFinite(EvaluationError):
    """Audio or embeddings hold NaN or infinity."""


class NotComparable(EvaluationError):
    """Scores that were made in different ways were to be compared."""


class ReferenceMissing(EvaluationError):
    """The validation split has no audio to compare with."""


@dataclass(frozen=True)
class MissingFile:
    """A file that an embedder needs and that is not there."""

    path: Path
    source: str
    """Where it comes from."""

    def __str__(self) -> str:
        return f"{self.path} (from {self.source})"


class WeightsMissing(EvaluationError):
    """The chosen embedder's weights are not in place; the message names each file and where it belongs."""

    def __init__(self, embedder: str, missing: list[MissingFile]) -> None:
        self.embedder = embedder
        self.missing = missing
        files = "\n".join(f"  {file}" for file in missing)
        advice = (
            ""
            if embedder == "nano"
            else "\nor set evaluation.embedder to nano, which comes with this project"
        )
        super().__init__(
            f"the weights of the embedder {embedder!r} are not in place; put there:\n{files}{advice}"
        )


class BadWeights(EvaluationError):
    """A weights file is damaged, is for another model, or holds more than tensors."""


class BadEmbedder(EvaluationError):
    """Another package's embedder cannot be used."""


class BadClipScorer(EvaluationError):
    """Another package's clip scorer cannot be used."""

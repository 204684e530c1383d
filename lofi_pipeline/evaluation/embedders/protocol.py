"""What an embedder is: a model that gives audio, and often text, a place in one space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from lofi_pipeline.evaluation.errors import EvaluationError


class Embedder(Protocol):
    """A model whose scores are named after it: `name` and `weights_sha256` are part of every score."""

    @property
    def name(self) -> str: ...

    @property
    def weights_sha256(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def sample_rate(self) -> int: ...

    @property
    def window_seconds(self) -> float: ...

    def embed_audio(self, samples: np.ndarray, /) -> np.ndarray:
        """float32 [n_windows, frames], mono at `sample_rate` -> float32 [n_windows, dimension]."""
        ...

    def embed_text(self, texts: list[str], /) -> np.ndarray | None:
        """Texts -> float32 [n, dimension] in the space of the audio; None where the model knows no text."""
        ...


@dataclass(frozen=True)
class MissingFile:
    """A file that an embedder needs and that is not there."""

    path: Path
    source: str
    """Where it comes from."""

    def __str__(self) -> str:
        return f"{self.path} (from {self.source})"


class WeightsMissing(EvaluationError):
    """The chosen embedder's weights are not in place. Names each file and where it belongs."""

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

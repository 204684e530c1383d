"""What an embedder is: a model that gives audio, and often text, a place in one space."""

from __future__ import annotations

from typing import Protocol

import numpy as np


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

"""The interface of an embedder: a model that maps audio, and often text, to vectors of one space."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Embedder(Protocol):
    """A model whose scores are named after it: `name` and `weights_sha256` are part of every score.

    Two more are part of it where an embedder has them: `packages`, names of those that its vectors depend on, and
    `preparation`, what it does to audio first.
    """

    @property
    def name(self) -> str:
        """As evaluation.embedder names it."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Of the files it was opened with."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of the audio it takes, in Hz."""
        ...

    @property
    def window_seconds(self) -> float:
        """Length of the audio that one vector is for."""
        ...

    def embed_audio(self, samples: np.ndarray, /) -> np.ndarray:
        """float32 [n_windows, frames], mono at `sample_rate` -> float32 [n_windows, dimension]."""
        ...

    def embed_text(self, texts: list[str], /) -> np.ndarray | None:
        """Texts -> float32 [n, dimension] in the space of the audio; None where the model knows no text."""
        ...

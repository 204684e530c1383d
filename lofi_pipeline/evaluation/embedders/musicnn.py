"""musicnn as an embedder: what a tagger of recorded music hears, shipped with the project.

Its network is in musicnn_network.py; how its files were made is in pretraining/musicnn.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from lofi_pipeline.evaluation.embedders.batches import embed_in_batches
from lofi_pipeline.evaluation.embedders.files import MUSICNN_FILE, MUSICNN_FOLDER
from lofi_pipeline.evaluation.embedders.musicnn_network import (
    FEATURES,
    HOP,
    SAMPLE_RATE,
    Musicnn,
    log_mel,
)
from lofi_pipeline.evaluation.embedders.offline import require_finite_weights
from lofi_pipeline.storage import file_sha256

PATCH = 3 * SAMPLE_RATE
PATCH_FRAMES = 187
"""The frames of its spectrogram that the network was trained on: all but the last."""
LOUDNESS = 0.1


class MusicnnEmbedder:
    """The features before the tags, of windows of 3 s: what the network was trained on.

    >>> embedder = MusicnnEmbedder.load()
    >>> embedder.embed_audio(windows)
    """

    name = "musicnn"
    dimension = FEATURES
    sample_rate = SAMPLE_RATE
    window_seconds = 3.0
    packages = ("torch", "torchaudio")
    preparation = f"RMS {LOUDNESS}, log-mel 96 x {PATCH_FRAMES}, hop {HOP}, v1"

    def __init__(self, network: Musicnn, weights_sha256: str) -> None:
        self._network = network.eval()
        self.weights_sha256 = weights_sha256

    @classmethod
    def load(cls, path: Path = MUSICNN_FOLDER / MUSICNN_FILE) -> MusicnnEmbedder:
        """Read the shipped model, or another that pretraining/musicnn.py made.

        Raises:
            BadWeights: a weight is NaN or infinite.
        """
        weights = load_file(path)
        require_finite_weights(path, weights)
        network = Musicnn()
        network.load_state_dict(weights)
        return cls(network, file_sha256(path))

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n, frames] at 16 kHz -> float32 [n, 200]. Loudness does not matter: each window gets the same RMS.

        A window that holds several patches of 3 s is their mean; what is left over is not heard.
        """
        return embed_in_batches(samples, lambda batch: self.hear(batch)[0], self.dimension)

    def hear(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [n, 200] and logits of the tags [n, 50] of float32 [n, frames] at 16 kHz."""
        level = windows.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-5)
        length = min(PATCH, windows.shape[1])
        patches = (windows * (LOUDNESS / level)).unfold(1, length, length)
        found = self._network(log_mel(patches.flatten(0, 1))[:, :PATCH_FRAMES])
        features, logits = (rows.unflatten(0, patches.shape[:2]).mean(1) for rows in found)
        return features, logits

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        """musicnn knows no text."""
        return None

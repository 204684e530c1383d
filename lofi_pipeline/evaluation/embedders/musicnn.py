"""musicnn, two taggers of recorded music that are shipped with the project: as an embedder, and as a tagger.

Their network is in musicnn_network.py; how their files were made is in pretraining/musicnn.py; why both, in docs/embedders.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from lofi_pipeline.evaluation.embedders.batches import embed_in_batches
from lofi_pipeline.evaluation.embedders.files import MUSICNN_FILES, MUSICNN_FOLDER, files_sha256
from lofi_pipeline.evaluation.embedders.musicnn_network import (
    FEATURES,
    HOP,
    SAMPLE_RATE,
    Musicnn,
    log_mel,
)
from lofi_pipeline.evaluation.embedders.musicnn_tags import TAG_NAMES
from lofi_pipeline.evaluation.embedders.offline import load_safetensors, opening

PATCH = 3 * SAMPLE_RATE
PATCH_FRAMES = 187
"""The frames of its spectrogram that the networks were trained on: all but the last."""
LOUDNESS = 0.1


class MusicnnEmbedder:
    """The features before the tags, of both taggers side by side, of windows of 3 s: what they were trained on.

    >>> embedder = MusicnnEmbedder.load()
    >>> embedder.embed_audio(windows)
    """

    name = "musicnn"
    dimension = FEATURES * len(MUSICNN_FILES)
    sample_rate = SAMPLE_RATE
    window_seconds = PATCH / SAMPLE_RATE
    packages = ("torch", "torchaudio")
    preparation = f"RMS {LOUDNESS}, log-mel 96 x {PATCH_FRAMES}, hop {HOP}, v1"

    def __init__(self, networks: list[Musicnn], weights_sha256: str) -> None:
        self._networks = [network.eval() for network in networks]
        self.weights_sha256 = weights_sha256

    @classmethod
    def load(cls, folder: Path = MUSICNN_FOLDER) -> MusicnnEmbedder:
        """Read the shipped models, or others that pretraining/musicnn.py made.

        Raises:
            BadWeights: a weight is NaN or infinite.
        """
        paths = [folder / name for name in MUSICNN_FILES]
        return cls([_network(path) for path in paths], files_sha256(paths))

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n, frames] at 16 kHz -> float32 [n, 400]. Loudness does not matter: each window gets the same RMS.

        A window that holds several patches of 3 s is their mean; what is left over is not heard.
        """
        return embed_in_batches(samples, self._features, self.dimension)

    def tags(self, samples: np.ndarray) -> dict[str, float]:
        """The mean probability of each tag (musicnn_tags.TAG_NAMES) in float32 [n, frames] at 16 kHz; n at least 1."""
        found = embed_in_batches(samples, self._tags, len(TAG_NAMES)).mean(0)
        return dict(zip(TAG_NAMES, map(float, found), strict=True))

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        """musicnn knows no text."""
        return None

    def _features(self, windows: torch.Tensor) -> torch.Tensor:
        return self._outputs(windows, lambda network, spectrogram: network(spectrogram)[0])

    def _tags(self, windows: torch.Tensor) -> torch.Tensor:
        return self._outputs(windows, lambda network, spectrogram: network(spectrogram)[1].sigmoid())

    def _outputs(
        self, windows: torch.Tensor, output: Callable[[Musicnn, torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        level = windows.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-5)
        length = min(PATCH, windows.shape[1])
        patches = (windows * (LOUDNESS / level)).unfold(1, length, length)
        spectrogram = log_mel(patches.flatten(0, 1))[:, :PATCH_FRAMES]
        found = torch.cat([output(network, spectrogram) for network in self._networks], dim=-1)
        return found.unflatten(0, patches.shape[:2]).mean(1)


def _network(path: Path) -> Musicnn:
    network = Musicnn()
    with opening(path):
        network.load_state_dict(load_safetensors(path))
    return network

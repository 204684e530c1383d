"""VGGish and PANN through frechet_audio_distance: its models, never its score() (which turns every error into -1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.embedders.batches import embed_in_batches
from lofi_pipeline.evaluation.embedders.cpu_layers import made_for_cpus
from lofi_pipeline.evaluation.embedders.files import (
    PANN_FILE,
    VGGISH_REPOSITORY,
    files_sha256,
    require_weights,
    user_files,
)
from lofi_pipeline.evaluation.embedders.offline import (
    frechet_audio_distance,
    load_tensors,
    local_torch_hub,
    numpy_globals,
)
from lofi_pipeline.evaluation.errors import BadWeights

if TYPE_CHECKING:
    import torch

_SHORT_WINDOWS = 32
"""Of a second each, in a batch."""
PACKAGES = ("frechet-audio-distance", "torch")


class VggishEmbedder:
    """VGGish (Hershey et al. 2017, arXiv 1609.09430) without PCA and last activation, one example a window."""

    name = "vggish"
    dimension = 128
    sample_rate = 16_000
    # 96 frames of 25 ms, 10 ms apart: the shortest audio that makes one example of 0.96 s.
    window_seconds = 0.975
    packages = PACKAGES

    def __init__(self, model: Any, weights_sha256: str) -> None:
        self._model = model
        self.weights_sha256 = weights_sha256

    @classmethod
    def open(cls, settings: EvaluationSettings) -> VggishEmbedder:
        """Load from evaluation.weights_dir.

        Raises:
            WeightsMissing, BadWeights
        """
        folder = require_weights(settings)
        files = user_files(settings)
        for file in files:
            if file.suffix == ".pth":
                # The repository unpickles these: only after they were seen to hold nothing but tensors.
                load_tensors(file)
        model = _package_model(folder, "vggish", cls.sample_rate, repository=folder / VGGISH_REPOSITORY)
        return cls(model, files_sha256(files))

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n, frames] at 16 kHz -> float32 [n, 128]."""
        return embed_in_batches(samples, self._embed, self.dimension, batch=_SHORT_WINDOWS)

    def _embed(self, windows: torch.Tensor) -> torch.Tensor:
        import torch

        if hasattr(self._model, "_preprocess"):
            # Its dense layers are read from memory once for all windows, not once for each
            self._model.preprocess = False
            examples = [self._model._preprocess(window.numpy(), self.sample_rate) for window in windows]
            rows = self._model.forward(torch.cat(examples).to(next(self._model.parameters()).device))
        else:  # A repository that cuts audio elsewhere
            rows = torch.cat([self._model.forward(window.numpy(), self.sample_rate) for window in windows])
        if len(rows.reshape(-1, self.dimension)) != len(windows):
            raise ValueError(f"a window of {windows.shape[1]} frames is not one VGGish example")
        return rows.reshape(-1, self.dimension)

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        """VGGish knows no text."""
        return None


class PannEmbedder:
    """PANN Cnn14 at 32 kHz (Kong et al. 2020, arXiv 1912.10211)."""

    name = "pann"
    dimension = 2048
    sample_rate = 32_000
    window_seconds = 10.0
    packages = PACKAGES

    def __init__(self, model: Any, weights_sha256: str) -> None:
        self._model = model
        self.weights_sha256 = weights_sha256

    @classmethod
    def open(cls, settings: EvaluationSettings) -> PannEmbedder:
        """Load from evaluation.weights_dir.

        Raises:
            WeightsMissing, BadWeights
        """
        folder = require_weights(settings)
        load_tensors(folder / PANN_FILE)
        return cls(_package_model(folder, "pann", cls.sample_rate), files_sha256(user_files(settings)))

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n, frames] at 32 kHz -> float32 [n, 2048]."""
        device = next(self._model.parameters()).device
        return embed_in_batches(
            samples, lambda batch: self._model(batch.to(device), None)["embedding"], self.dimension
        )

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        """PANN knows no text."""
        return None


def _package_model(folder: Path, name: str, sample_rate: int, repository: Path | None = None) -> Any:
    import torch

    package = frechet_audio_distance()
    try:
        with local_torch_hub(folder, repository), numpy_globals():
            holder = package.FrechetAudioDistance(
                ckpt_dir=str(folder), model_name=name, sample_rate=sample_rate
            )
    except (RuntimeError, KeyError, AttributeError, ImportError) as error:
        raise BadWeights(
            f"{folder}: the weights there are not those of {name} ({str(error)[:300]}); get them again"
        ) from error
    if next(holder.model.parameters()).device.type != "cpu":
        return holder.model
    # How torch's own convolutions are fastest there
    return made_for_cpus(holder.model.to(memory_format=torch.channels_last))

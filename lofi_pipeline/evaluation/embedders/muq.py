"""MuQ through the classes of its own package, from a folder with its weights: nothing is looked up or run from the network.

Zhu et al. 2025, arXiv 2501.01108. The package is MIT; the published weights are CC BY-NC 4.0: scores of a LoRA that is sold are not
to be made with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.embedders.batches import embed_in_batches
from lofi_pipeline.evaluation.embedders.files import MUQ_FILES, files_sha256, require_weights, user_files
from lofi_pipeline.evaluation.embedders.offline import load_safetensors, opening
from lofi_pipeline.evaluation.errors import BadEmbedder
from lofi_pipeline.storage import read_json


class MuqEmbedder:
    """MuQ. A vector is the mean over a window of what its last layer gives."""

    name = "muq"
    sample_rate = 24_000
    window_seconds = 10.0
    packages = ("muq", "transformers", "torch")

    def __init__(self, model: Any, weights_sha256: str, dimension: int) -> None:
        self._model = model
        self.weights_sha256 = weights_sha256
        self.dimension = dimension

    @classmethod
    def open(cls, settings: EvaluationSettings) -> MuqEmbedder:
        """Load from evaluation.weights_dir.

        Raises:
            WeightsMissing, BadWeights
            BadEmbedder: the package is not installed.
        """
        folder = require_weights(settings)
        configuration, weights = (folder / name for name in MUQ_FILES)
        model = _open_model(configuration, weights)
        return cls(model, files_sha256(user_files(settings)), int(model.config.encoder_dim))

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n, frames] at 24 kHz -> float32 [n, dimension]."""
        return embed_in_batches(
            samples, lambda batch: self._model(batch).last_hidden_state.mean(dim=1), self.dimension
        )

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        """MuQ knows no text."""
        return None


class _AllInOne(torch.nn.Module):
    """An encoder that gives its last layer as the list of all: transformers 5 makes no such list, and MuQ takes the last of it."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self._encoder = encoder

    def forward(self, states: torch.Tensor, output_hidden_states: bool = True) -> dict[str, Any]:
        last = self._encoder(states).last_hidden_state
        return {"last_hidden_state": last, "hidden_states": (last,)}


def _open_model(configuration: Path, weights: Path) -> Any:
    try:
        from muq import MuQ  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
    except ImportError as error:
        raise BadEmbedder(
            f"the embedder muq needs the package muq ({error}); install it with `pip install 'lofi-pipeline[muq]'`, or set "
            "evaluation.embedder to another"
        ) from error
    said = read_json(configuration)
    with opening(weights):
        model: Any = MuQ(said | {"w2v2_config": _complete(said["w2v2_config"]), "rvq_ckpt_path": None})
        model.load_state_dict(load_safetensors(weights))
    model.model.conformer = _AllInOne(model.model.conformer)
    return model.eval()


def _complete(said: dict[str, Any]) -> dict[str, Any]:
    """The encoder's part of config.json, with what later versions of transformers ask for."""
    from transformers import Wav2Vec2ConformerConfig

    usual = {
        name: value
        for name, value in Wav2Vec2ConformerConfig().to_dict().items()
        if not isinstance(value, dict)
    }
    return usual | said | {"_attn_implementation": "eager"}

"""The default embedder: a small text-audio model that was trained on synthetic styles and is shipped with the project.

Its networks are in nano_towers.py, its training in pretraining/embedder.py.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from lofi_pipeline.evaluation.embedders.files import NANO_FILES, NANO_FOLDER
from lofi_pipeline.evaluation.embedders.nano_towers import AudioTower, TextTower
from lofi_pipeline.evaluation.embedders.offline import load_safetensors, opening
from lofi_pipeline.storage import read_json
from lofi_pipeline.training.nano.codec import BANDS, MelCodec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LOUDNESS = 0.15
BATCH = 32


_HEADS = ("audio_heads.", "text_heads.")
"""Only for its own training."""


class NanoEmbedder:
    """Text and audio as unit vectors of the same small space.

    >>> embedder = NanoEmbedder.load()
    >>> embedder.embed_audio(windows) @ embedder.embed_text(["lofi, chill, rhodes, 80 bpm"]).T
    """

    name = "nano"

    def __init__(
        self,
        audio: AudioTower,
        text: TextTower,
        tokenizer: PreTrainedTokenizerFast,
        config: dict,
        weights_sha256: str,
    ) -> None:
        self._audio, self._text, self._tokenizer = audio.eval(), text.eval(), tokenizer
        self.dimension: int = config["dimension"]
        self.sample_rate: int = config["sample_rate"]
        self.window_seconds: float = config["window_seconds"]
        self.tempo_bins: list[float] = config["tempo_bins"]
        self.weights_sha256 = weights_sha256
        self._raw = MelCodec(band_mean=(0.0,) * BANDS, band_std=(1.0,) * BANDS)

    @classmethod
    def load(cls, folder: Path = NANO_FOLDER) -> NanoEmbedder:
        """Read the shipped model, or another in the same layout.

        Raises:
            FileNotFoundError: the folder lacks one of config.json, model.safetensors, tokenizer.json.
            BadWeights: a file is damaged or of another model, or a weight is NaN or infinite.
        """
        from transformers import PreTrainedTokenizerFast, Qwen3Config

        for needed in NANO_FILES:
            if not (folder / needed).is_file():
                raise FileNotFoundError(
                    f"{folder / needed} is missing: python -m lofi_pipeline.pretraining.embedder makes it"
                )
        with opening(folder / "model.safetensors"):
            config = read_json(folder / "config.json")
            audio = AudioTower(config["dimension"], config["width"], config["band_mean"], config["band_std"])
            text = TextTower(config["dimension"], config["width"], Qwen3Config(**config["text_encoder"]))
            weights = load_safetensors(folder / "model.safetensors")
            towers = {name: it for name, it in weights.items() if not name.startswith(_HEADS)}
            torch.nn.ModuleDict({"audio": audio, "text": text}).load_state_dict(towers)
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        return cls(audio, text, tokenizer, config, digest)

    @torch.no_grad()
    def embed_audio(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors [windows, dimension] of float32 [windows, frames] mono at `sample_rate`.

        Loudness does not matter: each window is brought to the same RMS. Windows of `window_seconds` fit best.
        """
        windows = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        level = windows.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-5)
        parts = (windows * (LOUDNESS / level)).split(BATCH)
        rows = [self._audio(self._log_mel(part))[1] for part in parts]
        return torch.cat(rows).numpy() if rows else np.zeros((0, self.dimension), np.float32)

    @torch.no_grad()
    def embed_text(self, prompts: list[str]) -> NDArray[np.float32]:
        """Unit vectors [prompts, dimension] of prompts by the project's convention."""
        tokens = self._tokenizer(prompts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        return self._text(tokens["input_ids"], tokens["attention_mask"])[1].numpy()

    def text_encoder_weights(self) -> dict[str, torch.Tensor]:
        """The weights of the text tower's Qwen3, which the nano base starts from."""
        return self._text.encoder.state_dict()

    def _log_mel(self, windows: torch.Tensor) -> torch.Tensor:
        return self._raw.encode(windows[:, None]).latent_dist.mean.transpose(1, 2)

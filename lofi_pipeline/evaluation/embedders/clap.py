"""CLAP through laion_clap: fixed windows, float tensors, nothing from the network, no pickled code.

Wu et al. 2023, arXiv 2211.06687.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.embedders.batches import BATCH, embed_in_batches
from lofi_pipeline.evaluation.embedders.files import (
    CLAP_FILES,
    ROBERTA_FILES,
    clap_checkpoints,
    files_sha256,
    require_weights,
    user_files,
)
from lofi_pipeline.evaluation.embedders.offline import hub_answers, laion_clap, load_tensors
from lofi_pipeline.evaluation.errors import BadWeights

if TYPE_CHECKING:
    import torch

ROBERTA_TOKENS = 50_265
TEXT_TOKENS = 77
"""What CLAP reads of a text."""


class ClapEmbedder:
    """LAION CLAP. Windows of 10 s: the package crops anything longer at random."""

    name = "clap"
    dimension = 512
    sample_rate = 48_000
    window_seconds = 10.0
    packages = ("laion-clap", "transformers", "torch")

    def __init__(self, module: Any, weights_sha256: str) -> None:
        self._module = module
        self.weights_sha256 = weights_sha256

    @classmethod
    def open(cls, settings: EvaluationSettings) -> ClapEmbedder:
        """Load from evaluation.weights_dir; where several checkpoints lie, the one made for music.

        Raises:
            WeightsMissing, BadWeights
        """
        folder = require_weights(settings)
        checkpoint = clap_checkpoints(folder)[0]
        tokenizer_files = [folder / name for name in ROBERTA_FILES]
        module = _open_module(checkpoint, _open_tokenizer(*tokenizer_files))
        return cls(module, files_sha256(user_files(settings)))

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n, frames] at 48 kHz, 10 s at most (shorter is repeated) -> float32 [n, 512], unit length."""
        if samples.shape[1] > self.window_seconds * self.sample_rate:
            raise ValueError(f"windows of {samples.shape[1]} frames are longer than CLAP's 10 s")
        embed = self._module.get_audio_embedding_from_data
        return embed_in_batches(samples, lambda batch: embed(batch, use_tensor=True), self.dimension)

    def embed_text(self, texts: list[str]) -> np.ndarray | None:
        """Texts -> float32 [n, 512], unit length; those that are the same are embedded once."""
        import torch

        different = list(dict.fromkeys(texts))
        with torch.no_grad():
            found = [
                self._texts(different[start : start + BATCH]) for start in range(0, len(different), BATCH)
            ]
        rows = dict(zip(different, torch.cat(found).numpy() if found else (), strict=True))
        return (
            np.stack([rows[text] for text in texts]) if texts else np.zeros((0, self.dimension), np.float32)
        )

    def _texts(self, texts: list[str]) -> torch.Tensor:
        # A single text would come back without its first axis
        given = texts * 2 if len(texts) == 1 else texts
        embed = self._module.get_text_embedding
        return embed(given, tokenizer=self._tokens, use_tensor=True)[: len(texts)].cpu()

    def _tokens(self, texts: list[str]) -> Any:
        """As the package's, filled up to the longest text alone: what fills it up further changes nothing but the time."""
        return self._module.tokenize(
            texts, padding=True, truncation=True, max_length=TEXT_TOKENS, return_tensors="pt"
        )


def _open_tokenizer(vocabulary: Path, merges: Path) -> Any:
    from transformers import RobertaTokenizer

    tokenizer = RobertaTokenizer(vocab=str(vocabulary), merges=str(merges))
    if len(tokenizer) != ROBERTA_TOKENS:
        # A vocabulary that is missing or cut off silently gives a tokenizer of a few tokens.
        raise BadWeights(
            f"{vocabulary}: makes {len(tokenizer)} tokens, roberta-base has {ROBERTA_TOKENS}; get it again"
        )
    return tokenizer


def _open_module(checkpoint: Path, tokenizer: Any) -> Any:
    from transformers import RobertaConfig, RobertaModel

    def empty_text_model(*args: Any, **kwargs: Any) -> RobertaModel:
        """RoBERTa without weights: the checkpoint brings its own."""
        return RobertaModel(
            RobertaConfig(
                vocab_size=ROBERTA_TOKENS,
                max_position_embeddings=514,
                type_vocab_size=1,
                layer_norm_eps=1e-5,
                pad_token_id=1,
                bos_token_id=0,
                eos_token_id=2,
            )
        )

    package = laion_clap()
    with hub_answers(tokenizer=tokenizer, text_model=empty_text_model):
        module = package.CLAP_Module(enable_fusion=False, amodel=CLAP_FILES[checkpoint.name])
    content = load_tensors(checkpoint)
    weights = content.get("state_dict", content)
    weights = {name.removeprefix("module."): value for name, value in weights.items()}
    # Older versions of transformers stored this counter.
    weights.pop("text_branch.embeddings.position_ids", None)
    try:
        module.model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise BadWeights(
            f"{checkpoint}: is not a checkpoint of this CLAP ({str(error)[:300]}); get it again"
        ) from error
    return module.eval()

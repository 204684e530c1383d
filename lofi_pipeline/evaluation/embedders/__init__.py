"""Embedders: the shipped nano, and vggish, pann and clap where the user has put their weights in place.

Each has a module of its own, imported when it is opened.
"""

from __future__ import annotations

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.embedders.files import (
    missing_weights,
    require_weights,
    weights_folder,
    weights_sha256,
)
from lofi_pipeline.evaluation.embedders.protocol import Embedder

__all__ = [
    "Embedder",
    "missing_weights",
    "open_embedder",
    "open_text_embedder",
    "weights_folder",
    "weights_sha256",
]


def open_embedder(settings: EvaluationSettings) -> Embedder:
    """The embedder that evaluation.embedder names, its weights loaded.

    Raises:
        WeightsMissing: naming each file that is not in place.
        BadWeights: a file is damaged or for another model.
    """
    match settings.embedder:
        case "nano":
            require_weights(settings)
            return _nano()
        case "vggish":
            from lofi_pipeline.evaluation.embedders.hub import VggishEmbedder

            return VggishEmbedder.open(settings)
        case "pann":
            from lofi_pipeline.evaluation.embedders.hub import PannEmbedder

            return PannEmbedder.open(settings)
        case "clap":
            from lofi_pipeline.evaluation.embedders.clap import ClapEmbedder

            return ClapEmbedder.open(settings)


def open_text_embedder(embedder: Embedder) -> Embedder:
    """`embedder` itself where it knows text, else nano: text and audio must be judged in one space."""
    if embedder.embed_text(["lofi"]) is not None:
        return embedder
    return _nano()


def _nano() -> Embedder:
    from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder

    return NanoEmbedder.load()

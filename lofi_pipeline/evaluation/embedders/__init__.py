"""Embedders: nano and musicnn, which are shipped; vggish, pann, clap and muq where the user has put their weights in place; and
those of other packages.

Each has a module of its own, imported when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.embedders.files import (
    missing_weights,
    require_weights,
    unknown_weights,
    weights_folder,
    weights_sha256,
)
from lofi_pipeline.evaluation.embedders.plugins import open_plugin
from lofi_pipeline.evaluation.embedders.protocol import Embedder

__all__ = [
    "Embedder",
    "chosen",
    "missing_weights",
    "open_embedder",
    "open_text_embedder",
    "unknown_weights",
    "weights_folder",
    "weights_sha256",
]


def chosen(
    settings: EvaluationSettings,
    base_name: str | None = None,
    hashed: Callable[[Path], str] | None = None,
) -> EvaluationSettings:
    """The settings with `auto` resolved: nano for the nano base, which was trained on what nano knows; else clap where its
    published weights lie, else musicnn. `hashed`: gives a file's hash.
    """
    if settings.embedder != "auto":
        return settings
    nano, clap, musicnn = (
        settings.model_copy(update={"embedder": name}) for name in ("nano", "clap", "musicnn")
    )
    if base_name == "nano":
        return nano
    return musicnn if missing_weights(clap) or unknown_weights(clap, hashed) else clap


def open_embedder(settings: EvaluationSettings) -> Embedder:
    """The embedder that evaluation.embedder names, its weights loaded.

    Raises:
        WeightsMissing: naming each file that is not in place.
        BadWeights: a file is damaged, for another model, or not the published one.
        BadEmbedder: another package's does not do what an embedder must.
    """
    settings = chosen(settings)
    require_weights(settings)
    match settings.embedder:
        case "nano":
            return _nano()
        case "musicnn":
            from lofi_pipeline.evaluation.embedders.musicnn import MusicnnEmbedder

            return MusicnnEmbedder.load()
        case "vggish":
            from lofi_pipeline.evaluation.embedders.hub import VggishEmbedder

            return VggishEmbedder.open(settings)
        case "pann":
            from lofi_pipeline.evaluation.embedders.hub import PannEmbedder

            return PannEmbedder.open(settings)
        case "clap":
            from lofi_pipeline.evaluation.embedders.clap import ClapEmbedder

            return ClapEmbedder.open(settings)
        case "muq":
            from lofi_pipeline.evaluation.embedders.muq import MuqEmbedder

            return MuqEmbedder.open(settings)
        case _:
            return open_plugin(settings)


def open_text_embedder(embedder: Embedder) -> Embedder:
    """`embedder` itself where it knows text, else nano: text and audio must be judged in one space."""
    if embedder.embed_text(["lofi"]) is not None:
        return embedder
    return _nano()


def _nano() -> Embedder:
    from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder

    return NanoEmbedder.load()

"""Embedders of other packages, found by entry point: CONTRIBUTING.md shows one."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

import numpy as np

from lofi_pipeline.config import EMBEDDER_GROUP, EMBEDDERS, EvaluationSettings
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.errors import BadEmbedder

_TRIED_WINDOWS = 2


def open_plugin(settings: EvaluationSettings) -> Embedder:
    """The embedder that an installed package has under this name: what its entry point names is called with the settings.

    Raises:
        BadEmbedder: it cannot be opened, or does not do what an embedder must.
    """
    entry = _entry(settings.embedder)
    if entry is None:
        raise BadEmbedder(f"no installed package has an embedder {settings.embedder!r}; install it again")
    try:
        embedder: Embedder = entry.load()(settings)
        fault = _fault(embedder, settings.embedder)
    except Exception as error:
        raise BadEmbedder(
            f"the embedder {entry.name} ({entry.value}) failed: {type(error).__name__}: {error}; mend it, or set "
            "evaluation.embedder to another"
        ) from error
    if fault:
        raise BadEmbedder(f"the embedder {entry.name} ({entry.value}): {fault}")
    return embedder


def embedder_facts(embedder: Embedder) -> dict[str, str]:
    """What an embedder's vectors depend on beside its weights: its own preparation, and the version of the package it is of.

    Nothing for those that were here first: their scores and kept embeddings stay as they are.
    """
    found = {}
    if preparation := getattr(embedder, "preparation", None):
        found["embedder preparation"] = str(preparation)
    entry = None if embedder.name in EMBEDDERS else _entry(embedder.name)
    if entry and entry.dist:
        found[entry.dist.name] = entry.dist.version
    return found


def _entry(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=EMBEDDER_GROUP, name=name)), None)


def _fault(embedder: Embedder, name: str) -> str | None:
    """What is wrong with an embedder, tried on noise."""
    if embedder.name != name:
        return f"calls itself {embedder.name!r}; its name must be that of the entry point"
    if not re.fullmatch("[0-9a-f]{64}", embedder.weights_sha256):
        return "weights_sha256 must be 64 hexadecimal digits"
    frames = round(embedder.window_seconds * embedder.sample_rate)
    windows = np.random.default_rng(0).normal(0, 0.1, (_TRIED_WINDOWS, frames)).astype(np.float32)
    found = np.asarray(embedder.embed_audio(windows))
    if found.shape != (_TRIED_WINDOWS, embedder.dimension):
        expected = (_TRIED_WINDOWS, embedder.dimension)
        return f"embed_audio gives an array of shape {found.shape}, not {expected}"
    if not np.isfinite(found).all():
        return "gives NaN or infinity for noise; its weights are broken: get them again"
    return None

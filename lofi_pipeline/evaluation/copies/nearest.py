"""How near samples are to training tracks in an embedder's space, beside how near training tracks are to each other.

It knows nothing of where a sample was taken from, as search.py does. It hears what was played anew: the same piece in another take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lofi_pipeline.entities import DatasetVersion, NearestTrack, Nearness, Split
from lofi_pipeline.evaluation.embedders.protocol import Embedder
from lofi_pipeline.evaluation.reference import track_vectors
from lofi_pipeline.storage import DataRoot

QUANTILE = 0.999
FEWEST_TRACKS = 5
"""With fewer training tracks nothing is said of how near they are to each other."""
_MOST_COMPARED = 4000
"""Windows of training tracks whose neighbours are looked for; of more, every second one, or third, and so on."""


def training_vectors(
    root: DataRoot,
    version: DatasetVersion,
    embedder: Embedder,
    seconds: float,
    progress: Callable[[str], None] = lambda message: None,
) -> dict[str, np.ndarray]:
    """float32 [windows, D] of each training track whose audio is there and long enough; embedded once and kept."""
    found = {
        track.track.track_id: track_vectors(root, track, embedder, seconds, progress)
        for track in version.side(Split.TRAIN)
    }
    return {track_id: vectors for track_id, vectors in found.items() if vectors is not None and len(vectors)}


def nearness(
    names: Sequence[str],
    samples: Sequence[np.ndarray],
    training: Mapping[str, np.ndarray],
    embedder: Embedder,
) -> Nearness | None:
    """Of samples with these names, float32 [windows, D] each. None where there are too few training tracks to tell.

    A similarity is the cosine of two windows, after the mean of all training windows was taken from both.
    """
    if len(training) < FEWEST_TRACKS or not len(names):
        return None
    tracks = sorted(training)
    owner = np.repeat(np.arange(len(tracks)), [len(training[track]) for track in tracks])
    all_windows = np.concatenate([training[track] for track in tracks]).astype(np.float32)
    mean = all_windows.mean(axis=0)
    windows = _unit(all_windows - mean)
    rows = []
    for name, vectors in zip(names, samples, strict=True):
        alike = (_unit(vectors - mean) @ windows.T).max(axis=0)
        at = int(alike.argmax())
        rows.append(NearestTrack(name, tracks[owner[at]], round(float(alike[at]), 4)))
    limit = float(np.quantile(_between(windows, owner), QUANTILE))
    return Nearness(embedder=embedder.name, tracks=len(tracks), limit=round(limit, 4), nearest=rows)


def _between(windows: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Of windows of training tracks the similarity to the nearest of another track."""
    found = []
    for at in range(0, len(windows), max(1, len(windows) // _MOST_COMPARED)):
        others = owner != owner[at]
        found.append(float((windows[others] @ windows[at]).max()))
    return np.array(found)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

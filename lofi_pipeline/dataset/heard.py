"""Which of all tracks that were ever worked on a piece of music sounds like. Nothing is written.

How two fingerprints are compared is in audio/fingerprint/; copies among the tracks themselves are found in duplicates.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofi_pipeline import audio
from lofi_pipeline.dataset.duplicates import load_comparisons, read_fingerprint
from lofi_pipeline.dataset.sketch_index import SketchIndex
from lofi_pipeline.storage import DataRoot


@dataclass(frozen=True)
class Heard:
    """A track that a piece of music sounds like."""

    track_id: str
    likeness: audio.Likeness


def tracks_like(root: DataRoot, bands: np.ndarray, unreadable: list[str]) -> list[Heard]:
    """The tracks that a fingerprint is like, the most similar first; those whose fingerprint can't be read are named."""
    known = load_comparisons(root)
    index = SketchIndex.open(root, only=known.sketches if known.fingerprints else None, tidy=False)
    for path in sorted(root.fingerprint("any").parent.glob("track_*.npy")):
        if path.stem not in index.keys and (other := _read(root, path.stem, unreadable)) is not None:
            index.add(path.stem, "", len(other), audio.sketch(other))
    found = []
    for candidate in index.likely(audio.query_sketches(bands), len(bands)):
        other = _read(root, candidate.track_id, unreadable)
        if other is None:
            continue
        likeness = audio.compare_at(bands, other, candidate.hints)
        if likeness.match_type is not audio.MatchType.NONE:
            found.append(Heard(candidate.track_id, likeness))
    same = audio.MatchType.SAME
    return sorted(found, key=lambda it: (it.likeness.match_type is not same, -it.likeness.similarity))


def _read(root: DataRoot, track_id: str, unreadable: list[str]) -> np.ndarray | None:
    path = root.fingerprint(track_id)
    try:
        return read_fingerprint(path)
    except (OSError, ValueError, EOFError) as error:
        unreadable.append(f"{root.relative(path)}: {error}; `lofi fsck --repair` has it made again")
        return None

"""Near-duplicates among tracks: who shares a side of the split with whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lofi_pipeline import audio
from lofi_pipeline.entities import Entity
from lofi_pipeline.entities.base import TrackId
from lofi_pipeline.storage import DataRoot


class KnownGroups(Entity):
    """What was compared already: metadata/groups.json. The group's name is its first track."""

    groups: dict[TrackId, TrackId] = {}


def group_related(root: DataRoot, track_ids: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """The group of each track; only tracks not in `known` are compared, each with all before it."""
    groups = {track_id: known[track_id] for track_id in track_ids if track_id in known}
    prints: dict[str, np.ndarray] = {}

    def fingerprint(track_id: str) -> np.ndarray:
        if track_id not in prints:
            prints[track_id] = np.load(root.fingerprint(track_id), allow_pickle=False)
        return prints[track_id]

    for track_id in track_ids:
        if track_id in groups:
            continue
        best, group = 0.0, track_id
        for other in groups:
            likeness = audio.similarity(fingerprint(track_id), fingerprint(other))
            if likeness >= audio.RELATED and likeness > best:
                best, group = likeness, groups[other]
        groups[track_id] = group
    return groups

"""The split into training and validation: decided once per track, by style category; near-duplicates share a side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lofi_pipeline.entities import Split, StyleCategory


@dataclass(frozen=True)
class Candidate:
    """A track to be split."""

    track_id: str
    sha256: str
    category: StyleCategory
    group: str
    """The group of near-duplicates it belongs to, named by the first track id of the group, or its own id."""


def assign_splits(
    candidates: Sequence[Candidate], decided: Mapping[str, Split], *, ratio: float, seed: int
) -> dict[str, Split]:
    """The side of each candidate. A side that was `decided` before never changes.

    In each category new groups go to validation, whole and in an order drawn from `seed` and content, until the share of
    validation is as near to `ratio` as it can be. A data set of two tracks or more has at least one for validation.
    """
    sides = {item.track_id: decided[item.track_id] for item in candidates if item.track_id in decided}
    of_group = {item.group: sides[item.track_id] for item in candidates if item.track_id in sides}
    groups: dict[str, list[Candidate]] = {}
    for item in candidates:
        if item.track_id not in sides:
            groups.setdefault(item.group, []).append(item)
    for group in list(groups):
        if group in of_group:
            sides |= {item.track_id: of_group[group] for item in groups.pop(group)}
    for category in StyleCategory:
        members = [item for item in candidates if item.category is category]
        missing = round(ratio * len(members)) - _validated(members, sides)
        fresh = [group for group, items in groups.items() if items[0].category is category]
        for group in sorted(fresh, key=lambda name: _draw(seed, groups[name])):
            taken = len(groups[group]) <= missing
            missing -= len(groups[group]) if taken else 0
            sides |= {item.track_id: Split.VALIDATION if taken else Split.TRAIN for item in groups[group]}
    if len(candidates) > 1 and Split.VALIDATION not in sides.values():
        fresh = [items for items in groups.values() if len(items) < len(candidates)]
        if fresh:
            chosen = min(fresh, key=lambda items: (len(items), _draw(seed, items)))
            sides |= {item.track_id: Split.VALIDATION for item in chosen}
    return sides


def _validated(members: Sequence[Candidate], sides: Mapping[str, Split]) -> int:
    return sum(sides.get(item.track_id) is Split.VALIDATION for item in members)


def _draw(seed: int, items: Sequence[Candidate]) -> str:
    return hashlib.sha256(f"{seed}:{min(item.sha256 for item in items)}".encode()).hexdigest()

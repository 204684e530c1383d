"""Groups of many copies of one recording: a new copy is compared with the first few of a group, and counts as a copy of all.

Comparing each of n copies with every other costs n * n / 2 comparisons. Here the first REPRESENTATIVES members of a group have
all been compared with each other, and every later one with them. So up to REPRESENTATIVES + 1 copies, every pair is compared.
How tracks are compared is in duplicates.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lofi_pipeline.entities import recording_order

REPRESENTATIVES = 4


@dataclass
class _Group:
    """Copies of one recording, in the order in which they came."""

    members: list[str]

    @property
    def representatives(self) -> list[str]:
        """Those that all others were compared with."""
        return self.members[:REPRESENTATIVES]


@dataclass
class AlikeTracks:
    """The group of each track that was compared; most are alone in theirs."""

    _groups: dict[str, _Group] = field(default_factory=dict)
    """By track, and by the first track of a group that is not there any more."""

    @classmethod
    def of(
        cls, compared: Iterable[str], same: Mapping[str, Collection[str]], recorded: Mapping[str, str]
    ) -> AlikeTracks:
        """The groups of tracks that were compared before.

        Args:
            same: by track, the others that were found to be the same recording.
            recorded: what `recorded` gave then.
        """
        found = cls()
        for track_id in sorted(compared, key=recording_order):
            found.settle(track_id, same.get(track_id, ()), within=recorded.get(track_id))
        return found

    def settle(self, track_id: str, same: Collection[str], *, within: str | None = None) -> None:
        """Put a track into the group that `within` names, else into the first whose representatives are all in `same`."""
        group = self._groups.get(within) if within else None
        if group is None:
            possible = {id(it): it for other in same if (it := self._groups.get(other))}.values()
            fitting = [it for it in possible if set(it.representatives) <= set(same)]
            group = min(fitting, key=lambda it: recording_order(it.members[0]), default=_Group([]))
        group.members.append(track_id)
        self._groups[track_id] = group
        if within:
            self._groups.setdefault(within, group)

    def crowded(self, candidates: Iterable[str]) -> list[tuple[Sequence[str], set[str]]]:
        """The groups with more than REPRESENTATIVES of the candidates: their representatives, and those candidates."""
        by_group: defaultdict[int, list[str]] = defaultdict(list)
        for track_id in candidates:
            if track_id in self._groups:
                by_group[id(self._groups[track_id])].append(track_id)
        found = [
            (self._groups[ids[0]].representatives, set(ids))
            for ids in by_group.values()
            if len(ids) > REPRESENTATIVES
        ]
        return sorted(found, key=lambda item: recording_order(item[0][0]))

    def recorded(self) -> dict[str, str]:
        """By track that was compared with representatives alone, the first track of its group."""
        groups = {id(group): group for group in self._groups.values()}.values()
        found = {it: group.members[0] for group in groups for it in group.members[REPRESENTATIVES:]}
        return dict(sorted(found.items(), key=lambda item: recording_order(item[0])))

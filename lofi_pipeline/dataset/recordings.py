"""Which recordings are one and the same, over all that was ever heard: the closure of the pairs that were found, both ways.

How sure each step of the way is, stands in its pair. How pairs are found is in duplicates.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from lofi_pipeline.dataset.duplicates import Comparisons, SameRecordings, TrackPair
from lofi_pipeline.entities import recording_order


@dataclass(frozen=True)
class Link:
    """How a recording hangs together with another one: pair by pair, beginning at the other."""

    recording_id: str
    origin: str
    pairs: tuple[TrackPair, ...]

    @property
    def is_part(self) -> bool:
        """Whether it only holds a part of the other, or the other of it."""
        return any(pair.shared_seconds for pair in self.pairs)

    def in_words(self, named: str) -> str:
        """The relation to the other one, which is called `named`, with how sure each step is.

        Such as `the same recording as track_003 (similarity 0.98, contradiction 0.001, 100 % of the shorter one)`.
        """
        what = "holds a part of" if self.is_part else "the same recording as"
        steps, before = [], self.origin
        for pair in self.pairs:
            after = pair.track_id if pair.other == before else pair.other
            steps.append((after, before, sureness(pair, after)))
            before = after
        if len(steps) == 1:
            turned = self.pairs[0].in_words() if self.pairs[0].track_id == self.recording_id else ""
            return f"{what} {named}{turned} ({steps[0][2]})"
        way = "; ".join(f"{after} and {before}: {sure}" for after, before, sure in reversed(steps))
        return f"{what} {named}, by way of {', '.join(step[0] for step in reversed(steps[:-1]))} ({way})"


def sureness(pair: TrackPair, recording_id: str) -> str:
    """How sure a pair is, and where one lies in the other, as seen from one of the two."""
    facts = [f"similarity {pair.similarity:.2f}", f"contradiction {pair.contradiction:.3f}"]
    if pair.shared_seconds:
        facts.append(f"{pair.shared_seconds:.0f} s of it")
    elif pair.share is not None:
        facts.append(f"{pair.share:.0%} of the shorter one")
    if pair.offset_seconds is not None and abs(pair.offset_seconds) >= 1:
        offset = pair.offset_seconds if pair.track_id == recording_id else -pair.offset_seconds / pair.speed
        facts.append(f"{abs(offset):.0f} s {'after' if offset > 0 else 'before'} its beginning")
    return ", ".join(facts)


@dataclass(frozen=True)
class Recordings:
    """The relation "the same recording", closed: symmetric, transitive, whatever came first."""

    found: Comparisons

    @cached_property
    def _same(self) -> SameRecordings:
        return SameRecordings.of(self.found)

    @cached_property
    def _neighbours(self) -> Mapping[str, set[str]]:
        """By recording, those that it was found to be the same as; of many copies, the first stands for the others."""
        found = {it: set(others) for it, others in self._same.partners.items()}
        first: dict[str, str] = {}
        for recording_id, group in sorted(
            self.found.alike.items(), key=lambda item: recording_order(item[0])
        ):
            known = group if group in self.found.compared else first.setdefault(group, recording_id)
            if known != recording_id:
                found.setdefault(recording_id, set()).add(known)
                found.setdefault(known, set()).add(recording_id)
        return found

    @cached_property
    def _parts(self) -> Mapping[str, dict[str, TrackPair]]:
        found: dict[str, dict[str, TrackPair]] = {}
        for pair in self.found.parts:
            found.setdefault(pair.track_id, {})[pair.other] = pair
            found.setdefault(pair.other, {})[pair.track_id] = pair
        return found

    def same_as(self, origins: Iterable[str]) -> dict[str, Link]:
        """Every recording that is the same as one of `origins`, with the shortest way there; not these themselves."""
        links = {it: Link(it, it, ()) for it in sorted(set(origins), key=recording_order)}
        return {it: link for it, link in self._spread(links).items() if link.pairs}

    def holding(self, origins: Iterable[str]) -> dict[str, Link]:
        """As `same_as`; with the recordings that hold a part of one, or are held by it, and those that are the same as these."""
        seeds = {it: Link(it, it, ()) for it in sorted(set(origins), key=recording_order)}
        same = self._spread(seeds)
        holders: dict[str, Link] = {}
        for known, link in same.items():
            for other, pair in sorted(
                self._parts.get(known, {}).items(), key=lambda item: recording_order(item[0])
            ):
                if other not in same:
                    holders.setdefault(other, Link(other, link.origin, (*link.pairs, pair)))
        return {it: link for it, link in {**self._spread(holders), **same}.items() if link.pairs}

    def _spread(self, links: Mapping[str, Link]) -> dict[str, Link]:
        """These and all that are the same recording as one of them, the nearest first."""
        found, open_ones = dict(links), deque(links)
        while open_ones:
            known = open_ones.popleft()
            link = found[known]
            for other in sorted(self._neighbours.get(known, ()), key=recording_order):
                if other not in found:
                    pair = self._same.pair(other, known)
                    found[other] = Link(other, link.origin, (*link.pairs, pair))
                    open_ones.append(other)
        return found

    def groups(self, among: Collection[str]) -> list[list[str]]:
        """The recordings of `among` that are the same as another one of all, with these others, group by group."""
        seen: set[str] = set()
        found = []
        for recording_id in sorted(set(among) & self._neighbours.keys(), key=recording_order):
            if recording_id not in seen:
                group = self._spread({recording_id: Link(recording_id, recording_id, ())})
                seen |= group.keys()
                found.append(sorted(group, key=recording_order))
        return found

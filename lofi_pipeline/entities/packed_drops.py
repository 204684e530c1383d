"""The drops of a scan in little memory, with what is asked of all of them at hand: where each lies, its source, whether it was accepted."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import cached_property

from lofi_pipeline.entities.drop import Drop, DropStatus
from lofi_pipeline.entities.packed import Packed, unpacked


class PackedDrops(Packed[Drop]):
    """Drops, each made anew when it is asked for."""

    def __init__(self, drops: Iterable[Drop] = (), *, former: PackedDrops | None = None) -> None:
        """`former`: drops that may be the same; of those that are, the bytes are the same."""
        self._former = former
        self.folders: list[str] = []
        self.statuses: list[DropStatus] = []
        self.source_ids: list[str | None] = []
        """None: there is no source.json that can be read."""
        super().__init__(drops)
        self._former = None  # else each scan would hold all before it

    @classmethod
    def of(cls, drops: Sequence[Drop]) -> PackedDrops:
        """These drops, packed if they are not."""
        return drops if isinstance(drops, PackedDrops) else cls(drops)

    def _add(self, items: tuple[Drop, ...], data: bytes | None = None) -> None:
        if data is None and self._former is not None:
            data = self._former._same_as(items[0])
        super()._add(items, data)
        self.folders += [drop.folder for drop in items]
        self.statuses += [drop.status for drop in items]
        self.source_ids += [drop.manifest.source_id if drop.manifest else None for drop in items]

    def _add_as_in(self, other: PackedDrops, number: int, data: bytes) -> None:
        """A drop of others, of which these are the bytes: it is not made anew for it."""
        self._pile.append(data)
        self._length += 1
        self.folders.append(other.folders[number])
        self.statuses.append(other.statuses[number])
        self.source_ids.append(other.source_ids[number])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {folder: number for number, folder in enumerate(self.folders)}

    def get(self, folder: str) -> Drop | None:
        """The drop in a folder."""
        number = self._places.get(folder)
        return None if number is None else self[number]

    def sources_of(self, status: DropStatus) -> list[str | None]:
        """For each drop its source_id where it has this status, else None."""
        return [
            source_id if it is status else None
            for source_id, it in zip(self.source_ids, self.statuses, strict=True)
        ]

    def source_in(self, folder: str) -> str | None:
        """The source_id of the drop in a folder."""
        number = self._places.get(folder)
        return None if number is None else self.source_ids[number]

    def _same_as(self, drop: Drop) -> bytes | None:
        number = self._places.get(drop.folder)
        return None if number is None or self[number] != drop else self._pile[number]

    def having(self, *statuses: DropStatus) -> Iterator[Drop]:
        """The drops that have one of these statuses."""
        return (self[number] for number, status in enumerate(self.statuses) if status in statuses)

    def through(
        self, step: Callable[[Iterable[Drop]], Iterator[Drop]], *, only: Container[int] | None = None
    ) -> PackedDrops:
        """What a step makes of the drops, one after the other. What it gives back as it came is not packed again.

        `only`: the numbers of those that go through it; the others stay as they are.
        """
        given: list[Drop] = []

        def one_by_one() -> Iterator[Drop]:
            while given:
                yield given[0]

        found, made = PackedDrops(), step(one_by_one())
        for number, data in enumerate(self._pile):
            if only is None or number in only:
                given[:] = unpacked(data)
                drop = next(made)
                found._add((drop,), data if drop is given[0] else None)
            else:
                found._add_as_in(self, number, data)
        given.clear()
        assert next(made, None) is None, "a step gives one drop for each"
        return found

    def share(self, former: PackedDrops) -> None:
        """Keep the drops that are as they were in the same bytes."""
        for number, folder in enumerate(self.folders):
            there = former._places.get(folder)
            if there is None or (before := former._pile[there]) == self._pile[number]:
                continue
            if former[there] == self[number]:
                self._pile[number] = before

    def changed_since(self, former: PackedDrops) -> Iterator[tuple[Drop | None, Drop | None]]:
        """What lay in a folder before, and what lies there now, of each folder of which these two may differ."""
        for number, folder in enumerate(former.folders):
            there = self._places.get(folder)
            if there is None or self._pile[there] != former._pile[number]:
                yield former[number], None if there is None else self[there]
        for folder in self.folders:
            if folder not in former._places:
                yield None, self.get(folder)

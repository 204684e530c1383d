"""The drops of a scan in little memory, with what is asked of all of them at hand: where each lies, and whether it was accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from lofi_pipeline.entities.drop import Drop, DropStatus
from lofi_pipeline.entities.packed import Packed


class PackedDrops(Packed[Drop]):
    """Drops, each made anew when it is asked for."""

    def __init__(self, drops: Iterable[Drop] = (), *, former: PackedDrops | None = None) -> None:
        """`former`: drops that may be the same; of those that are, the bytes are the same."""
        self._former = former
        self.folders: list[str] = []
        self.statuses: list[DropStatus] = []
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

    @cached_property
    def _places(self) -> dict[str, int]:
        return {folder: number for number, folder in enumerate(self.folders)}

    def get(self, folder: str) -> Drop | None:
        """The drop in a folder."""
        number = self._places.get(folder)
        return None if number is None else self[number]

    def _same_as(self, drop: Drop) -> bytes | None:
        number = self._places.get(drop.folder)
        return None if number is None or self[number] != drop else self._pile[number]

    def having(self, *statuses: DropStatus) -> Iterator[Drop]:
        """The drops that have one of these statuses."""
        return (self[number] for number, status in enumerate(self.statuses) if status in statuses)

    def through(self, step: Callable[[Iterable[Drop]], Iterator[Drop]]) -> PackedDrops:
        """What a step makes of the drops, one after the other. What it gives back as it came is not packed again."""
        given: list[Drop] = []

        def one_by_one() -> Iterator[Drop]:
            for drop in self:
                given[:] = [drop]
                yield drop

        found = PackedDrops()
        for packed, drop in zip(self._pile, step(one_by_one()), strict=True):
            found._add((drop,), packed if drop is given[0] else None)
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

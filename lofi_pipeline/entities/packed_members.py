"""Lists of entities by name, in as little memory as packed.py takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lofi_pipeline.entities.packed import Item, packed, unpacked
from lofi_pipeline.entities.pile import Pile


class PackedMembers(Mapping[str, list[Item]]):
    """Read as a mapping is. What one gives is a copy."""

    def __init__(self, members: Iterable[tuple[str, Sequence[Item]]]) -> None:
        self._pile, self._places = Pile(), dict[str, int]()
        for name, items in members:
            self._places[name] = len(self._pile)
            self._pile.append(packed(tuple(items)))

    def __getitem__(self, name: str) -> list[Item]:
        return list(unpacked(self._pile[self._places[name]]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

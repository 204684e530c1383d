"""Many entities in little memory: each is kept as bytes, and made anew whenever it is asked for.

The drops of a scan are packed in packed_drops.py. A record of a drop of ten files takes 14 kB as objects, and 4 kB so, nearly all of it in a
temporary file (pile.py). The bytes are pickles that only this process reads.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import islice
from operator import eq
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from lofi_pipeline.entities.base import Entity
from lofi_pipeline.entities.pile import Pile

Item = TypeVar("Item", bound=Entity)
_new = object.__new__
_set_values, _set_given, _set_extra, _set_private = (
    BaseModel.__dict__[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""Slots set directly: by name it takes half as long again, and a scan of 50,000 files makes millions of entities anew."""
_given: list[set[str]] = []
"""The sets of fields that packed entities were given; there are few, and all entities share them."""
_number_given: dict[int, int] = {}


class Packed(Sequence[Item]):
    """Entities in an order, read as a list is. What one gives is a copy: it is not there twice by identity."""

    def __init__(self, items: Iterable[Item] = (), *, together: int = 1) -> None:
        """`together`: how many are packed as one; more take less room, and are made anew together."""
        self._together, self._length = together, 0
        self._pile = Pile()
        self._at_hand: tuple[int, tuple[Item, ...]] = (-1, ())
        for _ in self.taking(items):
            pass

    def taking(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, each packed behind what is there before it is given."""
        rest = iter(items)
        while group := tuple(islice(rest, self._together)):
            self._add(group)
            yield from group

    def append(self, item: Item) -> None:
        """Pack one more behind the others, where each is packed alone."""
        assert self._together == 1
        self._add((item,))

    def _add(self, items: tuple[Item, ...], data: bytes | None = None) -> None:
        self._pile.append(data or packed(items))
        self._length += len(items)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        for data in self._pile:
            yield from unpacked(data)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self._length))]
        group, place = divmod(range(self._length)[index], self._together)
        number, found = self._at_hand
        if number != group:  # whoever asks for one often asks for its neighbour next
            self._at_hand = group, (found := unpacked(self._pile[group]))
        return found[place]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        if len(self) != len(other):
            return False
        same = isinstance(other, Packed) and all(map(eq, self._pile, other._pile))
        return same or all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]


class _Pickler(pickle.Pickler):
    """Pydantic's own way tells the names of the fields that were given for each entity, which takes three times as long."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, Entity):
            return NotImplemented
        given = obj.__pydantic_fields_set__
        number = _number_given.get(id(given))
        if number is None:
            number = _number_given[id(given)] = len(_given)
            _given.append(given)
        return _restored, (type(obj), obj.__dict__, number)


def _restored(kind: type[Entity], values: dict[str, Any], given: int) -> Entity:
    entity = _new(kind)
    _set_values(entity, values)
    _set_given(entity, _given[given])
    _set_extra(entity, None)
    _set_private(entity, None)
    return entity


def packed(items: tuple[Any, ...]) -> bytes:
    """The bytes of entities."""
    file = BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(items)
    return file.getvalue()


def unpacked(data: bytes) -> tuple[Any, ...]:
    """The entities of which `packed` made these bytes."""
    return pickle.loads(data)

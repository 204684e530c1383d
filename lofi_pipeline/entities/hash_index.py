"""Which items each content belongs to, by their numbers: of 100,000 files a dict of lists takes 27 MB, and this 4."""

from __future__ import annotations

from collections.abc import Iterable

_DIGITS = 3
"""Of a hash, those by which the entries are told apart at first: 4,096 shelves, of 24 entries each for 100,000 files."""
_HASH_BYTES, _NUMBER_BYTES = 32, 4
_ENTRY_BYTES = _HASH_BYTES + _NUMBER_BYTES


class HashIndex:
    """Numbers from 0 to 2**32 - 1 by SHA-256, written in hexadecimal digits."""

    def __init__(self, entries: Iterable[tuple[str, int]] = ()) -> None:
        self._shelves: dict[str, bytearray] = {}
        for sha256, number in entries:
            self.add(sha256, number)

    def __len__(self) -> int:
        return sum(map(len, self._shelves.values())) // _ENTRY_BYTES

    def add(self, sha256: str, number: int) -> None:
        """Put a number behind those that a hash has."""
        shelf = self._shelves.setdefault(sha256[:_DIGITS], bytearray())
        shelf += bytes.fromhex(sha256)
        shelf += number.to_bytes(_NUMBER_BYTES, "big")

    def __contains__(self, sha256: str) -> bool:
        return bool(_places(self._shelves.get(sha256[:_DIGITS], b""), sha256))

    def of(self, sha256: str) -> list[int]:
        """The numbers of a hash, in the order in which they were added."""
        shelf = self._shelves.get(sha256[:_DIGITS], b"")
        return [_number_at(shelf, at) for at in _places(shelf, sha256)]

    def pop(self, sha256: str) -> list[int]:
        """The numbers of a hash, which has none from then on."""
        shelf = self._shelves.get(sha256[:_DIGITS], bytearray())
        places = _places(shelf, sha256)
        found = [_number_at(shelf, at) for at in places]
        for at in reversed(places):
            del shelf[at : at + _ENTRY_BYTES]
        return found


def _number_at(shelf: bytes | bytearray, at: int) -> int:
    return int.from_bytes(shelf[at + _HASH_BYTES : at + _ENTRY_BYTES], "big")


def _places(shelf: bytes | bytearray, sha256: str) -> list[int]:
    """Where the entries of a hash begin."""
    sought, found, at = bytes.fromhex(sha256), list[int](), 0
    while (at := shelf.find(sought, at)) >= 0:
        if at % _ENTRY_BYTES:  # across two entries
            at += 1
        else:
            found.append(at)
            at += _ENTRY_BYTES
    return found

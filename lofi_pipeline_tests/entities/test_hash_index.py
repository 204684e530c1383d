"""Numbers by hash: a mapping of lists, in little memory."""

from __future__ import annotations

import tracemalloc
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.entities.hash_index import HashIndex

# All on one shelf, and many the same
HASHES = st.builds(
    lambda first, rest: "abc" + f"{first:x}" + f"{rest:02x}" * 30,
    st.integers(0, 1),
    st.sampled_from([0, 1, 171, 188]),
)


@given(st.lists(st.tuples(HASHES, st.integers(0, 2**32 - 1))), st.lists(HASHES), HASHES)
def test_it_is_a_mapping_of_lists(entries: list[tuple[str, int]], popped: list[str], sought: str) -> None:
    index, expected = HashIndex(entries), dict[str, list[int]]()
    for name, number in entries:
        expected.setdefault(name, []).append(number)
    for name in popped:
        assert index.pop(name) == expected.pop(name, [])
    assert index.of(sought) == expected.get(sought, [])
    assert (sought in index) == (sought in expected)
    assert len(index) == sum(map(len, expected.values()))


def test_what_stands_across_two_hashes_is_none_of_them() -> None:
    half = "abc1" + "7" * 28
    index = HashIndex([(half + half, 5), (half + half, 6)])
    across = half + "00000005" + half[:24]
    assert across not in index and index.of(across) == [] and index.of(half + half) == [5, 6]


def test_a_hash_takes_some_forty_bytes() -> None:
    hashes = [sha256(b"%d" % number).hexdigest() for number in range(20_000)]
    tracemalloc.start()
    index = HashIndex((name, number) for number, name in enumerate(hashes))
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert index.of(hashes[7]) == [7]
    # The shelves themselves are 4,096, however many hashes there are
    assert taken / len(hashes) < 36 * 1.25 + 4096 * 250 / len(hashes)

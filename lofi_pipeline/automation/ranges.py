"""Sets of partition keys as few contiguous ranges: what one run can take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
BRIDGED_GAP = 10
"""Keys between two wanted ones that are taken along: unchanged tracks cost less than another run."""


def ranges_of(wanted: Iterable[str], ordered: Sequence[str], *, most: int) -> list[dict[str, str]]:
    """Tags for runs that together cover `wanted`, each a range of `ordered` of at most `most` keys.

    `ordered` is the partitions' own order (that of insertion): a range that is inverted in it yields no key.
    """
    position = {key: index for index, key in enumerate(ordered)}
    indices = sorted(position[key] for key in wanted if key in position)
    pieces: list[tuple[int, int]] = []
    for index in indices:
        if pieces and index - pieces[-1][1] <= BRIDGED_GAP and index - pieces[-1][0] < most:
            pieces[-1] = (pieces[-1][0], index)
        else:
            pieces.append((index, index))
    return [{RANGE_START: ordered[first], RANGE_END: ordered[last]} for first, last in pieces]

"""The two partition axes: tracks, and checkpoints. Keys are added as music is dropped and checkpoints land."""

from collections.abc import Iterable

import dagster as dg

TRACKS = dg.DynamicPartitionsDefinition(name="tracks")
CHECKPOINTS = dg.DynamicPartitionsDefinition(name="checkpoints")
OWNERS = ["team:lofi"]
GPU_POOL = "gpu"
_MOST_AT_ONCE = 10_000
"""Keys in one call: SQLite takes 32,766 variables in a statement."""


def add_partitions(
    instance: dg.DagsterInstance, axis: dg.DynamicPartitionsDefinition, keys: Iterable[str]
) -> None:
    """Add the keys that the instance does not know, in their order."""
    name = str(axis.name)
    known = set(instance.get_dynamic_partitions(name))
    missing = [key for key in dict.fromkeys(keys) if key not in known]
    for start in range(0, len(missing), _MOST_AT_ONCE):
        instance.add_dynamic_partitions(name, missing[start : start + _MOST_AT_ONCE])

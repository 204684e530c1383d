"""The two partition axes: tracks, and checkpoints. Keys are added as music is dropped and checkpoints land."""

from collections.abc import Iterable

import dagster as dg

TRACKS = dg.DynamicPartitionsDefinition(name="tracks")
CHECKPOINTS = dg.DynamicPartitionsDefinition(name="checkpoints")
OWNERS = ["team:lofi"]
CPU_POOL, GPU_POOL = "cpu", "gpu"
_MOST_AT_ONCE = 10_000
"""Keys in one call: SQLite takes 32,766 variables in a statement."""


def add_partitions(instance: dg.DagsterInstance, axis: str | None, keys: Iterable[str]) -> None:
    """Add the keys that the axis of this name lacks, in their order, whoever else adds some of them meanwhile.

    Dagster looks which keys are there and then inserts the others: of two processes that do so at once, one is told by
    the database that a key is not unique. That key is there then, and what is still missing is added.
    """
    from sqlalchemy.exc import IntegrityError

    name, wanted = str(axis), list(dict.fromkeys(keys))
    missing = _missing(instance, name, wanted)
    while missing:
        try:
            for start in range(0, len(missing), _MOST_AT_ONCE):
                instance.add_dynamic_partitions(name, missing[start : start + _MOST_AT_ONCE])
        except IntegrityError:
            left = _missing(instance, name, wanted)
            if left == missing:
                raise
            missing = left
        else:
            return


def _missing(instance: dg.DagsterInstance, name: str, keys: list[str]) -> list[str]:
    known = instance.event_log_storage.get_existing_dynamic_partitions(name, keys)
    return [key for key in keys if key not in known]

"""The keys of a partition axis, added by two at once, and in numbers."""

import dagster as dg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from lofi_pipeline.assets.partitions import TRACKS, add_partitions

NAME = str(TRACKS.name)


@pytest.fixture
def raced(instance: dg.DagsterInstance):
    """Another writer adds track_002 after Dagster has looked which keys are there, and before it inserts its own."""

    other = dg.DagsterInstance.from_ref(instance.get_ref())  # an instance writes one thing at a time
    waiting = ["track_002"]

    def add_first(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO dynamic_partitions") and waiting:
            other.add_dynamic_partitions(NAME, [waiting.pop()])

    event.listen(Engine, "before_cursor_execute", add_first)
    yield instance
    event.remove(Engine, "before_cursor_execute", add_first)
    other.dispose()
    assert not waiting


def test_a_key_that_another_adds_meanwhile_is_there_once_and_the_others_too(
    raced: dg.DagsterInstance,
) -> None:
    add_partitions(raced, NAME, ["track_001", "track_002", "track_003"])
    assert sorted(raced.get_dynamic_partitions(NAME)) == ["track_001", "track_002", "track_003"]


def test_dagster_alone_fails_so(raced: dg.DagsterInstance) -> None:
    with pytest.raises(IntegrityError):
        raced.add_dynamic_partitions(NAME, ["track_001", "track_002", "track_003"])


MORE_THAN_SQLITE_TAKES = [f"track_{number:03d}" for number in range(1, 33_101)]


@pytest.mark.usefixtures("few_variables")
def test_more_keys_than_a_statement_takes_are_added_in_their_order(instance: dg.DagsterInstance) -> None:
    add_partitions(instance, NAME, MORE_THAN_SQLITE_TAKES[:5])
    add_partitions(instance, NAME, MORE_THAN_SQLITE_TAKES)
    assert instance.get_dynamic_partitions(NAME) == MORE_THAN_SQLITE_TAKES

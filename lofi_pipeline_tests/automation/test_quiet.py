"""A tick over a data root in which nothing has changed reads none of its files; what has changed is looked at by the next one."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pytest

from lofi_pipeline.automation import drop_sensor
from lofi_pipeline.automation.stability import LOOK_AGAIN_SECONDS, Watch
from lofi_pipeline.ingest import load_record
from lofi_pipeline.review import accept
from lofi_pipeline.storage import DataRoot, write_bytes_atomic, write_json_atomic
from lofi_pipeline_tests.audited import listening
from lofi_pipeline_tests.automation.test_drop_sensor import Ticks
from lofi_pipeline_tests.drops import facts, make_drop


@contextmanager
def opened(root: DataRoot) -> Iterator[list[str]]:
    """The files of the data root that are opened in the block, but for Dagster's own."""
    found: list[str] = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        path = str(arguments[0]) if event == "open" else ""
        if path.startswith(str(root.path)) and not path.startswith(str(root.dagster_home)):
            found.append(path)

    with listening(note):
        yield found


@pytest.fixture
def root(ready: DataRoot) -> DataRoot:
    """Of tracks that are done, with folders that were changed a while ago."""
    shutil.rmtree(ready.dagster_home, ignore_errors=True)
    return ready


@pytest.fixture
def ticks(root: DataRoot, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Ticks:
    """After one that found nothing to do."""
    monkeypatch.setattr(drop_sensor, "still_changing", lambda *_: False)
    found = Ticks(instance)
    assert found.reason() == drop_sensor.NOTHING_NEW  # the keys are added
    settle(root)
    assert found.reason() == drop_sensor.NOTHING_NEW
    return found


def settle(root: DataRoot) -> None:
    """As if folders had been changed a minute ago."""
    for folder in (root.path, *root.path.rglob("*")):
        if folder.is_dir() and not folder.is_relative_to(root.raw):
            before = folder.stat().st_mtime_ns
            os.utime(folder, ns=(before, before - 60 * 10**9))


def test_a_tick_reads_nothing_while_nothing_has_changed(root: DataRoot, ticks: Ticks) -> None:
    with opened(root) as files:
        assert ticks.reason() == drop_sensor.NOTHING_NEW
    assert files == []
    ticks.cursor = None
    with opened(root) as files:
        assert ticks.reason() == drop_sensor.NOTHING_NEW
    assert str(root.track_record("track_001")) in files


def _drop(root: DataRoot) -> None:
    make_drop(root, "later", {"x.wav": b"x"}, facts(source_id="later"))


def _grow(root: DataRoot) -> None:
    path = next(root.raw.rglob("a.wav"))
    with path.open("ab") as file:
        file.write(b"more")


def _lose_a_record(root: DataRoot) -> None:
    root.track_record("track_001").unlink()


def _fail(root: DataRoot) -> None:
    record = load_record(root, "track_001")
    assert record
    write_json_atomic(root.track_record("track_001"), record.model_copy(update={"inputs": {}}))


def _lose_audio(root: DataRoot) -> None:
    next(root.processed.rglob("track_001.mp3")).unlink()


def _lose_a_fingerprint(root: DataRoot) -> None:
    root.fingerprint("track_001").unlink()


def _rewrite_a_prompt(root: DataRoot) -> None:
    write_bytes_atomic(next(root.processed.rglob("track_001_prompt.txt")), b"something else")


def _lose_the_registry_of_sources(root: DataRoot) -> None:
    root.sources_json.unlink()


@pytest.mark.parametrize(
    ("change", "job"),
    [
        (_drop, "register"),
        (_grow, "register"),
        (_lose_the_registry_of_sources, "register"),
        (_lose_a_record, "ingest"),
        (_fail, "ingest"),
        (_lose_audio, "ingest"),
        (_lose_a_fingerprint, "ingest"),
        (_rewrite_a_prompt, "ingest"),
    ],
)
def test_a_change_is_seen_by_the_next_tick(
    root: DataRoot, ticks: Ticks, change: Callable[[DataRoot], None], job: str
) -> None:
    change(root)
    assert ticks.jobs() == [job]


def test_an_edit_is_looked_at(root: DataRoot, ticks: Ticks) -> None:
    accept(root, "track_001", "tests")
    with opened(root) as files:
        ticks.tick()
    assert str(root.track_record("track_001")) in files


def test_keys_that_were_lost_are_added_again(root: DataRoot, ticks: Ticks) -> None:
    ticks.instance.delete_dynamic_partition("tracks", "track_001")
    ticks.tick()
    assert "track_001" in ticks.instance.get_dynamic_partitions("tracks")


def test_what_is_due_is_never_taken_for_quiet(root: DataRoot, ticks: Ticks) -> None:
    _lose_a_record(root)
    settle(root)
    for _ in range(3):
        assert ticks.jobs() == ["ingest"]


def test_everything_is_looked_at_now_and_then(
    root: DataRoot, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = next(root.processed.rglob("track_001.mp3"))
    with audio.open("ab") as file:  # in place: the folder's time stays
        file.write(b"x")
    later = time.time() + LOOK_AGAIN_SECONDS + 1
    monkeypatch.setattr(drop_sensor.time, "time", lambda: later)
    assert ticks.jobs() == ["ingest"]


@pytest.mark.parametrize("cursor", ["x", "[]", "[" * 100_000, '{"seen": 1}'])
def test_a_cursor_that_somebody_else_stored_counts_as_empty(cursor: str) -> None:
    assert Watch.load(cursor) == Watch()

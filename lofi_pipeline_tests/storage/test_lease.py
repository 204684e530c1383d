"""Who works on something says so, and gives it free however they end: also on another machine, and where locks do not work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from lofi_pipeline.processes import ProcessMark
from lofi_pipeline.storage import (
    Held,
    Holder,
    holder_file,
    holder_of,
    is_held,
    leased,
    live_holders,
    lock_file,
    write_json_atomic,
)
from lofi_pipeline.storage import lease as module

HOLDING = """
import sys, time
from pathlib import Path
from lofi_pipeline.storage import lease
lease.BEAT_SECONDS = 0.05
with lease.leased(Path(sys.argv[1]), "holds"):
    print("holds", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "work"


def another(place: Path) -> subprocess.Popen[str]:
    """A process that holds the lease."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "holds\n"
    return process


def elsewhere(place: Path, *, seconds_ago: float = 0.0) -> Holder:
    """The record of a machine whose last sign of life was so long ago by the file server's clock."""
    holder_file(place).unlink(missing_ok=True)
    with leased(place, "trains"):
        found = holder_of(place)
    assert found
    holder = found.model_copy(update={"host": "node-7", "place": "f" * 8, "token": "theirs"})
    write_json_atomic(holder_file(place), holder)
    then = time.time() - seconds_ago
    os.utime(holder_file(place), (then, then))
    return holder


def test_it_is_one_at_a_time_and_tells_who_and_since_when(place: Path) -> None:
    told: list[Holder | None] = []
    process = another(place)
    assert is_held(place)
    with pytest.raises(Held, match=rf"^holds: \S+ on \S+ \(process {process.pid}\) since 20\S+ \S+ UTC$"):
        with leased(place, "mine", wait_seconds=0.1, on_wait=told.append):
            pass
    assert [holder and holder.pid for holder in told] == [process.pid]
    process.kill()
    process.communicate()
    with leased(place, "mine"):  # at once: it is known here that the process is gone
        assert [holder.what for holder in live_holders(place.parent, "work")] == ["mine"]
    assert not is_held(place) and not holder_file(place).exists()


def test_of_another_machine_it_is_taken_over_after_the_stated_silence(place: Path) -> None:
    elsewhere(place, seconds_ago=60)
    assert is_held(place)
    with pytest.raises(Held, match=r"^trains: \S+ on node-7 "):
        with leased(place, "mine"):
            pass
    elsewhere(place, seconds_ago=121)
    assert not is_held(place)
    with leased(place, "mine"):
        assert (found := holder_of(place)) and found.what == "mine"


def test_a_clock_that_is_an_hour_ahead_only_costs_the_time_of_silence(place: Path) -> None:
    elsewhere(place, seconds_ago=-3600)
    with pytest.raises(Held), leased(place, "mine", silent_seconds=0.6):
        pass
    with leased(place, "mine", silent_seconds=0.6, wait_seconds=60):
        pass


def test_one_that_gives_signs_of_life_is_never_taken_over_whatever_its_clock_says(place: Path) -> None:
    elsewhere(place, seconds_ago=-3600)
    over = threading.Event()

    def live() -> None:
        beat = 0
        while not over.wait(0.02):
            beat += 1
            os.utime(holder_file(place), (time.time() + 3600 + beat, time.time() + 3600 + beat))

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(Held), leased(place, "mine", silent_seconds=1.5, wait_seconds=3):
            pass
    finally:
        over.set()
        thread.join()


def test_the_lock_that_a_server_keeps_for_a_dead_machine_stops_nobody(place: Path) -> None:
    elsewhere(place, seconds_ago=121)
    with FileLock(lock_file(place)):  # as the server would
        with leased(place, "mine", wait_seconds=60):
            assert (found := holder_of(place)) and found.what == "mine"


def test_a_lock_without_a_record_is_waited_for(place: Path) -> None:
    """As a process of an older version holds it."""
    with FileLock(lock_file(place)):
        with pytest.raises(Held, match="a process of another version of lofi-pipeline"):
            with leased(place, "mine"):
                pass


def test_where_locks_do_not_work_the_record_keeps_a_second_one_away(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLock:
        def __init__(self, path: Path) -> None: ...
        def acquire(self, timeout: float) -> None: ...
        def release(self) -> None: ...

    monkeypatch.setattr(module, "FileLock", NoLock)
    process = another(place)
    with pytest.raises(Held, match="holds"), leased(place, "mine"):
        pass
    process.kill()
    process.communicate()


def test_who_was_taken_over_ends_before_it_writes_on(place: Path) -> None:
    process = another(place)
    elsewhere_record = holder_of(place)
    assert elsewhere_record
    write_json_atomic(
        holder_file(place), elsewhere_record.model_copy(update={"host": "node-8", "token": "x"})
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "another took over (holds: " in said and "on node-8" in said
    assert holder_file(place).exists()  # it is the other one's


def test_a_record_that_was_cut_off_is_nobodys(place: Path) -> None:
    holder_file(place).write_bytes(b"")
    with leased(place, "mine", wait_seconds=60):
        assert (found := holder_of(place)) and found.mark == ProcessMark.own()


def test_another_version_of_the_code_is_named(place: Path) -> None:
    holder = elsewhere(place)
    write_json_atomic(holder_file(place), holder.model_copy(update={"code": "0" * 12}))
    with pytest.raises(Held, match=r"with another version of lofi-pipeline \(000000000000\)"):
        with leased(place, "mine"):
            pass

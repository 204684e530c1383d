"""Processes that ours start: what they say arrives, and none of them outlives its parent."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest

from lofi_pipeline import progress
from lofi_pipeline.processes import child_process

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def test_one_that_will_not_end_is_killed() -> None:
    with child_process([sys.executable, "-c", STUBBORN], ending_seconds=0.5) as child:
        assert next(child.messages) == "ready\n"
    assert child.process.returncode == -9


COUNTING = """
import signal, sys, time
counted = []
signal.signal(signal.SIGTERM, lambda *_: counted.append(1))
print("ready", flush=True)
while not counted:
    time.sleep(0.05)
time.sleep(0.5)
print(len(counted), flush=True)
"""


def test_one_that_was_asked_to_end_is_not_asked_again_while_it_keeps_what_it_has() -> None:
    with child_process([sys.executable, "-c", COUNTING]) as child:
        assert next(child.messages) == "ready\n"
        child.ask_to_end()
        child.ask_to_end()
        assert next(child.messages) == "1\n"


def test_who_waits_for_a_stop_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_asked_to_stop", threading.Event())
    told: list[str] = []
    with progress.when_stopped(lambda: told.append("stop")):
        progress.stop()
        assert told == ["stop"]
    progress.stop()
    assert told == ["stop"]
    with pytest.raises(progress.Stopped):
        progress.report("tracks", 1, 2)


def test_its_last_words_are_kept() -> None:
    program = (
        "import sys; print('\\n'.join(f'line {n}' for n in range(90_000)), file=sys.stderr); sys.exit(3)"
    )
    with child_process([sys.executable, "-c", program]) as child:
        assert child.process.wait() == 3
    assert list(child.last_words)[-1] == "line 89999"
    assert len(child.last_words) == 20


def test_it_takes_no_module_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign.py").write_text("print('ran')")
    monkeypatch.chdir(tmp_path)
    with child_process([sys.executable, "-c", "import foreign"]) as child:
        assert child.process.wait() == 1
    assert "No module named 'foreign'" in list(child.last_words)[-1]


def test_progress_of_another_process_is_shown_here_until_it_is_cut_off() -> None:
    stream, shown = io.StringIO(), []
    with progress.listening(progress.to_lines(stream)):
        progress.report("tracks", 1, 3, "größer\nals")
        progress.report("tracks", 2, 3)
    lines = stream.getvalue().splitlines()
    with progress.listening(shown.append):
        progress.show_lines([*lines, lines[1][:20]])
    assert shown == [progress.Progress("tracks", 1, 3, "größer\nals"), progress.Progress("tracks", 2, 3)]

"""What is printed between a command's own lines: progress, and nothing of libraries."""

from __future__ import annotations

import io
import time
import warnings

import pytest

from lofi_pipeline import progress
from lofi_pipeline.cli import console as shown
from lofi_pipeline.processes import worker_processes


def test_a_log_has_the_first_and_the_last_line_of_a_stage_and_one_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with shown.bars():
        for done in range(1, 301):
            progress.report("tracks", done, 300, f"track {done}")
            clock[0] += 1.0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tracks")]
    assert [line.split(":")[0] for line in lines] == [
        f"tracks {done}/300" for done in (1, 61, 121, 181, 241, 300)
    ]


def test_a_terminal_has_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(shown, "console", shown.SafeConsole(file=terminal, force_terminal=True, width=120))
    with shown.bars():
        for done in range(1, 4):
            progress.report("tracks", done, 6, "\x1b]0;owned\x07song")
    text = terminal.getvalue()
    assert "3/6" in text and "0:00:0" in text
    assert "\x1b]0;" not in text


def test_a_worker_that_idled_too_long_is_no_news(recwarn: pytest.WarningsRecorder) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.resetwarnings()
        with worker_processes(2):
            pass
        warnings.warn(  # as joblib's loky does, in a thread of its own
            "A worker stopped while some jobs were given to the executor. This can be caused by a too short worker timeout.",
            UserWarning,
            stacklevel=1,
        )
    assert said == []

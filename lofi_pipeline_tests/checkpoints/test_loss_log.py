"""The training log on a disk that takes nothing more: the error names it, once."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lofi_pipeline.checkpoints.loss_log import LogEntry, append, open_log, read_training_log


def test_a_full_disk_is_told_of_with_the_log_s_name_and_the_log_can_be_closed() -> None:
    log = open_log(Path("/dev/full"))
    with pytest.raises(OSError, match="/dev/full") as error:
        append(log, LogEntry(step=1, loss=0.5))
    assert error.value.errno == errno.ENOSPC
    log.close()


def test_a_line_can_be_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "training_log.jsonl"
    with open_log(path) as log:
        append(log, LogEntry(step=1, loss=0.5))
        assert [entry.step for entry in read_training_log(path)] == [1]

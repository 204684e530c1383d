"""What a checkpoint remembers of its files: noticed when they look changed, and no part of what the ledger holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lofi_pipeline.checkpoints.kept import (
    changed_scores,
    files_that_look_changed,
    remember_scores,
    with_present_times,
)
from lofi_pipeline.checkpoints.ledger_entries import record_hash
from lofi_pipeline.checkpoints.manifest import read_record, write_record
from lofi_pipeline.checkpoints.retention import prune
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.entities import SCORES_RECORD
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_scores
from lofi_pipeline_tests.damage.damages import DAMAGES, empty, flip_unseen

FILES = ("adapter_model.safetensors", "resume/optimizer.safetensors", SCORES_RECORD, "samples/00.wav")


def remembered(root: DataRoot, step: int = 10, fad: float = 1.0) -> Path:
    """The folder of a scored checkpoint that remembers all its files."""
    folder = make_folder(root, step, fad=fad)
    write_record(folder, with_present_times(folder, read_record(folder)))
    remember_scores(folder, make_scores(step, fad))
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_each_file_that_looks_changed_is_named(
    name: str, damage: Callable[[Path], None], root: DataRoot
) -> None:
    folder = remembered(root)
    assert files_that_look_changed(folder, read_record(folder)) == []
    damage(folder / name)
    assert files_that_look_changed(folder, read_record(folder)) == [name]
    assert changed_scores(folder, read_record(folder)) == ([name] if name in FILES[2:] else [])


def test_what_only_has_another_time_is_remembered_anew(root: DataRoot, tmp_path: Path) -> None:
    folder = Path(
        shutil.copytree(remembered(root), tmp_path / root.checkpoints.name / "epoch=0-step=10_lora")
    )
    for path in folder.rglob("*"):
        os.utime(path)
    record = read_record(folder)
    assert set(files_that_look_changed(folder, record)) >= set(FILES)
    assert changed_scores(folder, record) == []
    assert files_that_look_changed(folder, with_present_times(folder, record)) == []


def test_an_earlier_record_notices_what_is_empty(root: DataRoot) -> None:
    folder = make_folder(root, 10, fad=1.0)
    assert files_that_look_changed(folder, read_record(folder)) == []
    flip_unseen(folder / FILES[0])
    assert files_that_look_changed(folder, read_record(folder)) == []
    empty(folder / FILES[0])
    assert files_that_look_changed(folder, read_record(folder)) == [FILES[0]]


def test_weights_that_retention_removed_are_not_missed(root: DataRoot) -> None:
    folder = remembered(root, 10, fad=2.0)
    for step in (20, 30, 40):
        remembered(root, step, fad=1.0)
    prune(root, RetentionSettings(keep_best=1))
    record = read_record(folder)
    assert record.pruned and not (folder / FILES[0]).exists()
    assert files_that_look_changed(folder, record) == []


def test_the_ledger_holds_no_times(root: DataRoot) -> None:
    folder = make_folder(root, 10)
    record = read_record(folder)
    assert with_present_times(folder, record).kept_files
    assert record_hash(with_present_times(folder, record)) == record_hash(record)

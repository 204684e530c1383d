"""Files that everything rests on are emptied, cut, changed or lost on disk: the next `lofi run` makes them again, or names them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.storage import DataRoot, file_sha256
from lofi_pipeline_tests.damage.damages import change_a_byte, empty, remove, truncate
from lofi_pipeline_tests.end_to_end.conftest import Way
from lofi_pipeline_tests.end_to_end.lofi import Lofi

ADAPTER = "adapter_model.safetensors"


def folder_of(root: DataRoot, line: dict[str, Any]) -> Path:
    return root.checkpoint(line["checkpoint_id"])


def samples_of(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in (folder / "samples").iterdir()}


@pytest.mark.slow
def test_scores_and_samples_are_made_again_and_lost_weights_are_named(trained: Way, tmp_path: Path) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    lines = trained.said["checkpoints"]
    scores, samples, weights = [folder_of(lofi.root, line) for line in lines if line["kept"]][:3]
    before = samples_of(samples)
    empty(scores / "scores.json")
    truncate(sorted((samples / "samples").iterdir())[0])
    remove(sorted((samples / "samples").iterdir())[1])
    change_a_byte(weights / ADAPTER)

    target = tmp_path / "said.json"
    done = lofi("run", "--base", str(lofi.base), "--json", str(target))
    assert done.code == 1
    assert f"{weights.name}: {ADAPTER} is not the file that training wrote" in done.said
    assert "Traceback" not in done.said
    said = json.loads(target.read_bytes())
    whole = [line for line in said["checkpoints"] if line["checkpoint_id"] != weights.name]
    assert whole == [line for line in lines if line["checkpoint_id"] != weights.name]
    assert samples_of(samples) == before

    # What cannot be made again is tried once, and said each time
    again = lofi.run()
    assert again["dagster_runs"] == 0
    faults = {line["checkpoint_id"]: line["fault"] for line in again["checkpoints"] if "fault" in line}
    assert list(faults) == [weights.name] and ADAPTER in faults[weights.name]


def test_scores_of_a_pruned_checkpoint_cannot_be_made_again_and_are_named(
    trained: Way, tmp_path: Path
) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    pruned = [folder_of(lofi.root, line) for line in trained.said["checkpoints"] if not line["kept"]]
    assert pruned
    empty(pruned[0] / "scores.json")
    said = lofi.run()
    assert said["dagster_runs"] == 0
    (line,) = [line for line in said["checkpoints"] if "fault" in line]
    assert line["checkpoint_id"] == pruned[0].name
    assert "scores.json" in line["fault"] and "backup" in line["fault"]


@pytest.mark.slow
def test_a_data_root_that_was_copied_without_its_times_is_read_and_nothing_is_made_again(
    trained: Way, tmp_path: Path
) -> None:
    other = Lofi(DataRoot(tmp_path / "data"), trained.lofi.config, trained.lofi.base)
    shutil.copytree(trained.root.path, other.root.path, copy_function=shutil.copyfile)
    said = other.run()
    for kept in ("tracks", "dataset", "checkpoints", "base", "best_checkpoint"):
        assert said[kept] == trained.said[kept], kept
    for path in trained.root.path.glob("checkpoints/*/s*/*"):
        copy = other.root.path / path.relative_to(trained.root.path)
        assert copy.read_bytes() == path.read_bytes()  # what is scored anew has another date
    scores = {path.parent.name: path.read_bytes() for path in trained.root.checkpoints.glob("*/scores.json")}
    assert {p.parent.name: p.read_bytes() for p in other.root.checkpoints.glob("*/scores.json")} == scores
    assert other.run()["dagster_runs"] == 0

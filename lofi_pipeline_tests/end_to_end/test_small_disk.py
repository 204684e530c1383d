"""Disks that are full, without inodes or read-only, at each stage: a sentence, exit 1, nothing half done, and it goes on."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from lofi_pipeline.audit.write import LAST_WRITTEN
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.conftest import Way
from lofi_pipeline_tests.end_to_end.lofi import STEPS, Lofi, write_config
from lofi_pipeline_tests.end_to_end.small_disk import Fault, Outcome, is_permitted, tried

pytestmark = pytest.mark.skipif(
    not is_permitted(), reason="this user may not mount a disk in a namespace of its own"
)
LAST = f"epoch=0-step={STEPS}_lora"
AGAIN = "then give the same command again: what was done is kept"
SAYS: dict[Fault, str] = {
    "full": r"is full \(\d+ \w+ of \d+ MB are free\); make room there",
    "inodes": r"takes no more files \((?:all|\d+ of) \d+ inodes are in use\); remove files that nobody needs there",
    "read-only": "is mounted read-only; mount it for writing",
}


def require_sentence_and_end(found: Outcome, fault: Fault, disk: Path) -> None:
    """The first command said which disk, what is wrong with it and what to do; the second one ended well."""
    said = " ".join(found.first.said.split())
    assert found.first.code == 1, said
    assert "Traceback" not in said and "Errno" not in said
    assert re.search(rf"cannot be written, the file system at {disk} {SAYS[fault]}.*{AGAIN}", said), said
    assert found.temporary == []
    assert found.second.code == 0, found.second.said


@pytest.fixture
def new(tmp_path: Path) -> Lofi:
    """A data root with one drop of one song, that nothing was done with."""
    root = DataRoot(tmp_path / "data")
    make_drop(root, "one", {"a.wav": song(0)}, facts())
    return Lofi(root, write_config(tmp_path / "config"), Path("nowhere"))


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("fault", "disk", "left"),
    [
        ("full", ".", 300_000),
        slow("read-only", "metadata", 0),
        slow("full", ".", 0),
        slow("full", "metadata", 0),
        slow("inodes", ".", 12),
        slow("inodes", "metadata", 3),
        slow("read-only", ".", 0),
    ],
)
def test_a_scan(fault: Fault, disk: str, left: int, new: Lofi) -> None:
    command = ("run", "--to", "source_records")
    found = tried(new, *command, fault=fault, disk=disk, left=left)
    require_sentence_and_end(found, fault, new.root.path / disk)
    assert "track_001" in found.left["metadata/registry.json"]


@pytest.mark.parametrize(
    ("fault", "disk", "left"),
    [
        slow("full", "metadata", 36_000),
        slow("full", "processed", 100_000),
        slow("full", ".dagster", 30_000),
        slow("inodes", "processed", 0),
        slow("read-only", "processed", 0),
    ],
)
def test_work_on_tracks_and_none_is_to_blame(fault: Fault, disk: str, left: int, new: Lofi) -> None:
    (new.root.path / "processed" / "core").mkdir(parents=True)
    found = tried(new, "run", "--to", "tagged_prompts", fault=fault, disk=disk, left=left)
    require_sentence_and_end(found, fault, new.root.path / disk)
    record = json.loads(found.left["metadata/tracks/track_001.json"])
    assert (record["status"], record["attempts"]) == ("ok", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "disk", "left"),
    [
        ("full", "final", 20_000),
        ("inodes", "metadata", 5),
        ("read-only", "metadata", 0),
        ("read-only", "final", 0),
    ],
)
def test_a_data_set_is_built_whole_or_not_at_all(fault: Fault, disk: str, left: int, new: Lofi) -> None:
    make_drop(new.root, "two", {"b.wav": song(1)}, facts(source_id="two"))
    ready = new("run", "--to", "tagged_prompts")
    assert ready.code == 0, ready.said
    found = tried(new, "run", "--to", "dataset_manifest", fault=fault, disk=disk, left=left)
    require_sentence_and_end(found, fault, new.root.path / disk)
    assert json.loads(found.left["metadata/dataset_manifest.json"])["track_count"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "disk", "left"),
    [
        ("full", "checkpoints", 20_000),
        ("full", "checkpoints", 1_000_000),
        ("inodes", "checkpoints", 4),
        ("read-only", "checkpoints", 0),
        ("full", "cache", 20_000),
        ("read-only", "cache", 0),
        ("full", "metadata", 40_000),
        ("full", "metadata", 0),
        ("inodes", "metadata", 0),
    ],
)
def test_a_training_and_its_scores_go_on_to_what_an_undisturbed_one_gives(
    fault: Fault, disk: str, left: int, prepared: Way, trained: Way, tmp_path: Path
) -> None:
    lofi = prepared.lofi.copy(tmp_path / "data")
    if disk == "cache":
        for cached in lofi.root.cache.rglob("*.safetensors"):
            cached.unlink()
    found = tried(lofi, "run", "--base", str(lofi.base), fault=fault, disk=disk, left=left)
    require_sentence_and_end(found, fault, lofi.root.path / disk)
    last = f"checkpoints/{LAST}/"
    theirs = trained.root.path / last
    ours = json.loads(found.left[last + "checkpoint.json"])
    assert ours["files"] == json.loads((theirs / "checkpoint.json").read_bytes())["files"]
    require_same_scores(found, trained)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "disk", "left"),
    [
        ("full", "checkpoints", 20_000),
        ("inodes", "checkpoints", 2),
        ("read-only", "checkpoints", 0),
        ("full", "metadata", 0),
        ("inodes", "metadata", 0),
        ("read-only", "metadata", 0),
        ("full", "audit", 3_000),
    ],
)
def test_scores_are_made_whole_or_not_at_all(
    fault: Fault, disk: str, left: int, trained: Way, tmp_path: Path
) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    (lofi.root.checkpoint(LAST) / "scores.json").unlink()
    shutil.rmtree(lofi.root.checkpoint(LAST) / "samples")
    shutil.rmtree(lofi.root.audits)
    if (
        disk == "metadata"
    ):  # one more line of the ledger fits into what is allotted to it; the base's scores do not
        shutil.rmtree(lofi.root.metadata / "base_scores")
    found = tried(lofi, "run", "--base", str(lofi.base), fault=fault, disk=disk, left=left)
    require_sentence_and_end(found, fault, lofi.root.path / disk)
    require_same_scores(found, trained)
    require_whole_audit(found)


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "left"), [("full", 0), ("full", 8_000), ("inodes", 0)])
def test_an_audit_is_written_whole_or_does_not_count(
    fault: Fault, left: int, trained: Way, tmp_path: Path
) -> None:
    lofi = trained.lofi.copy(tmp_path / "data")
    undisturbed = lofi("audit", LAST)
    if fault == "inodes":  # file by file, it would take the place of the audit before
        shutil.rmtree(lofi.root.audits / LAST)
    found = tried(lofi, "audit", LAST, fault=fault, disk="audit", left=left)
    require_sentence_and_end(found, fault, lofi.root.audits)
    assert found.second.said == undisturbed.said
    require_whole_audit(found)


@pytest.mark.parametrize(
    ("fault", "disk"),
    [("read-only", "."), slow("read-only", ".dagster"), slow("full", "."), slow("inodes", ".")],
)
def test_the_ui_does_not_start_on_a_disk_that_takes_nothing(fault: Fault, disk: str, new: Lofi) -> None:
    new.root.create()
    found = tried(new, "ui", fault=fault, disk=disk, then=("run", "--to", "source_records"))
    require_sentence_and_end(found, fault, new.root.path / disk)
    assert "http://" not in found.first.said
    assert "track_001" in found.left["metadata/registry.json"]


def require_same_scores(found: Outcome, trained: Way) -> None:
    """The scores of the last checkpoint are those of the undisturbed way."""
    scores = json.loads(found.left[f"checkpoints/{LAST}/scores.json"])["metrics"]
    theirs = json.loads((trained.root.checkpoint(LAST) / "scores.json").read_bytes())["metrics"]
    assert scores["fad_score"] == theirs["fad_score"]


def require_whole_audit(found: Outcome) -> None:
    """The last checkpoint was audited, and of each audit the file that is written last is there."""
    folders = [Path(name).parent for name in found.left if name.endswith("/report.json")]
    assert any(folder.name.endswith(f"-step{STEPS:06d}") for folder in folders)
    assert all(f"{folder}/{LAST_WRITTEN}" in found.left for folder in folders)

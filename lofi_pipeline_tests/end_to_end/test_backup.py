"""A disk is lost; the data root comes back from its backup, and one `lofi run` makes the rest: nothing is trained again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lofi_pipeline.storage import DataRoot, file_sha256
from lofi_pipeline_tests.end_to_end.conftest import Way


def hashes(root: DataRoot) -> dict[str, str]:
    """By path, the hash of all that a run makes of music, and of what was trained."""
    folders = (root.processed, root.final, root.validation, root.checkpoints)
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(root.path).as_posix(): file_sha256(path)
        for path in files
        # Records remember the times of files, which are new
        if not path.name.endswith((".lock", "checkpoint.json"))
    }


@pytest.mark.slow
def test_the_rest_is_made_again_to_the_same_hashes(trained: Way, tmp_path: Path) -> None:
    lost = trained.lofi.copy(tmp_path / "lost")
    before = hashes(lost.root)
    done = lost("backup", str(tmp_path / "copy"))
    assert done.code == 0, done.said
    lost.root.path.rename(tmp_path / "gone")
    found = replace(lost, root=DataRoot(tmp_path / "found"))
    done = found("restore", str(tmp_path / "copy"))
    assert done.code == 0, done.said
    said = found.run()
    assert said["dataset"] == trained.said["dataset"]
    assert said["best"] == trained.said["best"]
    assert hashes(found.root) == before
    done = found("fsck")
    assert done.code == 0, done.said

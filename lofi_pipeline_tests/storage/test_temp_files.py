"""What killed processes left goes when it is stale; drops, Dagster's history and fresh work are not touched."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lofi_pipeline.storage import DataRoot, remove_temporary_files

DAY = 24 * 3600


def left(folder: Path, name: str, age: float, *, kind: str = "file") -> Path:
    path = folder / name
    if kind == "file":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    else:
        (path / "inside").mkdir(parents=True)
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def test_only_what_is_stale_ours_and_temporary_goes(root: DataRoot):
    gone = [
        left(root.metadata, ".tmp-1-registry.json", DAY + 60),
        left(root.checkpoints, ".tmp-2-epoch=0-step=5_lora", DAY + 60, kind="folder"),
        left(root.metadata / "tracks", ".tmp-3-track_001.json", 3 * DAY),
    ]
    kept = [
        left(root.metadata, ".tmp-4-young", DAY - 60),
        left(root.checkpoints, ".tmp-5-young", 1, kind="folder"),
        left(root.raw / "partnerships" / "label", ".tmp-6-song.wav", 9 * DAY),
        left(root.dagster_home, ".tmp-7-storage", 9 * DAY),
        left(root.metadata, "tmp-8", 9 * DAY),
    ]
    assert sorted(remove_temporary_files(root)) == sorted(gone)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)

"""Two people, or a person and a schedule, start the same work on the same music at the same moment."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lofi_pipeline.dataset import load_registry, load_version
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.end_to_end.lofi import Lofi, materialized, write_config

TRACKS = 4


def test_two_runs_at_once_lose_nothing_and_give_one_data_set(tmp_path: Path, base: Path) -> None:
    root = DataRoot(tmp_path / "data").create()
    make_drop(root, "commons", {f"c{n}.wav": song(n) for n in range(TRACKS)}, facts())
    lofi = Lofi(root, write_config(tmp_path / "config"), base)
    both = [lofi.start("run", "--to", "dataset_manifest") for _ in range(2)]
    for done in [running.finish() for running in both]:
        assert done.code == 0, done.said
    version = load_version(root)
    ids = {track.track_id for track in load_registry(root).tracks}
    assert Counter(item.track.track_id for item in version.tracks) == dict.fromkeys(ids, 1)
    assert len(ids) == TRACKS
    assert materialized(root, "tagged_prompts") == ids
    for item in version.tracks:
        assert all(
            root.inside(path).is_file()
            for path in (item.track.audio_path, item.track.prompt_path, item.track.lyrics_path)
        )
    assert len(list((root.metadata / "datasets").glob("*.json"))) == 1
    said = lofi.run("--to", "dataset_manifest")
    assert said["dagster_runs"] == 0
    assert said["dataset"]["hash"] == version.dataset.hash

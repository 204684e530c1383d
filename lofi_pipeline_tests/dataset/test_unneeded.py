"""`lofi gc` finds what cache/ keeps of sounds that nothing names, and nothing else."""

from __future__ import annotations

import json

import pytest

from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.dataset.unneeded import BY_SOUND, unneeded_files
from lofi_pipeline.entities import SCORES_RECORD, RecordError, Sample
from lofi_pipeline.ingest import load_record
from lofi_pipeline.storage import DataRoot, read_versions, write_json_atomic
from lofi_pipeline_tests.checkpoints.folders import make_scores
from lofi_pipeline_tests.cli.test_dropping import run

NOBODYS = "ab" * 32


def keep(root: DataRoot, digest: str) -> set[str]:
    """An entry of each kind, named by the hash of a sound."""
    made = set()
    for kind in BY_SOUND:
        ending = "-1.png" if kind == "spectrograms" else ".npy"
        path = root.cache / kind.replace("*", "of-something") / f"{digest}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"kept")
        made.add(root.relative(path))
    return made


def audio_of(root: DataRoot, track_id: str) -> str:
    record = load_record(root, track_id)
    assert record is not None and record.processed is not None
    return record.processed.audio_sha256


@pytest.fixture
def root(ready: DataRoot) -> DataRoot:
    build_dataset(ready, load_config())
    return ready


def test_what_nothing_names_is_listed_and_removed_and_the_rest_stays(root: DataRoot) -> None:
    named = keep(root, audio_of(root, "track_001"))
    needless = keep(root, NOBODYS)
    (root.cache / "bases.json").write_text("{}", encoding="utf-8")
    listed = json.loads(run(root, "gc", "--json", "-").stdout)["files"]
    assert {item["path"] for item in listed} == needless
    assert run(root, "gc", "--remove").exit_code == 0
    assert not [path for path in needless if (root.path / path).exists()]
    assert all((root.path / path).is_file() for path in named) and (root.cache / "bases.json").is_file()


def test_what_an_old_data_set_version_names_stays(root: DataRoot) -> None:
    _, version = next(read_versions(root))
    record = root.track_record(version.tracks[0].track.track_id)
    keep(root, version.tracks[0].audio_sha256)
    record.unlink()
    assert unneeded_files(root) == []


def test_where_a_record_cannot_be_read_nothing_counts_as_unneeded(root: DataRoot) -> None:
    keep(root, NOBODYS)
    root.track_record("track_001").write_text("{", encoding="utf-8")
    with pytest.raises(RecordError, match=r"track_001\.json"):
        unneeded_files(root)
    assert run(root, "gc", "--remove").exit_code == 1
    assert all((root.cache / kind.replace("*", "of-something")).is_dir() for kind in BY_SOUND)
    assert list(root.cache.rglob(f"{NOBODYS}*"))


def test_what_scores_of_an_archived_lineage_name_stays(root: DataRoot) -> None:
    keep(root, NOBODYS)
    scores = make_scores(10, 0.5)
    sample = Sample(prompt="rain", seed=1, clap=0.3, sha256=NOBODYS)
    folder = root.checkpoints / "archive" / "a-lineage" / "epoch=0-step=10_lora"
    write_json_atomic(folder / SCORES_RECORD, scores.model_copy(update={"samples": [sample]}))
    assert unneeded_files(root) == []

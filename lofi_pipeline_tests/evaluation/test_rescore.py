"""Which scores are to be made again because the configuration asks for others: told from records alone."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version as package_version
from pathlib import Path

import pytest

from lofi_pipeline.checkpoints.folder import read_checkpoint_folder
from lofi_pipeline.checkpoints.manifest import read_record, write_record
from lofi_pipeline.config import EvaluationSettings, PipelineConfig, load_config
from lofi_pipeline.entities import SCORES_RECORD, DatasetVersion, HeldOutEnds, Scores
from lofi_pipeline.evaluation import chosen, evaluation_prompts
from lofi_pipeline.evaluation.embedders.files import PANN_FILE, files_sha256, user_files
from lofi_pipeline.evaluation.embedders.known_weights import known_hashes
from lofi_pipeline.evaluation.prompts import prompts_sha256
from lofi_pipeline.evaluation.rescore import ScoredOtherwise, due_again, scored_otherwise
from lofi_pipeline.evaluation.scoreboard import scoreboard
from lofi_pipeline.storage import DataRoot, file_sha256, write_json_atomic
from lofi_pipeline.training.variants import suiting
from lofi_pipeline_tests.checkpoints.folders import make_folder, make_scores
from lofi_pipeline_tests.training.toy import make_dataset

NANO = EvaluationSettings(embedder="auto", validation_prompts=4)


def asking(settings: EvaluationSettings) -> PipelineConfig:
    return load_config().model_copy(update={"evaluation": settings})


def scored(root: DataRoot, version: DatasetVersion) -> Scores:
    """Scores as NANO asks for, of one sample that is there."""
    settings = suiting(NANO, "nano")
    scores = make_scores(10, 0.3)
    digest = prompts_sha256(evaluation_prompts(version, settings), settings)
    versions = {name: package_version(name) for name in ("diffusers", "torch")}
    sample = root.inside(str(scores.samples[0].path))
    sample.parent.mkdir(exist_ok=True)
    sample.write_bytes(b"a clip")
    kept = scores.samples[0].model_copy(update={"sha256": file_sha256(sample)})
    key = scores.key.model_copy(update={"prompts_sha256": digest, "versions": versions})
    return scores.model_copy(update={"key": key, "samples": [kept]})


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> DatasetVersion:
    return make_dataset(DataRoot(tmp_path_factory.mktemp("made")))


@pytest.fixture
def checkpoint(root: DataRoot, version: DatasetVersion) -> Path:
    """A checkpoint of the nano base that was scored as NANO asks."""
    folder = make_folder(root, 10)
    write_json_atomic(root.dataset_version(version.dataset.hash), version)
    record = read_record(folder)
    base = record.lineage.base.model_copy(update={"name": "nano"})
    hashed = {"dataset_hash": version.dataset.hash}
    lineage = record.lineage.model_copy(update={"base": base, **hashed})
    landed = record.checkpoint.model_copy(update=hashed)
    write_record(folder, record.model_copy(update={"lineage": lineage, "checkpoint": landed}))
    write_json_atomic(folder / SCORES_RECORD, scored(root, version))
    return folder


def look(root: DataRoot, folder: Path, settings: EvaluationSettings = NANO) -> ScoredOtherwise | None:
    return scored_otherwise(root, read_checkpoint_folder(root, folder), asking(settings))


def change_key(folder: Path, **changes: object) -> None:
    scores = Scores.model_validate_json((folder / SCORES_RECORD).read_bytes())
    key = scores.key.model_copy(update=changes)
    write_json_atomic(folder / SCORES_RECORD, scores.model_copy(update={"key": key}))


def change_record(folder: Path, **changes: object) -> None:
    write_record(folder, read_record(folder).model_copy(update=changes))


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, None),
        ({"embedder": "nano"}, None),
        ({"batch_size": 1}, None),
        ({"style_prompts": False}, None),
        ({"embedder": "musicnn"}, "by nano, not by musicnn"),
        ({"seed": 1}, "on other clips"),
        ({"validation_prompts": 5}, "on other clips"),
        ({"size": "quick"}, "on other clips"),
        ({"inference_steps": 3}, "on other clips"),
        ({"sampling": {"nano": {"clip_seconds": 2.0}}}, "on other clips"),
        ({"reference": "validation+train-holdout-crops"}, "against another reference"),
        ({"embedder": "musicnn", "seed": 1}, "by nano, not by musicnn, on other clips"),
    ],
)
def test_scores_are_made_again_where_a_setting_asks_for_others(
    root: DataRoot, checkpoint: Path, changes: dict[str, object], how: str | None
) -> None:
    asked = EvaluationSettings.model_validate(NANO.model_dump(exclude_unset=True) | changes)
    found = look(root, checkpoint, asked)
    assert (found and found.how) == how
    assert not (found and found.hindrance)


def test_a_reference_that_would_hold_no_end_is_the_same_reference(root: DataRoot, checkpoint: Path) -> None:
    lineage = read_record(checkpoint).lineage
    asked = NANO.model_copy(update={"reference": "validation+train-holdout-crops"})
    for seconds, how in ((1.0, "against another reference"), (1000.0, None)):
        ends = HeldOutEnds(seconds=seconds, crop_seconds=1.0)
        change_record(checkpoint, lineage=lineage.model_copy(update={"held_out_ends": ends}))
        found = look(root, checkpoint, asked)
        assert (found and found.how) == how


def test_an_upgrade_alone_has_nothing_scored_again(root: DataRoot, checkpoint: Path) -> None:
    change_key(checkpoint, versions={"torch": "1.0", "numpy": "1.0", "preparation": "v0"})
    assert look(root, checkpoint) is None
    change_key(checkpoint, embedder_sha256="1" * 64)  # weights that are shipped
    assert look(root, checkpoint) is None


def test_clip_scorers_are_part_of_it(root: DataRoot, checkpoint: Path) -> None:
    change_key(checkpoint, versions={"clip scorer loudness": f"1.3 {'0' * 64}"})
    found = look(root, checkpoint)
    assert found and found.how == "with other clip scorers"


def test_nothing_is_asked_of_what_is_scored_beside_or_has_no_base_here(
    root: DataRoot, checkpoint: Path
) -> None:
    musicnn = NANO.model_copy(update={"embedder": "musicnn"})
    lineage = read_record(checkpoint).lineage
    base = lineage.base.model_copy(update={"name": "a base of elsewhere"})
    change_record(checkpoint, lineage=lineage.model_copy(update={"base": base}))
    assert look(root, checkpoint, musicnn) is None
    (checkpoint / SCORES_RECORD).unlink()
    change_record(checkpoint, lineage=lineage)
    assert look(root, checkpoint, musicnn) is None


def test_without_weights_it_takes_the_very_clips_that_were_written(root: DataRoot, checkpoint: Path) -> None:
    musicnn = NANO.model_copy(update={"embedder": "musicnn"})
    change_record(checkpoint, pruned=True)
    found = look(root, checkpoint, musicnn)
    assert found and found.hindrance is None
    (clip,) = (checkpoint / "samples").iterdir()
    before = clip.stat()
    clip.write_bytes(b"a cliq")
    os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = look(root, checkpoint, musicnn)
    assert found and found.hindrance and f"{clip.name} changed or missing" in found.hindrance
    clip.unlink()
    found = look(root, checkpoint, musicnn)
    assert found and found.hindrance and f"{clip.name} changed or missing" in found.hindrance
    found = look(root, checkpoint, NANO.model_copy(update={"seed": 1}))
    assert found and found.hindrance == "that takes other clips, and its weights were pruned"
    change_key(checkpoint, versions={"diffusers": "0.1", "torch": "1.0"})
    found = look(root, checkpoint, musicnn)
    assert found and found.hindrance and "other versions of diffusers or torch" in found.hindrance


def test_other_weights_of_the_users_count_and_are_read_once(
    root: DataRoot, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    asked = NANO.model_copy(update={"embedder": "pann", "weights_dir": str(weights)})
    found = look(root, checkpoint, asked)
    assert found and found.how == "by nano, not by pann"
    assert found.lacking == "the weights of pann are not in place; see lofi doctor"
    weights.mkdir()
    (weights / PANN_FILE).write_bytes(b"weights")
    change_key(checkpoint, embedder="pann", embedder_sha256=files_sha256(user_files(asked)))
    assert look(root, checkpoint, asked) is None
    with monkeypatch.context() as patch:
        patch.setattr("lofi_pipeline.evaluation.embedders.known_weights.kept_file", None)
        assert look(root, checkpoint, asked) is None
    (weights / PANN_FILE).write_bytes(b"other weights")
    found = look(root, checkpoint, asked)
    assert found and found.how == "with other weights of pann" and found.lacking is None


def test_auto_asks_for_known_hashes_alone(root: DataRoot, tmp_path: Path) -> None:
    asked: list[str] = []

    def hashed(path: Path) -> str:
        asked.append(path.name)
        return known_hashes(root)(path)

    settings = NANO.model_copy(update={"weights_dir": str(tmp_path)})
    for name in ("630k-audioset-best.pt", "roberta-base/vocab.json", "roberta-base/merges.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"not what was published")
    assert chosen(settings, "another base", hashed).embedder == "musicnn"
    assert asked == ["vocab.json", "merges.txt"]
    root.known_weights_json.write_bytes(b"")  # a cache
    assert chosen(settings, "another base", hashed).embedder == "musicnn"


def test_deciding_imports_no_torch() -> None:
    code = "import sys, lofi_pipeline.evaluation.rescore; print(sorted({'torch', 'dagster', 'diffusers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_due_and_what_cannot_be_done_is_said_of_the_active_lineage(
    root: DataRoot, checkpoint: Path
) -> None:
    other = asking(NANO.model_copy(update={"embedder": "musicnn", "seed": 1}))
    assert [it.name for it in due_again(root, other)] == [checkpoint.name]
    assert scoreboard(root, config=other).warnings[0] == (
        f"{checkpoint.name}: scored by nano, not by musicnn, on other clips; the configuration asks otherwise, and lofi run scores "
        "them again."
    )
    change_record(checkpoint, pruned=True)
    assert due_again(root, other) == []
    assert scoreboard(root, config=other).warnings[0] == (
        f"{checkpoint.name}: scored by nano, not by musicnn, on other clips; the configuration asks otherwise, but it can't be scored "
        "again: that takes other clips, and its weights were pruned."
    )
    assert not any("asks otherwise" in it for it in scoreboard(root, config=asking(NANO)).warnings)

"""From a data set to scored checkpoints, killed anywhere: one more run ends in what an undisturbed run gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lofi_pipeline.checkpoints.folder import imported_checkpoints
from lofi_pipeline.checkpoints.ledger_entries import scored_files
from lofi_pipeline.checkpoints.manifest import compile_manifest, read_record, scan_checkpoints
from lofi_pipeline.checkpoints.retention import prune
from lofi_pipeline.config import EvaluationSettings, RetentionSettings
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.evaluation.checkpoint import evaluate_checkpoint
from lofi_pipeline.storage import DataRoot, file_sha256, read_ledger
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.importing.commit import import_lora
from lofi_pipeline_tests.training.conftest import job_for, run_job
from lofi_pipeline_tests.training.toy import WIDTH, make_dataset, save_toy_base, toy_preset
from lofi_pipeline_tests.writes.kills import Trial, Work, in_order, order_of

CLIPS = {"clip_seconds": 1.0, "validation_prompts": 2, "style_prompts": False, "guidance_scale": 1.0}
SETTINGS = EvaluationSettings.model_validate(CLIPS | {"inference_steps": 1})
OTHER_SETTINGS = EvaluationSettings.model_validate(CLIPS | {"inference_steps": 2})


class Toy:
    """A toy base, a data set that is encoded with it, and the work of a run on them."""

    def __init__(self, folder: Path) -> None:
        self.base = save_toy_base(folder / "base")
        self.root = DataRoot(folder / "data")
        self.version: DatasetVersion = make_dataset(self.root)
        encode_dataset(self.version, self.root, str(self.base), toy_preset())

    def train(self, **preset: object) -> Work:
        def work(root: DataRoot) -> None:
            run_job(job_for(root, self.version, self.base, preset={"max_steps": 6} | preset))
            compile_manifest(root)  # as each scoring does

        return work

    def score(self, settings: EvaluationSettings) -> Work:
        """Score each checkpoint that has weights, and let retention take the weights of all but two."""

        def work(root: DataRoot) -> None:
            for found in scan_checkpoints(root):
                if not read_record(found.folder).pruned:
                    evaluate_checkpoint(root, found.folder, self.version, str(self.base), settings)
                    prune(root, RetentionSettings(keep_best=1, keep_most=1))

        return work


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    torch.set_num_threads(1)  # a fork has no other threads
    folder = tmp_path_factory.mktemp("toy")
    toy = Toy(folder)
    # What is imported and loaded for a training and its scores is there, then, in every fork
    tried = DataRoot(shutil.copytree(toy.root.path, folder / "tried"))
    toy.train(max_steps=2)(tried)
    toy.score(SETTINGS)(tried)
    return toy


@pytest.fixture
def encoded(toy: Toy, tmp_path: Path) -> DataRoot:
    shutil.copytree(toy.root.path, tmp_path / "data")
    return DataRoot(tmp_path / "data")


def test_checkpoints_land(toy: Toy, encoded: DataRoot, tmp_path: Path, which: str) -> None:
    trial = Trial(encoded, toy.train(), tmp_path)
    assert [found.step for found in scan_checkpoints(trial.undisturbed)] == [2, 4, 6]
    assert in_order(trial.changes, order_of("land")) == []
    assert trial.unequal(which) == []


def test_another_lineage_takes_the_place_of_the_first(
    toy: Toy, encoded: DataRoot, tmp_path: Path, which: str
) -> None:
    toy.train()(encoded)
    trial = Trial(encoded, toy.train(seed=7, max_steps=2), tmp_path)
    assert len(list(trial.undisturbed.checkpoint_archive.glob("*/epoch=*"))) == 3
    assert in_order(trial.changes, order_of("lineage")) == []
    assert trial.unequal(which) == []


def test_a_lora_from_elsewhere_is_taken_in(toy: Toy, encoded: DataRoot, tmp_path: Path, which: str) -> None:
    theirs = tmp_path / "theirs.safetensors"
    name = "lora_unet_layers_0_self_attn_q_proj"
    halves = {
        f"{name}.lora_down.weight": torch.ones(2, WIDTH),
        f"{name}.lora_up.weight": torch.ones(WIDTH, 2),
    }
    save_file(halves | {f"{name}.alpha": torch.tensor(2.0)}, theirs)
    trial = Trial(encoded, lambda root: void(import_lora(root, theirs, base=str(toy.base))), tmp_path)
    assert len(imported_checkpoints(trial.undisturbed)) == 1
    assert in_order(trial.changes, order_of("import")) == []
    assert trial.unequal(which) == []


def void(_: object) -> None:
    """Work gives nothing."""


def test_checkpoints_are_scored_and_the_worst_is_pruned(
    toy: Toy, encoded: DataRoot, tmp_path: Path, which: str
) -> None:
    toy.train()(encoded)
    trial = Trial(encoded, toy.score(SETTINGS), tmp_path)
    assert [read_record(found.folder).pruned for found in scan_checkpoints(trial.undisturbed)].count(True)
    assert in_order(trial.changes, [*order_of("score"), *order_of("prune")]) == []
    assert trial.unequal(which) == []


@pytest.mark.slow
def test_checkpoints_are_scored_anew(toy: Toy, encoded: DataRoot, tmp_path: Path, which: str) -> None:
    """With other settings: the ledger holds the former scores."""
    toy.train(max_steps=2)(encoded)
    toy.score(SETTINGS)(encoded)
    trial = Trial(encoded, toy.score(OTHER_SETTINGS), tmp_path)
    assert trial.unequal(which) == []


@pytest.mark.slow
def test_killed_while_it_is_scored_anew_a_checkpoint_may_be_scored_as_before(
    toy: Toy, encoded: DataRoot, tmp_path: Path, which: str
) -> None:
    toy.train(max_steps=2)(encoded)
    toy.score(SETTINGS)(encoded)
    trial = Trial(encoded, toy.score(OTHER_SETTINGS), tmp_path)
    [before] = scan_checkpoints(encoded)
    assert before.scores
    for where, root in trial.killed(which):
        toy.score(SETTINGS)(root)
        [found] = scan_checkpoints(root)
        assert found.record and found.scores and found.scores == before.scores, where
        entered, files = read_ledger(root).hashes, scored_files(found.folder, found.record, found.scores)
        assert {name: entered[name] for name in files} == {n: file_sha256(p) for n, p in files.items()}, where

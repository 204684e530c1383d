"""Starting a training from a LoRA: from its weights, within its lineage's chain, and never from what may not be used."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from safetensors.torch import load

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import read_record, scan_checkpoints, write_record
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.licensing import withdraw
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.importing.commit import import_lora
from lofi_pipeline.training.records import TrainingEvent
from lofi_pipeline.training.weights import DIFFUSERS_FILE, PEFT_FILE
from lofi_pipeline_tests.training.conftest import job_for, run_job

LAST = "epoch=0-step=6_lora"


def key_of(root: DataRoot, step: int = 6) -> str:
    record = read_record(root.checkpoint(f"epoch=0-step={step}_lora"))
    return record.partition_key


def test_it_goes_on_from_the_weights_and_keeps_where_they_are_from(
    trained: DataRoot, version: DatasetVersion, base: Path
):
    """Its first held-out loss is the last of the start, and a rate of nearly nothing leaves the weights as they were."""
    key, ended = key_of(trained), read_training_log(training_log(trained))[-1]
    before = load((trained.checkpoint(LAST) / DIFFUSERS_FILE).read_bytes())
    job = job_for(trained, version, base, preset={"start_from": key, "learning_rate": 1e-12})
    events = run_job(job)
    assert f"from {key}" in events[0].message
    first = read_training_log(training_log(trained))[0]
    assert first.validation_loss == pytest.approx(ended.validation_loss, rel=1e-5)
    after = load((trained.checkpoint(LAST) / DIFFUSERS_FILE).read_bytes())
    assert all(after[name].allclose(tensor, atol=1e-6) for name, tensor in before.items())
    record = scan_checkpoints(trained)[-1].record
    assert record and record.lineage.started_from
    assert record.lineage.started_from.partition_key == key != record.partition_key
    again = run_job(job)
    assert (again[0].kind.value, again[-1].kind.value) == ("resumed", "finished")


def test_what_is_no_start_is_refused_by_name(
    trained: DataRoot, version: DatasetVersion, base: Path, other_base: Path
):
    key = key_of(trained)

    def start(on: Path = base, **preset: object) -> None:
        run_job(job_for(trained, version, on, preset={"start_from": key} | preset))

    with pytest.raises(
        TrainingError, match="start_from 00000000-step000006: there is no such checkpoint.*" + key
    ):
        start(start_from="00000000-step000006")
    with pytest.raises(TrainingError, match="is of the base .*; set training.base to it"):
        start(other_base)
    with pytest.raises(CheckpointError, match="lora_rank.*decide which tensors"):
        start(lora_rank=2)
    with pytest.raises(
        CheckpointError, match="answer otherwise in this preset.*set adapter, lora_rank, lora_alpha"
    ):
        start(lora_alpha=4)
    with pytest.raises(CheckpointError, match="answer otherwise in this preset"):
        start(adapter="rslora")


def test_a_start_without_its_weights_is_refused(trained: DataRoot, version: DatasetVersion, base: Path):
    key = key_of(trained, 2)
    folder = trained.checkpoint("epoch=0-step=2_lora")
    (folder / PEFT_FILE).write_bytes((folder / PEFT_FILE).read_bytes()[:-8])
    job = job_for(trained, version, base, preset={"start_from": key, "seed": 1})
    with pytest.raises(TrainingError, match=f"start_from {key}: .*copy the whole folder"):
        run_job(job)


def test_a_start_that_retention_took_the_weights_of_is_refused(
    trained: DataRoot, version: DatasetVersion, base: Path
):
    folder = trained.checkpoint("epoch=0-step=2_lora")
    key = key_of(trained, 2)
    write_record(folder, read_record(folder).model_copy(update={"pruned": True}))
    with pytest.raises(TrainingError, match="its weights were removed by retention"):
        run_job(job_for(trained, version, base, preset={"start_from": key}))


def test_a_start_that_heard_withdrawn_music_is_refused(
    trained: DataRoot, version: DatasetVersion, base: Path
):
    key = key_of(trained)
    withdraw(trained, "toy", reason="it ended", day=date.today())
    with pytest.raises(
        TrainingError, match=f"start_from {key}: was trained on track_001 of toy, which was withdrawn"
    ):
        run_job(job_for(trained, version, base, preset={"start_from": key}))


def test_an_imported_lora_can_be_trained_on(
    root: DataRoot,
    undisturbed: tuple[DataRoot, list[TrainingEvent]],
    version: DatasetVersion,
    base: Path,
    tmp_path: Path,
):
    theirs = tmp_path / "theirs.safetensors"
    theirs.write_bytes((undisturbed[0].checkpoint(LAST) / DIFFUSERS_FILE).read_bytes())
    imported = import_lora(root, theirs, base=str(base)).record
    run_job(job_for(root, version, base, preset={"start_from": imported.partition_key}))
    record = scan_checkpoints(root)[-1].record
    assert record and record.lineage.started_from and record.lineage.started_from.lineage.imported
    assert record.lineage.datasets == [version.dataset.hash]

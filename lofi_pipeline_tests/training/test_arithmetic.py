"""What a training step does, to the number: which loss it logs, how far it goes, what each setting of the preset changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import SNAPSHOT_FOLDER
from lofi_pipeline.entities import DatasetVersion, Split
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.loss import Batch, CropReader, FlowMatching
from lofi_pipeline.training.optimisers import learning_rate
from lofi_pipeline.training.records import EventKind, TrainingEvent
from lofi_pipeline.training.resume import ADAPTER_FILE, OPTIMISER_FILE
from lofi_pipeline.training.run import train
from lofi_pipeline.training.sampling import BatchPlan
from lofi_pipeline.training.weights import adapter_tensors, add_adapter
from lofi_pipeline_tests.training.conftest import job_for, run_job
from lofi_pipeline_tests.training.test_training import assert_same_bits, poison, tensors_at
from lofi_pipeline_tests.training.toy import toy_preset

Undisturbed = tuple[DataRoot, list[TrainingEvent]]


def test_the_first_loss_is_the_mean_over_the_crops_of_the_first_step(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    preset, pipeline = toy_preset(), load_base(str(base))
    tracks = encode_dataset(version, root, str(base), preset, pipeline=pipeline).side(Split.TRAIN)
    shapes = tuple(tuple((t.crop_frames, c.tokens) for c in t.captions) for t in tracks)
    plan = BatchPlan(shapes, preset.batch_size, preset.seed)
    crops = CropReader(root, tracks, preset).draw(plan.chosen(0), "train", preset.seed, 0, 0)
    assert len({crop.shape for crop in crops}) > 1  # more than one call of the transformer
    flow = FlowMatching(pipeline.condition_encoder, preset, "cpu")
    with torch.inference_mode():
        losses = [float(flow.loss(pipeline.transformer, Batch.of([crop]))) for crop in crops]
    logged = read_training_log(training_log(undisturbed[0]))[1]
    assert (logged.step, logged.loss) == (1, pytest.approx(sum(losses) / len(losses), rel=1e-4))


def after_one_step(
    root: DataRoot, version: DatasetVersion, base: Path, **preset: Any
) -> dict[str, torch.Tensor]:
    """Adapter and moments of a training that was stopped after its first step."""
    job = job_for(root, version, base, preset={"checkpoint_interval": 6} | preset)
    train(job, lambda event: None, lambda: True)
    (kept,) = (root.checkpoints / SNAPSHOT_FOLDER).glob("step=*")
    assert kept.name == "step=1"
    return load_file(kept / ADAPTER_FILE) | load_file(kept / OPTIMISER_FILE)


def total_norm(tensors: dict[str, torch.Tensor], ending: str) -> float:
    return float(torch.cat([t.flatten() for name, t in tensors.items() if name.endswith(ending)]).norm())


@pytest.mark.parametrize("warmup_steps", [0, 4])
def test_a_step_goes_as_far_as_its_learning_rate(
    root: DataRoot, version: DatasetVersion, base: Path, warmup_steps: int
):
    preset = {"max_steps": 60, "warmup_steps": warmup_steps}
    found = after_one_step(root, version, base, **preset)
    rate = learning_rate(0, toy_preset(**preset))
    assert rate == pytest.approx(0.01 / (warmup_steps or 1))
    grown = torch.cat([tensor.flatten() for name, tensor in found.items() if name.endswith("lora_B.weight")])
    assert float(grown.abs().max()) == pytest.approx(rate, rel=0.01)  # AdamW's first step; B begins as zeros


def test_gradients_are_clipped_at_the_norm_of_the_preset(root: DataRoot, version: DatasetVersion, base: Path):
    found = after_one_step(root, version, base, max_grad_norm=1e-4)
    assert total_norm(found, "/exp_avg") == pytest.approx(
        0.1 * 1e-4, rel=0.01
    )  # a tenth of the first gradient


@pytest.mark.parametrize(
    "change",
    [
        {"weight_decay": 0.5},
        {"max_grad_norm": 1e-4},
        {"condition_dropout": 1.0},
        {"crops_on_bars": True},
        {"timestep": "turbo8"},
        {"timestep_mean": 1.0},
        {"timestep_std": 0.1},
        {"learning_rate": 0.02},
        {"lora_alpha": 4},
        {"seed": 1},
    ],
    ids=str,
)
def test_each_setting_changes_what_is_trained(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed, change: dict[str, Any]
):
    run_job(job_for(root, version, base, preset=change))
    ours, plain = (tensors_at(place, 6) for place in (root, undisturbed[0]))
    assert ours.keys() == plain.keys()
    assert any(not torch.equal(ours[name], plain[name]) for name in ours)


def test_the_seed_decides_the_weights_that_training_begins_with(base: Path):
    begun = []
    for seed in (0, 0, 1):
        transformer = load_base(str(base)).transformer
        add_adapter(transformer, toy_preset(seed=seed))
        begun.append(adapter_tensors(transformer))
    assert_same_bits(begun[0], begun[1])
    assert any(not torch.equal(begun[0][name], begun[2][name]) for name in begun[0])


def test_validation_measures_the_same_crops_each_time(root: DataRoot, version: DatasetVersion, base: Path):
    run_job(job_for(root, version, base, preset={"learning_rate": 1e-12, "condition_dropout": 1.0}))
    log = read_training_log(training_log(root))
    losses = [entry.validation_loss for entry in log if entry.validation_loss is not None]
    assert len(losses) == 4 and losses == pytest.approx([losses[0]] * 4, rel=1e-5)


def test_validation_drops_no_condition(root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path):
    first = []
    for share in (0.0, 1.0):
        place = DataRoot(shutil.copytree(root.path, tmp_path / f"dropout-{share}"))
        preset = {"condition_dropout": share, "max_steps": 1, "checkpoint_interval": 1}
        run_job(job_for(place, version, base, preset=preset))
        first.append(read_training_log(training_log(place))[0].validation_loss)
    assert first[0] is not None and first[0] == first[1]


def test_no_state_is_kept_right_after_a_step_that_was_skipped(
    root: DataRoot, version: DatasetVersion, base: Path
):
    poison(root, version, base, 0, 1, 2)
    events: list[TrainingEvent] = []
    train(job_for(root, version, base), events.append, lambda: True)
    kinds = [event.kind for event in events if event.kind is not EventKind.PROGRESS]
    assert kinds == [EventKind.STARTED, EventKind.SKIPPED, EventKind.STOPPED]
    assert not list((root.checkpoints / SNAPSHOT_FOLDER).glob("step=*"))


def test_a_damaged_snapshot_is_passed_over_for_the_checkpoint_before_it(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    asked = iter([False, False, True])
    train(job_for(root, version, base), lambda event: None, lambda: next(asked))
    kept = root.checkpoints / SNAPSHOT_FOLDER / "step=3" / ADAPTER_FILE
    data = kept.read_bytes()
    kept.write_bytes(data[:-1] + bytes([data[-1] ^ 64]))  # it can still be read
    events = run_job(job_for(root, version, base))
    assert "damaged" in events[0].message
    assert (events[1].kind, events[1].step) == (EventKind.RESUMED, 2)
    assert_same_bits(tensors_at(root, 6), tensors_at(undisturbed[0], 6))


def test_a_target_in_a_block_that_the_base_does_not_have_is_refused(base: Path):
    transformer = load_base(str(base)).transformer
    preset = toy_preset(lora_targets=["to_q", "layers.2.self_attn.to_q"])
    with pytest.raises(TrainingError, match=r"no layer layers.2.self_attn.to_q \(it has 2 blocks"):
        add_adapter(transformer, preset)

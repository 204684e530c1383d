"""What a preset can ask for beyond a plain LoRA: each does what it says, and resumes to the same bits."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from pydantic import ValidationError
from safetensors.torch import load

from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import scan_checkpoints
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot, read_json, write_json_atomic
from lofi_pipeline.training import optimisers, prior, trackers
from lofi_pipeline.training.bases import describe_base, load_base
from lofi_pipeline.training.checkpoints import verify_checkpoint
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.prior import PriorClips, make_prior
from lofi_pipeline.training.records import EventKind
from lofi_pipeline.training.run import train
from lofi_pipeline.training.weights import DIFFUSERS_FILE, load_checkpoint_into, take_parity_check
from lofi_pipeline_tests.training.conftest import Train, job_for, run_job
from lofi_pipeline_tests.training.toy import toy_preset

Undisturbed = tuple[DataRoot, list[Any]]
FEATURES: dict[str, dict[str, Any]] = {
    "uniform timesteps": {"timestep": "uniform"},
    "cosmap": {"loss_weighting": "cosmap"},
    "accumulated gradients": {"gradient_accumulation": 2},
    "rsLoRA": {"adapter": "rslora"},
    "DoRA": {"adapter": "dora"},
    "LoKr": {"adapter": "lokr", "decompose_factor": 2, "lora_rank": 3},
    "other ranks": {"rank_pattern": {"cross_attn.to_q": 2}, "alpha_pattern": {"cross_attn.to_q": 16}},
    "EMA": {"ema_decay": 0.9},
    "EMA beside": {"ema_decay": 0.9, "ema_publish": False},
    "prior preservation": {"prior_clips": 2, "prior_share": 0.5, "prior_steps": 2},
    "8-bit AdamW": {"optimizer": "adamw_8bit"},
    "Prodigy": {"optimizer": "prodigy", "learning_rate": 1.0},
    "schedule-free": {"optimizer": "schedule_free"},
}
PACKAGES = {"adamw_8bit": "torchao", "prodigy": "prodigyopt", "schedule_free": "schedulefree"}


def tensors_at(root: DataRoot, step: int) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, by file and name."""
    folder = root.checkpoint(f"epoch=0-step={step}_lora")
    files = [path for path in folder.rglob("*.safetensors") if path.name != "probe.safetensors"]
    return {
        f"{path.relative_to(folder)}: {name}": tensor
        for path in files
        for name, tensor in load(path.read_bytes()).items()
    }


def adapter_at(root: DataRoot, step: int, where: str = "") -> dict[str, torch.Tensor]:
    folder = root.checkpoint(f"epoch=0-step={step}_lora") / where
    return load((folder / DIFFUSERS_FILE).read_bytes())


def differ(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> list[str]:
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


TOGETHER: dict[str, dict[str, Any]] = {
    "objective, accumulation and ranks": FEATURES["uniform timesteps"]
    | FEATURES["cosmap"]
    | FEATURES["accumulated gradients"]
    | FEATURES["rsLoRA"]
    | FEATURES["other ranks"],
    "DoRA and EMA": FEATURES["DoRA"] | FEATURES["EMA"],
    "LoKr and EMA": FEATURES["LoKr"] | FEATURES["EMA"],
    "EMA beside and prior preservation": FEATURES["EMA beside"] | FEATURES["prior preservation"],
    **{name: FEATURES[name] for name in ("8-bit AdamW", "Prodigy", "schedule-free")},
}


def need_package_for(preset: dict[str, Any]) -> None:
    if package := PACKAGES.get(preset.get("optimizer", "")):
        pytest.importorskip(package)


@pytest.mark.parametrize("features", TOGETHER)
def test_it_resumes_to_the_same_bits(
    features: str, root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path
):
    """Stopped in between, and again from a checkpoint: adapter, average, optimiser and log are those of a run in one go."""
    preset = TOGETHER[features]
    need_package_for(preset)
    whole = DataRoot(shutil.copytree(root.path, tmp_path / "whole"))
    run_job(job_for(whole, version, base, preset=preset))
    job = job_for(root, version, base, preset=preset)
    asked = iter([False, False, True])
    train(job, lambda event: None, lambda: next(asked))
    assert run_job(job)[0].step == 3
    assert differ(tensors_at(root, 6), tensors_at(whole, 6)) == []
    shutil.rmtree(root.checkpoint("epoch=0-step=6_lora"))
    assert run_job(job)[0].step == 4
    assert differ(tensors_at(root, 6), tensors_at(whole, 6)) == []
    assert read_training_log(training_log(root)) == read_training_log(training_log(whole))


@pytest.fixture(scope="module")
def plain(
    encoded: tuple[DataRoot, DatasetVersion], base: Path, tmp_path_factory: pytest.TempPathFactory
) -> DataRoot:
    """Two steps without any of it."""
    root = DataRoot(shutil.copytree(encoded[0].path, tmp_path_factory.mktemp("plain") / "data"))
    run_job(job_for(root, encoded[1], base, preset={"max_steps": 2}))
    return root


@pytest.mark.parametrize("feature", [name for name in FEATURES if name != "EMA beside"])
def test_it_changes_the_weights_and_the_lineage_and_loads_as_it_was_trained(
    feature: str, root: DataRoot, version: DatasetVersion, base: Path, plain: DataRoot
):
    preset = FEATURES[feature]
    need_package_for(preset)
    run_job(job_for(root, version, base, preset=preset | {"max_steps": 2}))
    before, found = adapter_at(plain, 2), adapter_at(root, 2)
    assert before.keys() != found.keys() or any(
        before[name].shape != tensor.shape or not torch.equal(before[name], tensor)
        for name, tensor in found.items()
    )
    (checkpoint,) = scan_checkpoints(root)
    assert verify_checkpoint(root, checkpoint.folder, str(base)).is_valid
    record, other = checkpoint.record, scan_checkpoints(plain)[0].record
    assert record and other and record.lineage.lineage != other.lineage.lineage


def test_accumulated_gradients_are_those_of_the_larger_batch(
    root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path
):
    at_once = DataRoot(shutil.copytree(root.path, tmp_path / "at once"))
    run_job(job_for(at_once, version, base, preset={"batch_size": 4, "max_steps": 2}))
    run_job(
        job_for(root, version, base, preset={"batch_size": 1, "gradient_accumulation": 4, "max_steps": 2})
    )
    one, other = adapter_at(root, 2), adapter_at(at_once, 2)
    losses = [[entry.loss for entry in read_training_log(training_log(it))[1:]] for it in (root, at_once)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, tensor in one.items():
        assert torch.allclose(tensor, other[name], atol=1e-4), name


def test_the_average_is_that_of_the_live_weights(run: Train, root: DataRoot):
    """By hand: the average of the weights of steps 1 and 2, with the decay that diffusers documents, (1 + n) / (10 + n)."""
    run(preset={"ema_decay": 0.9, "checkpoint_interval": 1, "max_steps": 3})
    live = [adapter_at(root, step, "resume/live") for step in (1, 2, 3)]
    average = live[0]  # the first step takes the weights as they are
    for step in (2, 3):
        decay = min(0.9, step / (9 + step))
        average = {name: decay * average[name] + (1 - decay) * live[step - 1][name] for name in average}
        published = adapter_at(root, step)
        for name, tensor in published.items():
            assert torch.allclose(tensor, average[name], atol=1e-6), (step, name)
    (for_comfyui,) = (root.checkpoint("epoch=0-step=3_lora") / "comfyui").iterdir()
    halves = [it for name, it in load(for_comfyui.read_bytes()).items() if name.endswith(".weight")]
    assert all(any(torch.equal(tensor, half) for half in halves) for tensor in adapter_at(root, 3).values())
    log = read_training_log(training_log(root))
    assert all(entry.beside is not None and entry.beside != entry.validation_loss for entry in log[2:])


def test_the_weights_beside_the_published_ones_load_as_an_adapter_of_their_own(
    run: Train, root: DataRoot, base: Path, undisturbed: Undisturbed
):
    """Without publishing the average, the live weights are those of a training without it; the average can be scored alike."""
    run(preset={"ema_decay": 0.9, "ema_publish": False})
    folder = root.checkpoint("epoch=0-step=6_lora")
    pipeline = load_base(str(base))
    load_checkpoint_into(pipeline, folder / "resume" / "ema")
    answers = take_parity_check(pipeline.transformer)
    assert not torch.equal(answers.with_adapter, answers.without)
    assert differ(adapter_at(root, 6), adapter_at(undisturbed[0], 6)) == []


def test_some_layers_have_a_rank_and_an_alpha_of_their_own(run: Train, root: DataRoot):
    run(preset=FEATURES["other ranks"] | {"max_steps": 2})
    ranks = {name: tensor.shape[0] for name, tensor in adapter_at(root, 2).items() if "lora_A" in name}
    assert {rank for name, rank in ranks.items() if "cross_attn.to_q" in name} == {2}
    assert {rank for name, rank in ranks.items() if "cross_attn.to_q" not in name} == {4}


def test_a_rank_for_a_layer_that_gets_no_lora_is_refused(run: Train):
    assert toy_preset(rank_pattern={"cross_attn.q_proj": 2}).rank_pattern == {"cross_attn.to_q": 2}
    with pytest.raises(ValidationError, match="the transformer has no layer 'crossattn.to_q'"):
        toy_preset(rank_pattern={"crossattn.to_q": 2})
    with pytest.raises(TrainingError, match="alpha_pattern: no layer gate_proj of the base gets a LoRA"):
        run(preset={"alpha_pattern": {"gate_proj": 2}})


def test_schedule_free_publishes_its_average(run: Train, root: DataRoot):
    """By its definition (Defazio et al. 2024, arXiv 2405.15682): at a constant rate, x is the mean of all z."""
    pytest.importorskip("schedulefree")
    run(preset={"optimizer": "schedule_free", "checkpoint_interval": 1, "max_steps": 2, "warmup_steps": 0})
    z: list[dict[str, torch.Tensor]] = []
    for step in (1, 2):
        folder = root.checkpoint(f"epoch=0-step={step}_lora")
        state = load((folder / "resume" / "optimizer.safetensors").read_bytes())
        z.append(
            {
                key.removesuffix("/z").replace(".default", ""): it
                for key, it in state.items()
                if key.endswith("/z")
            }
        )
    published = {name.removeprefix("transformer."): tensor for name, tensor in adapter_at(root, 2).items()}
    assert published.keys() == z[0].keys()
    assert all(torch.allclose(it, (z[0][name] + z[1][name]) / 2, atol=1e-5) for name, it in published.items())


def test_eight_bit_state_of_a_large_weight_is_kept_to_the_bit():
    """Weights of 4096 values and more are what torchao keeps in eight bits; the toy's are smaller."""
    pytest.importorskip("torchao")
    preset = toy_preset(optimizer="adamw_8bit")

    def optimiser_of(value: torch.Tensor) -> tuple[torch.nn.Parameter, torch.optim.Optimizer, dict[int, str]]:
        weight = torch.nn.Parameter(value.clone())
        return weight, optimisers.new_optimiser(preset, [weight], "cpu"), {id(weight): "weight"}

    def step(weight: torch.nn.Parameter, optimiser: torch.optim.Optimizer, number: int) -> None:
        weight.grad = torch.randn(64, 64, generator=torch.Generator().manual_seed(number))
        optimisers.take_step(optimiser, preset, number, "cpu")

    weight, optimiser, names = optimiser_of(torch.ones(64, 64))
    step(weight, optimiser, 0)
    kept = optimisers.optimiser_tensors(optimiser, names, "adamw_8bit")
    assert kept["weight/exp_avg/codes"].dtype is torch.uint8
    other, resumed, other_names = optimiser_of(weight.detach())
    optimisers.restore_optimiser(resumed, other_names, kept, "adamw_8bit")
    step(weight, optimiser, 1)
    step(other, resumed, 1)
    assert torch.equal(weight, other)


def test_an_optimiser_whose_package_is_absent_names_the_extra(run: Train, monkeypatch: pytest.MonkeyPatch):
    absent = optimisers.Kind("prodigyopt_absent", "Prodigy", ())
    monkeypatch.setitem(optimisers.KINDS, "prodigy", absent)
    with pytest.raises(
        TrainingError, match="prodigyopt_absent is not installed; install the extra `optimizers`"
    ):
        run(preset={"optimizer": "prodigy"})


def test_clips_of_the_base_are_made_once_kept_on_record_and_never_counted_as_tracks(
    run: Train, root: DataRoot, version: DatasetVersion, base: Path, monkeypatch: pytest.MonkeyPatch
):
    preset = FEATURES["prior preservation"]
    run(preset=preset | {"max_steps": 2})
    (record,) = (root.metadata / "prior").glob("*.json")
    kept = PriorClips.parse(read_json(record), where=record.name)
    assert [clip.prompt for clip in kept.clips] == ["rock, electric guitar, drums", "classical, piano, slow"]
    assert kept.clips[0].sha256 != kept.clips[1].sha256
    lineage = scan_checkpoints(root)[0].record
    assert lineage and lineage.lineage.prior_clips == 2
    assert len(read_json(root.dataset_version(version.dataset.hash))["tracks"]) == 4

    def again() -> None:
        make_prior(root, str(base), describe_base(str(base)), toy_preset(**preset), "cpu")

    monkeypatch.setattr(prior, "_make", lambda *given: pytest.fail("made again"))
    again()
    monkeypatch.undo()
    shutil.rmtree(root.cache / "prior")
    again()
    assert PriorClips.parse(read_json(record), where=record.name) == kept
    shutil.rmtree(root.cache / "prior")
    other = kept.clips[0].model_copy(update={"sha256": "0" * 64})
    write_json_atomic(record, kept.model_copy(update={"clips": [other, kept.clips[1]]}))
    with pytest.raises(TrainingError, match="are not those that were trained on"):
        again()


def test_the_share_of_clips_is_what_was_asked_for_beside_all_tracks_of_the_batch(
    root: DataRoot, version: DatasetVersion, base: Path
):
    preset = toy_preset(prior_clips=2, prior_share=0.3, prior_steps=1, batch_size=4)
    made = make_prior(root, str(base), describe_base(str(base)), preset, "cpu")
    assert made
    counts = [len(made.draw(step, 0)) for step in range(400)]
    assert set(counts) == {1, 2}  # 4 x 0.3 / 0.7 = 1.71
    assert sum(counts) / (sum(counts) + 4 * 400) == pytest.approx(0.3, abs=0.01)
    assert [crop.shape for crop in made.draw(7, 0)] == [crop.shape for crop in made.draw(7, 0)]
    assert all(crop.latents.shape[0] == 50 for crop in made.draw(7, 0))  # 2 s at 25 latents a second


def test_two_averages_at_once_are_refused():
    with pytest.raises(ValidationError, match="schedule_free averages the weights already"):
        toy_preset(optimizer="schedule_free", ema_decay=0.9)


def test_held_out_and_training_tracks_are_measured_by_band_at_every_checkpoint(undisturbed: Undisturbed):
    log = read_training_log(training_log(undisturbed[0]))
    measured = [entry for entry in log if entry.held_out]
    assert [entry.step for entry in measured] == [0, 2, 4, 6]
    first, last = measured[0], measured[-1]
    assert first.held_out and first.seen and last.seen
    assert len({first.held_out.high_noise, first.held_out.middle_noise, first.held_out.low_noise}) == 3
    assert first.gap == pytest.approx(first.held_out.mean - first.seen.mean)
    assert last.seen.mean < first.seen.mean, "it was trained on these"


def test_training_ends_early_on_record_and_stays_ended(
    root: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path
):
    """With a margin that nothing can reach, two checkpoints are no better than the base."""
    preset = {
        "stop_on": "middle_noise",
        "stop_patience": 2,
        "stop_margin": 100,
        "checkpoint_interval": 1,
        "max_steps": 20,
    }
    whole = DataRoot(shutil.copytree(root.path, tmp_path / "whole"))
    events = run_job(job_for(whole, version, base, preset=preset))
    assert (events[-1].kind, events[-1].step) == (EventKind.FINISHED, 2)
    assert "middle_noise was no better for 2 checkpoints in a row" in events[-1].message
    records = [found.record for found in scan_checkpoints(whole)]
    assert [bool(record.ended) for record in records if record] == [False, True]
    again = run_job(job_for(whole, version, base, preset=preset))
    assert (again[0].kind, again[-1].kind) == (EventKind.RESUMED, EventKind.FINISHED)
    assert EventKind.CHECKPOINT not in [event.kind for event in again]
    job = job_for(root, version, base, preset=preset)
    train(job, lambda event: None, lambda: True)
    assert [found.step for found in scan_checkpoints(root)] == [1]
    assert run_job(job)[-1].step == 2
    assert differ(tensors_at(root, 2), tensors_at(whole, 2)) == []


def test_a_training_that_gets_better_goes_on(run: Train):
    events = run(preset={"stop_on": "validation_loss", "stop_patience": 1})
    assert (events[-1].kind, events[-1].step, events[-1].message) == (EventKind.FINISHED, 6, "")


def test_losses_go_to_trackers_without_a_network_and_a_tracker_that_fails_ends_no_training(
    run: Train, root: DataRoot, monkeypatch: pytest.MonkeyPatch
):
    logged: dict[int, dict[str, float]] = {}
    begun: list[dict[str, Any]] = []

    def log(_self: Accelerator, values: dict[str, float], step: int) -> None:
        logged[step] = values
        if step == 5:
            raise OSError("their disk is full")

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(
        Accelerator, "init_trackers", lambda _self, _name, init_kwargs: begun.append(init_kwargs)
    )
    monkeypatch.setattr(Accelerator, "log", log)
    events = run(trackers=["wandb"])
    assert begun[0]["wandb"]["mode"] == "offline"
    assert begun[0]["wandb"]["dir"].startswith(str(root.cache))
    assert sorted(logged) == [0, 1, 2, 3, 4, 5]
    own = {entry.step: entry for entry in read_training_log(training_log(root))}
    assert logged[1]["loss"] == own[1].loss
    assert logged[4]["held_out/low_noise"] == own[4].held_out.low_noise  # pyright: ignore[reportOptionalMemberAccess]
    assert events[-1].kind is EventKind.FINISHED and events[-1].step == 6
    assert any("nothing more is logged to wandb: their disk is full" in event.message for event in events)


def test_tensorboard_is_logged_to_where_it_is_installed(run: Train, root: DataRoot):
    pytest.importorskip("tensorboard")
    run(preset={"max_steps": 2})
    assert list((root.cache / "trackers").rglob("events.out.tfevents.*"))


def test_a_tracker_that_is_not_installed_is_named(run: Train, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match="training.trackers: mlflow is not installed"):
        run(trackers=["mlflow"])


@pytest.mark.slow
def test_a_compiled_transformer_trains_the_same_within_rounding(
    root: DataRoot, version: DatasetVersion, base: Path, undisturbed: Undisturbed
):
    run_job(job_for(root, version, base, preset={"compile": True}))
    losses = [
        [entry.loss for entry in read_training_log(training_log(it))[1:]] for it in (root, undisturbed[0])
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)

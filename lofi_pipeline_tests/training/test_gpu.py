"""The product on a GPU: it encodes, trains, resumes, verifies, generates and scores there as it does on the CPU.

Skipped where there is none. What was measured is printed: `pytest -m gpu -s` shows it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import scan_checkpoints
from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.entities import DatasetVersion, Lineage
from lofi_pipeline.evaluation import evaluation_prompts
from lofi_pipeline.evaluation.checkpoint import evaluate_checkpoint
from lofi_pipeline.evaluation.embedders import open_embedder
from lofi_pipeline.evaluation.generate import generate
from lofi_pipeline.evaluation.score import BASE_CHECKPOINT_ID, BASE_STEP, evaluate
from lofi_pipeline.storage import DataRoot, write_json_atomic
from lofi_pipeline.training.bases import describe_base, load_base
from lofi_pipeline.training.checkpoints import Base, verify_checkpoint
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.lineage import lineage_of
from lofi_pipeline.training.loop import Trainer
from lofi_pipeline.training.records import EncodedDataset, EventKind, TrainingEvent
from lofi_pipeline.training.weights import load_checkpoint_into, read_adapter
from lofi_pipeline_tests.training.conftest import job_for, run_job
from lofi_pipeline_tests.training.toy import make_dataset, save_toy_base, toy_preset

GPU = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch.cuda sees"),
]
SETTINGS = EvaluationSettings(
    clip_seconds=2.0,
    validation_prompts=4,
    style_prompts=False,
    inference_steps=8,
    guidance_scale=3.0,
    batch_size=4,
)
Encoded = tuple[DataRoot, DatasetVersion, str]


@pytest.fixture(scope="module", params=["nano", "oobleck"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The shipped base, and one with the published codec's classes."""
    return "nano" if request.param == "nano" else str(save_toy_base(tmp_path_factory.mktemp("base") / "toy"))


@pytest.fixture(scope="module")
def encoded(base: str, tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """A data set that the CPU has encoded."""
    root = DataRoot(tmp_path_factory.mktemp("encoded") / "data")
    version = make_dataset(root, seconds=6.0)
    encode_dataset(version, root, base, toy_preset(), device="cpu")
    return root, version, base


@pytest.fixture(scope="module")
def trained(encoded: Encoded, tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """Six steps on the GPU, in float32."""
    root = _copy(encoded[0], tmp_path_factory.mktemp("trained"))
    run_job(job_for(root, encoded[1], Path(encoded[2]), device=GPU))
    return root, encoded[1], encoded[2]


def _copy(root: DataRoot, folder: Path) -> DataRoot:
    shutil.copytree(root.path, folder / "data")
    return DataRoot(folder / "data")


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Relative to the length of `one`."""
    return float((one.double() - other.double()).norm() / one.double().norm())


def _say(what: str, *figures: float) -> None:
    print(f"\n{what}: " + ", ".join(f"{figure:.3g}" for figure in figures))


def _parts(root: DataRoot, found: EncodedDataset) -> dict[str, torch.Tensor]:
    """All latents' means, and all conditions, each in a row."""
    latents = [load_file(root.inside(track.latents))["mean"] for track in found.tracks]
    conditions = [load_file(root.inside(track.captions[0].condition))["condition"] for track in found.tracks]
    return {"latents": torch.cat(latents), "conditions": torch.cat(conditions)}


def test_a_gpu_encodes_what_the_cpu_encodes(encoded: Encoded, tmp_path: Path):
    root, version, base = encoded
    other = _copy(root, tmp_path)
    shutil.rmtree(other.cache)
    here = _parts(root, encode_dataset(version, root, base, toy_preset(), device="cpu"))
    there = _parts(other, encode_dataset(version, other, base, toy_preset(), device=GPU))
    errors = {name: _distance(here[name], there[name]) for name in here}
    _say("encoded on the GPU instead: latents, conditions differ by", *errors.values())
    assert errors["latents"] < 0.01  # the codec works in float32 on both
    assert errors["conditions"] < 0.05  # the text encoder in bfloat16 on the GPU


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.01), ("bf16", 0.05)])
def test_a_gpu_trains_as_the_cpu_does(encoded: Encoded, precision: str, tolerance: float, tmp_path: Path):
    runs = []
    for place, device in (("here", "cpu"), ("there", GPU)):
        root = _copy(encoded[0], tmp_path / place)
        preset = {"precision": "fp32" if place == "here" else precision}
        run_job(job_for(root, encoded[1], Path(encoded[2]), device=device, preset=preset))
        log = read_training_log(training_log(root))
        runs.append(np.array([entry.loss for entry in log[1:]] + [log[-1].validation_loss], float))
    errors = np.abs(runs[1] / runs[0] - 1)
    _say(f"{precision} losses on the GPU differ by", *errors)
    assert errors.max() < tolerance


def test_checkpointed_gradients_are_the_same(encoded: Encoded, trained: Encoded, tmp_path: Path):
    root = _copy(encoded[0], tmp_path)
    preset = {"gradient_checkpointing": True}
    run_job(job_for(root, encoded[1], Path(encoded[2]), device=GPU, preset=preset))
    plain, checkpointed = (
        read_training_log(training_log(one))[-1].validation_loss for one in (trained[0], root)
    )
    assert checkpointed == pytest.approx(plain, rel=1e-3)


def test_killed_on_a_gpu_it_ends_as_if_nothing_had_been(encoded: Encoded, trained: Encoded, tmp_path: Path):
    root = _copy(encoded[0], tmp_path)
    job = job_for(root, encoded[1], Path(encoded[2]), device=GPU, snapshot_minutes=0)
    write_json_atomic(root.path / "job.json", job)
    command = [sys.executable, "-m", "lofi_pipeline.training.run", "--job", str(root.path / "job.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if TrainingEvent.model_validate_json(line).kind is EventKind.CHECKPOINT:
                process.send_signal(signal.SIGKILL)
                break
    events = run_job(job)
    assert events[0].kind is EventKind.RESUMED and 2 <= events[0].step < 6
    one, other = (_adapter(r, 6) for r in (trained[0], root))
    moved = _distance(_adapter(trained[0], 2), one)
    error = _distance(one, other)
    _say("weights after kill and resume differ by, and moved in the last four steps by", error, moved)
    assert error < 0.01 * moved  # sums on a GPU may be added in another order


def _adapter(root: DataRoot, step: int) -> torch.Tensor:
    tensors = read_adapter(root.checkpoint(f"epoch=0-step={step}_lora"))
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)])


def test_a_second_run_does_no_work(trained: Encoded):
    root, version, base = trained
    events = run_job(job_for(root, version, Path(base), device=GPU))
    assert [event.kind for event in events] == [EventKind.RESUMED, EventKind.FINISHED]


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_what_a_gpu_trained_is_valid_everywhere(trained: Encoded, device: str):
    root, _, base = trained
    model = Base(base, device)
    found = [verify_checkpoint(root, item.folder, model) for item in scan_checkpoints(root)]
    assert len(found) == 3 and all(verification.is_valid for verification in found), found


def test_what_trained_in_bf16_is_valid_everywhere(encoded: Encoded, tmp_path: Path):
    root = _copy(encoded[0], tmp_path)
    preset = {"precision": "bf16", "max_steps": 2}
    run_job(job_for(root, encoded[1], Path(encoded[2]), device=GPU, preset=preset))
    for device in ("cpu", GPU):
        (found,) = scan_checkpoints(root)
        assert verify_checkpoint(root, found.folder, Base(encoded[2], device)).is_valid


def test_only_the_transformer_stays_on_the_gpu(encoded: Encoded):
    root, version, base = encoded
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    job = job_for(root, version, Path(base), device=GPU)
    lineage = _lineage(version, base)
    trainer = Trainer(job, root, version, lineage, lambda event: None)
    used = torch.cuda.memory_allocated() - before
    wanted = sum(p.numel() * p.element_size() for p in trainer.transformer.parameters())
    _say("bytes on the GPU before the first step, and those of transformer and LoRA", used, wanted)
    kept = 4 * trainer.encoded.channels * 15_000  # encoded silence
    assert used < 1.2 * wanted + 2 * kept


def _lineage(version: DatasetVersion, base: str) -> Lineage:
    return lineage_of(version, "toy", toy_preset(), describe_base(base))


def test_a_gpu_generates_what_the_cpu_generates(trained: Encoded):
    root, version, base = trained
    prompts = evaluation_prompts(version, SETTINGS)
    sounds = []
    for device in ("cpu", GPU):
        pipeline = load_base(base, device=device, dtype=torch.float32)
        load_checkpoint_into(pipeline, root.checkpoint("epoch=0-step=6_lora"))
        clips = generate(pipeline, prompts, SETTINGS)
        sounds.append(torch.from_numpy(np.stack([clip.samples for clip in clips])))
    error = _distance(_spectrum(sounds[0]), _spectrum(sounds[1]))
    _say("spectra of what the GPU generates in float32 differ by", error)
    assert error < 0.1


def _spectrum(samples: torch.Tensor) -> torch.Tensor:
    window = torch.hann_window(1024)
    return torch.stft(samples.flatten(0, 1), 1024, window=window, return_complex=True).abs()


def test_a_gpu_scores_as_the_cpu_does(trained: Encoded, tmp_path: Path):
    root, version, base = trained
    found = evaluate_checkpoint(root, root.checkpoint("epoch=0-step=6_lora"), version, base, SETTINGS)
    assert found.fresh and found.scores.step == 6
    fads = [found.base.metrics.fad_score]  # on whatever device there is, in its own precision
    embedder = open_embedder(SETTINGS)
    for place, device in (("here", "cpu"), ("there", GPU)):
        pipeline = load_base(base, device=device, dtype=torch.float32)
        folder = root.path / place
        scores = evaluate(
            root, version, pipeline, embedder, SETTINGS,
            step=BASE_STEP, checkpoint_id=BASE_CHECKPOINT_ID, samples_dir=folder,
        )  # fmt: skip
        fads.append(scores.metrics.fad_score)
    _say("FAD of the base: as scored, on the CPU and on the GPU in float32", *fads)
    assert fads[2] == pytest.approx(fads[1], rel=0.02)
    assert fads[0] == pytest.approx(fads[1], rel=0.25)

"""A checkpoint is what was written, loads everywhere as it was trained, and damage is named."""

from __future__ import annotations

import json
import pickle
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.manifest import read_record, scan_checkpoints
from lofi_pipeline.config.layers import ACE_STEP_NAMES
from lofi_pipeline.entities import CHECKPOINT_RECORD, DatasetVersion
from lofi_pipeline.storage import DataRoot, file_sha256, read_json, write_json_atomic
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.checkpoints import load_checkpoint_into, record_verification, verify_checkpoint
from lofi_pipeline.training.weights import (
    DIFFUSERS_FILE,
    PARITY_FILE,
    PEFT_CONFIG,
    PEFT_FILE,
    read_parity_check,
    take_parity_check,
)
from lofi_pipeline_tests.training.conftest import Train, job_for, run_job


@pytest.fixture
def folder(trained: DataRoot) -> Path:
    return trained.checkpoint("epoch=0-step=4_lora")


def test_what_was_committed_verifies_and_its_record_is_complete(trained: DataRoot, folder: Path, base: Path):
    assert verify_checkpoint(trained, folder, str(base)) == (True, None)
    record = read_record(folder)
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(record.files) | {CHECKPOINT_RECORD} == on_disk
    assert record.checkpoint.path == "checkpoints/epoch=0-step=4_lora"
    assert record.checkpoint.config_hash == record.lineage.config_hash
    assert record.partition_key == f"{record.lineage.lineage[:8]}-step000004"


def truncate(folder: Path) -> None:
    path = folder / DIFFUSERS_FILE
    path.write_bytes(path.read_bytes()[:-1000])


def swap(folder: Path) -> None:
    shutil.copyfile(folder.with_name("epoch=0-step=2_lora") / PEFT_FILE, folder / PEFT_FILE)


def lose_a_file(folder: Path) -> None:
    (folder / "resume" / "optimizer.safetensors").unlink()


def lose_the_record(folder: Path) -> None:
    (folder / CHECKPOINT_RECORD).unlink()


def scribble_the_record(folder: Path) -> None:
    (folder / CHECKPOINT_RECORD).write_text("{not json")


def change_the_record(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        record = read_json(folder / CHECKPOINT_RECORD)
        write_json_atomic(folder / CHECKPOINT_RECORD, record | changes)

    return change


def take_anothers_record(folder: Path) -> None:
    shutil.copyfile(folder.with_name("epoch=0-step=2_lora") / CHECKPOINT_RECORD, folder / CHECKPOINT_RECORD)


def forge_an_adapter(folder: Path) -> None:
    """Another step's adapter with a record that agrees: only its answers give it away."""
    for name in (DIFFUSERS_FILE, PEFT_FILE):
        shutil.copyfile(folder.with_name("epoch=0-step=2_lora") / name, folder / name)
    record = read_json(folder / CHECKPOINT_RECORD)
    record["files"] |= {name: file_sha256(folder / name) for name in (DIFFUSERS_FILE, PEFT_FILE)}
    write_json_atomic(folder / CHECKPOINT_RECORD, record)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "pytorch_lora_weights.safetensors is truncated or damaged"),
        (swap, "adapter_model.safetensors is not the file that training wrote"),
        (lose_a_file, "resume/optimizer.safetensors is missing"),
        (lose_the_record, "checkpoint.json is missing"),
        (scribble_the_record, "checkpoint.json is not readable: .*is not JSON"),
        (change_the_record(extra=1), "checkpoint.json is not readable: .*Extra inputs"),
        (change_the_record(files={}), "does not list pytorch_lora_weights.safetensors"),
        (change_the_record(files={"../../secret": "0" * 64}), "without '..'"),
        (take_anothers_record, "checkpoint.json is of epoch=0-step=2_lora"),
        (forge_an_adapter, "answers otherwise than when it was trained"),
    ],
)
def test_each_damage_has_its_own_reason(
    trained: DataRoot, folder: Path, base: Path, damage: Callable[[Path], None], reason: str
):
    damage(folder)
    verdict = verify_checkpoint(trained, folder, str(base))
    assert not verdict.is_valid and verdict.reason
    with pytest.raises(CheckpointError, match=reason):
        raise CheckpointError(verdict.reason.replace("\n", " "))
    judged = record_verification(folder, verdict)
    if judged:
        assert not read_record(folder).checkpoint.is_valid
        assert read_record(folder).invalid_reason == verdict.reason


class Bomb:
    """Pickled, it leaves a file where it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_pickles_in_a_checkpoint_from_elsewhere_are_not_read(
    trained: DataRoot, folder: Path, base: Path, tmp_path: Path
):
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    pickle.loads(bomb)
    (tmp_path / "exploded").unlink()  # it works
    names = (
        "pytorch_lora_weights.bin",
        "adapter_model.bin",
        "pytorch_model.bin",
        "model.pt",
        "resume/optimizer.pt",
    )
    for name in (*names, "resume/state.pkl", "adapter_model.pth"):
        (folder / name).write_bytes(bomb)
    assert verify_checkpoint(trained, folder, str(base)).is_valid
    load_checkpoint_into(load_base(str(base)), folder)
    for name in (DIFFUSERS_FILE, PEFT_FILE):
        (folder / name).write_bytes(bomb)
    assert not verify_checkpoint(trained, folder, str(base)).is_valid
    with pytest.raises(CheckpointError):
        load_checkpoint_into(load_base(str(base)), folder)
    assert not (tmp_path / "exploded").exists()


def test_another_base_is_named(trained: DataRoot, folder: Path, other_base: Path):
    verdict = verify_checkpoint(trained, folder, str(other_base))
    assert not verdict.is_valid and verdict.reason
    assert "was trained on the base toy" in verdict.reason and "this is other" in verdict.reason


def test_a_repaired_checkpoint_is_valid_again(trained: DataRoot, folder: Path, base: Path):
    whole = (folder / DIFFUSERS_FILE).read_bytes()
    truncate(folder)
    record_verification(folder, verify_checkpoint(trained, folder, str(base)))
    (folder / DIFFUSERS_FILE).write_bytes(whole)
    judged = record_verification(folder, verify_checkpoint(trained, folder, str(base)))
    assert judged and judged.checkpoint.is_valid and judged.invalid_reason is None


@pytest.mark.parametrize("name", [DIFFUSERS_FILE, PEFT_FILE])
def test_both_files_load_into_diffusers_exactly(folder: Path, base: Path, name: str):
    pipeline = load_base(str(base))
    pipeline.load_lora_weights(str(folder), weight_name=name, use_safetensors=True)
    assert read_parity_check(folder).error_of(take_parity_check(pipeline.transformer)) < 1e-6


def test_without_the_header_alpha_would_be_lost(folder: Path, base: Path, tmp_path: Path):
    pipeline = load_base(str(base))
    pipeline.load_lora_weights(load_file(folder / DIFFUSERS_FILE))
    assert read_parity_check(folder).error_of(take_parity_check(pipeline.transformer)) > 0.2
    with safe_open(folder / DIFFUSERS_FILE, "np") as file:
        assert json.loads(file.metadata()["lora_adapter_metadata"])["transformer.lora_alpha"] == 8


def ace_step_decoder(base: Path) -> Any:
    """The attention of the base under the names that it has in ACE-Step's own model."""
    decoder: Any = torch.nn.Module()
    decoder.config = {}
    decoder.layers = torch.nn.ModuleList()
    for layer in load_base(str(base)).transformer.layers:
        parts = {"self_attn": torch.nn.Module(), "cross_attn": torch.nn.Module()}
        for name, part in parts.items():
            for ours, theirs in ACE_STEP_NAMES.items():
                part.add_module(theirs, layer.get_submodule(f"{name}.{ours}"))
        decoder.layers.append(torch.nn.ModuleDict(parts))
    return decoder


def test_the_peft_pair_loads_on_ace_steps_own_decoder(folder: Path, base: Path):
    decoder = ace_step_decoder(base)
    model: Any = PeftModel.from_pretrained(decoder, str(folder))
    found = {
        name.replace(".default", ""): value for name, value in model.state_dict().items() if "lora_" in name
    }
    saved = load_file(folder / PEFT_FILE)
    assert len(saved) == 2 * 2 * 2 * 4  # A and B; two layers; self and cross attention; q, k, v, o
    assert all(torch.equal(found[name], tensor) for name, tensor in saved.items())
    assert json.loads((folder / PEFT_CONFIG).read_text())["target_modules"] == [
        "k_proj",
        "o_proj",
        "q_proj",
        "v_proj",
    ]
    assert model.base_model.model.layers[0]["self_attn"].q_proj.scaling == {"default": 2.0}


def test_a_loaded_checkpoint_changes_what_is_generated(folder: Path, base: Path):
    pipeline: Any = load_base(str(base))

    def generate() -> torch.Tensor:
        return pipeline(
            prompt="lofi hip hop, mellow, rhodes",
            lyrics="[instrumental]",
            audio_duration=1.0,
            num_inference_steps=2,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).audios

    before = generate()
    load_checkpoint_into(pipeline, folder)
    changed = generate()
    pipeline.unload_lora_weights()
    assert not torch.allclose(before, changed, atol=1e-3)
    assert torch.equal(generate(), before)


def test_a_lora_for_another_shape_of_base_is_refused(folder: Path, base: Path, tmp_path: Path):
    broken = shutil.copytree(folder, tmp_path / folder.name)
    (broken / DIFFUSERS_FILE).write_bytes((folder / PARITY_FILE).read_bytes())
    with pytest.raises(CheckpointError, match="does not load into this base model"):
        load_checkpoint_into(load_base(str(base)), broken)


def test_a_full_disk_leaves_nothing_half_and_training_goes_on_later(
    root: DataRoot, version: DatasetVersion, base: Path, run: Train, undisturbed: tuple[DataRoot, object]
):
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writes fail as on a full disk
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large|os error 27"):
            run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    assert scan_checkpoints(root) == []
    assert not list(root.checkpoints.rglob(".tmp-*"))
    run_job(job_for(root, version, base))
    weights = [place.checkpoint("epoch=0-step=6_lora") / DIFFUSERS_FILE for place in (root, undisturbed[0])]
    assert load_file(weights[0]).keys() == load_file(weights[1]).keys()
    assert all(torch.equal(t, load_file(weights[1])[name]) for name, t in load_file(weights[0]).items())

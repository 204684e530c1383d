"""A LoKr is published as the LoRA that it is: by what PEFT, diffusers and ComfyUI's rule make of it, to rounding."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lokr import LoKrLayer
from safetensors.torch import load_file

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.loss_log import read_training_log, training_log
from lofi_pipeline.checkpoints.manifest import read_record
from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.checkpoints import load_checkpoint_into
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.lokr import lokr_layers, lokr_set_aside
from lofi_pipeline.training.resume import read_as_trained
from lofi_pipeline.training.weights import (
    LIVE_ADAPTER,
    ace_step_name,
    add_adapter,
    published_adapter,
    read_parity_check,
    set_adapter_tensors,
    take_parity_check,
)
from lofi_pipeline_tests.training.conftest import Train, job_for, run_job
from lofi_pipeline_tests.training.test_checkpoints import ace_step_decoder
from lofi_pipeline_tests.training.test_comfyui import error_of, file_of
from lofi_pipeline_tests.training.toy import toy_preset

LOKR = {"adapter": "lokr", "decompose_factor": 2, "lora_rank": 3, "lora_alpha": 7}
LAST = "epoch=0-step=6_lora"
ROUNDING = 1e-6


def transformer_with_lokr(base: Path, **changes: object) -> Any:
    """The base's transformer with a LoKr of random weights on layers of all shapes."""
    transformer: Any = load_base(str(base)).transformer
    targets = ["to_q", "to_k", "to_v", "to_out.0", "gate_proj", "up_proj", "down_proj"]
    add_adapter(transformer, toy_preset(**{**LOKR, "lora_targets": targets} | changes))
    torch.manual_seed(1)
    for name, parameter in transformer.named_parameters():
        if "lokr_" in name:
            parameter.data.normal_(std=0.3)
    return transformer


@pytest.mark.parametrize(
    "changes",
    [
        {"decompose_factor": 64, "lora_targets": ["gate_proj", "down_proj", "to_q"], "lora_rank": 2},
        {"rank_pattern": {"cross_attn.to_q": 2}, "alpha_pattern": {"mlp.up_proj": 30}},
    ],
    ids=["small matrices of all shapes", "ranks and alphas"],
)
def test_its_change_of_each_layer_is_the_one_that_peft_computes(base: Path, changes: dict[str, Any]) -> None:
    transformer = transformer_with_lokr(base, **changes)
    published = published_adapter(transformer)
    config, shapes = published.config, set()
    for name, layer in transformer.named_modules():
        if not isinstance(layer, LoKrLayer):
            continue
        down, up = (published.tensors[f"{name}.lora_{half}.weight"] for half in "AB")
        rank, alpha = (
            next((it for key, it in config[pattern].items() if name.endswith(key)), config[plain])
            for pattern, plain in (("rank_pattern", "r"), ("alpha_pattern", "lora_alpha"))
        )
        assert rank == down.shape[0]
        theirs = layer.get_delta_weight(LIVE_ADAPTER).detach()
        torch.testing.assert_close(
            alpha / rank * up @ down, theirs, atol=ROUNDING * float(theirs.abs().max()), rtol=0
        )
        shapes.add(tuple(layer.lokr_w1[LIVE_ADAPTER].shape))
    assert shapes == ({(2, 2)} if "rank_pattern" in changes else {(4, 4), (64, 4), (4, 64)})


@pytest.fixture(scope="module")
def with_lokr(
    encoded: tuple[DataRoot, DatasetVersion], base: Path, tmp_path_factory: pytest.TempPathFactory
) -> DataRoot:
    """A training of six steps that publishes the average of its weights."""
    root = DataRoot(shutil.copytree(encoded[0].path, tmp_path_factory.mktemp("lokr") / "data"))
    run_job(job_for(root, encoded[1], base, preset=LOKR | {"ema_decay": 0.9}))
    return root


def test_diffusers_and_comfyui_answer_as_it_was_trained(with_lokr: DataRoot, base: Path) -> None:
    """The answers that lie with the checkpoint are those of PEFT's own LoKr."""
    folder = with_lokr.checkpoint(LAST)
    trained = read_parity_check(folder)
    assert not torch.equal(trained.with_adapter, trained.without)
    pipeline: Any = load_base(str(base))
    load_checkpoint_into(pipeline, folder)
    assert trained.error_of(take_parity_check(pipeline.transformer)) < 10 * ROUNDING
    assert error_of(file_of(folder), base, trained.with_adapter) < 10 * ROUNDING


def test_peft_makes_the_same_of_its_files_on_ace_steps_own_decoder(with_lokr: DataRoot, base: Path) -> None:
    folder = with_lokr.checkpoint(LAST)
    transformer: Any = load_base(str(base)).transformer
    add_adapter(transformer, toy_preset(**LOKR))
    set_adapter_tensors(transformer, read_as_trained(folder))
    model: Any = PeftModel.from_pretrained(ace_step_decoder(base), str(folder))
    layers = lokr_layers(transformer)
    assert len(layers) == 2 * 2 * 4
    for name, layer in layers.items():
        theirs = model.base_model.model.get_submodule(ace_step_name(name)).get_delta_weight("default")
        ours = layer.get_delta_weight(LIVE_ADAPTER).detach()
        torch.testing.assert_close(theirs, ours, atol=ROUNDING * float(ours.abs().max()), rtol=0)


def test_it_goes_on_from_the_weights_that_were_published(
    with_lokr: DataRoot, version: DatasetVersion, base: Path, tmp_path: Path
) -> None:
    root = DataRoot(shutil.copytree(with_lokr.path, tmp_path / "data"))
    ended = read_training_log(training_log(root))[-1]
    preset: dict[str, Any] = {"start_from": read_record(root.checkpoint(LAST)).partition_key, "max_steps": 2}
    for other in ({}, {"lora_rank": 6, "lora_alpha": 14}):
        with pytest.raises(
            CheckpointError,
            match="tensors do not fit the adapter of this preset and base.*adapter, lora_rank",
        ):
            run_job(job_for(root, version, base, preset=preset | other))
    run_job(job_for(root, version, base, preset=preset | LOKR | {"ema_decay": 0.9}))
    assert read_training_log(training_log(root))[0].validation_loss == pytest.approx(
        ended.validation_loss, rel=1e-5
    )


def test_a_checkpoint_of_another_kind_is_no_start_for_it(
    trained: DataRoot, version: DatasetVersion, base: Path
) -> None:
    key = read_record(trained.checkpoint(LAST)).partition_key
    with pytest.raises(CheckpointError, match="tensors do not fit the adapter"):
        run_job(job_for(trained, version, base, preset=LOKR | {"start_from": key}))


def test_a_rank_that_leaves_nothing_of_it_is_refused_by_the_layer(run: Train) -> None:
    with pytest.raises(
        TrainingError,
        match=r"lora_rank 8: too high for a LoKr of layers\.0\.self_attn\.to_q, .* width 16 .*: set a rank below 8, or a lower dec",
    ):
        run(preset=LOKR | {"lora_rank": 8})


def test_only_its_own_weights_are_in_its_resume_state_and_the_average_beside(with_lokr: DataRoot) -> None:
    resume = with_lokr.checkpoint(LAST) / "resume"
    live, average = (load_file(resume / f"{name}.safetensors") for name in ("adapter", "average"))
    assert live.keys() == average.keys()
    assert {name.rsplit(".", 1)[1] for name in live} == {"lokr_w1", "lokr_w2_a", "lokr_w2_b"}
    assert any(not torch.equal(live[name], average[name]) for name in live)


def test_the_layers_are_put_back_as_they_were(base: Path) -> None:
    transformer = transformer_with_lokr(base)
    before = {name: id(part) for name, part in transformer.named_modules()}
    answers = take_parity_check(transformer)
    with lokr_set_aside(transformer):
        assert not any(isinstance(part, LoKrLayer) for part in transformer.modules())
    assert {name: id(part) for name, part in transformer.named_modules()} == before
    assert torch.equal(take_parity_check(transformer).with_adapter, answers.with_adapter)

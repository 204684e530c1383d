"""A checkpoint's file for ComfyUI acts there as the adapter does in diffusers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file

from lofi_pipeline.checkpoints.folder import read_checkpoint_folder
from lofi_pipeline.checkpoints.kept import landed_files
from lofi_pipeline.checkpoints.manifest import write_record
from lofi_pipeline.checkpoints.retention import prune
from lofi_pipeline.config import RetentionSettings
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.checkpoints import load_checkpoint_into
from lofi_pipeline.training.comfyui import write_for_comfyui
from lofi_pipeline.training.weights import attach_adapter, take_parity_check

ROUNDING = 1e-5
"""Of the whole effect: the sum of weights and adapter in one matrix is rounded once more than beside it."""
IN_COMFYUI = {".to_q": ".q_proj", ".to_k": ".k_proj", ".to_v": ".v_proj", ".to_out.0": ".o_proj"}
STEPS = (2, 4, 6)


def folder_of(root: DataRoot, step: int) -> Path:
    return root.checkpoint(f"epoch=0-step={step}_lora")


def file_of(folder: Path) -> Path:
    (found,) = (folder / "comfyui").iterdir()
    return found


def as_comfyui_does(transformer: Any, path: Path) -> None:
    """Patch the weights of a transformer by ComfyUI's rule, as it was read in its source; every key must find its module."""
    key_map = {}
    for name, weight in transformer.state_dict(keep_vars=True).items():
        module = name.removesuffix(".weight")
        for ours, theirs in IN_COMFYUI.items():
            module = module.replace(ours, theirs) if module.endswith(ours) else module
        if name.endswith(".weight"):
            key_map[f"base_model.model.{module}"] = weight
    tensors, used = load_file(path), set()
    for key, weight in key_map.items():
        if f"{key}.lora_up.weight" not in tensors:
            continue
        up, down = tensors[f"{key}.lora_up.weight"], tensors[f"{key}.lora_down.weight"]
        alpha = f"{key}.alpha"
        scale = tensors[alpha].item() / down.shape[0] if alpha in tensors else 1.0
        base = weight.data.clone()
        weight.data += scale * (up @ down)
        if (dora_scale := tensors.get(f"{key}.dora_scale")) is not None:  # weight_decompose
            weight.data *= dora_scale / (base.norm(dim=1, keepdim=True) + torch.finfo(base.dtype).eps)
            used.add(f"{key}.dora_scale")
        used |= {f"{key}.lora_up.weight", f"{key}.lora_down.weight", alpha}
    assert used == tensors.keys()


def answer(transformer: Any) -> torch.Tensor:
    """What it says with all that is in its weights."""
    transformer.disable_adapters = transformer.enable_adapters = lambda: None
    return take_parity_check(transformer).with_adapter


def error_of(file: Path, base: Path, in_diffusers: torch.Tensor) -> float:
    """0: as in diffusers; 1: the adapter is ignored."""
    transformer: Any = load_base(str(base)).transformer
    without = answer(transformer)
    as_comfyui_does(transformer, file)
    effect = (in_diffusers - without).norm()
    return float((answer(transformer) - in_diffusers).norm() / effect)


def test_the_file_acts_in_comfyui_as_the_checkpoint_does_in_diffusers(trained: DataRoot, base: Path) -> None:
    folder = folder_of(trained, 6)
    pipeline: Any = load_base(str(base))
    load_checkpoint_into(pipeline, folder)
    assert error_of(file_of(folder), base, take_parity_check(pipeline.transformer).with_adapter) < ROUNDING


@pytest.mark.parametrize(
    "changes",
    [{"rank_pattern": {"layers.0.self_attn.to_q": 2}}, {"use_rslora": True}, {"use_dora": True}],
    ids=["ranks", "rsLoRA", "DoRA"],
)
def test_every_scale_is_written(base: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    transformer: Any = load_base(str(base)).transformer
    targets = ["to_q", "to_k", "to_v", "to_out.0", "gate_proj", "up_proj", "down_proj"]
    attach_adapter(transformer, LoraConfig(r=4, lora_alpha=12, target_modules=targets, **changes))
    torch.manual_seed(1)
    for name, parameter in transformer.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.1)
        if "magnitude" in name:
            parameter.data *= 1.3
    write_for_comfyui(tmp_path, transformer, "x.safetensors")
    assert (
        error_of(tmp_path / "comfyui" / "x.safetensors", base, take_parity_check(transformer).with_adapter)
        < ROUNDING
    )
    alphas = {
        round(value.item(), 4) for key, value in load_file(file_of(tmp_path)).items() if key.endswith("alpha")
    }
    assert alphas == ({12.0 * math.sqrt(4)} if "use_rslora" in changes else {12.0})


def test_each_checkpoint_has_a_file_of_its_own_name_in_its_record(trained: DataRoot) -> None:
    names = [file_of(folder_of(trained, step)).name for step in STEPS]
    assert names == ["toy-2.safetensors", "toy-4.safetensors", "toy-6.safetensors"]
    for step, name in zip(STEPS, names, strict=True):
        record = read_checkpoint_folder(trained, folder_of(trained, step)).record
        assert record is not None and f"comfyui/{name}" in record.files


def test_it_goes_with_the_weights(trained: DataRoot) -> None:
    folder = folder_of(trained, 2)
    record = read_checkpoint_folder(trained, folder).record
    assert record is not None and "comfyui/toy-2.safetensors" in landed_files(record)
    write_record(folder, record.model_copy(update={"pruned": True}))
    prune(trained, RetentionSettings())
    assert not list(folder.rglob("*.safetensors"))
    found = read_checkpoint_folder(trained, folder).record
    assert found is not None and "comfyui/toy-2.safetensors" not in landed_files(found)

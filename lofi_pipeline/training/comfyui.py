"""The adapter as ComfyUI reads it: `comfyui/<data set>-<step>.safetensors` in a checkpoint's folder.

ComfyUI asks for the modules of ACE-Step 1.5's transformer by `base_model.model.` and ACE-Step's own names, and adds
up @ down x alpha / rank to their weights; without an `.alpha` it takes 1 for alpha / rank. The name tells one checkpoint from
another in a folder that holds those of many trainings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from lofi_pipeline.checkpoints.folder import COMFYUI_FOLDER
from lofi_pipeline.entities import DatasetVersion, Lineage, RecordError
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline.training.weights import LIVE_ADAPTER, ace_step_name, order_header, published_adapter

PREFIX = "base_model.model."
MAGNITUDE = "lora_magnitude_vector"
_HALVES = {"lora_A": "lora_down", "lora_B": "lora_up"}


def comfyui_file(root: DataRoot, lineage: Lineage, step: int) -> str:
    """What the file of a step is called: after the data set, or after a LoRA's own hash where nobody knows its data set."""
    if lineage.imported:
        return f"imported-{lineage.dataset_hash[:12]}-{step}.safetensors"
    path = root.dataset_version(lineage.dataset_hash)
    try:
        name = DatasetVersion.parse(read_json(path), where=str(path)).dataset.dataset_id
    except (OSError, RecordError):
        name = f"dataset-{lineage.dataset_hash[:12]}"
    kept = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip(".")
    return f"{kept}-{step}.safetensors"


def write_for_comfyui(folder: Path, transformer: Any, name: str) -> None:
    """Write the live adapter of `transformer` into `folder`/comfyui/`name`."""
    tensors: dict[str, torch.Tensor] = {}
    for key, tensor in published_adapter(transformer).tensors.items():
        if key.endswith(f".{MAGNITUDE}"):
            module = key.removesuffix(f".{MAGNITUDE}")
            scale = _dora_scale(transformer.get_submodule(module), tensor)
            tensors[f"{PREFIX}{ace_step_name(module)}.dora_scale"] = scale
            continue
        module, half, _ = key.rsplit(".", 2)
        theirs = f"{PREFIX}{ace_step_name(module)}"
        tensors[f"{theirs}.{_HALVES[half]}.weight"] = tensor
        if half == "lora_A":
            scaling = transformer.get_submodule(module).scaling[LIVE_ADAPTER]
            tensors[f"{theirs}.alpha"] = torch.tensor(float(scaling * tensor.shape[0]))
    target = folder / COMFYUI_FOLDER / name
    target.parent.mkdir(exist_ok=True)
    save_file(tensors, target, metadata={"format": "pt"})
    order_header(target)


@torch.no_grad()
def _dora_scale(layer: Any, magnitude: torch.Tensor) -> torch.Tensor:
    """What ComfyUI is to scale the rows of a DoRA's weight by, float32 [out, 1].

    PEFT divides the trained magnitude by the length of each row of base and adapter together, ComfyUI by that of the base alone.
    What is written makes up for it: at full strength the answers are the same. At another strength ComfyUI goes straight from
    the base's weights to these, diffusers does not.
    """
    base = layer.get_base_layer().weight.float().cpu()
    change = layer.get_delta_weight(LIVE_ADAPTER).float().cpu()
    lengths = [weight.norm(dim=1) for weight in (base, base + change)]
    return (magnitude.float() * lengths[0] / lengths[1])[:, None].contiguous()

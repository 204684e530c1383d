"""The LoRA adapter: attaching it, writing it in the two forms that other programs read, loading it, and its parity check.

When a checkpoint is written, and what else is in it, is in checkpoints.py and resume.py.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoKrConfig, LoraConfig, PeftConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.folder import PEFT_CONFIG, PEFT_FILE
from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.config.layers import ACE_STEP_NAMES
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.in_turn import bring_into_memory
from lofi_pipeline.training.lokr import as_lora, lokr_config, require_low_rank
from lofi_pipeline.training.sampling import generator

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

LIVE_ADAPTER = "default"
LOADED_ADAPTER = "lofi"
"""What a checkpoint is called in a base that it is loaded into to generate."""
DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"
PARITY_FILE = "probe.safetensors"
METADATA_KEY = "lora_adapter_metadata"  # what diffusers calls the header that carries rank and alpha
PARITY_FRAMES = 32
PARITY_TOKENS = 16
LEAST_EFFECT = {False: 1e-3, True: 0.2}
"""What an adapter's effect is measured against at the least, of the base's answer: in float32, and in bfloat16."""
BASE_ADVICE = "copy the whole folder again, or set training.base to the base it was trained on"
Tensors = dict[str, torch.Tensor]
_SIDES = {"lora_A": "inputs", "lora_B": "outputs"}


def autocast(precision: str, device: str) -> AbstractContextManager[Any]:
    """The arithmetic of a preset's precision: float32, or bfloat16 matrix products with float32 weights."""
    return torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()


def add_adapter(transformer: Any, preset: TrainingPreset) -> list[torch.nn.Parameter]:
    """Freeze the transformer and give it a float32 adapter that changes nothing yet; returns the adapter's parameters.

    Raises:
        TrainingError: a layer of the preset's targets or patterns is none of this base, or too narrow for its rank.
    """
    torch.manual_seed(preset.seed)
    _require_layers(transformer, preset)
    is_lokr = preset.adapter == "lokr"
    parameters = attach_adapter(transformer, lokr_config(preset) if is_lokr else _lora_config(preset))
    _require_patterns_to_apply(transformer, preset)
    require_low_rank(transformer, LIVE_ADAPTER)
    return parameters


def _lora_config(preset: TrainingPreset) -> LoraConfig:
    return LoraConfig(
        r=preset.lora_rank,
        lora_alpha=preset.lora_alpha,
        target_modules=list(preset.lora_targets),
        init_lora_weights="gaussian",
        use_rslora=preset.adapter == "rslora",
        use_dora=preset.adapter == "dora",
        rank_pattern=dict(preset.rank_pattern),
        alpha_pattern=dict(preset.alpha_pattern),
    )


def _require_patterns_to_apply(transformer: Any, preset: TrainingPreset) -> None:
    """Raises: TrainingError, where a rank or alpha is set for layers that have no LoRA: PEFT passes over it."""
    adapted = [f".{name}" for name, part in transformer.named_modules() if isinstance(part, BaseTunerLayer)]
    for field in ("rank_pattern", "alpha_pattern"):
        for name in getattr(preset, field):
            if not any(it.endswith(f".{name}") for it in adapted):
                raise TrainingError(
                    f"{field}: no layer {name} of the base gets a LoRA; take it out of the training preset, or add it to lora_targets"
                )


def _require_layers(transformer: Any, preset: TrainingPreset) -> None:
    """Raises: TrainingError, where a target is no layer of this base: PEFT passes over it, as long as it finds another one."""
    names = [f".{name}" for name, _ in transformer.named_modules()]
    for target in preset.lora_targets:
        if not any(name.endswith(f".{target}") for name in names):
            raise TrainingError(
                f"lora_targets: the base has no layer {target} (it has {len(transformer.layers)} blocks, from layers.0); "
                "take it out of the training preset"
            )


def attach_adapter(transformer: Any, config: PeftConfig) -> list[torch.nn.Parameter]:
    """Freeze the transformer and give it a float32 adapter of this configuration; returns the adapter's parameters."""
    transformer.requires_grad_(False)
    transformer.add_adapter(config, adapter_name=LIVE_ADAPTER)
    parameters = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.data = parameter.data.float()
    return parameters


def adapter_tensors(transformer: Any, adapter: str = LIVE_ADAPTER) -> Tensors:
    """The adapter's weights as they are trained, by diffusers' names, as contiguous copies on the CPU."""
    found = get_peft_model_state_dict(transformer, adapter_name=adapter)
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in found.items()}


def set_adapter_tensors(transformer: Any, tensors: Tensors) -> None:
    """Load weights into the live adapter, strictly.

    Raises:
        CheckpointError: a name or shape is not what this adapter has.
    """
    have = adapter_tensors(transformer)
    wrong = sorted(set(have) ^ set(tensors)) or [n for n in have if have[n].shape != tensors[n].shape]
    if wrong:
        shapes = [tuple(side[wrong[0]].shape) if wrong[0] in side else "none" for side in (tensors, have)]
        raise CheckpointError(
            f"{len(wrong)} tensors do not fit the adapter of this preset and base, such as {wrong[0]} (shape {shapes[0]}, "
            f"this one's {shapes[1]}); go on with the preset and base of the checkpoint: adapter, lora_rank, rank_pattern and "
            "lora_targets decide which tensors there are"
        )
    set_peft_model_state_dict(transformer, tensors, adapter_name=LIVE_ADAPTER)


def is_published_as_trained(transformer: Any) -> bool:
    """Whether the weights that other programs read are those that are trained. Of a LoKr they read the LoRA that it is."""
    return not isinstance(transformer.peft_config[LIVE_ADAPTER], LoKrConfig)


@dataclass(frozen=True)
class PublishedAdapter:
    """The live adapter in the form that other programs read."""

    tensors: Tensors
    """By diffusers' names."""
    config: dict[str, Any]
    """PEFT's, as far as a file can hold it."""


def published_adapter(transformer: Any) -> PublishedAdapter:
    """The live adapter as it is now."""
    if is_published_as_trained(transformer):
        tensors, config = adapter_tensors(transformer), transformer.peft_config[LIVE_ADAPTER]
    else:
        tensors, config = as_lora(transformer, LIVE_ADAPTER)
    facts = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
        if value is None or isinstance(value, bool | int | float | str | list | tuple | set | dict)
    }
    return PublishedAdapter(tensors, facts)


def ace_step_name(name: str) -> str:
    """The name, whole or in part, of a module or tensor of the transformer as ACE-Step itself calls it."""
    name = f".{name}."
    for ours, theirs in ACE_STEP_NAMES.items():
        name = name.replace(f".{ours}.", f".{theirs}.")
    return name[1:-1]


def write_diffusers_adapter(folder: Path, pipeline: AceStepPipeline) -> PublishedAdapter:
    """Write the live adapter in the one file that diffusers reads; returns what it holds."""
    published = published_adapter(pipeline.transformer)
    pipeline.save_lora_weights(
        str(folder),
        transformer_lora_layers=dict(published.tensors),
        transformer_lora_adapter_metadata=published.config,
    )
    order_header(folder / DIFFUSERS_FILE)
    return published


def write_adapter(folder: Path, pipeline: AceStepPipeline) -> None:
    """Write the live adapter for diffusers and for PEFT (ACE-Step's names).

    Both files carry rank and alpha in their header: without it diffusers guesses alpha, silently.
    """
    published = write_diffusers_adapter(folder, pipeline)
    config = published.config
    header = {f"transformer.{key}": value for key, value in config.items()}
    save_file(
        {f"base_model.model.{ace_step_name(name)}": tensor for name, tensor in published.tensors.items()},
        folder / PEFT_FILE,
        metadata={"format": "pt", METADATA_KEY: json.dumps(header, indent=2, sort_keys=True)},
    )
    order_header(folder / PEFT_FILE)
    patterns = {
        field: {ace_step_name(name): value for name, value in config[field].items()}
        for field in ("rank_pattern", "alpha_pattern")
    }
    peft = config | {
        **patterns,
        "target_modules": sorted(ace_step_name(str(name)) for name in config["target_modules"]),
        "task_type": "FEATURE_EXTRACTION",
        "inference_mode": True,
    }
    peft |= {"base_model_name_or_path": "", "peft_type": "LORA"}
    (folder / PEFT_CONFIG).write_text(json.dumps(peft, indent=2, sort_keys=True) + "\n")


def order_header(path: Path) -> None:
    """Sort the metadata in a safetensors file's header, so that the same weights are the same bytes.

    The library writes it in an order that differs from process to process.
    """
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


def read_adapter(folder: Path) -> Tensors:
    """The adapter's weights by diffusers' names, as `write_adapter` wrote them."""
    return {
        name.removeprefix("transformer."): tensor
        for name, tensor in load_file(folder / DIFFUSERS_FILE).items()
    }


def load_checkpoint_into(pipeline: AceStepPipeline, folder: Path, *, adapter_name: str | None = None) -> None:
    """Load a checkpoint's LoRA into a base model for generation.

    Raises:
        CheckpointError: the file does not load, or does not fit this base completely.
    """
    name = adapter_name or LOADED_ADAPTER
    transformer: Any = pipeline.transformer
    bring_into_memory(transformer)
    try:
        saved = read_adapter(folder)
        _require_fit(transformer, saved)
        pipeline.load_lora_weights(
            str(folder),
            weight_name=DIFFUSERS_FILE,
            adapter_name=name,
            use_safetensors=True,
            local_files_only=True,
        )
        loaded = adapter_tensors(transformer, name)
    except Exception as error:  # safetensors, diffusers and peft each raise their own
        raise CheckpointError(
            f"{folder.name}: does not load into this base model: {error}; {BASE_ADVICE}"
        ) from error
    if set(loaded) != set(saved) or not all(_is_rounded_from(loaded[n], saved[n]) for n in saved):
        pipeline.delete_adapters(name)
        raise CheckpointError(
            f"{folder.name}: {len(set(loaded) ^ set(saved)) or len(saved)} tensors do not fit this base model; {BASE_ADVICE}"
        )


def _require_fit(transformer: Any, saved: Tensors) -> None:
    """Raises: ValueError, where a LoRA is of a layer that this base has not, or has in another size."""
    layers = dict(transformer.named_modules())
    for name, tensor in saved.items():
        layer, half, _ = name.rsplit(".", 2)
        module = layers.get(layer)
        module = getattr(module, "base_layer", module)
        if module is None:
            raise ValueError(f"it is of {layer}, which this base does not have")
        if half in ("lora_A", "lora_B") and hasattr(module, "in_features"):
            has, wanted = (
                (tensor.shape[1], module.in_features)
                if half == "lora_A"
                else (tensor.shape[0], module.out_features)
            )
            if has != wanted:
                raise ValueError(f"{layer} has {wanted} {_SIDES[half]} in this base, and {has} in the LoRA's")


def _is_rounded_from(loaded: torch.Tensor, saved: torch.Tensor) -> bool:
    """Whether a tensor is what was saved, in the precision of the base."""
    same = loaded.shape == saved.shape
    return same and torch.allclose(loaded, saved.to(loaded.dtype), rtol=0, atol=0, equal_nan=True)


@dataclass(frozen=True)
class ParityCheck:
    """What the transformer answers to a fixed question, with and without an adapter; float32 [1, frames, channels].

    Kept with a checkpoint, it proves anywhere that the checkpoint loads as it was trained.
    """

    with_adapter: torch.Tensor
    without: torch.Tensor

    @property
    def is_finite(self) -> bool:
        """Whether every answer is a number."""
        return bool(torch.isfinite(self.with_adapter).all() and torch.isfinite(self.without).all())

    def error_of(self, other: ParityCheck) -> float:
        """How far the effect of `other`'s adapter is from this one's: 0 identical, 1 ignored.

        What the base alone answers otherwise, in another precision, is subtracted.
        """
        effect = (self.with_adapter - self.without).norm()
        change = ((other.with_adapter - other.without) - (self.with_adapter - self.without)).norm()
        noise = (other.without - self.without).norm()
        # Of an adapter that hardly acts yet, rounding is most of what can be seen
        least = max(LEAST_EFFECT[check.is_rounded] for check in (self, other))
        scale = torch.maximum(effect, least * self.without.norm())
        return float((change - noise).clamp_min(0) / scale)

    @property
    def is_rounded(self) -> bool:
        """Whether the answers were given in bfloat16."""
        return torch.equal(self.without, self.without.bfloat16().float())

    def base_error_of(self, other: ParityCheck) -> float:
        """How far `other`'s base is from this one's, relative to the answer without adapter."""
        return float((other.without - self.without).norm() / self.without.norm())


@torch.inference_mode()
def take_parity_check(transformer: Any) -> ParityCheck:
    """Ask the transformer a fixed question, with its active adapter and without; it is left as it was."""
    config = transformer.config
    device = next(transformer.parameters()).device
    dtype = transformer.proj_in_conv.weight.dtype
    width = config.encoder_hidden_size or config.hidden_size
    channels = config.audio_acoustic_hidden_dim
    rng = generator("probe")

    def question(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal(shape, dtype="float32")).to(device, dtype)

    arguments = {
        "hidden_states": question(1, PARITY_FRAMES, channels),
        "encoder_hidden_states": question(1, PARITY_TOKENS, width),
        "context_latents": question(1, PARITY_FRAMES, config.in_channels - channels),
        "timestep": torch.full((1,), 0.5, device=device, dtype=dtype),
        "timestep_r": torch.full((1,), 0.5, device=device, dtype=dtype),
    }

    def answer() -> torch.Tensor:
        return transformer(**arguments, return_dict=False)[0].float().cpu()

    training = transformer.training
    transformer.eval()
    try:
        with_adapter = answer()
        transformer.disable_adapters()
        without = answer()
        transformer.enable_adapters()
    finally:
        transformer.train(training)
    return ParityCheck(with_adapter, without)


def write_parity_check(folder: Path, check: ParityCheck) -> None:
    """Keep the answers with the checkpoint."""
    save_file(
        {"with_adapter": check.with_adapter.contiguous(), "without": check.without.contiguous()},
        folder / PARITY_FILE,
    )


def read_parity_check(folder: Path) -> ParityCheck:
    """The answers kept with a checkpoint."""
    tensors = load_file(folder / PARITY_FILE)
    return ParityCheck(tensors["with_adapter"], tensors["without"])

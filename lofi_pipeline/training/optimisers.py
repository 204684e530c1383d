"""The optimisers a preset can ask for: made, given the learning rate of a step, and their state kept by name, exactly.

What an optimiser knows of each weight is kept as `<weight>/<moment>`, what it knows of all of them as `group/<number>`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.config import TrainingPreset
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.weights import Tensors

FINAL_LEARNING_RATE = 0.01
GROUP = "group"
ADVICE = "resume with the preset and base of the checkpoint"


@dataclass(frozen=True)
class Kind:
    """One kind of optimiser: where it is from, and what its state is made of."""

    module: str
    name: str
    moments: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    """What it keeps of all weights together."""


KINDS: dict[str, Kind] = {
    "adamw": Kind("torch.optim", "AdamW", ("exp_avg", "exp_avg_sq", "step")),
    "adamw_8bit": Kind("torchao.optim", "AdamW8bit", ("exp_avg", "exp_avg_sq", "step")),
    "prodigy": Kind(
        "prodigyopt",
        "Prodigy",
        ("exp_avg", "exp_avg_sq", "p0", "s", "step"),
        ("d", "d_max", "d_numerator", "k"),
    ),
    "schedule_free": Kind(
        "schedulefree",
        "AdamWScheduleFree",
        ("exp_avg_sq", "z"),
        ("k", "lr_max", "weight_sum", "train_mode"),
    ),
}


def learning_rate(step: int, preset: TrainingPreset) -> float:
    """Linear warm-up over min(warmup_steps, 10 % of max_steps), then a cosine down to 1 % at max_steps.

    schedule_free stays at the highest rate: its average of the weights takes the place of the cosine.
    """
    warm = min(preset.warmup_steps, preset.max_steps // 10)
    if step < warm:
        return preset.learning_rate * (step + 1) / warm
    if preset.optimizer == "schedule_free":
        return preset.learning_rate
    done = (step - warm) / max(1, preset.max_steps - warm)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return preset.learning_rate * (FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine)


def new_optimiser(
    preset: TrainingPreset, parameters: list[torch.nn.Parameter], device: str
) -> torch.optim.Optimizer:
    """The optimiser of a preset, of these weights.

    Raises:
        TrainingError: the package that has it is not installed.
    """
    kind = KINDS[preset.optimizer]
    try:
        make: Callable[..., torch.optim.Optimizer] = getattr(import_module(kind.module), kind.name)
    except ImportError as error:
        package = kind.module.partition(".")[0]
        raise TrainingError(
            f"optimizer {preset.optimizer}: {package} is not installed; install the extra `optimizers` "
            '(pip install "lofi-pipeline[optimizers]"), or set optimizer: adamw'
        ) from error
    options = {"fused": device != "cpu"} if preset.optimizer == "adamw" else {}
    return make(parameters, lr=preset.learning_rate, weight_decay=preset.weight_decay, **options)


def take_step(optimiser: Any, preset: TrainingPreset, step: int, device: str) -> None:
    """Move the weights by their gradients, at the learning rate of this step; `optimiser` may be accelerate's."""
    inner = getattr(optimiser, "optimizer", optimiser)
    rate = learning_rate(step, preset)
    for group in inner.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    # torchao compiles its step, for which a CPU needs a C++ compiler, and gains nothing
    eager = preset.optimizer == "adamw_8bit" and device == "cpu"
    with torch.compiler.set_stance("force_eager") if eager else nullcontext():
        optimiser.step()


def clip_gradients(parameters: list[torch.nn.Parameter], longest: float) -> float:
    """Scale the gradients down to the norm `longest` where theirs is longer; returns theirs.

    torch.nn.utils.clip_grad_norm_ takes as long where it multiplies all of them by 1.
    """
    norm = torch.nn.utils.get_total_norm([it.grad for it in parameters if it.grad is not None])
    if float(longest / (norm + 1e-6)) < 1:
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)
    return float(norm)


@contextmanager
def averaged(optimiser: Any) -> Iterator[None]:
    """Meanwhile the weights are those to be used: for schedule_free its average, for the others they are anyway."""
    if not hasattr(optimiser, "eval"):
        yield
        return
    optimiser.eval()
    try:
        yield
    finally:
        optimiser.train()


def begin(optimiser: Any) -> None:
    """Make ready to train, after the state was restored or at the very start."""
    if hasattr(optimiser, "train"):
        optimiser.train()


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: dict[int, str], kind: str) -> Tensors:
    """The optimiser's state by name; `names` maps id(parameter) to its name. Empty before the first step that counted."""
    found: Tensors = {}
    for parameter, state in optimiser.state.items():
        for moment in KINDS[kind].moments if state else ():
            found |= _parts(f"{names[id(parameter)]}/{moment}", state[moment])
    for number in KINDS[kind].numbers if found else ():
        found[f"{GROUP}/{number}"] = torch.tensor(
            float(optimiser.param_groups[0][number]), dtype=torch.float64
        )
    return found


def _parts(name: str, value: Any) -> Tensors:
    """A moment as plain tensors: torchao's are made of several."""
    if not isinstance(value, torch.Tensor):
        return {name: torch.tensor(value)}
    if flatten := getattr(value, "__tensor_flatten__", None):
        parts, _ = flatten()
        return {f"{name}/{part}": _plain(getattr(value, part)) for part in parts}
    return {name: _plain(value)}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().clone().contiguous()


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: dict[int, str], tensors: Tensors, kind: str
) -> None:
    """Put the optimiser's state back, strictly.

    Raises:
        CheckpointError: a moment is missing, left over or has another shape.
    """
    if not tensors:  # saved before the first step that counted
        return
    _require_all_there(names, tensors, kind)
    for group in optimiser.param_groups:
        for number in KINDS[kind].numbers:
            value = tensors[f"{GROUP}/{number}"].item()
            group[number] = type(group[number])(value) if number in ("k", "train_mode") else value
        for parameter in group["params"]:
            name = names[id(parameter)]
            optimiser.state[parameter] = {
                moment: _restored(f"{name}/{moment}", tensors, parameter, group, kind)
                for moment in KINDS[kind].moments
            }


def _require_all_there(names: dict[int, str], tensors: Tensors, kind: str) -> None:
    expected = {f"{name}/{moment}" for name in names.values() for moment in KINDS[kind].moments}
    expected |= {f"{GROUP}/{number}" for number in KINDS[kind].numbers}
    if odd := {"/".join(name.split("/")[:2]) for name in tensors} ^ expected:
        raise CheckpointError(
            f"the optimiser's state does not fit this preset and base, such as {min(odd)}; {ADVICE}"
        )


def _restored(
    name: str, tensors: Tensors, parameter: torch.nn.Parameter, group: dict[str, Any], kind: str
) -> Any:
    """One moment of one weight, where and as the optimiser has it."""
    device, moment = parameter.device, name.rpartition("/")[2]
    if kind == "adamw_8bit" and name not in tensors:
        from torchao.optim.subclass_8bit import OptimState8bit  # pyright: ignore[reportMissingImports]

        codes, scale, qmap = (tensors[f"{name}/{part}"].to(device) for part in OptimState8bit.tensor_attrs)
        value = OptimState8bit(codes, scale, qmap, moment == "exp_avg", parameter.dtype)
    else:
        value = tensors[name]
    if moment in ("exp_avg", "exp_avg_sq", "z") and value.shape != parameter.shape:
        raise CheckpointError(
            f"the optimiser's state of {name.rpartition('/')[0]} has another shape; {ADVICE}"
        )
    if moment != "step":
        return value.to(device)
    if kind == "prodigy":
        return int(value)
    return value.to(device if group.get("fused") or group.get("capturable") else "cpu")

"""A base model with one component in memory at a time, for scoring and generating where there is no room for all of it.

Text encoder, condition encoder, transformer and codec each come from disk when they have work to do, and the one before goes.
What they answer is the same.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import psutil
import torch
from accelerate.hooks import ModelHook, add_hook_to_module

from lofi_pipeline.config import Offload
from lofi_pipeline.training.bases import FixedInputs, base_folder, components, load_base
from lofi_pipeline.training.memory import count_parameters

if TYPE_CHECKING:
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

STAYING = {item.name for item in fields(FixedInputs)}
"""What the pipeline reads of the condition encoder without asking it to work."""
CODEC_VERBS = ("encode", "decode")
ROOM = 1.5
"""Memory for a base and its work, in sizes of its weights."""


def open_base(name: str, *, device: str, offload: Offload = "auto") -> AceStepPipeline:
    """The base for scoring and generating, whole or one component at a time, as `training.offload` says.

    Raises:
        BaseModelError: see `load_base`.
    """
    if offload == "always" or (offload == "auto" and not has_room(name, device)):
        return load_in_turn(name, device=device)
    return load_base(name, device=device)


def has_room(name: str, device: str) -> bool:
    """Whether the whole base fits into what is free now."""
    folder = base_folder(name)
    count = sum(count_parameters(folder / part) for part in components(folder))
    if device == "cpu":
        return psutil.virtual_memory().available > ROOM * 4 * count  # float32
    return torch.cuda.mem_get_info()[0] > ROOM * 2 * count  # bfloat16


def load_in_turn(name: str, *, device: str, dtype: torch.dtype | None = None) -> AceStepPipeline:
    """The base with all its components, of which at most one is in memory.

    Raises:
        BaseModelError: see `load_base`.
    """
    turns = _Turns(name, device, dtype)
    parts = {part: turns.component(part) for part in sorted(components(base_folder(name)))}
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    pipeline = AceStepPipeline(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def bring_into_memory(module: Any) -> None:
    """Before something is attached to a component: it may be on disk still."""
    hook = getattr(module, "_hf_hook", None)
    if isinstance(hook, _Turn):
        hook.take()


@dataclass
class _Turns:
    """The components of a base, and the one that is in memory."""

    name: str
    device: str
    dtype: torch.dtype | None
    _modules: dict[str, Any] = field(default_factory=dict)
    _present: str | None = None

    def component(self, part: str) -> Any:
        """A component that takes its turn when it is called; what is no module, such as the tokenizer, is there always."""
        self._make_room()
        loaded = self._read(part)
        if not isinstance(loaded, torch.nn.Module):
            return loaded
        self._modules[part], self._present = loaded, part
        add_hook_to_module(loaded, _Turn(part, self))
        for verb in CODEC_VERBS:  # a codec is not called as a module
            if work := getattr(loaded, verb, None):
                setattr(loaded, verb, self._taking(part, work))
        if quantizer := getattr(loaded, "quantizer", None):  # nor is what reads audio codes
            quantizer.get_output_from_indices = self._taking(part, quantizer.get_output_from_indices)
        return loaded

    def take(self, part: str) -> None:
        """The component is in memory afterwards, and no other."""
        if part == self._present:
            return
        self._make_room()
        fresh = dict(self._read(part).named_parameters())
        for owner, leaf, name in _parameters(self._modules[part]):
            if name in fresh:
                owner._parameters[leaf] = fresh[name]
        self._present = part

    def _read(self, part: str) -> Any:
        pipeline = load_base(self.name, device=self.device, dtype=self.dtype, only=(part,))
        return getattr(pipeline, part)

    def _make_room(self) -> None:
        if self._present:
            _empty(self._modules[self._present])
            self._present = None
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def _taking(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def take_and_work(*given: Any, **named: Any) -> Any:
            self.take(part)
            return work(*given, **named)

        return take_and_work


class _Turn(ModelHook):
    """Brings a component into memory before it is called."""

    def __init__(self, part: str, turns: _Turns) -> None:
        self.execution_device = turns.device  # where diffusers makes the component's input
        self._part, self._turns = part, turns

    def take(self) -> None:
        """It is this component's turn."""
        self._turns.take(self._part)

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Called by accelerate."""
        self.take()
        return args, kwargs


def _parameters(module: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str, str]]:
    """Owner, leaf name and the name on disk of each parameter that comes from disk: not of a LoRA's."""
    for path, owner in module.named_modules():
        for leaf in owner._parameters:
            name = f"{path}.{leaf}".lstrip(".").replace(".base_layer.", ".")
            if ".lora_" not in name and name not in STAYING:
                yield owner, leaf, name


def _empty(module: torch.nn.Module) -> None:
    for owner, leaf, _ in _parameters(module):
        if (parameter := owner._parameters[leaf]) is not None:
            owner._parameters[leaf] = torch.nn.Parameter(parameter.to("meta"), requires_grad=False)
    for owner in module.modules():  # weights that torch computes of others, such as weight norm
        for name, value in list(vars(owner).items()):
            if isinstance(value, torch.Tensor):
                vars(owner)[name] = value.detach().to("meta")

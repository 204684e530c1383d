"""From a foreign LoRA's tensors to those of the base's own modules, with the rank and alpha of each.

Names come in three forms (PEFT's, diffusers', kohya's), of modules as diffusers or as ACE-Step calls them. One table over the
base's linear layers knows them all; what is not in it is refused.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from lofi_pipeline.entities import few
from lofi_pipeline.storage import content_sha256
from lofi_pipeline.training.importing.foreign_file import ForeignLora, as_floats, refuse
from lofi_pipeline.training.lora_config import plain_config
from lofi_pipeline.training.weights import Tensors, ace_step_name

Shapes = Mapping[str, tuple[int, int]]
"""By the diffusers name of a linear layer: its outputs and inputs."""
HALVES = {"lora_A": "A", "lora_down": "A", "lora.down": "A", "lora_B": "B", "lora_up": "B", "lora.up": "B"}
_TENSOR = re.compile(r"(.+)\.(lora_A|lora_B|lora_down|lora_up|lora\.down|lora\.up)(?:\.[^.]+)?\.weight")
_ALPHA = re.compile(r"(.+)\.alpha")
_DOTTED = ("base_model.model.", "transformer.", "diffusion_model.", "decoder.")
_FLAT = ("lora_unet_", "lora_transformer_", "lycoris_", "diffusion_model_", "decoder_")
FORMS = (
    ("lora_", "kohya"),
    ("lycoris_", "kohya"),
    ("base_model.model.", "PEFT"),
    ("transformer.", "diffusers"),
)
OTHER_KINDS = (
    (r"lora_magnitude_vector|dora_scale", "DoRA"),
    (r"hada_", "LoHa"),
    (r"lokr_", "LoKr"),
    (r"\b(oft|boft)_", "OFT"),
    (r"ia3_", "IA3"),
    (r"vera_", "VeRA"),
    (r"lora_mid", "LoCon with a Tucker core"),
    (r"\.diff(_b)?$|\.[wb]_norm$", "differences of whole weights"),
    (r"lora_embedding", "a LoRA of an embedding"),
    (r"bias", "a LoRA with biases"),
    (r"\blora_te\d*_|text_encoder", "a LoRA of a text encoder"),
)
"""What is no plain LoRA of the transformer, by a pattern of a tensor's name."""
_PLAIN_PATTERN = re.compile(r"\^?(?:[\w-]|\\?\.)+\$?")


@dataclass(frozen=True)
class Adapter:
    """A LoRA of the base, by diffusers' names; float32."""

    form: str
    tensors: Tensors
    ranks: dict[str, int]
    alphas: dict[str, float]

    def config(self) -> LoraConfig:
        """What PEFT attaches it by."""
        return plain_config(self.ranks, self.alphas)

    def sha256(self) -> str:
        """Of all that its answer depends on; the same LoRA in another form has the same."""
        hashes = {
            name: [list(it.shape), hashlib.sha256(it.numpy().data).hexdigest()]
            for name, it in self.tensors.items()
        }
        return content_sha256(hashes)


def linear_layers(base: Path) -> Shapes:
    """The linear layers of the transformer in a base model's folder; no weights are read."""
    from diffusers.models.transformers.ace_step_transformer import AceStepTransformer1DModel

    with torch.device("meta"):
        config: Any = AceStepTransformer1DModel.load_config(str(base / "transformer"), local_files_only=True)
        model: Any = AceStepTransformer1DModel.from_config(config)
    found = ((name, part) for name, part in model.named_modules() if isinstance(part, torch.nn.Linear))
    return {name: (part.out_features, part.in_features) for name, part in found}


def convert(lora: ForeignLora, shapes: Shapes, alpha: float | None = None) -> Adapter:
    """The LoRA by the base's names, every part of it checked.

    Args:
        lora: as it was read.
        shapes: of the base's linear layers.
        alpha: for the modules of which the file says none.

    Raises:
        ImportRefused: a part is unknown, missing, of another shape, or no number; or alpha is not known.
    """
    names = _names_of(shapes)
    halves: dict[str, dict[str, torch.Tensor]] = {}
    called: dict[str, str] = {}
    alphas: dict[str, float] = {}
    for key, tensor in sorted(lora.tensors.items()):
        if found := _ALPHA.fullmatch(key):
            alphas[_module(lora.file, key, found[1], names)] = _scalar(lora.file, key, tensor)
            continue
        module, half, spelled = _half_of(lora.file, key, names)
        if half in halves.setdefault(module, {}):
            raise refuse(lora.file, key, f"is given twice: {module} has this half under another name already")
        halves[module][half] = as_floats(lora.file, key, tensor)
        called[module] = _without(_DOTTED[:1], spelled)
    if loose := sorted(set(alphas) - set(halves)):
        raise refuse(lora.file, f"{loose[0]}.alpha", "belongs to no LoRA in the file")
    ranks = {module: _rank(lora.file, module, halves[module], shapes[module]) for module in halves}
    known = {
        module: _alpha(lora, module, called[module], ranks[module], alphas.get(module), alpha)
        for module in halves
    }
    return Adapter(
        form=next(
            (form for start, form in FORMS if all(key.startswith(start) for key in lora.tensors)), "no prefix"
        ),
        tensors={
            f"{module}.lora_{half}.weight": it for module in halves for half, it in halves[module].items()
        },
        ranks=ranks,
        alphas=known,
    )


def _names_of(shapes: Shapes) -> dict[str, str]:
    """The diffusers name of each linear layer by all names that it goes by; a name that two go by is left out."""
    found: dict[str, set[str]] = {}
    for name in shapes:
        for form in (name, ace_step_name(name)):
            for spelled in (form, form.replace(".", "_")):
                found.setdefault(spelled, set()).add(name)
    return {spelled: names.pop() for spelled, names in found.items() if len(names) == 1}


def _half_of(file: str, key: str, names: Mapping[str, str]) -> tuple[str, str, str]:
    """Which module a tensor belongs to, which half of its LoRA it is, and what the file calls the module."""
    kind = next((kind for pattern, kind in OTHER_KINDS if re.search(pattern, key)), None)
    if kind is not None:
        raise refuse(file, key, f"this is {kind}; only a plain LoRA of the transformer is taken in")
    found = _TENSOR.fullmatch(key)
    if found is None:
        raise refuse(file, key, "is no part of a LoRA (a lora_A, lora_B, lora_down, lora_up or alpha)")
    return _module(file, key, found[1], names), HALVES[found[2]], found[1]


def _module(file: str, key: str, spelled: str, names: Mapping[str, str]) -> str:
    """The diffusers name of the linear layer that a name in the file means."""
    for form in (spelled, _without(_DOTTED, spelled), _without(_FLAT, spelled)):
        if form in names:
            return names[form]
    raise refuse(
        file, key, "names no linear layer of the base model's transformer; it is a LoRA of another model"
    )


def _without(prefixes: tuple[str, ...], name: str) -> str:
    while shorter := next((name[len(it) :] for it in prefixes if name.startswith(it)), None):
        name = shorter
    return name


def _rank(file: str, module: str, halves: Mapping[str, torch.Tensor], shape: tuple[int, int]) -> int:
    """The rank, of two halves that fit each other and the base."""
    if missing := sorted({"A", "B"} - set(halves)):
        raise refuse(file, module, f"lora_{missing[0]} is missing: one half of a LoRA is none")
    down, up = halves["A"], halves["B"]
    outputs, inputs = shape
    rank = down.shape[0] if down.ndim else 0
    if rank < 1 or tuple(down.shape) != (rank, inputs) or tuple(up.shape) != (outputs, rank):
        rule = f"has the shapes {tuple(down.shape)} and {tuple(up.shape)}; this base's takes (rank, {inputs}) and ({outputs}, rank)"
        raise refuse(file, module, rule)
    return rank


def _scalar(file: str, key: str, tensor: torch.Tensor) -> float:
    if tensor.numel() != 1:
        raise refuse(file, key, "is no single number")
    return _positive(file, key, float(tensor.double()))


def _positive(file: str, field: str, alpha: float) -> float:
    if not (math.isfinite(alpha) and alpha > 0):
        raise refuse(file, field, f"alpha is {alpha}; it must be a number above 0")
    return alpha


def _alpha(
    lora: ForeignLora, module: str, called: str, rank: int, in_file: float | None, given: float | None
) -> float:
    """Alpha of a module, so that alpha / rank is what its LoRA is multiplied by; all that say it must say the same."""
    said: dict[str, float] = {} if in_file is None else {"its .alpha": in_file}
    for where, settings in lora.settings.items():
        names = {called, module, ace_step_name(module)}
        in_settings = _by_pattern(lora.file, settings.rank_pattern, names, settings.r)
        if in_settings is not None and in_settings != rank:
            raise refuse(lora.file, module, f"{where} says rank {in_settings}, its tensors have {rank}")
        alpha = _by_pattern(lora.file, settings.alpha_pattern, names, settings.lora_alpha)
        if alpha is not None:
            alpha = _positive(lora.file, f"{module}, {where}", alpha)
            said[where] = alpha * math.sqrt(rank) if settings.use_rslora else alpha
    if not said and lora.alpha_in_notes is not None:
        said["ss_network_alpha"] = _positive(lora.file, "ss_network_alpha", lora.alpha_in_notes)
    if given is not None:
        said["--alpha"] = _positive(lora.file, "--alpha", given)
    if not said:
        rule = "alpha, which says how strong the LoRA is, stands nowhere: give what it was trained with, --alpha NUMBER"
        raise refuse(lora.file, module, rule)
    if len({round(it, 6) for it in said.values()}) > 1:
        differing = few([f"{where} {alpha:g}" for where, alpha in said.items()])
        raise refuse(
            lora.file, module, f"alpha is not the same everywhere: {differing}; find out which holds"
        )
    return next(iter(said.values()))


def _by_pattern(
    file: str, patterns: Mapping[str, float], names: Iterable[str], otherwise: float | None
) -> float | None:
    """What the first pattern says that fits a module by one of its names, as PEFT finds it: whole, or the end of it."""
    endings = {
        name[at:]: at == 0 for name in names for at in (0, *(m.end() for m in re.finditer(r"\.", name)))
    }
    for key, value in patterns.items():
        if not _PLAIN_PATTERN.fullmatch(key):
            raise refuse(file, f"pattern {key[:80]}", "is a regular expression; only names are taken in")
        is_whole = endings.get(key.strip("^$").replace("\\.", "."))
        if is_whole or (is_whole is False and not key.startswith("^")):
            return value
    return otherwise

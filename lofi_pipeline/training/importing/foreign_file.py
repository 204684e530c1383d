"""What stands in a LoRA's file of another program: tensors, and what file and configuration say of them.

Only regular safetensors files are read, whole and once, and never more than the base model's own size. Nothing in them is run, and
no name in them is used as a path.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load

from lofi_pipeline.checkpoints.folder import PEFT_CONFIG, PEFT_FILE
from lofi_pipeline.checkpoints.foreign import LARGEST_HEAD, MOST_FILES, PICKLES
from lofi_pipeline.checkpoints.manifest import WEIGHTS_SUFFIX
from lofi_pipeline.entities import CHECKPOINT_RECORD, few
from lofi_pipeline.entities.base import describe_errors, visible
from lofi_pipeline.storage import UnreadableRecord, parse_json
from lofi_pipeline.training.errors import ImportRefused
from lofi_pipeline.training.weights import DIFFUSERS_FILE, METADATA_KEY, Tensors

MOST_CONFIG_BYTES = 2**20
LONGEST_NAME = 500
NO_BEARING = frozenset(
    [
        "auto_mapping",
        "base_model_name_or_path",
        "corda_config",
        "ensure_weight_tying",
        "eva_config",
        "exclude_modules",
        "inference_mode",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_dropout",
        "lora_ga_config",
        "megatron_config",
        "megatron_core",
        "peft_version",
        "qalora_group_size",
        "revision",
        "runtime_config",
        "target_modules",
        "task_type",
    ]
)
"""What PEFT keeps in a configuration and no trained LoRA's answer depends on."""
CHANGES_THE_BASE = ("corda", "lora_ga", "loftq", "olora", "pissa")
"""Ways to begin a training that change the base model's own weights: the LoRA fits only to those."""


class AdapterSettings(BaseModel):
    """What a configuration in PEFT's form says of a LoRA, as far as its answer depends on it."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    peft_type: str = "LORA"
    r: int | None = Field(default=None, ge=1)
    lora_alpha: float | None = Field(default=None, gt=0)
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    use_rslora: bool = False
    init_lora_weights: bool | str | None = True
    bias: str = "none"


@dataclass(frozen=True)
class ForeignLora:
    """A LoRA as its file has it."""

    file: str
    """Its name, for messages and records."""
    sha256: str
    tensors: Tensors
    settings: dict[str, AdapterSettings]
    """By where they stand: adapter_config.json, and the file's own header."""
    alpha_in_notes: float | None
    """What kohya's trainers note in the header."""


def refuse(file: str, field: str, rule: str) -> ImportRefused:
    """The error of a file: whatever strangers wrote in it is made visible, and cut."""
    return ImportRefused(f"{visible(file)}: {visible(field)[:200]}: {rule}")


def read_foreign(path: Path, *, most_bytes: int) -> ForeignLora:
    """Read a safetensors file, or a folder with one in it.

    Args:
        path: of the file or folder.
        most_bytes: no LoRA is larger: the size of the base model.

    Raises:
        ImportRefused: it is no such file, is damaged or too large, or is an adapter of another kind than LoRA.
    """
    file = _weights_in(path)
    data = _bytes(file, most_bytes)
    tensors, notes = _parsed(file.name, data)
    said = {
        PEFT_CONFIG: _settings_beside(file),
        f"{METADATA_KEY} in its header": _settings_in(file.name, notes),
    }
    return ForeignLora(
        file=visible(file.name),
        sha256=hashlib.sha256(data).hexdigest(),
        tensors=tensors,
        settings={where: found for where, found in said.items() if found},
        alpha_in_notes=_alpha_in(notes),
    )


def _weights_in(path: Path) -> Path:
    """The file of weights that is meant by a file or a folder."""
    if path.is_symlink():
        raise refuse(path.name, "link", "links are not followed; give what it leads to")
    if not os.path.lexists(path):
        raise refuse(path.name, "file", "there is no such file or folder; see how it is spelt")
    if not path.is_dir():
        if path.suffix.lower() in PICKLES:
            raise _pickled(path.name)
        if path.suffix.lower() != WEIGHTS_SUFFIX:
            raise refuse(
                path.name, "file", f"only {WEIGHTS_SUFFIX} files are read; convert it with what made it"
            )
        return path
    names = sorted(item.name for item in islice(path.iterdir(), MOST_FILES))
    if CHECKPOINT_RECORD in names:
        advice = "it is a checkpoint of this pipeline; copy its whole folder to checkpoints/ of the data root"
        raise refuse(path.name, CHECKPOINT_RECORD, advice)
    for name in (PEFT_FILE, DIFFUSERS_FILE):
        if name in names:
            return path / name
    weights = [name for name in names if Path(name).suffix.lower() == WEIGHTS_SUFFIX]
    if len(weights) == 1:
        return path / weights[0]
    if weights:
        raise refuse(
            path.name, "folder", f"holds several files of weights; give one of: {few(weights, most=5)}"
        )
    pickles = [name for name in names if Path(name).suffix.lower() in PICKLES]
    if pickles:
        raise _pickled(pickles[0])
    raise refuse(path.name, "folder", f"holds no {WEIGHTS_SUFFIX} file")


def _pickled(name: str) -> ImportRefused:
    return refuse(
        name,
        "file",
        "is a pickle, which can run code and is never opened; convert it to safetensors with the program that made it, such as "
        "by `safetensors.torch.save_file` on what `torch.load(..., weights_only=True)` gives",
    )


def _bytes(path: Path, most_bytes: int) -> bytes:
    """The bytes of a regular file, which no link and no pipe stands for."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise refuse(path.name, "link", "links are not followed; give what it leads to") from error
        raise
    with os.fdopen(opened, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise refuse(path.name, "file", "is no regular file")
        if facts.st_size > most_bytes:
            sizes = f"{facts.st_size:,} bytes, more than the {most_bytes:,} of what it would be added to"
            raise refuse(path.name, "size", f"has {sizes}: it is no LoRA of this base")
        return file.read(most_bytes)


def _parsed(name: str, data: bytes) -> tuple[Tensors, dict[str, str]]:
    """The tensors in a file, and the notes in its header."""
    head = int.from_bytes(data[:8], "little")
    if head > LARGEST_HEAD:
        raise refuse(name, "header", f"has {head:,} bytes; more than {LARGEST_HEAD:,} are not read")
    try:
        tensors = load(data)
        notes = parse_json(data[8 : 8 + head], Path(name)).get("__metadata__") or {}
    except UnreadableRecord as error:
        raise refuse(name, "header", str(error)) from error
    # The library raises several of its own, and KeyError of a type that it has no name for
    except Exception as error:
        rule = f"is truncated or damaged ({visible(str(error))[:200]}); copy it again"
        raise refuse(name, "safetensors", rule) from error
    if not tensors:
        raise refuse(name, "tensors", "it holds none")
    if (longest := max(tensors, key=len)) and len(longest) > LONGEST_NAME:
        raise refuse(
            name, longest, f"is longer than the {LONGEST_NAME} characters that a tensor's name may have"
        )
    return tensors, {str(key): str(value) for key, value in notes.items()}


def _settings_beside(file: Path) -> AdapterSettings | None:
    """adapter_config.json in the folder of PEFT's own file, or of the only one there."""
    path = file.with_name(PEFT_CONFIG)
    if file.name == DIFFUSERS_FILE or not os.path.lexists(path):
        return None
    if (
        file.name != PEFT_FILE
        and sum(it.suffix.lower() == WEIGHTS_SUFFIX for it in file.parent.iterdir()) > 1
    ):
        return None
    try:
        said = parse_json(_bytes(path, MOST_CONFIG_BYTES), Path(path.name))
    except UnreadableRecord as error:
        raise refuse(path.name, "JSON", str(error)) from error
    return _settings(path.name, said)


def _settings_in(name: str, notes: Mapping[str, str]) -> AdapterSettings | None:
    """What the header says in diffusers' form, for the transformer."""
    if METADATA_KEY not in notes:
        return None
    try:
        said = json.loads(notes[METADATA_KEY])
    except (ValueError, RecursionError) as error:
        raise refuse(name, METADATA_KEY, f"is not JSON ({error})") from error
    if isinstance(said, dict):
        said = {key.removeprefix("transformer."): value for key, value in said.items()}
    return _settings(name, said)


def _settings(name: str, said: Any) -> AdapterSettings:
    """Settings, where all that bears on the answer is understood."""
    try:
        found = AdapterSettings.model_validate(said)
    except ValidationError as error:
        raise ImportRefused(visible(describe_errors(error, where=name, kind="adapter"))) from error
    if found.peft_type != "LORA":
        raise refuse(name, "peft_type", f"is {found.peft_type!r:.40}; only LORA is taken in")
    if found.bias != "none":
        raise refuse(
            name, "bias", "biases that were trained as well are no part of a LoRA, and are not taken in"
        )
    if isinstance(found.init_lora_weights, str) and found.init_lora_weights.startswith(CHANGES_THE_BASE):
        rule = "began by changing the base model's weights; have PEFT convert it to a plain LoRA (save_pretrained with "
        raise refuse(name, "init_lora_weights", f"{rule}path_initial_model_for_weight_conversion)")
    for field, value in sorted((found.model_extra or {}).items()):
        if value and field not in NO_BEARING:
            rule = "changes what the LoRA answers in a way that can't be taken in; only plain LoRA can"
            raise refuse(name, field, f"{rule}{' (this is DoRA)' if field == 'use_dora' else ''}")
    return found


def _alpha_in(notes: Mapping[str, str]) -> float | None:
    with suppress(KeyError, ValueError):
        return float(notes["ss_network_alpha"])
    return None


def as_floats(name: str, field: str, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float32, every number of it finite.

    Raises:
        ImportRefused: it holds whole numbers, NaN or infinity.
    """
    if not tensor.is_floating_point():
        raise refuse(name, field, f"holds {str(tensor.dtype).removeprefix('torch.')} and no weights")
    numbers = tensor.float()
    if not torch.isfinite(numbers).all():
        raise refuse(name, field, "holds NaN or infinity")
    return numbers.contiguous()

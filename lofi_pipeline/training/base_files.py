"""Whether a base model's folder is whole: no file missing or cut off, as downloads leave them. Of weights the heads are read.

Torch-free, but for the size of a file that nothing else tells: that follows from the model's configuration.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lofi_pipeline.storage import read_json
from lofi_pipeline.training.safetensors_head import read_head

NAME_OF_WEIGHTS = {"text_encoder": "model"}
USUAL_NAME = "diffusion_pytorch_model"
CONFIG_OF = {"scheduler": "scheduler_config.json", "tokenizer": "tokenizer_config.json"}
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json")
WITHOUT_WEIGHTS = ("scheduler", "tokenizer")
OWN_CLASSES = {"transformer": "AceStepTransformer1DModel", "condition_encoder": "AceStepConditionEncoder"}
"""The parts that LoRAs are trained in, and what makes their conditions: nothing else fits."""


@dataclass(frozen=True)
class Part:
    """A component of a base: the bytes that its weights take in its files, and how many numbers they are."""

    name: str
    bytes: int = 0
    parameters: int = 0


@dataclass(frozen=True)
class BaseFiles:
    """What lies in a base's folder. `faults`: a sentence for each file that is missing, cut off, or of another model."""

    parts: tuple[Part, ...]
    faults: tuple[str, ...]


def look_at(folder: Path) -> BaseFiles:
    """Every component that model_index.json names, with its weights' heads."""
    index = read_json(folder / "model_index.json")
    names = [name for name, value in index.items() if isinstance(value, list) and any(value)]
    parts, faults = [], []
    for name in names:
        part, found = _component(folder, name)
        parts.append(part)
        faults += found
        wanted, said = OWN_CLASSES.get(name), index[name][-1]
        if wanted and said != wanted:
            faults.append(
                f"model_index.json says that {name} is a {said}, not an {wanted}: another architecture"
            )
    faults += [f"model_index.json names no {name}" for name in OWN_CLASSES if name not in names]
    return BaseFiles(tuple(parts), tuple(faults))


def _component(folder: Path, name: str) -> tuple[Part, list[str]]:
    config = CONFIG_OF.get(name, "config.json")
    faults = [] if (folder / name / config).is_file() else [f"{name}/{config} is missing"]
    if name == "tokenizer" and not any((folder / name / file).is_file() for file in VOCABULARIES):
        faults.append("tokenizer/tokenizer.json is missing")
    if name in WITHOUT_WEIGHTS:
        return Part(name), faults
    stem = NAME_OF_WEIGHTS.get(name, USUAL_NAME)
    listed = folder / name / f"{stem}.safetensors.index.json"
    if listed.is_file():
        part, found = _shards(folder, name, listed)
    else:
        part, found = _single(folder, name, stem)
    return part, faults + found


def _single(folder: Path, name: str, stem: str) -> tuple[Part, list[str]]:
    files = sorted((folder / name).glob("*.safetensors"))
    if not files:
        size = None
        with suppress(Exception):  # an unreadable configuration is a fault of its own
            size = expected_bytes(folder, name)
        about = f" (about {in_words(size)})" if size else ""
        return Part(name), [f"{name}/{stem}.safetensors is missing{about}"]
    return _sum(folder, name, files)


def _shards(folder: Path, name: str, listed: Path) -> tuple[Part, list[str]]:
    try:
        index = read_json(listed)
        shards = sorted(set(index["weight_map"].values()))
        total = int(index.get("metadata", {}).get("total_size", 0))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        return Part(name), [f"{name}/{listed.name} is not readable ({error})"]
    there = [folder / name / shard for shard in shards if (folder / name / shard).is_file()]
    part, faults = _sum(folder, name, there)
    missing = [shard for shard in shards if not (folder / name / shard).is_file()]
    rest = max(0, total - part.bytes)
    size = f" ({in_words(rest)}{' together' if len(missing) > 1 else ''})" if rest else ""
    return part, faults + [f"{name}/{shard} is missing{size}" for shard in missing]


def _sum(folder: Path, name: str, files: list[Path]) -> tuple[Part, list[str]]:
    sizes, numbers, faults = 0, 0, []
    for path in files:
        where = path.relative_to(folder).as_posix()
        head, fault = read_head(path)
        if fault:
            faults.append(f"{where} {fault}")
        sizes += sum(tensor.bytes for tensor in head.values())
        numbers += sum(tensor.numbers for tensor in head.values())
    return Part(name, sizes, numbers), faults


def expected_bytes(folder: Path, name: str) -> int:
    """The bytes that the weights of a component take in bfloat16, by its configuration; its model is made without memory."""
    import torch

    with torch.device("meta"):
        model = _empty_model(folder, name)
    return sum(2 * tensor.numel() for tensor in model.state_dict().values())


def _empty_model(folder: Path, name: str) -> Any:
    config = read_json(folder / name / "config.json")
    if name == "text_encoder":
        from transformers import AutoConfig, AutoModel

        return AutoModel.from_config(AutoConfig.for_model(**config))
    import diffusers
    from diffusers.pipelines.ace_step import modeling_ace_step

    kind = getattr(diffusers, config["_class_name"], None) or getattr(
        modeling_ace_step, config["_class_name"]
    )
    return kind.from_config(config)


def in_words(size: int) -> str:
    """A size as people say it: 3.2 GB, 11 MB."""
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= of:
            return f"{size / of:.3g} {unit}"
    return f"{size} bytes"

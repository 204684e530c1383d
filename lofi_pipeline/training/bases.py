"""Base models: `nano`, which ships with the project, a folder in diffusers layout, or a hub id.

Only safetensors weights are read. torch and diffusers are imported when a model is loaded, not before. What a model's card
says of its licence is in model_card.py.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lofi_pipeline
from lofi_pipeline.entities import BaseModelFacts
from lofi_pipeline.entities.base import few
from lofi_pipeline.environment import Environment
from lofi_pipeline.storage import content_sha256, file_sha256, read_json
from lofi_pipeline.training.base_files import look_at
from lofi_pipeline.training.errors import BaseModelError
from lofi_pipeline.training.hub import commit_of, hub_id, snapshot
from lofi_pipeline.training.model_card import MODEL_CARD, licence_of

if TYPE_CHECKING:
    import torch
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

NANO = "nano"
NANO_FOLDER = Path(lofi_pipeline.__file__).parent / "models" / "nano_base"
PIPELINE_CLASS = "AceStepPipeline"
CODEC = ("vae",)
"""What makes latents."""
PROMPT_READERS = ("text_encoder", "tokenizer", "condition_encoder")
"""What makes conditions."""
PLANNERS = ("audio_tokenizer", "audio_token_detokenizer")
"""What makes plans, and latents of them; not every base brings it."""
TRANSFORMER = ("transformer",)
"""What is trained, and all that a LoRA is proved on."""
MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


def base_folder(name: str) -> Path:
    """Where the base model's files lie; a hub id is fetched, or taken from the local hub cache when offline.

    Raises:
        BaseModelError: not there, or no AceStepPipeline; the message says what to do.
    """
    folder = NANO_FOLDER if name == NANO else Path(name).expanduser()
    if not folder.is_dir():
        folder = _from_hub(name)
    index = folder / "model_index.json"
    if not index.is_file():
        raise BaseModelError(
            f"base model {name!r}: {folder} has no model_index.json; {_advice_without_index(folder)}"
        )
    try:
        found = read_json(index).get("_class_name")
    except (ValueError, AttributeError) as error:
        raise BaseModelError(
            f"base model {name!r}: {index} is not readable ({error}); fetch the model again"
        ) from error
    if found != PIPELINE_CLASS:
        raise BaseModelError(
            f"base model {name!r}: is a {found}, not an {PIPELINE_CLASS}; set training.base to an ACE-Step 1.5, or to nano"
        )
    return folder


def _advice_without_index(folder: Path) -> str:
    parts = [*folder.glob("*.safetensors"), *folder.glob("acestep-v15-*/"), *folder.glob("config.json")]
    if parts:
        return (
            f"it seems to be in ACE-Step's own layout ({parts[0].name} lies there): fetch the same model in diffusers layout, "
            "whose name ends in -diffusers, or convert it with diffusers' script for ACE-Step"
        )
    return f"give a folder in diffusers layout (as {PIPELINE_CLASS}.save_pretrained writes it)"


def is_here(name: str) -> bool:
    """Whether the base model's files lie on this machine; nothing is fetched."""
    if name == NANO or Path(name).expanduser().is_dir():
        return True
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    asked = hub_id(name)
    try:
        return asked is not None and snapshot(asked, local_only=True).is_dir()
    except (HFValidationError, LocalEntryNotFoundError, OSError):
        return False


def require_whole(name: str, folder: Path) -> None:
    """Check that no file is missing, cut off, or of another architecture.

    Raises:
        BaseModelError: names each such file, and how large it should be.
    """
    try:
        faults = look_at(folder).faults
    except (OSError, ValueError, TypeError, KeyError) as error:
        faults = (f"its files are not readable ({error})",)
    if faults:
        raise BaseModelError(
            f"base model {name!r}: {folder}: {few(faults, between='; ')}; it must hold an {PIPELINE_CLASS} with safetensors "
            "weights: fetch it again"
        )


def _from_hub(name: str) -> Path:
    advice = (
        "fetch it where there is a network (`hf download <hub id> --local-dir FOLDER`) and set training.base to that "
        "folder, or use the embedded base: `nano`"
    )
    if name == NANO:
        raise BaseModelError(f"base model nano: {NANO_FOLDER} is missing; install the project again")
    asked = hub_id(name)
    if asked is None:
        raise BaseModelError(
            f"base model {name!r}: no such folder, and not a hub id (owner/name or owner/name@revision); {advice}"
        )
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        wanted = [MODEL_CARD, *MODEL_FILES, *(f"*/{p}" for p in MODEL_FILES)]
        return snapshot(asked, files=wanted)
    except HFValidationError as error:
        raise BaseModelError(f"base model {name!r}: no such folder, and not a hub id; {advice}") from error
    except RevisionNotFoundError as error:
        raise BaseModelError(
            f"base model {name!r}: {asked.repository} has no revision {asked.revision}; give a commit, a tag or a branch of it"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        why = (
            "HF_HUB_OFFLINE is set and it is not in the hub cache"
            if offline
            else f"cannot be fetched ({error})"
        )
        raise BaseModelError(f"base model {name!r}: {why}; {advice}") from error


def describe_base(name: str, *, licence: str | None = None) -> BaseModelFacts:
    """Name, content hash, rates and licence of a base model, without loading it.

    The hash is of weights and configuration: it does not depend on where they lie, nor on what the model card says.
    `licence` is what the configuration says; where the model card names one, that counts.

    Raises:
        BaseModelError: see `base_folder`.
    """
    folder = base_folder(name)
    require_whole(name, folder)
    _check_configurations(name, folder)
    rate, latents_per_second = rates_of(name, folder)
    files = {path.relative_to(folder).as_posix(): _hash_of(path) for path in model_files(folder)}
    on_card = licence_of(folder)
    return BaseModelFacts(
        name=shown_name(name),
        sha256=content_sha256(files),
        sampling_rate=rate,
        latents_per_second=latents_per_second,
        licence=on_card or licence,
        licence_from=MODEL_CARD if on_card else "training.base_licence" if licence else None,
        revision=commit_of(folder),
    )


def rates_of(name: str, folder: Path) -> tuple[int, float]:
    """Samples and latents a second, by the codec's configuration.

    Raises:
        BaseModelError: it is not readable.
    """
    try:
        codec = read_json(folder / "vae" / "config.json")
        rate = int(codec["sampling_rate"])
        return rate, rate / math.prod(int(ratio) for ratio in codec["downsampling_ratios"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise BaseModelError(
            f"base model {name!r}: {folder}/vae/config.json is not readable ({error}); fetch the model again"
        ) from error


def _check_configurations(name: str, folder: Path) -> None:
    """A key that is given twice means the first value to one reader, and the last to another."""
    for path in model_files(folder):
        if path.name.endswith("config.json"):
            try:
                read_json(path)
            except (OSError, ValueError) as error:
                raise BaseModelError(f"base model {name!r}: {error}; fetch the model again") from error


def shown_name(name: str) -> str:
    """What a base model is called in records: a folder's own name, without the way to it."""
    folder = Path(name).expanduser()
    return folder.resolve().name if folder.is_dir() else name


def model_files(folder: Path) -> list[Path]:
    """The files that make the model: its index, and weights and configuration of the components the index names."""
    found = {folder / "model_index.json"}
    for component in components(folder):
        for pattern in MODEL_FILES:
            found.update(path for path in (folder / component).glob(pattern) if path.is_file())
    return sorted(found)


def components(folder: Path) -> set[str]:
    """The components that the model's index names and that are there."""
    index = read_json(folder / "model_index.json")
    return {key for key in index if not key.startswith("_") and (folder / key).is_dir()}


def _hash_of(path: Path) -> str:
    facts = path.stat()
    return _hash_once(path.resolve(), facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash_once(path: Path, _size: int, _changed: int) -> str:
    return file_sha256(path)


def pick_device(wanted: str = "auto") -> str:
    """`cuda` when there is one, else `cpu`; or what is wanted."""
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def quietly() -> Iterator[None]:
    """Switch off the loaders' progress bars, and diffusers' warnings about its own VAE and about any other codec."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    verbosity = of_diffusers.get_verbosity()
    bars = [log for log in (of_diffusers, of_transformers) if log.is_progress_bar_enabled()]
    of_diffusers.set_verbosity_error()
    for log in bars:
        log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        of_diffusers.set_verbosity(verbosity)
        for log in bars:
            log.enable_progress_bar()


def torch_threads() -> int:
    """Threads for a training: LOFI_TORCH_THREADS, else half the cores.

    Scoring goes on beside it with a fixed number of its own (evaluation/threads.py), and threads that share a core wait for
    each other.
    """
    return Environment.read().torch_threads or max(1, (os.cpu_count() or 2) // 2)


def load_base(
    name: str,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    vae_dtype: torch.dtype | None = None,
    only: Collection[str] = (),
) -> AceStepPipeline:
    """The base model, ready to use: eval mode, no progress bar, no gradients asked for.

    Args:
        name: `nano`, a hub id, or a folder in diffusers layout.
        device: such as `cpu` or `cuda`.
        dtype: of the weights; by default float32 on the CPU and bfloat16 elsewhere.
        vae_dtype: another dtype for the codec alone, such as float32 to encode with.
        only: the components that have work to do, such as TRANSFORMER; without it all of them. The others cost no memory.

    Raises:
        BaseModelError: not there, not an AceStepPipeline, or without safetensors weights.
    """
    import torch
    from diffusers import AceStepPipeline  # pyright: ignore[reportPrivateImportUsage]

    # Diffusers takes a class of ours by its module path only when that module was imported before.
    if not only or "vae" in only:
        import lofi_pipeline.training.nano.codec  # noqa: F401

    folder = base_folder(name)
    require_whole(name, folder)
    chosen = dtype or (torch.float32 if device == "cpu" else torch.bfloat16)
    types: Any = chosen if vae_dtype in (None, chosen) else {"default": chosen, "vae": vae_dtype}
    try:
        with quietly():
            pipeline = AceStepPipeline.from_pretrained(
                str(folder),
                dtype=types,
                use_safetensors=True,
                local_files_only=True,
                **dict.fromkeys(components(folder) - set(only) if only else ()),
            )
    except Exception as error:  # whatever is wrong in there, the user needs the base's name and what to do
        raise BaseModelError(
            f"base model {name!r}: {folder} does not load ({type(error).__name__}: {error}); it must hold an "
            f"{PIPELINE_CLASS} with safetensors weights: fetch it again"
        ) from error
    pipeline.sample_rate, pipeline.latents_per_second = rates_of(name, folder)  # known without the codec, too
    pipeline.set_progress_bar_config(disable=True)
    for component in pipeline.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval().requires_grad_(False)
    return pipeline.to(device)


@dataclass(frozen=True)
class FixedInputs:
    """What the transformer is given in place of a prompt and of music to continue, by the names of the condition encoder."""

    null_condition_emb: torch.Tensor  # [1, 1, width]
    silence_latent: torch.Tensor  # [1, frames, channels]


def read_fixed_inputs(name: str, dtype: torch.dtype) -> FixedInputs:
    """Out of the condition encoder's file, in the precision that the encoder would be loaded in, which costs a gigabyte.

    Raises:
        BaseModelError: they are not there.
    """
    from safetensors import safe_open

    folder = base_folder(name) / "condition_encoder"
    found: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            wanted = {field.name for field in fields(FixedInputs)} & set(file.keys())
            found |= {key: file.get_tensor(key).to(dtype) for key in wanted}
    if missing := [field.name for field in fields(FixedInputs) if field.name not in found]:
        raise BaseModelError(f"base model {name!r}: {folder} holds no {missing[0]}; fetch the model again")
    return FixedInputs(**found)

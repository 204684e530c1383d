"""Opening laion_clap and frechet_audio_distance without the network and without unpickling code.

Importing either loads three tokenizers from the hub and waits for it for minutes; both leave torch.hub pointed elsewhere.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch

from lofi_pipeline.evaluation.errors import BadWeights

_AGAIN = "get it again from its source; what came with this project by installing that again"


@contextlib.contextmanager
def hub_answers(*, tokenizer: Any = None, text_model: Callable[..., Any] | None = None) -> Iterator[None]:
    """For the block, the hub models the packages ask for are the given ones; nothing is looked up on the network.

    `tokenizer` stands for roberta-base's tokenizer, `text_model` makes its (empty) model. BERT and BART, which CLAP
    loads and never uses, are None.
    """
    import transformers

    with contextlib.ExitStack() as stack:
        for unused in (transformers.BertTokenizer, transformers.BartTokenizer):
            stack.enter_context(mock.patch.object(unused, "from_pretrained", lambda *args, **kwargs: None))
        stack.enter_context(
            mock.patch.object(
                transformers.RobertaTokenizer, "from_pretrained", lambda *args, **kwargs: tokenizer
            )
        )
        if text_model is not None:
            stack.enter_context(mock.patch.object(transformers.RobertaModel, "from_pretrained", text_model))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        yield


@functools.cache
def laion_clap() -> ModuleType:
    """The package laion_clap, imported offline (about 10 s of CPU the first time)."""
    with hub_answers():
        import laion_clap as package

    return package


@functools.cache
def frechet_audio_distance() -> ModuleType:
    """The package frechet_audio_distance, imported offline; it imports laion_clap."""
    laion_clap()
    with hub_answers():
        import frechet_audio_distance as package

    return package


@contextlib.contextmanager
def local_torch_hub(folder: Path, repository: Path | None = None) -> Iterator[None]:
    """For the block, torch.hub's folder is `folder`, and torch.hub.load means the local `repository`."""
    before = torch.hub.get_dir()
    load = torch.hub.load

    def load_local(repo_or_dir: str, model: str, **kwargs: Any) -> Any:
        return load(str(repository), model, source="local", **kwargs)

    try:
        torch.hub.set_dir(str(folder))
        # Asked for a repository by name, torch.hub asks GitHub for its default branch even when the folder is here.
        with mock.patch.object(torch.hub, "load", load_local) if repository else contextlib.nullcontext():
            yield
    finally:
        torch.hub.set_dir(before)


def load_tensors(path: Path) -> dict[str, Any]:
    """What a .pth or .pt file holds, read without running code: tensors, numbers, and numpy's scalars and arrays.

    Raises:
        BadWeights: damaged, or it holds other objects (a pickle can run code).
    """
    try:
        with numpy_globals():
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise BadWeights(
            f"{path}: cannot be read as plain weights ({str(error).splitlines()[0] if str(error) else 'damaged'}); "
            "get the file again from its source"
        ) from error
    if not isinstance(found, dict):
        raise BadWeights(
            f"{path}: holds a {type(found).__name__}, not a set of named tensors; get the file again"
        )
    require_finite_weights(path, found)
    return found


def load_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file.

    Raises:
        BadWeights: one holds whole numbers, NaN or infinity.
        SafetensorError: it is damaged.
    """
    from safetensors.torch import load_file

    weights = load_file(path)
    if whole := [name for name, tensor in weights.items() if not tensor.is_floating_point()]:
        raise BadWeights(f"{path}: {whole[0]} holds whole numbers, no weights; {_AGAIN}")
    require_finite_weights(path, weights)
    return weights


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong in the block that it is the weights in `path` that are no good."""
    try:
        yield
    except (BadWeights, FileNotFoundError):
        raise
    except Exception as error:
        said = str(error).strip() or type(error).__name__
        raise BadWeights(f"{path}: is damaged, or of another model ({said[:300]}); {_AGAIN}") from error


def require_finite_weights(path: Path, weights: Mapping[str, Any]) -> None:
    """Check every tensor that is in `weights`, or in a set of weights within.

    Raises:
        BadWeights: one holds NaN or infinity.
    """
    for name, value in weights.items():
        if isinstance(value, Mapping):
            require_finite_weights(path, value)
        elif isinstance(value, torch.Tensor) and not torch.isfinite(value).all():
            raise BadWeights(f"{path}: {name} holds NaN or infinity; get the file again from its source")


@contextlib.contextmanager
def numpy_globals() -> Iterator[None]:
    """For the block, torch's safe unpickler also takes numpy numbers, which published checkpoints hold beside tensors."""
    import numpy as np

    multiarray: Any = importlib.import_module("numpy.core.multiarray")
    rebuild = [
        (getattr(multiarray, name), f"numpy.core.multiarray.{name}") for name in ("scalar", "_reconstruct")
    ]
    kinds = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}]
    with torch.serialization.safe_globals([*rebuild, *kinds]):
        yield

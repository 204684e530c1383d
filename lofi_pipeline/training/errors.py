"""What can go wrong in the training room. Every message says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError

from lofi_pipeline.errors import LofiError


class TrainingError(LofiError):
    """Training cannot go on."""


class BaseModelError(TrainingError):
    """The base model is not there, or is not an AceStepPipeline in diffusers layout with safetensors weights."""


class EncodingError(TrainingError):
    """A track cannot become latents or a condition."""


class PromptTooLong(TrainingError):
    """The base model would read a prompt in part only."""


class NonFiniteTraining(TrainingError):
    """Too many steps in a row gave a loss or gradient that is not finite; none of them was saved."""


@contextmanager
def disk_faults(what: str) -> Iterator[None]:
    """Writing tensors fails as writing anything does: with an OSError, also when safetensors found out."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(f"{what} cannot be written: {error}") from error

"""What can go wrong with base models, encoding and training. Every message says what to do.

What is wrong with a checkpoint on disk is a CheckpointError.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from lofi_pipeline.errors import LofiError


class TrainingError(LofiError):
    """Training cannot go on."""


class BaseModelError(TrainingError):
    """The base model is not there, or is not an AceStepPipeline in diffusers layout with safetensors weights."""


class EncodingError(TrainingError):
    """A track cannot become latents or a condition."""


class PromptTooLong(TrainingError):
    """A prompt is longer than what the base model reads of it."""


class ImportRefused(TrainingError):
    """A LoRA of another program can't be taken in: the message names file, field and rule."""


class NonFiniteTraining(TrainingError):
    """Too many steps in a row gave a loss or gradient that is not finite; none of them was saved."""


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn what safetensors raises while `path` is written into an OSError, as writing any other file raises.

    Raises:
        OSError: the disk is full, for one.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error), str(path)) from error

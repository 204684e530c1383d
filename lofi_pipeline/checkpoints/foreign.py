"""What lies among the checkpoints and is none that can be used: LoRAs of other programs, and copies that are not whole.

Of a file no more is read than the head of a safetensors file. A pickle is never opened, a link never followed. Torch-free.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from lofi_pipeline.checkpoints.folder import PEFT_CONFIG, read_checkpoint_folder
from lofi_pipeline.checkpoints.loss_log import LOG_NAME
from lofi_pipeline.checkpoints.manifest import LINEAGE_RECORD, SET_ASIDE_FOLDER, WEIGHTS_SUFFIX
from lofi_pipeline.entities import CHECKPOINT_RECORD
from lofi_pipeline.entities.base import visible
from lofi_pipeline.entities.checkpoint import is_checkpoint_id
from lofi_pipeline.storage import DataRoot

PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
PACKED = (".7z", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip")
MOST_FILES = 500
"""Of a folder, that are looked at: a checkpoint has a dozen."""
MOST_HEADS = 8
LARGEST_HEAD = 8 * 2**20
"""Bytes of a safetensors head that is read: several times what a LoRA with its trainer's notes has."""

NOT_OURS = (
    "`lofi import-lora` with its path takes it in, to be scored beside yours, with its origin marked as unknown, since nothing "
    "says what it learned from; in any case, move it out of the data root"
)
NOT_TAKEN_IN = "Only LoRAs are scored and audited: move it out of the data root"
KINDS = (
    (
        r"^(lokr|hada|oft|boft)_|\.(lokr|hada|oft|boft)_",
        "an adapter of another kind than LoRA (LyCORIS)",
        NOT_TAKEN_IN,
    ),
    (r"^(lora|lycoris)_[a-z0-9]+_", "a LoRA with the keys of kohya's trainers", NOT_OURS),
    (r"^diffusion_model\..*lora", "a LoRA with the keys of ComfyUI", NOT_OURS),
    (r"^base_model\.model\..*lora", "a LoRA in the form of PEFT", NOT_OURS),
    (r"^transformer\..*lora", "a LoRA in the form of diffusers", NOT_OURS),
    (r"(^|[._])lora_?(A|B|down|up)\b|\.lora\.(down|up)\.", "a LoRA", NOT_OURS),
)
"""What weights seem to be, by a pattern of a tensor's name, and what to do; the first that is found."""
NO_RECORD = f"It has no {CHECKPOINT_RECORD}: if the pipeline trained it, copy its whole folder again"


class _Guess(NamedTuple):
    """What weights seem to be, and what to do with them. Of the files of one folder, that of the lowest rank tells most."""

    rank: int
    what: str
    advice: str


def foreign_items(root: DataRoot) -> dict[str, str]:
    """All that lies in checkpoints/ and can't be used, by its path in the data root: what it is, and what to do.

    A file that is no weights is left out, and the archive is not looked through.
    """
    found = {}
    for path in sorted(root.checkpoints.glob("*")):
        if path.name in _written(root) or path.name.startswith("."):
            continue
        try:
            sentence = _sentence(root, path)
        except OSError as error:
            sentence = f"It can't be read ({error.strerror or error}): see whose it is, or copy it again"
        if sentence:
            found[visible(f"{root.checkpoints.name}/{path.name}")] = visible(f"{sentence}.")
    return found


def _written(root: DataRoot) -> set[str]:
    """What the pipeline itself writes beside the checkpoints, without what is hidden."""
    own = {root.checkpoint_archive.name, root.checkpoint_manifest_json.name}
    return own | {SET_ASIDE_FOLDER, LINEAGE_RECORD, LOG_NAME}


def _sentence(root: DataRoot, path: Path) -> str | None:
    """What an entry of checkpoints/ is, and what to do; None of a checkpoint, and of a file that is no weights."""
    if path.is_symlink():
        return "It is a link, which is not followed: copy what it leads to"
    if not path.is_dir():
        guess = _guess(path)
        return guess and f"It seems to be {guess.what}. {guess.advice}"
    if os.path.lexists(path / CHECKPOINT_RECORD):
        error = read_checkpoint_folder(root, path).error
        return error and f"It can't be used: {error}"
    inside = sorted(item.name for item in islice(path.iterdir(), MOST_FILES) if is_checkpoint_id(item.name))
    if inside:
        return f"A checkpoint lies one folder too deep in it: move {inside[0]} to {root.checkpoints.name}/ itself"
    return _folder_sentence(path)


def _folder_sentence(folder: Path) -> str:
    """Of a folder without a checkpoint's record."""
    files = [path for path in islice(_files(folder), MOST_FILES) if not path.is_symlink()]
    files.sort(key=lambda path: (path.suffix.lower() != WEIGHTS_SUFFIX, len(path.parts), path.name))
    guesses = (guess for path in files if (guess := _guess(path)))
    guess = min(islice(guesses, MOST_HEADS), default=None)
    if guess is None and any(path.name == PEFT_CONFIG for path in files):
        guess = _Guess(0, "a LoRA in the form of PEFT without its weights", NOT_TAKEN_IN)
    if is_checkpoint_id(folder.name):
        if guess is None:
            return NO_RECORD
        return f"{NO_RECORD}. If another program made it, it seems to be {guess.what}. {guess.advice}"
    if guess is None:
        return "No weights lie in it (links are not followed). Copy it again if some are missing, or move it out of the data root"
    return f"It seems to be {guess.what}. {guess.advice}"


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(here, name) for name in sorted(names))


def _guess(path: Path) -> _Guess | None:
    """What a file of weights seems to be; None of any other file."""
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        what = f"a pickle ({path.name}), which can run code and is never opened"
        advice = "Convert it to safetensors with the program that made it, for `lofi import-lora`, and move it out of the data root"
        return _Guess(len(KINDS) + 2, what, advice)
    if suffix in PACKED:
        return _Guess(len(KINDS) + 3, f"packed ({path.name})", "Unpack it: a checkpoint is a folder")
    if suffix != WEIGHTS_SUFFIX:
        return None
    keys = _keys(path)
    if keys is None:
        what = f"a safetensors file that is truncated, damaged, or has too large a head ({path.name})"
        return _Guess(len(KINDS) + 1, what, "Copy it again")
    for rank, (pattern, what, advice) in enumerate(KINDS):
        if any(re.search(pattern, key) for key in keys):
            return _Guess(rank, what, advice)
    return _Guess(len(KINDS), "weights that are no LoRA, such as those of a whole model", NOT_TAKEN_IN)


def _keys(path: Path) -> list[str] | None:
    """The tensors' names in a safetensors file; None where it is damaged, or its head too large for a LoRA's."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > LARGEST_HEAD:
            return None
    try:
        with safe_open(path, framework="numpy") as tensors:
            return list(tensors.keys())
    except (OSError, SafetensorError):
        return None

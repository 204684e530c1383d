"""Which files each embedder needs, and where they belong under evaluation.weights_dir. Nothing is loaded here."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.errors import MissingFile, WeightsMissing
from lofi_pipeline.installation import working_folder
from lofi_pipeline.storage import content_sha256, file_sha256

NANO_FOLDER = Path(__file__).parents[2] / "models" / "nano_embedder"
NANO_FILES = ("config.json", "model.safetensors", "tokenizer.json")
VGGISH_REPOSITORY = "harritaylor_torchvggish_master"
VGGISH_FILES = (
    f"{VGGISH_REPOSITORY}/hubconf.py",
    "checkpoints/vggish-10086976.pth",
    "checkpoints/vggish_pca_params-970ea276.pth",
)
# The package looks for this very name: "%3D" is part of it.
PANN_FILE = "Cnn14_mAP%3D0.431.pth"
CLAP_FILES = {"music_audioset_epoch_15_esc_90.14.pt": "HTSAT-base", "630k-audioset-best.pt": "HTSAT-tiny"}
"""Checkpoint to audio encoder, the one made for music first: either will do."""
ROBERTA_FILES = ("roberta-base/vocab.json", "roberta-base/merges.txt")

_NANO_SOURCE = "this project: install it again"
_VGGISH_SOURCE = "github.com/harritaylor/torchvggish, the repository and its release v0.1"
_PANN_SOURCE = "zenodo.org/record/3987831"
_CLAP_SOURCE = "huggingface.co/lukewys/laion_clap"
_ROBERTA_SOURCE = "huggingface.co/FacebookAI/roberta-base"
_DEFAULT_FOLDER = "weights"


def weights_folder(settings: EvaluationSettings) -> Path:
    """Where the weights belong: evaluation.weights_dir, else weights/; relative to the checkout or the working directory."""
    return working_folder() / Path(settings.weights_dir or _DEFAULT_FOLDER).expanduser()


def missing_weights(settings: EvaluationSettings) -> list[MissingFile]:
    """The files that the chosen embedder lacks; none when it can be opened."""
    folder = weights_folder(settings)
    match settings.embedder:
        case "nano":
            return _absent(NANO_FOLDER, NANO_FILES, _NANO_SOURCE)
        case "vggish":
            return _absent(folder, VGGISH_FILES, _VGGISH_SOURCE)
        case "pann":
            return _absent(folder, [PANN_FILE], _PANN_SOURCE)
        case "clap":
            found = [name for name in CLAP_FILES if (folder / name).is_file()]
            either = f"{_CLAP_SOURCE}; or {' or '.join(list(CLAP_FILES)[1:])} beside it"
            absent = [] if found else _absent(folder, [next(iter(CLAP_FILES))], either)
            return absent + _absent(folder, ROBERTA_FILES, _ROBERTA_SOURCE)


def require_weights(settings: EvaluationSettings) -> Path:
    """The folder with the weights of the chosen embedder.

    Raises:
        WeightsMissing: naming each file that is not there.
    """
    if missing := missing_weights(settings):
        raise WeightsMissing(settings.embedder, missing)
    return weights_folder(settings)


def weights_sha256(settings: EvaluationSettings) -> str:
    """A hash of the files that the chosen embedder (nano or clap) is opened with, without opening it.

    Raises:
        WeightsMissing: naming each file that is not there.
    """
    folder = require_weights(settings)
    if settings.embedder == "nano":
        files = [NANO_FOLDER / name for name in NANO_FILES]
    else:
        files = [clap_checkpoint(folder), *(folder / name for name in ROBERTA_FILES)]
    return content_sha256(
        [
            settings.embedder,
            [_sha256_once(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files],
        ]
    )


def clap_checkpoint(folder: Path) -> Path:
    """Where several checkpoints of CLAP lie in the folder, the one made for music."""
    return next(folder / name for name in CLAP_FILES if (folder / name).is_file())


@cache
def _sha256_once(file: Path, _size: int, _changed: int) -> str:
    """CLAP's weights are gigabytes: read once a process, unless they change."""
    return file_sha256(file)


def files_sha256(files: Iterable[Path]) -> str:
    """One hash for several files: of their names and contents."""
    return content_sha256([[file.name, file_sha256(file)] for file in files])


def _absent(folder: Path, names: Iterable[str], source: str) -> list[MissingFile]:
    return [MissingFile(folder / name, source) for name in names if not (folder / name).is_file()]

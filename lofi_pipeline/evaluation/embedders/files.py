"""Which files each embedder needs, and where they belong under evaluation.weights_dir. Nothing is loaded here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from lofi_pipeline.config import EvaluationSettings
from lofi_pipeline.evaluation.errors import BadWeights, MissingFile, WeightsMissing
from lofi_pipeline.installation import working_folder
from lofi_pipeline.storage import content_sha256, file_sha256

NANO_FOLDER = Path(__file__).parents[2] / "models" / "nano_embedder"
NANO_FILES = ("config.json", "model.safetensors", "tokenizer.json")
MUSICNN_FOLDER = NANO_FOLDER.with_name("musicnn")
MUSICNN_FILES = ("MTT_musicnn.safetensors", "MSD_musicnn.safetensors")
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
MUQ_FILES = ("MuQ-large-msd-iter/config.json", "MuQ-large-msd-iter/model.safetensors")
ROBERTA_FILES = ("roberta-base/vocab.json", "roberta-base/merges.txt")

KNOWN_SHA256 = {
    PANN_FILE: "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
    "music_audioset_epoch_15_esc_90.14.pt": "fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd",
    "vocab.json": "9e7f63c2d15d666b52e21d250d2e513b87c9b713cfa6987a82ed89e5e6e50655",
    "merges.txt": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    # Its authors say the beginning alone, as torch.hub wants it: in the file's name
    "vggish-10086976.pth": "10086976",
    "vggish_pca_params-970ea276.pth": "970ea276",
}
"""The published files' hashes, or their beginnings."""

_SHIPPED = "this project: install it again"
_VGGISH_SOURCE = "github.com/harritaylor/torchvggish, the repository and its release v0.1"
_PANN_SOURCE = "zenodo.org/record/3987831"
_CLAP_SOURCE = "huggingface.co/lukewys/laion_clap"
_ROBERTA_SOURCE = "huggingface.co/FacebookAI/roberta-base"
_MUQ_SOURCE = "huggingface.co/OpenMuQ/MuQ-large-msd-iter"
_DEFAULT_FOLDER = "weights"


def weights_folder(settings: EvaluationSettings) -> Path:
    """Where the weights belong: evaluation.weights_dir, else weights/; relative to the checkout or the working directory."""
    return working_folder() / Path(settings.weights_dir or _DEFAULT_FOLDER).expanduser()


def missing_weights(settings: EvaluationSettings) -> list[MissingFile]:
    """The files that the chosen embedder lacks; none when it can be opened."""
    folder = weights_folder(settings)
    match settings.embedder:
        case "nano":
            return _absent(NANO_FOLDER, NANO_FILES, _SHIPPED)
        case "musicnn":
            return _absent(MUSICNN_FOLDER, MUSICNN_FILES, _SHIPPED)
        case "vggish":
            return _absent(folder, VGGISH_FILES, _VGGISH_SOURCE)
        case "pann":
            return _absent(folder, [PANN_FILE], _PANN_SOURCE)
        case "muq":
            return _absent(folder, MUQ_FILES, _MUQ_SOURCE)
        case "clap":
            found = clap_checkpoints(folder)
            either = f"{_CLAP_SOURCE}; or {' or '.join(list(CLAP_FILES)[1:])} beside it"
            absent = [] if found else _absent(folder, [next(iter(CLAP_FILES))], either)
            return absent + _absent(folder, ROBERTA_FILES, _ROBERTA_SOURCE)
        case _:
            # auto falls back on what is shipped; another package sees to its own
            return []


def require_weights(settings: EvaluationSettings) -> Path:
    """The folder with the weights of the chosen embedder.

    Raises:
        WeightsMissing: naming each file that is not there.
        BadWeights: a file is not the published one, and evaluation.allow_unknown_weights is off.
    """
    if missing := missing_weights(settings):
        raise WeightsMissing(settings.embedder, missing)
    unknown = [] if settings.allow_unknown_weights else unknown_weights(settings)
    if unknown:
        named = "; ".join(f"{path} has the sha256 {_sha256(path)}" for path in unknown)
        raise BadWeights(
            f"not the published weights of {settings.embedder}: {named}; get them again, or set "
            "evaluation.allow_unknown_weights to true: each score will then name them"
        )
    return weights_folder(settings)


def unknown_weights(settings: EvaluationSettings, hashed: Callable[[Path], str] | None = None) -> list[Path]:
    """The files of the chosen embedder that are there and are not the published ones. `hashed`: gives a file's hash."""
    there = [path for path in user_files(settings) if path.suffix != ".py" and path.is_file()]
    return [path for path in there if not _is_known(path, hashed or _sha256)]


def _is_known(path: Path, hashed: Callable[[Path], str]) -> bool:
    known = KNOWN_SHA256.get(path.name)
    return known is not None and hashed(path).startswith(known)


def user_files(settings: EvaluationSettings) -> list[Path]:
    """What the chosen embedder reads from the weights folder; their hash (`files_sha256`) is part of its scores."""
    folder = weights_folder(settings)
    match settings.embedder:
        case "vggish":
            return [folder / name for name in VGGISH_FILES]
        case "pann":
            return [folder / PANN_FILE]
        case "muq":
            return [folder / name for name in MUQ_FILES]
        case "clap":
            return [*clap_checkpoints(folder)[:1], *(folder / name for name in ROBERTA_FILES)]
        case _:
            return []


def weights_sha256(settings: EvaluationSettings) -> str:
    """A hash of the files that the chosen embedder (nano or clap) is opened with, without opening it.

    Raises:
        WeightsMissing, BadWeights: as `require_weights`.
    """
    require_weights(settings)
    shipped = [NANO_FOLDER / name for name in NANO_FILES]
    files = shipped if settings.embedder == "nano" else user_files(settings)
    return content_sha256([settings.embedder, [_sha256(file) for file in files]])


def clap_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of CLAP in the folder, the one made for music first."""
    return [folder / name for name in CLAP_FILES if (folder / name).is_file()]


def _sha256(file: Path) -> str:
    return _sha256_once(file, file.stat().st_size, file.stat().st_mtime_ns)


@cache
def _sha256_once(file: Path, _size: int, _changed: int) -> str:
    """CLAP's weights are gigabytes: read once a process, unless they change."""
    return file_sha256(file)


def files_sha256(files: Iterable[Path], hashed: Callable[[Path], str] = file_sha256) -> str:
    """One hash for several files: of their names and contents. `hashed`: gives a file's hash."""
    return content_sha256([[file.name, hashed(file)] for file in files])


def _absent(folder: Path, names: Iterable[str], source: str) -> list[MissingFile]:
    return [MissingFile(folder / name, source) for name in names if not (folder / name).is_file()]

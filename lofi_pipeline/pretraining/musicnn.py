"""Makes models/musicnn from the wheel of musicnn 0.1.0: its taggers as safetensors, without what only training needs.

pip download musicnn==0.1.0 --no-deps
python -m lofi_pipeline.pretraining.musicnn musicnn-0.1.0-py3-none-any.whl [--out FOLDER]
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from lofi_pipeline.evaluation.embedders.files import MUSICNN_FILES, MUSICNN_FOLDER
from lofi_pipeline.evaluation.embedders.musicnn_network import Musicnn
from lofi_pipeline.pretraining.tensorflow_checkpoint import read_float_tensors
from lofi_pipeline.storage import file_sha256, write_bytes_atomic

WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
LICENCE = "musicnn-0.1.0.dist-info/LICENSE.md"

# The package numbers its layers in the order in which it makes them.
_LAYERS = [
    *(f"front.{number}" for number in range(5)),
    *(f"middle.{number}" for number in range(3)),
]
_NORMS = [
    "input_norm",
    *(f"front_norms.{number}" for number in range(5)),
    *(f"middle_norms.{number}" for number in range(3)),
    "pool_norm",
    "features_norm",
]
_NORM_PARTS = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def convert(wheel: Path, folder: Path) -> None:
    """Write both models' files and the licence into `folder`.

    Raises:
        ValueError: it is another wheel.
    """
    if (found := file_sha256(wheel)) != WHEEL_SHA256:
        raise ValueError(f"{wheel}: has the sha256 {found}, musicnn 0.1.0 has {WHEEL_SHA256}; get it again")
    with zipfile.ZipFile(wheel) as archive:
        for file in MUSICNN_FILES:
            model = f"musicnn/{Path(file).stem}"
            index, data = (archive.read(f"{model}/{name}") for name in (".index", ".data-00000-of-00001"))
            weights = torch_weights(read_float_tensors(index, data))
            write_bytes_atomic(folder / file, save(weights))
        write_bytes_atomic(folder / "LICENSE.md", archive.read(LICENCE))


def torch_weights(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The network's weights by our names, of the package's tensors."""
    found: dict[str, np.ndarray] = {}
    for number, name in enumerate(_LAYERS):
        kernel = tensors[f"{_numbered('conv2d', number)}/kernel"].transpose(3, 2, 0, 1)
        # Of the layers over time, the package's second axis holds the channels
        found[f"{name}.weight"] = kernel if name.startswith("front") else kernel[:, 0].transpose(0, 2, 1)
        found[f"{name}.bias"] = tensors[f"{_numbered('conv2d', number)}/bias"]
    for number, name in enumerate(_NORMS):
        for theirs, ours in _NORM_PARTS.items():
            found[f"{name}.{ours}"] = tensors[f"{_numbered('batch_normalization', number)}/{theirs}"]
    for number, name in enumerate(("features", "tags")):
        found[f"{name}.weight"] = tensors[f"{_numbered('dense', number)}/kernel"].T
        found[f"{name}.bias"] = tensors[f"{_numbered('dense', number)}/bias"]
    weights = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}
    Musicnn().load_state_dict(weights)
    return weights


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, default=MUSICNN_FOLDER)
    arguments = parser.parse_args()
    convert(arguments.wheel, arguments.out)


if __name__ == "__main__":
    main()

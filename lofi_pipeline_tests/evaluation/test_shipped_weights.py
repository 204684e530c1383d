"""Weights that are shipped and were damaged since are refused by name, and what to do is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lofi_pipeline.evaluation.embedders import files
from lofi_pipeline.evaluation.embedders.musicnn import MusicnnEmbedder
from lofi_pipeline.evaluation.embedders.nano import NanoEmbedder
from lofi_pipeline.evaluation.errors import BadWeights

Damage = Callable[[Path], object]


def rewritten(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(path: Path) -> None:
        weights = load_file(path)
        change(weights)
        save_file(weights, path)

    return damage


def first(weights: dict[str, torch.Tensor]) -> str:
    return next(iter(weights))


DAMAGES: dict[str, Damage] = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "cut off in the header": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "empty": lambda path: path.write_bytes(b""),
    "another format": lambda path: path.write_bytes(b"PK" + bytes(5000)),
    "one too many": rewritten(lambda weights: weights.update({"more": torch.zeros(3)})),
    "one too few": rewritten(lambda weights: weights.pop(first(weights))),
    "whole numbers": rewritten(
        lambda weights: weights.update({first(weights): weights[first(weights)].to(torch.int8)})
    ),
    "other shape": rewritten(lambda weights: weights.update({first(weights): torch.zeros(2, 2)})),
    "infinite": rewritten(lambda weights: weights[first(weights)].fill_(float("inf"))),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["nano", "musicnn"])
def test_damaged_weights_are_refused_by_name(tmp_path, name: str, damage: Damage) -> None:
    origin = files.NANO_FOLDER if name == "nano" else files.MUSICNN_FOLDER
    shutil.copytree(origin, tmp_path / name)
    load = NanoEmbedder.load if name == "nano" else MusicnnEmbedder.load
    assert load(tmp_path / name).name == name
    broken = next(iter(sorted((tmp_path / name).glob("*.safetensors"))))
    damage(broken)
    with pytest.raises(BadWeights) as refusal:
        load(tmp_path / name)
    assert str(refusal.value).startswith(f"{broken}: ") and "get " in str(refusal.value)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["", "{}", "{half"])
def test_what_lies_beside_nanos_weights_is_looked_at_as_well(tmp_path, file: str, content: str) -> None:
    shutil.copytree(files.NANO_FOLDER, tmp_path / "nano")
    (tmp_path / "nano" / file).write_text(content)
    with pytest.raises(BadWeights, match="is damaged, or of another model"):
        NanoEmbedder.load(tmp_path / "nano")

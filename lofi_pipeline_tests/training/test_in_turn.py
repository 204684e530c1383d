"""A base with one component in memory at a time: it answers as the whole one does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training import in_turn
from lofi_pipeline.training.bases import load_base
from lofi_pipeline.training.in_turn import has_room, load_in_turn, open_base
from lofi_pipeline.training.weights import load_checkpoint_into

PARTS = ("text_encoder", "condition_encoder", "transformer", "vae")


def heard(pipeline: Any) -> torch.Tensor:
    return pipeline(
        prompt="lofi hip hop, mellow",
        lyrics="[instrumental]",
        audio_duration=1.0,
        bpm=80,
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).audios


def in_memory(pipeline: Any) -> set[str]:
    """The components with a weight that is a matrix, and not a LoRA's, in memory."""
    return {
        part
        for part in PARTS
        for name, weight in getattr(pipeline, part).named_parameters()
        if weight.dim() == 2 and "lora_" not in name and weight.device.type != "meta"
    }


@pytest.fixture
def watched(base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, list[set[str]]]]:
    """The base in turn, and what of it is in memory whenever a component works."""
    pipeline: Any = load_in_turn(str(base), device="cpu")
    seen: list[set[str]] = []

    def watch(*_given: object) -> None:
        seen.append(in_memory(pipeline))

    hooks = [part.register_forward_hook(watch) for part in (pipeline.text_encoder.layers[0],)]
    hooks += [pipeline.transformer.layers[0].register_forward_hook(watch)]
    hooks += [pipeline.condition_encoder.register_forward_hook(watch)]
    hooks += [pipeline.vae.decoder.register_forward_hook(watch)]
    yield pipeline, seen
    for hook in hooks:
        hook.remove()


def test_it_gives_the_same_sound_with_one_component_in_memory(
    base: Path, watched: tuple[Any, list[set[str]]]
):
    pipeline, seen = watched
    found = heard(pipeline)
    assert torch.equal(found, heard(load_base(str(base))))
    assert {"text_encoder"} in seen and {"transformer"} in seen
    assert all(len(parts) <= 1 for parts in seen)
    assert torch.equal(heard(pipeline), found)  # and again: what was let go comes back


def test_a_lora_acts_in_turn_as_in_the_whole_base_and_leaves_it_as_it_was(
    base: Path, trained: DataRoot, watched: tuple[Any, list[set[str]]]
):
    pipeline, seen = watched
    plain = heard(pipeline)
    folder = trained.checkpoint("epoch=0-step=6_lora")
    whole: Any = load_base(str(base))
    load_checkpoint_into(whole, folder)
    load_checkpoint_into(pipeline, folder)
    with_lora = heard(pipeline)
    assert torch.equal(with_lora, heard(whole)) and not torch.equal(with_lora, plain)
    assert all(len(parts) <= 1 for parts in seen)
    pipeline.unload_lora_weights()
    assert torch.equal(heard(pipeline), plain)


def test_it_comes_in_turn_where_there_is_no_room_for_all_of_it(base: Path, monkeypatch: pytest.MonkeyPatch):
    whole = load_base(str(base))
    bytes_of_base = sum(
        parameter.numel() * 4 for part in PARTS for parameter in getattr(whole, part).state_dict().values()
    )
    free = psutil.virtual_memory()
    for available, room in ((int(1.2 * bytes_of_base), False), (int(2 * bytes_of_base), True)):
        monkeypatch.setattr(in_turn.psutil, "virtual_memory", lambda n=available: free._replace(available=n))
        assert has_room(str(base), "cpu") is room
        assert (len(in_memory(open_base(str(base), device="cpu"))) > 1) is room
    assert len(in_memory(open_base(str(base), device="cpu", offload="always"))) <= 1
    assert len(in_memory(open_base(str(base), device="cpu", offload="never"))) > 1

"""What the transformer is given and what it is to answer, against the formulas and against the pipeline itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lofi_pipeline.entities import DatasetVersion, Split
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.bases import FixedInputs, load_base
from lofi_pipeline.training.loss import Batch, Crop, CropReader, FlowMatching
from lofi_pipeline.training.records import EncodedCaption, EncodedTrack
from lofi_pipeline_tests.training.toy import CHANNELS, toy_preset

FRAMES, TOKENS, WIDTH = 7, 5, 6
SILENCE = torch.arange(3.0 * CHANNELS).reshape(1, 3, CHANNELS) + 1
NULL = torch.full((1, 1, WIDTH), -2.0)


def crop(seed: int, timestep: float, *, unconditional: bool = False) -> Crop:
    draw = torch.Generator().manual_seed(seed)
    latents, noise = (torch.randn(FRAMES, CHANNELS, generator=draw) for _ in range(2))
    return Crop(latents, noise, timestep, torch.randn(TOKENS, WIDTH, generator=draw), unconditional)


class Questions:
    """Stands in for a transformer: keeps what it is asked, gives the same answer each time."""

    def __init__(self, answer: torch.Tensor) -> None:
        self.answer = answer
        self.asked: dict[str, Any] = {}

    def __call__(self, **asked: Any) -> tuple[torch.Tensor]:
        self.asked = asked
        return (self.answer,)


def flow() -> FlowMatching:
    return FlowMatching(FixedInputs(NULL, SILENCE), toy_preset(), "cpu")


def test_the_answer_is_noise_less_music_and_the_loss_its_mean_squared_error():
    crops = [crop(0, 0.2), crop(1, 0.9)]
    right = torch.stack([one.noise - one.latents for one in crops])
    assert float(flow().loss(Questions(right), Batch.of(crops))) == 0
    found = float(flow().loss(Questions(right + torch.tensor([1.0, 2.0, 3.0, 4.0])), Batch.of(crops)))
    assert found == pytest.approx((1 + 4 + 9 + 16) / 4)


def test_a_crop_is_mixed_with_its_noise_by_its_timestep():
    crops = [crop(0, 0.25), crop(1, 0.75)]
    transformer = Questions(torch.zeros(2, FRAMES, CHANNELS))
    flow().loss(transformer, Batch.of(crops))
    for place, one in enumerate(crops):
        wanted = one.timestep * one.noise + (1 - one.timestep) * one.latents
        torch.testing.assert_close(transformer.asked["hidden_states"][place], wanted)
    for name in ("timestep", "timestep_r"):
        assert transformer.asked[name].tolist() == [0.25, 0.75]


def test_a_dropped_condition_is_the_null_condition_and_the_others_stay():
    crops = [crop(0, 0.5), crop(1, 0.5, unconditional=True)]
    transformer = Questions(torch.zeros(2, FRAMES, CHANNELS))
    flow().loss(transformer, Batch.of(crops))
    given = transformer.asked["encoder_hidden_states"]
    assert torch.equal(given[0], crops[0].condition)
    assert torch.equal(given[1], NULL.expand(1, TOKENS, WIDTH)[0])


def test_the_context_is_encoded_silence_as_long_as_the_crop_and_a_mask_of_ones():
    transformer = Questions(torch.zeros(1, FRAMES, CHANNELS))
    flow().loss(transformer, Batch.of([crop(0, 0.5)]))
    (context,) = transformer.asked["context_latents"]
    repeated = torch.cat([SILENCE[0]] * 3)[:FRAMES]
    assert torch.equal(context, torch.cat([repeated, torch.ones(FRAMES, CHANNELS)], dim=1))


def test_the_context_is_what_the_pipeline_itself_gives(version: DatasetVersion, base: Path):
    pipeline: Any = load_base(str(base))
    seen: list[torch.Tensor] = []
    pipeline.transformer.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given["context_latents"]), with_kwargs=True
    )
    pipeline(
        prompt=version.tracks[0].prompt,
        lyrics="[instrumental]",
        audio_duration=2.0,
        num_inference_steps=1,
        guidance_scale=1.0,
        output_type="latent",
    )
    assert float(seen[0][..., :CHANNELS].abs().max()) > 0  # silence, encoded, is not zero
    transformer = Questions(torch.zeros(1, seen[0].shape[1], CHANNELS))
    latents = torch.zeros(seen[0].shape[1], CHANNELS)
    one = Crop(
        latents, latents, 0.5, torch.zeros(TOKENS, pipeline.condition_encoder.config.hidden_size), False
    )
    FlowMatching(pipeline.condition_encoder, toy_preset(), "cpu").loss(transformer, Batch.of([one]))
    torch.testing.assert_close(transformer.asked["context_latents"], seen[0])


BAR = 10.0


def reader(root: DataRoot, **preset: object) -> CropReader:
    """A track of 100 frames: the mean of a frame is its number; the second half has a deviation, the first has none."""
    mean = torch.arange(100.0)[:, None].expand(-1, CHANNELS).contiguous()
    save_file({"mean": mean, "std": (mean >= 50).float() * 0.05}, root.path / "latents.safetensors")
    captions = []
    for number in range(2):
        name = f"condition-{number}.safetensors"
        save_file({"condition": torch.full((TOKENS, WIDTH), float(number))}, root.path / name)
        captions.append(EncodedCaption(condition=name, tokens=TOKENS))
    track = EncodedTrack(
        track_id="track_001",
        split=Split.TRAIN,
        latents="latents.safetensors",
        frames=100,
        crop_frames=30,
        bar_frames=BAR,
        captions=captions,
    )
    return CropReader(root, [track], toy_preset(**preset))


def starts(crops: list[Crop]) -> set[int]:
    return {round(float(one.latents[0, 0])) for one in crops}


def test_a_crop_is_a_sample_of_the_posterior_of_one_stretch(tmp_path: Path):
    crops = reader(DataRoot(tmp_path)).draw([(0, 0)] * 200, "key")
    assert {first < 50 < first + 30 for first in starts(crops)} == {True, False}
    for one in crops:
        first = round(float(one.latents[0, 0]))
        frames = np.arange(first, first + 30)
        drawn = one.latents.numpy() - frames[:, None]
        assert np.abs(drawn).max() < 0.5
        assert not drawn[frames < 50].any()
        later = drawn[frames >= 50]
        assert np.count_nonzero(later) >= 0.9 * later.size
        assert one.noise.shape == one.latents.shape and float(one.noise.std()) > 0.5


def test_the_key_decides_a_crop_and_another_key_draws_another_sample(tmp_path: Path):
    crops = reader(DataRoot(tmp_path))
    first, again, other = (crops.draw([(0, 0)] * 20, key) for key in ("a", "a", "b"))
    for name in ("latents", "noise", "timestep", "unconditional"):
        one, same, unlike = ([getattr(item, name) for item in drawn] for drawn in (first, again, other))
        assert str(one) == str(same) and str(one) != str(unlike)


def test_crops_start_on_bars_only_where_that_is_asked_for(tmp_path: Path):
    chosen = [(0, 0)] * 200
    anywhere = starts(reader(DataRoot(tmp_path)).draw(chosen, "key"))
    on_bars = starts(reader(DataRoot(tmp_path), crops_on_bars=True).draw(chosen, "key"))
    assert on_bars == {0, 10, 20, 30, 40, 50, 60, 70}
    assert len(anywhere) > 30 and {0, 70} <= anywhere | {0} and max(anywhere) == 70


def test_conditions_are_dropped_as_often_as_asked_for_and_never_where_they_must_stay(tmp_path: Path):
    chosen = [(0, 0)] * 400
    for share in (0.0, 0.25, 1.0):
        crops = reader(DataRoot(tmp_path), condition_dropout=share)
        assert np.mean([one.unconditional for one in crops.draw(chosen, "key")]) == pytest.approx(
            share, abs=0.06
        )
        assert not any(one.unconditional for one in crops.draw(chosen, "key", measured=True))


def test_a_crop_has_the_caption_that_was_chosen(tmp_path: Path):
    crops = reader(DataRoot(tmp_path)).draw([(0, 0), (0, 1), (0, 0)], "key")
    assert [float(one.condition[0, 0]) for one in crops] == [0, 1, 0]

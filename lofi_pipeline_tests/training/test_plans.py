"""Training with plans: a share of the examples is given what the base's own tokenizer makes of the music, in place of silence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_oobleck import OobleckDiagonalGaussianDistribution
from diffusers.pipelines.ace_step.pipeline_ace_step import AceStepPipeline
from safetensors.torch import load_file

from lofi_pipeline import audio
from lofi_pipeline.cli.generate_clips import Request, generate_to_files
from lofi_pipeline.config.settings import config_hash
from lofi_pipeline.entities import DatasetVersion, Split
from lofi_pipeline.environment import BASE_VARIABLE
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training.encode import encode_dataset, read_encoded
from lofi_pipeline.training.encoded_file import write_encoded
from lofi_pipeline.training.errors import EncodingError
from lofi_pipeline.training.loss import Batch, CropReader, FlowMatching
from lofi_pipeline.training.packing import pack
from lofi_pipeline.training.records import EncodedCaption, EncodedClip, EncodedDataset, EncodedPlan
from lofi_pipeline.training.run import train
from lofi_pipeline_tests.training.conftest import Train, job_for, run_job
from lofi_pipeline_tests.training.test_conditioning import listening
from lofi_pipeline_tests.training.test_features import differ, tensors_at
from lofi_pipeline_tests.training.toy import CHANNELS, make_dataset, toy_preset

WINDOW = 5
"""Latent frames in a code."""


@pytest.fixture(scope="module")
def planned(planned_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataRoot, DatasetVersion]:
    """The toy data set, encoded with plans. Do not change it."""
    root = DataRoot(tmp_path_factory.mktemp("planned") / "data")
    version = make_dataset(root)
    encode_dataset(version, root, str(planned_base), toy_preset(plan_share=0.5))
    return root, version


@pytest.fixture
def planned_root(planned: tuple[DataRoot, DatasetVersion], tmp_path: Path) -> DataRoot:
    return DataRoot(shutil.copytree(planned[0].path, tmp_path / "planned"))


def read(planned: tuple[DataRoot, DatasetVersion], base: Path, **changes: object) -> EncodedDataset:
    return read_encoded(planned[1], planned[0], str(base), toy_preset(**{"plan_share": 0.5} | changes))


def test_a_plan_is_what_diffusers_makes_of_the_track_for_a_cover(
    planned: tuple[DataRoot, DatasetVersion], planned_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """diffusers draws a sample of the latents; here it takes their mean."""
    monkeypatch.setattr(OobleckDiagonalGaussianDistribution, "sample", lambda self, *_given: self.mode())
    pipeline: Any = AceStepPipeline.from_pretrained(planned_base)
    for track, encoded in zip(planned[1].tracks, read(planned, planned_base).tracks, strict=True):
        samples = audio.read(planned[0].inside(track.track.audio_path), max_seconds=60).samples
        with torch.no_grad():
            theirs, frames = pipeline.prepare_src_latents(
                torch.device("cpu"), torch.float32, src_audio=torch.from_numpy(samples), task_type="cover"
            )
        assert encoded.plan and encoded.plan.window == WINDOW
        ours = load_file(planned[0].inside(encoded.plan.condition))["condition"]
        assert ours.shape == (frames, CHANNELS) and encoded.plan.tokens == frames
        torch.testing.assert_close(ours, theirs[0], atol=1e-4, rtol=1e-4)


def test_training_says_what_generating_with_codes_says(
    planned: tuple[DataRoot, DatasetVersion],
    planned_base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, version = planned
    monkeypatch.setenv(BASE_VARIABLE, str(planned_base))
    again = DataRoot(shutil.copytree(root.path, tmp_path / "data"))
    shutil.rmtree(again.cache / "conditions")
    with listening(monkeypatch) as trained:
        encode_dataset(version, again, str(planned_base), toy_preset(plan_share=0.5))
    (tmp_path / "plan.txt").write_text("".join(f"<|audio_code_{number}|>" for number in range(10)))
    track = version.tracks[0]
    with listening(monkeypatch) as generated:
        facts = {
            "bpm": track.bpm,
            "key": track.keyscale,
            "metre": "4",
            "language": "en",
            "lyrics": track.lyrics,
        }
        asked = {
            "prompts": (track.prompt,),
            "checkpoint": "base",
            "codes": tmp_path / "plan.txt",
            "steps": 1,
            **facts,
        }
        generate_to_files(again, Request(output=tmp_path / "x.wav", **asked))  # pyright: ignore[reportArgumentType]
    (text,) = [one for one in generated if "# Caption" in one]
    assert "Generate audio semantic tokens" in text
    assert generated[text] == trained[text]
    assert sum("Generate audio semantic tokens" in one for one in trained) == len(
        {it.prompt for it in version.tracks}
    )


def crops_of(
    planned: tuple[DataRoot, DatasetVersion], encoded: EncodedDataset, key: int, **changes: object
) -> list[Any]:
    preset = toy_preset(**{"plan_share": 0.5} | changes)
    reader = CropReader(planned[0], encoded.side(Split.TRAIN), preset)
    return reader.draw([(number % 3, 0) for number in range(200)], "train", key)


def test_the_share_of_examples_that_have_a_plan_follows_from_the_key_alone(
    planned: tuple[DataRoot, DatasetVersion], planned_base: Path
) -> None:
    encoded = read(planned, planned_base)
    crops = crops_of(planned, encoded, 7)
    assert sum(crop.plan is not None for crop in crops) == pytest.approx(100, abs=25)
    again, other = crops_of(planned, encoded, 7), crops_of(planned, encoded, 8)
    assert [crop.plan is None for crop in again] == [crop.plan is None for crop in crops]
    assert [crop.plan is None for crop in other] != [crop.plan is None for crop in crops]
    assert not any(crop.plan is not None for crop in crops_of(planned, encoded, 7, plan_share=0.0))
    reader = CropReader(planned[0], encoded.side(Split.VALIDATION), toy_preset(plan_share=1.0))
    assert all(crop.plan is None for crop in reader.draw([(0, 0)] * 9, "validation", 0, measured=True))


def test_a_crop_with_a_plan_has_the_plan_of_its_own_place_and_words(tmp_path: Path) -> None:
    """It begins with a whole code."""
    root = DataRoot(tmp_path)
    count = np.repeat(np.arange(60, dtype=np.float32)[:, None], CHANNELS, axis=1)
    files = {
        "latents": {"mean": count, "std": np.zeros_like(count)},
        "plan": {"condition": count + 1000},
        "words": {"condition": count[:7]},
        "planned words": {"condition": count[:9]},
    }
    for name, tensors in files.items():
        write_encoded(tmp_path / name, tensors, "0" * 64)
    said = [EncodedCaption(condition="planned words", tokens=9)]
    plan = EncodedPlan(condition="plan", tokens=60, window=WINDOW, captions=said)
    words = [EncodedCaption(condition="words", tokens=7)]
    clip = EncodedClip(
        latents="latents", frames=60, crop_frames=16, bar_frames=7.0, captions=words, plan=plan
    )
    for on_bars in (False, True):
        reader = CropReader(root, [clip], toy_preset(plan_share=0.5, crops_on_bars=on_bars))
        crops = reader.draw([(0, 0)] * 100, "train")
        starts = {crop.latents[0, 0].item() for crop in crops if crop.plan is not None}
        assert len(starts) > 3 and not any(start % WINDOW for start in starts)
        assert any(crop.latents[0, 0].item() % WINDOW for crop in crops if crop.plan is None)
        for crop in crops:
            assert crop.shape == (16, 7 if crop.plan is None else 9)
            assert crop.plan is None or torch.equal(crop.plan, crop.latents + 1000)


def test_the_transformer_is_given_plan_or_silence_and_a_mask_of_ones(
    planned: tuple[DataRoot, DatasetVersion],
    planned_base: Path,
    planned_root: DataRoot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[Batch, torch.Tensor]] = []
    context = FlowMatching._context

    def watched(self: FlowMatching, batch: Batch) -> torch.Tensor:
        seen.append((batch, context(self, batch)))
        return seen[-1][1]

    monkeypatch.setattr(FlowMatching, "_context", watched)
    run_job(job_for(planned_root, planned[1], planned_base, preset={"plan_share": 0.5, "max_steps": 2}))
    silence = load_file(planned_base / "condition_encoder" / "diffusion_pytorch_model.safetensors")[
        "silence_latent"
    ]
    kinds = set()
    for batch, given in seen:
        for place, one in enumerate(given):
            is_planned = batch.planned is not None and bool(batch.planned[place])
            kinds.add(is_planned)
            plan = batch.plan[place] if batch.plan is not None and is_planned else None
            expected = silence[0, : one.shape[0]] if plan is None else plan
            assert torch.equal(one[:, :CHANNELS], expected) and bool((one[:, CHANNELS:] == 1).all())
    assert kinds == {True, False}


def test_it_resumes_to_the_same_bits_from_files_and_from_shards(
    planned: tuple[DataRoot, DatasetVersion], planned_base: Path, planned_root: DataRoot, tmp_path: Path
) -> None:
    preset = {"plan_share": 0.5, "caption_variants": 1}
    whole = DataRoot(shutil.copytree(planned_root.path, tmp_path / "whole"))
    run_job(job_for(whole, planned[1], planned_base, preset=preset))
    job = job_for(planned_root, planned[1], planned_base, preset=preset, latents="shards")
    asked = iter([False, False, True])
    train(job, lambda event: None, lambda: next(asked))
    assert not list((planned_root.cache / "conditions").glob("*/*.safetensors"))
    assert run_job(job)[0].step == 3
    assert differ(tensors_at(planned_root, 6), tensors_at(whole, 6)) == []


def test_plans_lie_where_the_shards_say(
    planned: tuple[DataRoot, DatasetVersion], planned_base: Path, planned_root: DataRoot
) -> None:
    before = read(planned, planned_base)
    packed = pack(planned_root, before)
    assert all("/shards/" in it.condition for track in packed.tracks for it in track.conditions)
    here = (planned_root, planned[1])
    for one, other in zip(crops_of(planned, before, 1), crops_of(here, packed, 1), strict=True):
        assert (one.plan is None) == (other.plan is None)
        assert one.plan is None or torch.equal(one.plan, other.plan)


def test_a_base_without_a_tokenizer_is_refused_by_name(
    run: Train, root: DataRoot, version: DatasetVersion
) -> None:
    with pytest.raises(
        EncodingError,
        match="plan_share: the base toy has no audio_token_detokenizer and no audio_tokenizer, .*set plan_share to 0",
    ):
        run(preset={"plan_share": 0.5})
    with pytest.raises(EncodingError, match="plan_share: the base nano has no audio_token"):
        encode_dataset(version, root, "nano", toy_preset(plan_share=0.1))


def test_what_is_off_is_in_no_hash() -> None:
    assert "plan_share" not in toy_preset(plan_share=0.0).model_dump()
    plain, planned = (config_hash(toy_preset(plan_share=share), "0" * 64) for share in (0.0, 0.5))
    assert plain == config_hash(toy_preset(), "0" * 64) != planned

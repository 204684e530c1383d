"""Latents and conditions: right, cached by content, rebuilt when damaged, refused when not finite."""

from __future__ import annotations

import inspect
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file, save_file

from lofi_pipeline.entities import DatasetVersion, Split, TagKind
from lofi_pipeline.storage import DataRoot, read_json
from lofi_pipeline.styles import caption_variants, load_vocabulary
from lofi_pipeline.training import captions as captions_module
from lofi_pipeline.training import encoded_file
from lofi_pipeline.training import encoder as encoder_module
from lofi_pipeline.training.bases import CODEC, load_base
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.encoder import Encoder
from lofi_pipeline.training.errors import EncodingError, PromptTooLong, TrainingError
from lofi_pipeline.training.prompt_length import MOST_TOKENS, check_prompt_length
from lofi_pipeline_tests.damage.damages import DAMAGES, Damage
from lofi_pipeline_tests.training.toy import CHANNELS, WIDTH, make_dataset, toy_preset


def test_what_is_cached_is_not_encoded_again(root: DataRoot, version: DatasetVersion, base: Path):
    told: list[tuple[int, int, str]] = []
    found = encode_dataset(version, root, str(base), toy_preset(), lambda *now: told.append(now))
    assert (found.encoded, found.cached, found.rebuilt) == (0, 8, [])
    assert [len(found.side(split)) for split in Split] == [3, 1]
    assert told[0] == (0, 4, "track_001") and told[-1][:2] == (4, 4)
    for track in found.tracks:
        latents = load_file(root.inside(track.latents))
        assert latents["mean"].shape == latents["std"].shape == (track.frames, CHANNELS)
        assert (track.frames, track.crop_frames) == (100, 50)
        assert bool((latents["std"] > 0).all())
        (said,) = track.captions
        assert load_file(root.inside(said.condition))["condition"].shape == (said.tokens, WIDTH)


def test_damaged_cache_files_are_rebuilt_as_they_were(root: DataRoot, version: DatasetVersion, base: Path):
    found = encode_dataset(version, root, str(base), toy_preset())
    before = load(root.inside(found.tracks[0].latents).read_bytes())
    truncated, wrong = (
        root.inside(found.tracks[0].latents),
        root.inside(found.tracks[1].captions[0].condition),
    )
    truncated.write_bytes(truncated.read_bytes()[:-100])
    save_file({"condition": torch.zeros(3)}, wrong, metadata={"base": found.base_sha256})
    again = encode_dataset(version, root, str(base), toy_preset())
    assert (again.encoded, again.cached) == (2, 6)
    assert set(again.rebuilt) == {found.tracks[0].latents, found.tracks[1].captions[0].condition}
    after = load_file(truncated)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_changed_in_the_cache_is_made_again(
    damage: Damage, root: DataRoot, version: DatasetVersion, base: Path
):
    found = encode_dataset(version, root, str(base), toy_preset())
    files = [found.tracks[0].latents, found.tracks[1].captions[0].condition]
    before = {name: load(root.inside(name).read_bytes()) for name in files}  # load_file maps the file
    for name in files:
        damage(root.inside(name))
    again = encode_dataset(version, root, str(base), toy_preset())
    assert (again.encoded, again.tracks) == (len(files), found.tracks)
    for name in files:
        after = load_file(root.inside(name))
        assert all(torch.equal(tensor, after[key]) for key, tensor in before[name].items())
    assert encode_dataset(version, root, str(base), toy_preset()).encoded == 0


def test_a_cache_that_was_copied_without_its_times_is_read_once_and_taken(
    root: DataRoot, version: DatasetVersion, base: Path, monkeypatch: pytest.MonkeyPatch
):
    read: list[object] = []
    original = encoded_file._hash
    monkeypatch.setattr(encoded_file, "_hash", lambda *given: read.append(given) or original(*given))
    encode_dataset(version, root, str(base), toy_preset())
    assert read == []  # size and time say that nothing was changed
    for path in root.cache.rglob("*.safetensors"):
        os.utime(path)
    for _ in range(2):
        assert encode_dataset(version, root, str(base), toy_preset()).encoded == 0
        assert len(read) == 8


def test_a_cache_of_an_earlier_version_is_taken(root: DataRoot, version: DatasetVersion, base: Path):
    found = encode_dataset(version, root, str(base), toy_preset())
    path = root.inside(found.tracks[0].latents)
    save_file(load_file(path), path, metadata={"base": found.base_sha256, "version": "1"})
    assert encode_dataset(version, root, str(base), toy_preset()).encoded == 0


def test_conditions_depend_on_prompt_tempo_and_crop_length(
    root: DataRoot, version: DatasetVersion, base: Path
):
    track = version.tracks[0]
    changed = track.model_copy(update={"bpm": (track.bpm or 0) + 1})
    other = version.model_copy(update={"tracks": [changed, *version.tracks[1:]]})
    first, second = (encode_dataset(v, root, str(base), toy_preset()).tracks[0] for v in (version, other))
    longer = encode_dataset(version, root, str(base), toy_preset(crop_seconds=3.0)).tracks[0]
    assert len({track.captions[0].condition for track in (first, second, longer)}) == 3
    assert first.latents == second.latents == longer.latents


def test_captions_in_other_words_are_encoded_for_training_tracks_and_kept(
    root: DataRoot, version: DatasetVersion, base: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = encode_dataset(version, root, str(base), toy_preset())
    assert not (root.metadata / "captions").exists()
    found = encode_dataset(version, root, str(base), toy_preset(caption_variants=2))
    assert [len(track.captions) for track in found.tracks] == [3, 3, 3, 1]
    assert [track.captions[0] for track in found.tracks] == [track.captions[0] for track in plain.tracks]
    assert len({caption.condition for track in found.side(Split.TRAIN) for caption in track.captions}) == 9
    kept = read_json(root.captions(version.dataset.hash, 2))
    assert kept["captions"]["track_001"][0] == version.tracks[0].prompt
    assert {len(said) for said in kept["captions"].values()} == {3}
    # What was drawn once stays: a vocabulary that changes later changes no training that goes on
    monkeypatch.setattr(captions_module, "load_vocabulary", lambda: None)
    again = encode_dataset(version, root, str(base), toy_preset(caption_variants=2))
    assert again.encoded == 0 and again.tracks == found.tracks


def test_a_prompt_with_an_unknown_tag_has_no_other_words(root: DataRoot, version: DatasetVersion, base: Path):
    odd = version.tracks[0].model_copy(update={"prompt": "lofi hip hop, kazoo orchestra"})
    other = version.model_copy(update={"tracks": [odd, *version.tracks[1:]]})
    with pytest.raises(TrainingError, match=r"track_001.*kazoo.*caption_variants"):
        encode_dataset(other, root, str(base), toy_preset(caption_variants=2))


def test_a_condition_is_what_the_pipeline_itself_attends_to(version: DatasetVersion, base: Path):
    pipeline = load_base(str(base))
    seen = []
    pipeline.transformer.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(given["encoder_hidden_states"]), with_kwargs=True
    )
    track = version.tracks[0]
    pipeline(
        prompt=track.prompt,
        lyrics=track.lyrics,
        vocal_language=track.language,
        bpm=track.bpm,
        keyscale=track.keyscale,
        timesignature=track.time_signature,
        audio_duration=2.0,
        num_inference_steps=1,
        guidance_scale=1.0,
        output_type="latent",
    )
    torch.testing.assert_close(Encoder(pipeline).condition(track, 2.0), seen[0][0])


def test_a_prompt_that_the_base_would_cut_is_refused_by_its_track(
    root: DataRoot, version: DatasetVersion, base: Path
):
    long = version.tracks[1].model_copy(update={"prompt": ", ".join(["lofi hip hop"] * 30)})
    other = version.model_copy(update={"tracks": [version.tracks[0], long, *version.tracks[2:]]})
    with pytest.raises(EncodingError, match=r"track_002: .* 256; shorten it: lofi hip hop, lofi"):
        encode_dataset(other, root, str(base), toy_preset())


def test_what_is_refused_is_what_the_pipeline_cuts(base: Path):
    pipeline = load_base(str(base))
    facts = {"lyrics": "", "device": "cpu", "audio_duration": 3600, "bpm": 300, "keyscale": "C# minor"}
    for length in range(60, 140):
        found = pipeline.encode_prompt(prompt="a" * length, timesignature="12", max_text_length=1000, **facts)
        if found[0].shape[1] <= MOST_TOKENS:
            check_prompt_length(pipeline, "a" * length)
        else:
            with pytest.raises(PromptTooLong):
                check_prompt_length(pipeline, "a" * length)
    default = inspect.signature(type(pipeline).encode_prompt).parameters["max_text_length"].default
    assert default == MOST_TOKENS


def test_the_longest_words_of_the_vocabulary_fit_into_a_prompt():
    vocabulary = load_vocabulary()
    longest = ", ".join(max(vocabulary.tags(kind), key=len) for kind in TagKind)
    pipeline = load_base("nano")
    captions = caption_variants(longest, vocabulary, count=64)
    for caption in captions:
        check_prompt_length(pipeline, caption)
    assert len(captions) == 64
    with pytest.raises(PromptTooLong):  # so the check does look at what it was given
        check_prompt_length(pipeline, ", ".join(captions))


def test_long_audio_is_encoded_in_chunks_without_seams(base: Path, monkeypatch: pytest.MonkeyPatch):
    codec = load_base(str(base), only=CODEC)
    samples = torch.from_numpy(
        np.random.default_rng(0).standard_normal((2, 48_000 * 4 + 77), "float32") * 0.1
    )
    encoder = Encoder(codec, chunk_seconds=1.0)
    longest = 0

    def spy(part: torch.Tensor) -> Any:
        nonlocal longest
        longest = max(longest, part.shape[-1])
        return encode(part)

    whole, encode = Encoder(codec).posterior(samples), encoder.vae.encode
    monkeypatch.setattr(encoder_module, "CONTEXT_SECONDS", 1)
    monkeypatch.setattr(encoder.vae, "encode", spy)
    parts = encoder.posterior(samples)
    assert longest == 3 * 48_000  # the chunk, and a second to either side
    for one, other in zip(whole, parts, strict=True):
        assert one.shape == (100, CHANNELS)
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_track_shorter_than_the_crop_is_trained_whole(base: Path, tmp_path: Path):
    root = DataRoot(tmp_path)
    version = make_dataset(root, seconds=1.0, count=2)
    found = encode_dataset(version, root, str(base), toy_preset())
    assert all(track.crop_frames <= track.frames < 50 for track in found.tracks)


def test_the_ends_of_training_tracks_are_kept_out_of_the_crops(base: Path, tmp_path: Path):
    root = DataRoot(tmp_path)
    version = make_dataset(root, seconds=30.0, count=2)
    whole = encode_dataset(version, root, str(base), toy_preset())
    found = encode_dataset(version, root, str(base), toy_preset(holdout_seconds=10.5))
    open_frames = int((30.0 - 10.5) * found.latents_per_second)
    assert [track.frames for track in found.side(Split.TRAIN)] == [open_frames]
    assert found.side(Split.VALIDATION) == whole.side(Split.VALIDATION)
    assert found.encoded == 0  # the latents themselves are those of the whole track
    too_long = encode_dataset(version, root, str(base), toy_preset(holdout_seconds=27.5))
    assert too_long.tracks == whole.tracks


def test_values_that_are_not_finite_stop_with_the_track_named(
    base: Path, root: DataRoot, version: DatasetVersion, tmp_path: Path
):
    broken = shutil.copytree(base, tmp_path / "broken")
    weights = broken / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    for name, tensor in tensors.items():
        if name.startswith("encoder."):
            tensor.fill_(float("nan"))
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(EncodingError, match="track_001.*not finite"):
        encode_dataset(version, root, str(broken), toy_preset())
    assert not list(root.cache.rglob(".tmp-*"))


def test_audio_that_cannot_be_read_stops_with_the_track_named(
    base: Path, root: DataRoot, version: DatasetVersion
):
    shutil.rmtree(root.cache)
    root.inside(version.tracks[1].track.audio_path).write_bytes(b"no music")
    with pytest.raises(EncodingError, match="track_002.*cannot be read"):
        encode_dataset(version, root, str(base), toy_preset())

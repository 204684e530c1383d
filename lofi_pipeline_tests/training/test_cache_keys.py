"""What lies in the cache is taken only for what it was made of: each fact of a track, the base, the encoder's version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from lofi_pipeline.entities import DatasetVersion
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.training import encode as encode_module
from lofi_pipeline.training import encoded_file
from lofi_pipeline.training.encode import encode_dataset
from lofi_pipeline.training.records import EncodedTrack
from lofi_pipeline_tests.training.toy import toy_preset

OTHER = {
    "prompt": "lofi hip hop, dreamy, rhodes, 82 bpm, instrumental",
    "lyrics": "[verse 1]\nrain on the window",
    "language": "de",
    "bpm": 81,
    "keyscale": "C major",
    "time_signature": "3",
}


def first_track(version: DatasetVersion, root: DataRoot, base: Path, **changes: object) -> EncodedTrack:
    changed = version.tracks[0].model_copy(update=changes)
    other = version.model_copy(update={"tracks": [changed, *version.tracks[1:]]})
    return encode_dataset(other, root, str(base), toy_preset()).tracks[0]


@pytest.mark.parametrize("fact", OTHER)
def test_a_condition_is_taken_for_no_other(root: DataRoot, version: DatasetVersion, base: Path, fact: str):
    before = first_track(version, root, base)
    after = first_track(version, root, base, **{fact: OTHER[fact]})
    paths = [root.inside(track.captions[0].condition) for track in (before, after)]
    assert paths[0] != paths[1] and paths[0].read_bytes() != paths[1].read_bytes()
    assert before.latents == after.latents


def test_an_encoder_of_another_version_makes_everything_anew(
    root: DataRoot, version: DatasetVersion, base: Path, monkeypatch: pytest.MonkeyPatch
):
    for module in (encode_module, encoded_file):
        monkeypatch.setattr(module, "ENCODER_VERSION", "of another day")
    found = encode_dataset(version, root, str(base), toy_preset())
    assert (found.encoded, found.cached) == (8, 0)


def test_what_another_base_made_is_not_taken_wherever_it_lies(
    root: DataRoot, version: DatasetVersion, base: Path, other_base: Path
):
    ours = encode_dataset(version, root, str(base), toy_preset())
    others = encode_dataset(version, root, str(other_base), toy_preset())
    assert (others.encoded, others.cached) == (8, 0)
    kept = load_file(root.inside(ours.tracks[0].latents))
    shutil.copyfile(root.inside(others.tracks[0].latents), root.inside(ours.tracks[0].latents))
    again = encode_dataset(version, root, str(base), toy_preset())
    assert again.rebuilt == [ours.tracks[0].latents]
    anew = load_file(
        root.inside(ours.tracks[0].latents)
    )  # the bytes differ: safetensors writes its header in any order
    assert anew.keys() == kept.keys() and all((anew[name] == kept[name]).all() for name in kept)


def test_a_bar_is_as_long_as_tempo_and_metre_say(root: DataRoot, version: DatasetVersion, base: Path):
    four, three, slow, other = (
        first_track(
            version, root, base, bpm=bpm, time_signature=metre, bar_beats=3.5 if metre == "N/A" else None
        ).bar_frames
        for bpm, metre in ((120, "4"), (120, "3"), (60, "4"), (60, "N/A"))
    )
    assert (four, three, slow, other) == pytest.approx((50, 37.5, 100, 87.5))  # 25 latents a second

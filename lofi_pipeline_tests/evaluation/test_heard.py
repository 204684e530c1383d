"""What scores.json says of samples beside the scores: copies, sameness, faults of stereo; and the sentences for people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lofi_pipeline import audio
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import render
from lofi_pipeline.entities import DatasetVersion, Scores, Split, StereoFault
from lofi_pipeline.evaluation import PromptSpec, evaluate, read_scores, write_scores
from lofi_pipeline.evaluation.generate import Clip
from lofi_pipeline.evaluation.heard import warnings_of
from lofi_pipeline.evaluation.stereo import stereo_fault
from lofi_pipeline.storage import DataRoot, file_sha256, write_bytes_atomic
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.evaluation.toys import SETTINGS, BandEmbedder, toy_root

RATE = 24_000
NOISE = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) * np.float32(0.1)


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (NOISE, None),
        (NOISE * np.array([[1], [0.1]], np.float32), None),
        (NOISE * np.array([[1], [0]], np.float32), StereoFault.DEAD_CHANNEL),
        (np.stack([NOISE[0], -NOISE[0]]), StereoFault.INVERTED),
        (np.stack([NOISE[0], NOISE[0]]), StereoFault.MONO),
        (NOISE[:1], StereoFault.MONO),
        (np.zeros((2, RATE), np.float32), None),
    ],
)
def test_faults_of_stereo(samples: np.ndarray, fault: StereoFault | None) -> None:
    assert stereo_fault(samples, expect_stereo=True) == fault
    expected = None if fault is StereoFault.MONO else fault
    assert stereo_fault(samples, expect_stereo=False) == expected


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return render(spec_of(load_presets()["CORE-01"], 5, 14.0), 48_000).samples


def _with_training(folder, music: np.ndarray) -> tuple[DataRoot, DatasetVersion]:
    """A toy root whose version has one training track more."""
    root, version = toy_root(folder)
    path = root.path / "final" / "track_003.mp3"
    write_bytes_atomic(path, audio.encode_mp3(music, vbr_quality=2))
    first = version.tracks[0]
    track = first.track.model_copy(
        update={"track_id": "track_003", "split": Split.TRAIN, "audio_path": root.relative(path)}
    )
    added = first.model_copy(update={"track": track, "audio_sha256": file_sha256(path)})
    return root, version.model_copy(update={"tracks": [*version.tracks, added]})


def _evaluated(monkeypatch, pipeline, rooted, clips: list[Clip]) -> Scores:
    root, version = rooted
    monkeypatch.setattr("lofi_pipeline.evaluation.generate.generate", lambda *_: clips)
    return evaluate(
        root,
        version,
        pipeline,
        BandEmbedder(),
        SETTINGS,
        step=2,
        checkpoint_id="epoch=0-step=2_lora",
        samples_dir=root.checkpoints / "samples",
        prompts=[clip.spec for clip in clips],
    )


def _clip(number: int, samples: np.ndarray, prompt: str = "lofi") -> Clip:
    spec = PromptSpec(f"validation-{number:02d}", prompt, 80, "A minor", number)
    return Clip(spec, np.ascontiguousarray(samples, dtype=np.float32), 48_000)


def test_a_checkpoint_that_repeats_its_training_music_is_marked(
    monkeypatch, pipeline, tmp_path, music
) -> None:
    rooted = _with_training(tmp_path / "data", music)
    other = render(replace(spec_of(load_presets()["THEME-02"], 9, 5.0), seed=99), 48_000).samples
    half = other.copy()
    half[:, 48_000 : 3 * 48_000 + 24_000] = music[:, 5 * 48_000 : 7 * 48_000 + 24_000]
    found = _evaluated(monkeypatch, pipeline, rooted, [_clip(1, half), _clip(2, other, "ambient")])
    ((sample, track, share),) = found.memorised or []
    assert (sample, track) == ("validation-01.flac", "track_003") and share == pytest.approx(0.5, abs=0.1)
    assert found.heard is not None and found.heard.tracks_searched == 1
    (sentence,) = [it for it in warnings_of(found) if "training music" in it]
    assert "1 sample repeats training music, of track_003" in sentence
    write_scores(tmp_path, found)
    assert read_scores(tmp_path) == found


def test_samples_that_are_all_the_same_whatever_the_seed_are_told(
    monkeypatch, pipeline, rooted, music
) -> None:
    same = [_clip(number, music[:, : 5 * 48_000]) for number in range(3)]
    others = [
        _clip(3 + number, music[:, number * 96_000 : number * 96_000 + 240_000], "ambient")
        for number in range(2)
    ]
    found = _evaluated(monkeypatch, pipeline, rooted, [*same, *others])
    assert found.heard is not None and found.heard.diversity is not None
    assert (found.heard.diversity.prompts, found.heard.diversity.same) == (2, ["lofi"])
    assert any("All samples of 1 prompt are the same" in it for it in warnings_of(found))


def test_training_music_that_is_gone_and_a_silent_reference_are_told(
    monkeypatch, pipeline, tmp_path, music
) -> None:
    root, version = _with_training(tmp_path / "data", music)
    (root.path / "final" / "track_003.mp3").unlink()
    silent = root.validation / "track_002.mp3"
    write_bytes_atomic(silent, audio.encode_mp3(np.zeros((2, 4 * 48_000), np.float32), vbr_quality=5))
    tracks = [
        it.model_copy(update={"audio_sha256": file_sha256(silent)})
        if it.track.track_id == "track_002"
        else it
        for it in version.tracks
    ]
    changed = version.model_copy(update={"tracks": tracks})
    clips = [_clip(number, music[:, number * 48_000 : (number + 5) * 48_000]) for number in range(2)]
    found = _evaluated(monkeypatch, pipeline, (root, changed), clips)
    assert found.memorised == [] and found.heard is not None
    assert (found.heard.tracks_missing, found.heard.silent_reference) == (["track_003"], ["track_002"])
    told = " ".join(warnings_of(found))
    assert "not compared with 1 training track (track_003)" in told and "1 validation track is silent" in told


def test_scores_of_an_earlier_version_say_nothing_of_it(monkeypatch, pipeline, rooted, music) -> None:
    clips = [_clip(number, music[:, :240_000] * np.float32(0.5 + number)) for number in range(2)]
    found = _evaluated(monkeypatch, pipeline, rooted, clips)
    old = found.model_copy(update={"memorised": None, "heard": None})
    assert not {"memorised", "heard"} & set(old.model_dump(mode="json"))
    assert warnings_of(old) == []

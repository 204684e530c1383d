"""References that are too small, say the same twice, say nothing, or are not what the pipeline writes: scored with a warning, or
refused by name, and never as if nothing were wrong."""

from __future__ import annotations

import io
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import quality as table
from lofi_pipeline import audio
from lofi_pipeline.audio import AudioError
from lofi_pipeline.config import AudioSettings
from lofi_pipeline.entities import DatasetVersion, Scores, TrackOrigin, TrackRecord, VersionTrack, now
from lofi_pipeline.evaluation import TooFewWindows, evaluate
from lofi_pipeline.evaluation.heard import weak_in
from lofi_pipeline.storage import DataRoot, file_sha256, write_bytes_atomic, write_json_atomic
from lofi_pipeline_tests.audio.levelled import levelled
from lofi_pipeline_tests.evaluation.toys import SETTINGS, BandEmbedder, toy_root

Rooted = tuple[DataRoot, DatasetVersion]


def scored(pipeline, rooted: Rooted) -> Scores:
    root, version = rooted
    return evaluate(
        root,
        version,
        pipeline,
        BandEmbedder(),
        SETTINGS,
        step=0,
        checkpoint_id="epoch=0-step=0_lora",
        samples_dir=root.checkpoints / "samples",
    )


def path_of(rooted: Rooted, number: int) -> Path:
    root, version = rooted
    return root.inside(version.tracks[number].track.audio_path)


def put(path: Path, samples: np.ndarray, rate: int) -> None:
    """A WAV file of floats [n, channels] under the name of the MP3."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="FLOAT")
    write_bytes_atomic(path, buffer.getvalue())


@pytest.mark.parametrize(("tracks", "words"), [(1, "1 validation track:"), (2, "2 validation tracks:")])
def test_one_or_two_tracks_are_scored_and_said_to_be_few(pipeline, tmp_path, tracks: int, words: str) -> None:
    found = scored(pipeline, toy_root(tmp_path / "data", validation_tracks=tracks))
    assert math.isfinite(found.metrics.fad_score) and found.precision is not None
    assert found.precision.reference_tracks == tracks
    # What cannot be measured with so few is not made up
    assert found.precision.fad_se_by_track is None or tracks > 1
    assert found.precision.floor is None
    assert any(words in sentence for sentence in weak_in(found))


def test_the_same_music_twice_is_named(pipeline, rooted: Rooted) -> None:
    shutil.copyfile(path_of(rooted, 0), path_of(rooted, 1))
    found = scored(pipeline, rooted)
    assert found.precision and found.precision.duplicates == [["track_001", "track_002"]]
    assert any("track_001 and track_002" in sentence for sentence in weak_in(found))


def _taken_in(rooted: Rooted, number: int, samples: np.ndarray) -> VersionTrack:
    """A track of the version after its audio was processed and measured as that of a drop is."""
    root, version = rooted
    track = version.tracks[number]
    original = root.raw / f"{track.track.track_id}.wav"
    put(original, samples.T, 48_000)
    done = audio.process(original, path_of(rooted, number), AudioSettings())
    record = TrackRecord(
        track_id=track.track.track_id,
        sha256=file_sha256(original),
        origins=[TrackOrigin(source_id="a-drop", path=root.relative(original), licence="CC0-1.0")],
        processed=done.facts(track.track.audio_path),
        updated=now(),
    )
    write_json_atomic(root.track_record(track.track.track_id), record)
    return track.model_copy(update={"audio_sha256": done.audio_sha256})


def test_clipped_music_is_named_and_loud_masters_are_not(pipeline, tmp_path) -> None:
    root, version = rooted = toy_root(tmp_path / "data", validation_tracks=3)
    piece = table.source("THEME-05", 31.0, 9300)
    limited = levelled(piece, 0.0, ceiling=-0.1, limiter=6.0).samples
    clipped = table.clip(6)(piece)
    pieces = (clipped, table.mp3(clipped), limited)
    tracks = [_taken_in(rooted, number, samples) for number, samples in enumerate(pieces)]
    found = scored(pipeline, (root, version.model_copy(update={"tracks": tracks})))
    assert found.heard and found.heard.clipped_reference == ["track_001", "track_002"]
    assert any("2 validation tracks are clipped (track_001, track_002)" in it for it in weak_in(found))
    # Of other audio than was measured nothing is said, nor where nobody measured
    others = [it.model_copy(update={"audio_sha256": "0" * 64}) for it in tracks]
    found = scored(pipeline, (root, version.model_copy(update={"tracks": others})))
    assert found.heard and "clipped_reference" not in found.heard.model_dump()
    root.track_record("track_001").unlink()
    found = scored(pipeline, (root, version.model_copy(update={"tracks": tracks})))
    assert found.heard and found.heard.clipped_reference == ["track_002"]


def test_silence_is_named(pipeline, rooted: Rooted) -> None:
    silence = np.zeros((2, 4 * 48_000), np.float32)
    write_bytes_atomic(path_of(rooted, 1), audio.encode_mp3(silence, vbr_quality=5))
    root, version = rooted
    tracks = [
        version.tracks[0],
        version.tracks[1].model_copy(update={"audio_sha256": file_sha256(path_of(rooted, 1))}),
    ]
    found = scored(pipeline, (root, version.model_copy(update={"tracks": tracks})))
    assert math.isfinite(found.metrics.fad_score)
    assert any("silent for most of the time (track_002)" in sentence for sentence in weak_in(found))


def test_nothing_but_silence_is_scored_without_made_up_numbers(pipeline, rooted: Rooted) -> None:
    silence = np.zeros((2, 4 * 48_000), np.float32)
    for number in (0, 1):
        write_bytes_atomic(path_of(rooted, number), audio.encode_mp3(silence, vbr_quality=5))
    found = scored(pipeline, rooted)
    assert math.isfinite(found.metrics.fad_score) and found.metrics.fad_score > 0
    assert found.precision and found.precision.kad is None


def test_a_mono_file_of_another_rate_is_the_same_music(pipeline, tmp_path) -> None:
    rooted = toy_root(tmp_path / "data", validation_tracks=1)
    before = scored(pipeline, rooted)
    decoded = audio.read(path_of(rooted, 0), max_seconds=10).samples
    put(path_of(rooted, 0), decoded.mean(axis=0), 48_000)
    mono = scored(pipeline, rooted)
    assert mono.key != before.key  # it is another file
    assert mono.metrics.fad_score == pytest.approx(before.metrics.fad_score, rel=1e-3)
    put(path_of(rooted, 0), decoded.T[::2], 24_000)
    halved = scored(pipeline, rooted)
    assert halved.metrics.fad_score == pytest.approx(before.metrics.fad_score, rel=0.1)
    assert halved.reference_windows == before.reference_windows


@pytest.mark.parametrize("content", ["NaN", "infinity", "text", "nothing"])
def test_a_broken_file_is_refused_by_name(pipeline, rooted: Rooted, content: str) -> None:
    path = path_of(rooted, 1)
    samples = np.random.default_rng(0).normal(0, 0.1, (96_000, 2)).astype(np.float32)
    match content:
        case "NaN":
            samples[500, 0] = np.nan
            put(path, samples, 48_000)
        case "infinity":
            samples[500, 1] = np.inf
            put(path, samples, 48_000)
        case "text":
            path.write_bytes(b"this is no music" * 100)
        case _:
            path.write_bytes(b"")
    with pytest.raises(AudioError, match="track_002"):
        scored(pipeline, rooted)
    assert not (rooted[0].checkpoints / "samples").exists()


def test_a_reference_shorter_than_two_windows_is_refused(pipeline, tmp_path) -> None:
    rooted = toy_root(tmp_path / "data", validation_tracks=1)
    short = np.random.default_rng(0).normal(0, 0.1, (2, 36_000)).astype(np.float32)
    write_bytes_atomic(path_of(rooted, 0), audio.encode_mp3(short, vbr_quality=5))
    with pytest.raises(TooFewWindows, match="at least 2"):
        scored(pipeline, rooted)

"""The stage: a levelled MP3 with all that the track record needs, or a reason and nothing."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
import soxr

from lofi_pipeline import audio
from lofi_pipeline.audio.analysis.thumbnail import waveform_png
from lofi_pipeline.audio.mastering.trim import trim
from lofi_pipeline.config import AudioSettings
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import render
from lofi_pipeline.entities import ProcessedFacts
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.audio.music import loop, truncate, write

SETTINGS = AudioSettings()


def test_a_good_track(tmp_path: Path) -> None:
    source = write(tmp_path / "song.flac", loop(33.0, bpm=80, level=0.2), 48_000)
    done = audio.process(source, tmp_path / "out" / "track_001.mp3", SETTINGS)
    mp3 = (tmp_path / "out" / "track_001.mp3").read_bytes()
    assert done.audio_sha256 == hashlib.sha256(mp3).hexdigest()
    heard = audio.read(tmp_path / "out" / "track_001.mp3", max_seconds=100)
    assert heard.samples.shape == (2, 33 * 48_000)
    assert heard.source_rate == 48_000
    assert done.duration == 33.0
    assert audio.integrated_loudness(heard.samples) == pytest.approx(
        -14.0 - done.loudness_shortfall_db, abs=0.2
    )
    assert done.true_peak_dbtp == pytest.approx(audio.true_peak_dbtp(heard.samples), abs=0.01)
    assert done.quality.score >= 95
    assert done.measurements.tempo_bpm == pytest.approx(80, rel=0.01)
    assert done.cut is None
    facts = done.facts("processed/core/track_001.mp3")
    assert facts == ProcessedFacts.model_validate_json(facts.model_dump_json())
    assert done.fingerprint.shape[1] == 60


@pytest.mark.parametrize("style_id", ["CORE-03", "SEASON-05", "VOCAL-02"])
def test_others_measure_the_same_in_the_mp3(tmp_path: Path, style_id: str) -> None:
    """Decoded by libsndfile, loudness by pyloudnorm, true peak by 16x oversampling; and the original is as it was."""
    samples = render(spec_of(load_presets()[style_id], 77, 31.0)).samples
    source = write(tmp_path / "song.flac", samples)
    before = source.read_bytes()
    done = audio.process(source, tmp_path / "a.mp3", SETTINGS)
    heard, rate = soundfile.read(tmp_path / "a.mp3")
    assert (heard.shape, rate) == ((samples.shape[1], 2), 48_000)
    loudness = pyloudnorm.Meter(rate).integrated_loudness(heard)
    assert loudness == pytest.approx(SETTINGS.target_lufs - done.loudness_shortfall_db, abs=0.2)
    assert loudness == pytest.approx(done.output_lufs, abs=0.1)
    peak = np.abs(soxr.resample(heard, rate, 16 * rate, quality="VHQ")).max()
    assert 20 * np.log10(peak) <= SETTINGS.true_peak_ceiling_dbtp + 0.02
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("rate", "channels", "faults"),
    [(8000, 2, {"upsampled"}), (48_000, 1, {"mono"}), (8000, 1, {"upsampled", "mono"}), (48_000, 6, set())],
)
def test_what_a_source_lacks_is_scored_as_such(
    tmp_path: Path, rate: int, channels: int, faults: set[str]
) -> None:
    left, right = soxr.resample(loop(33.0, level=0.5).T, 48_000, rate).T
    surround = np.stack([left, right, 0.3 * (left + right), 0 * left, 0.3 * left, 0.3 * right])
    source = write(tmp_path / "a.wav", surround[:channels], rate, "PCM_24")
    done = audio.process(source, tmp_path / "a.mp3", SETTINGS)
    assert (done.source_rate, done.source_channels) == (rate, channels)
    named = {part.name for part in done.quality.parts}
    assert faults <= named <= faults | {"bandwidth"}
    assert (done.quality.score >= 95) == (rate == 48_000)
    assert done.output_lufs == pytest.approx(-14 - done.loudness_shortfall_db, abs=0.2)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write(tmp_path / "song.wav", loop(30.0), 44_100)
    first, second = (audio.process(source, tmp_path / name, SETTINGS) for name in ("a.mp3", "b.mp3"))
    assert (tmp_path / "a.mp3").read_bytes() == (tmp_path / "b.mp3").read_bytes()
    assert np.array_equal(first.fingerprint, second.fingerprint)
    assert first.thumbnail == second.thumbnail
    assert first.facts("a.mp3") == second.facts("a.mp3")


def test_the_thumbnail_is_a_png() -> None:
    png = waveform_png(loop(5.0))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (320, 64)
    at = png.index(b"IDAT")
    size = struct.unpack(">I", png[at - 4 : at])[0]
    assert len(zlib.decompress(png[at + 4 : at + 4 + size])) == 64 * 321


def test_a_loud_track_is_limited_a_peaky_one_stops_short(tmp_path: Path) -> None:
    peaky = loop(31.0, level=0.04)
    peaky[:, 500_000] = 0.9
    done = audio.process(write(tmp_path / "peaky.flac", peaky), tmp_path / "peaky.mp3", SETTINGS)
    assert done.loudness_shortfall_db > 1
    assert done.output_lufs == pytest.approx(-14 - done.loudness_shortfall_db, abs=0.3)
    loud = write(tmp_path / "loud.flac", np.tanh(20 * loop(31.0)))
    done = audio.process(loud, tmp_path / "loud.mp3", SETTINGS)
    assert done.gain_db < -5
    assert done.true_peak_dbtp <= -0.99
    assert done.output_lufs == pytest.approx(-14, abs=0.2)


def test_a_track_that_rings_in_the_encoder_is_turned_down_until_it_keeps_the_ceiling(tmp_path: Path) -> None:
    spec = spec_of(
        load_presets()["VOCAL-03"], 47, 44.5
    )  # its vocal chops stayed 0.07 dB above after three times
    source = write(tmp_path / "chops.flac", render(spec).samples, 48_000)
    done = audio.process(source, tmp_path / "chops.mp3", SETTINGS)
    heard = audio.read(tmp_path / "chops.mp3", max_seconds=100)
    assert audio.true_peak_dbtp(heard.samples) <= -1.0 + 0.01
    assert done.output_lufs == pytest.approx(-14.0 - done.loudness_shortfall_db, abs=0.2)
    assert done.true_peak_dbtp == pytest.approx(audio.true_peak_dbtp(heard.samples), abs=0.001)
    assert done.output_lufs == pytest.approx(audio.integrated_loudness(heard.samples), abs=0.001)


def test_a_long_track_is_cut_at_a_bar_line(tmp_path: Path) -> None:
    eight_times = np.tile(loop(32.0, bpm=75), 8)[:, : 250 * 48_000]
    source = write(tmp_path / "long.wav", eight_times)
    done = audio.process(source, tmp_path / "long.mp3", SETTINGS)
    assert done.cut is not None
    assert done.cut.source_seconds == pytest.approx(250.0)
    assert done.cut.kept_seconds == done.duration
    assert 216 <= done.duration <= 240
    bar = 4 * 60 / 75
    assert abs(done.duration / bar - round(done.duration / bar)) * bar < 0.08
    assert "bar line" in done.cut.reason
    kept = audio.read(tmp_path / "long.mp3", max_seconds=300).samples
    assert np.abs(kept[:, -200:]).max() < 0.02


def test_a_long_track_without_a_beat_is_cut_in_a_quiet_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drone = 0.05 * rng.standard_normal((2, 50 * 48_000)).astype(np.float32)
    drone[:, 35 * 48_000 : 36 * 48_000] *= 0.01
    settings = AudioSettings(max_seconds=40)
    done = audio.process(write(tmp_path / "a.wav", drone), tmp_path / "a.mp3", settings)
    assert 35.0 <= done.duration <= 36.1
    shortest = AudioSettings(max_seconds=30)
    assert audio.process(tmp_path / "a.wav", tmp_path / "b.mp3", shortest).duration == 30.0


def _silent(seconds: float, dither: float = 1e-5) -> np.ndarray:
    return dither * np.random.default_rng(0).standard_normal((2, int(seconds * 48_000)))


def _with_silence(before: float, music: np.ndarray, after: float) -> np.ndarray:
    return np.concatenate([_silent(before), music, _silent(after)], axis=1)


def test_silence_at_the_ends_is_trimmed(tmp_path: Path) -> None:
    music = loop(33.0)
    source = write(tmp_path / "a.wav", _with_silence(4.0, music, 6.0), subtype="PCM_24")
    done = audio.process(source, tmp_path / "a.mp3", SETTINGS)
    assert done.trimmed_start_seconds == pytest.approx(3.9, abs=0.02)
    assert done.trimmed_end_seconds == pytest.approx(5.5, abs=0.15)
    assert done.duration == pytest.approx(
        43 - done.trimmed_start_seconds - done.trimmed_end_seconds, abs=1e-6
    )
    heard = audio.read(tmp_path / "a.mp3", max_seconds=100)
    assert heard.samples.shape[1] == round(done.duration * 48_000)
    assert "silence" not in {part.name for part in done.quality.parts}
    facts = done.facts("a.mp3").model_dump(exclude={"trimmed_start_seconds", "trimmed_end_seconds"})
    assert ProcessedFacts.model_validate(facts).trimmed_end_seconds == 0  # a record of an earlier version


def test_fades_short_breaths_and_quiet_tracks_keep_every_sample(tmp_path: Path) -> None:
    music = loop(33.0)
    fading = music * np.concatenate([np.ones(21 * 48_000), np.linspace(1, 0, 12 * 48_000) ** 2])
    breath = np.concatenate([_silent(0.4), music, _silent(0.4)], axis=1)
    offset = 0.004 * music + 0.01
    for name, samples in (("fading", fading), ("breath", breath), ("offset", offset)):
        source = write(tmp_path / f"{name}.wav", samples, subtype="FLOAT")
        done = audio.process(source, tmp_path / f"{name}.mp3", SETTINGS)
        assert (done.trimmed_start_seconds, done.trimmed_end_seconds) == (0, 0), name
        assert done.duration == samples.shape[1] / 48_000


def test_the_demo_is_not_trimmed() -> None:
    for number, (style_id, preset) in enumerate(sorted(load_presets().items())):
        if number % 6 == 0:
            trimmed = trim(render(spec_of(preset, number, 31.0)).samples)
            assert (trimmed.start_seconds, trimmed.end_seconds) == (0, 0), style_id


def test_what_is_too_short_without_its_silence_is_refused_with_that_said(tmp_path: Path) -> None:
    source = write(tmp_path / "padded.flac", _with_silence(10.0, loop(25.0), 10.0))
    assert "of silence at the ends" in _refused(source, audio.TooShort, "25.", "19.", "30.0 s")


def test_silence_before_a_long_track_costs_no_music(tmp_path: Path) -> None:
    settings = AudioSettings(max_seconds=40)
    source = write(tmp_path / "a.wav", _with_silence(20.0, np.tile(loop(32.0), 2), 0.0))
    done = audio.process(source, tmp_path / "a.mp3", settings)
    assert done.trimmed_start_seconds == pytest.approx(19.9, abs=0.02)
    assert done.cut is not None
    assert done.cut.source_seconds == pytest.approx(84.0)
    assert 30 <= done.duration <= 40
    held = write(tmp_path / "b.wav", _with_silence(5.0, loop(38.0), 0.0))  # fits once the silence is gone
    assert audio.process(held, tmp_path / "b.mp3", settings).cut is None


def _in_a_row(*parts: np.ndarray | float) -> np.ndarray:
    """Music, and seconds of silence."""
    return np.concatenate([_silent(part) if isinstance(part, float) else part for part in parts], axis=1)


MUSIC_OF_SOME_LENGTH = {
    "behind the music": ((loop(34.0), 60.0, loop(31.0, seed=3)), 34.0, "ended where 6", ""),
    "before the music": ((loop(6.0), 20.0, loop(34.0)), 34.0, "", "begun after 20 s"),
    "on both sides": (
        (loop(6.0), 20.0, loop(34.0), 15.0, loop(31.0, seed=3)),
        34.0,
        "ended where 1",
        "begun after 20 s",
    ),
    "behind it until far beyond what is read": (
        (loop(34.0), 90.0, loop(31.0, seed=3)),
        34.0,
        "ended where ",
        "",
    ),
}
"""By where the long silence is: what is in the file, how much is kept, and what is said of its end and its beginning."""


@pytest.mark.parametrize("name", MUSIC_OF_SOME_LENGTH)
def test_the_music_ends_where_a_long_silence_begins(tmp_path: Path, name: str) -> None:
    parts, seconds, end, begin = MUSIC_OF_SOME_LENGTH[name]
    source = write(tmp_path / "a.wav", _in_a_row(*parts), subtype="PCM_16")
    done = audio.process(source, tmp_path / "a.mp3", AudioSettings(max_seconds=80))
    assert done.duration == pytest.approx(seconds + 0.5, abs=0.6)
    assert "silence" not in {part.name for part in done.quality.parts}
    assert done.cut is not None and done.cut.kept_seconds == done.duration
    assert done.cut.source_seconds == pytest.approx(_in_a_row(*parts).shape[1] / 48_000)
    assert end in done.cut.reason and begin in done.cut.reason, done.cut.reason


@pytest.mark.parametrize("dither", [0.0, 1e-5, 1e-4])
def test_some_seconds_of_music_and_minutes_of_silence_are_too_short(tmp_path: Path, dither: float) -> None:
    samples = np.concatenate([loop(11.0), _silent(229.0, dither), 0.1 * loop(1.0)], axis=1)
    source = write(tmp_path / "a.flac", samples, subtype="PCM_24")
    said = _refused(source, audio.TooShort, "11.", "3.8 min", "30.0 s")
    assert "of silence around them" in said


def test_a_pause_is_part_of_the_music(tmp_path: Path) -> None:
    source = write(tmp_path / "a.flac", _in_a_row(loop(20.0), 8.0, loop(20.0, seed=3)))
    done = audio.process(source, tmp_path / "a.mp3", SETTINGS)
    assert (done.duration, done.cut) == (48.0, None)
    assert "silence" in {part.name for part in done.quality.parts}


def test_no_silence_is_left_where_a_long_track_is_cut(tmp_path: Path) -> None:
    source = write(tmp_path / "a.flac", _in_a_row(loop(36.0), 8.0, loop(36.0, seed=3)))
    done = audio.process(source, tmp_path / "a.mp3", AudioSettings(max_seconds=40))
    assert done.duration <= 37.0
    assert done.cut is not None and done.cut.kept_seconds == done.duration


def test_a_truncated_track_is_salvaged_when_enough_is_left(tmp_path: Path) -> None:
    source = truncate(write(tmp_path / "a.flac", loop(46.0)), 0.7)
    done = audio.process(source, tmp_path / "a.mp3", SETTINGS)
    assert done.lost_share == pytest.approx(0.3, abs=0.06)
    assert done.quality.parts[0].name == "damage"
    assert done.quality.score <= 75


def _refused(path: Path, kind: type[audio.AudioError], *words: str) -> str:
    """The reason, which holds these words."""
    destination = path.parent / "out" / "refused.mp3"
    with pytest.raises(kind) as caught:
        audio.process(path, destination, SETTINGS)
    assert caught.value.refusal
    assert all(word in caught.value.reason for word in (path.name, *words)), caught.value.reason
    assert not destination.parent.exists() or not list(destination.parent.iterdir())
    return caught.value.reason


def test_refusals(tmp_path: Path) -> None:
    _refused(write(tmp_path / "short.flac", loop(29.9)), audio.TooShort, "29.9 s", "30.0 s")
    silent = write(tmp_path / "silent.wav", np.zeros((2, 31 * 48_000)))
    assert "is silent" in _refused(silent, audio.Silent)
    whisper = 1e-5 * np.random.default_rng(0).standard_normal((2, 31 * 48_000))
    _refused(write(tmp_path / "dither.wav", whisper), audio.Silent)
    _refused(truncate(write(tmp_path / "cut.flac", loop(40.0)), 0.4), audio.TooShort, "missing")
    (tmp_path / "text.mp3").write_text("not music " * 1000)
    _refused(tmp_path / "text.mp3", audio.UndecodableAudio)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (192_000, 2), (48_000, 7)])
def test_odd_formats_are_processed(tmp_path: Path, rate: int, channels: int) -> None:
    time = np.arange(31 * rate) / rate
    tone = 0.2 * np.sin(2 * np.pi * 330 * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 1.3 * time))
    source = write(tmp_path / "a.wav", np.stack([tone] * channels), rate, "PCM_24")
    done = audio.process(source, tmp_path / "a.mp3", SETTINGS)
    assert (done.source_rate, done.source_channels) == (rate, channels)
    assert done.duration == pytest.approx(31.0)
    assert done.output_lufs == pytest.approx(-14, abs=0.2)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A directory where the MP3 should go: the write fails, nothing is left half done."""
    source = write(tmp_path / "a.flac", loop(30.0))
    (tmp_path / "out" / "a.mp3").mkdir(parents=True)
    with pytest.raises(OSError):
        audio.process(source, tmp_path / "out" / "a.mp3", SETTINGS)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a.mp3"]


def test_importing_the_room_stays_light() -> None:
    code = (
        "import sys, lofi_pipeline.audio; print({'torch', 'librosa', 'dagster', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

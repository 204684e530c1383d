"""The decoder's door: every format in, every kind of bad file refused with a reason."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lofi_pipeline import audio
from lofi_pipeline_tests.audio.music import loop, truncate, write, write_av

MUSIC = loop(8.0)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg"])
def test_formats_of_libsndfile(tmp_path: Path, name: str) -> None:
    heard = audio.read(write(tmp_path / name, MUSIC), max_seconds=100)
    assert heard.samples.dtype == np.float32
    assert heard.samples.shape[0] == 2
    assert heard.seconds == pytest.approx(8.0, abs=0.06)
    assert heard.lost_share == 0
    assert abs(heard.samples[:, : 7 * 48_000] - MUSIC[:, : 7 * 48_000]).mean() < 0.02


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.aac", "aac"), ("a.opus", "libopus")])
def test_formats_of_ffmpeg(tmp_path: Path, name: str, codec: str) -> None:
    heard = audio.read(write_av(tmp_path / name, MUSIC, codec), max_seconds=100)
    assert heard.seconds == pytest.approx(8.0, abs=0.1)
    assert heard.lost_share == 0
    assert heard.source_codec.startswith(("aac", "opus", "libopus"))


def test_lossless_is_exact(tmp_path: Path) -> None:
    coarse = np.round(MUSIC * 32768) / 32768
    heard = audio.read(write(tmp_path / "a.flac", coarse), max_seconds=100)
    assert np.array_equal(heard.samples, coarse.astype(np.float32))


@pytest.mark.parametrize(
    ("rate", "subtype"), [(8000, "PCM_16"), (44_100, "PCM_U8"), (192_000, "PCM_24"), (96_000, "DOUBLE")]
)
def test_rates_and_depths_become_48_khz(tmp_path: Path, rate: int, subtype: str) -> None:
    time = np.arange(3 * rate) / rate
    tone = np.stack([0.5 * np.sin(2 * np.pi * 440 * time)] * 2)
    heard = audio.read(write(tmp_path / "a.wav", tone, rate, subtype), max_seconds=100)
    assert heard.source_rate == rate
    assert heard.samples.shape == (2, 3 * 48_000)
    at = np.arange(24_000, 96_000)
    assert abs(heard.samples[0, at] - 0.5 * np.sin(2 * np.pi * 440 * at / 48_000)).max() < 0.01


def test_mono_goes_to_both_sides(tmp_path: Path) -> None:
    heard = audio.read(write(tmp_path / "a.wav", MUSIC[:1]), max_seconds=100)
    assert heard.source_channels == 1
    assert np.array_equal(heard.samples[0], heard.samples[1])
    assert abs(heard.samples[0] - MUSIC[0]).max() < 1e-4


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_seven_channels_are_mixed_down(tmp_path: Path, name: str) -> None:
    speakers = np.zeros((7, 48_000))
    speakers[0], speakers[2], speakers[6] = 0.1, 0.2, 0.4  # front left, centre, side right
    heard = audio.read(write(tmp_path / name, speakers), max_seconds=100)
    assert heard.source_channels == 7
    assert heard.samples[:, 1000] == pytest.approx(
        [0.1 + 0.2 * 0.7071, 0.2 * 0.7071 + 0.4 * 0.7071], abs=1e-3
    )


def test_only_the_beginning_of_a_long_file_is_decoded(tmp_path: Path) -> None:
    heard = audio.read(write(tmp_path / "a.flac", MUSIC), max_seconds=100, keep_seconds=3.0)
    assert heard.seconds == 3.0
    assert not heard.complete
    assert heard.declared_seconds == pytest.approx(8.0)


def _refused(path: Path, kind: type[audio.AudioError], *words: str) -> str:
    """The reason, which holds these words."""
    with pytest.raises(kind) as caught:
        audio.read(path, max_seconds=100)
    assert caught.value.refusal
    assert all(word in caught.value.reason for word in (path.name, *words)), caught.value.reason
    return caught.value.reason


def test_bad_contents_are_refused(tmp_path: Path) -> None:
    contents = {
        "zero.mp3": b"",
        "text.mp3": b"this is not music\n" * 500,
        "playlist.mp3": b"#EXTM3U\n/etc/passwd\n",
        "riff.wav": b"RIFF\0\0\0\0WAVE",
        "magic.flac": b"fLaC" + bytes(200),
        "ogg.ogg": b"OggS" + bytes(500),
        "noise.mp3": np.random.default_rng(0).bytes(50_000),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        assert "passwd" not in _refused(tmp_path / name, audio.UndecodableAudio)


def test_what_is_no_file_is_refused_without_hanging(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    _refused(tmp_path / "pipe.mp3", audio.NotAFile)
    _refused(tmp_path, audio.NotAFile)
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    _refused(tmp_path / "device.wav", audio.NotAFile)
    with pytest.raises(FileNotFoundError):
        audio.read(tmp_path / "absent.wav", max_seconds=100)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_music_are_refused(tmp_path: Path, value: float) -> None:
    samples = MUSIC.copy()
    samples[1, 1000] = value
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert "export it again" in _refused(path, audio.DamagedAudio)


def test_a_header_of_ten_hours_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", MUSIC[:1], 8000)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 10 * 3600 * 8000 * 2)
    path.write_bytes(data)
    _refused(path, audio.TooLong, "10.0 h")
    data[at : at + 4] = b"\xff" * 4  # a stream's "unknown" is no lie
    path.write_bytes(data)
    assert audio.read(path, max_seconds=100).lost_share == 0


def test_a_file_that_is_too_long_without_saying_so_is_refused(tmp_path: Path) -> None:
    with pytest.raises(audio.TooLong):
        audio.read(write_av(tmp_path / "a.aac", MUSIC, "aac"), max_seconds=5)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a"])
def test_truncation_is_noticed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.m4a":
        write_av(path, MUSIC, "aac")
        _refused(truncate(path, 0.6), audio.UndecodableAudio)  # the index is at the end, and gone
        return
    heard = audio.read(truncate(write(path, MUSIC), 0.6), max_seconds=100)
    assert heard.seconds == pytest.approx(4.8, abs=0.6)
    assert heard.lost_share == pytest.approx(0.4, abs=0.08)


def test_a_hole_in_the_middle_costs_only_the_hole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", MUSIC)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    heard = audio.read(path, max_seconds=100)
    assert heard.seconds > 6.5
    assert 0 < heard.lost_share < 0.2


_HEADS = st.sampled_from(
    [b"", b"RIFF\xff\xff\xff\x7fWAVEfmt ", b"fLaC", b"OggS\0\x02", b"ID3\x04\0\0", b"\xff\xfb\x90\x64"]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=_HEADS, body=st.binary(max_size=3000), suffix=st.sampled_from(sorted(audio.AUDIO_SUFFIXES)))
def test_arbitrary_bytes_are_audio_or_refused(tmp_path: Path, head: bytes, body: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(head + body)
    try:
        heard = audio.read(path, max_seconds=100)
    except audio.AudioError as error:
        assert error.refusal and error.reason
    else:
        assert heard.samples.shape[0] == 2
        assert np.isfinite(heard.samples).all()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["a.wav", "a.flac", "a.ogg", "a.mp3"]))
def test_damaged_files_are_audio_or_refused(tmp_path: Path, data: st.DataObject, name: str) -> None:
    whole = tmp_path / f"whole-{name}"
    if not whole.exists():
        write(whole, MUSIC[:, :24_000])
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, min(len(content) - 1, 4000)))
        content[at] = data.draw(st.integers(0, 255))
    damaged = tmp_path / name
    damaged.write_bytes(content)
    try:
        heard = audio.read(damaged, max_seconds=100)
    except audio.AudioError as error:
        assert error.refusal and error.reason
    else:
        assert 0 <= heard.lost_share <= 1
        assert np.isfinite(heard.samples).all()

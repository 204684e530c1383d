"""Files that lead a decoder astray: each is refused with a reason or salvaged, in bounded memory, and nothing waits."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import wave
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from lofi_pipeline_tests.audio.music import loop, truncate, write, write_av

MUSIC = loop(4.0)
TEN_GB = 10 << 30
MOST_MEGABYTES = 400
"""More than a process needs that has loaded everything, plus the bytes that may be searched for a frame."""
MOST_CPU_SECONDS = 2.0

# Each file is read in a process of its own, forked where everything is loaded: what it costs is counted for it alone.
# VmHWM is that program's own peak; ru_maxrss would be the larger of it and its parent's.
READER = """
import os, sys, time
from pathlib import Path
from lofi_pipeline import audio
for line in sys.stdin:
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    begin = time.process_time()
    try:
        heard = audio.read(Path(line.rstrip("\\n")), max_seconds=7200, keep_seconds=271)
        said = f"heard {heard.seconds:.2f} s, lost {heard.lost_share:.2f}"
    except audio.AudioError as error:
        said = f"{type(error).__name__} {error.reason}"
    cpu = time.process_time() - begin
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak.split()[1]) // 1024, round(cpu, 2), said, flush=True)
    os._exit(0)
"""


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _then_nothing(content: bytes = b"", size: int = TEN_GB) -> Callable[[Path], object]:
    """A sparse file that begins like this."""

    def make(path: Path) -> None:
        path.write_bytes(content)
        os.truncate(path, size)

    return make


def _with_desert(codec: str | None = None) -> Callable[[Path], object]:
    """Four seconds of music, then zeros."""

    def make(path: Path) -> None:
        write_av(path, MUSIC, codec) if codec else write(path, MUSIC)
        os.truncate(path, TEN_GB)

    return make


def _oases(path: Path) -> None:
    """An MP3 with a few frames here and there in the desert."""
    frames = write(path, MUSIC).read_bytes()[4000:6000]
    with path.open("wb") as file:
        for place in range(0, TEN_GB, 24 << 20):
            file.seek(place)
            file.write(frames)


def _cut_off(codec: str | None = None, share: float = 0.5) -> Callable[[Path], object]:
    """The first part of four seconds of music."""
    return lambda path: truncate(write_av(path, MUSIC, codec) if codec else write(path, MUSIC), share)


def _long_form(path: Path) -> None:
    """An RF64, whose sizes are in a chunk of their own, cut off in the middle."""
    truncate(write(path.with_suffix(".rf64"), MUSIC).rename(path), 0.5)


def _pictures(path: Path) -> None:
    """An archive under the name of a song."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cover.png", b"\x89PNG\r\n\x1a\n" * 3000)


def _film(path: Path) -> None:
    """Moving pictures without sound."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 64
        for _ in range(25):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))


def _odd_wav(channels: int, rate: int) -> Callable[[Path], object]:
    """16 bits, whatever the header may claim."""

    def make(path: Path) -> None:
        memory = io.BytesIO()
        with wave.open(memory, "wb") as file:
            file.setnchannels(min(channels, 60) or 1)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(bytes(2 * 60 * 4000))
        data = bytearray(memory.getvalue())
        data[22:28] = struct.pack("<HI", channels, rate)
        path.write_bytes(data)

    return make


def _mp3_claiming(frames: int) -> Callable[[Path], object]:
    """An MP3 whose length tag lies."""

    def make(path: Path) -> None:
        data = bytearray(write(path, MUSIC).read_bytes())
        tag = next(at for at in (data.find(b"Xing"), data.find(b"Info")) if at >= 0)
        data[tag + 8 : tag + 12] = struct.pack(">I", frames)
        path.write_bytes(data)

    return make


def _flac_claiming(samples: int) -> Callable[[Path], object]:
    """A FLAC whose 36 bits of length lie."""

    def make(path: Path) -> None:
        data = bytearray(write(path, MUSIC).read_bytes())
        field = int.from_bytes(data[18:26], "big") >> 36 << 36 | samples
        data[18:26] = field.to_bytes(8, "big")
        path.write_bytes(data)

    return make


def _wav_claiming(size: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        data = bytearray(write(path, MUSIC[:1], 8000).read_bytes())
        at = data.index(b"data") + 4
        data[at : at + 4] = struct.pack("<I", size)
        path.write_bytes(data)

    return make


def _nan(path: Path) -> None:
    samples = MUSIC.copy()
    samples[0, 100] = np.nan
    write(path, samples, subtype="FLOAT")


def _seven_channels_192_khz(path: Path) -> None:
    second = np.zeros((7, 192_000), dtype=np.float32)
    second[:, ::400] = 0.1
    write(path, np.tile(second, 20), 192_000, "PCM_24")


_WAV_HEAD = b"RIFF\xff\xff\xff\x7fWAVE"
_FORMAT = b"fmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 2, 48_000, 192_000, 4, 16)
_NEVER_ENDING_FLAC = b"fLaC\0\0\0\x22" + bytes(34) + (b"\x01\xff\xff\xff" + bytes(0xFFFFFF)) * 3

BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "pipe": ("x.mp3", os.mkfifo, "NotAFile"),
    "folder": ("x.mp3", Path.mkdir, "NotAFile"),
    "device": ("x.wav", lambda path: path.symlink_to("/dev/zero"), "NotAFile"),
    "playlist": ("x.mp3", _bytes(b"#EXTM3U\nfile:///etc/passwd\n"), "UndecodableAudio"),
    "HLS playlist": (
        "x.mp3",
        _bytes(b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        "UndecodableAudio",
    ),
    "concat script": ("x.mp3", _bytes(b"ffconcat version 1.0\nfile /etc/passwd\n"), "UndecodableAudio"),
    "zero bytes": ("x.mp3", _bytes(b""), "UndecodableAudio"),
    "one byte": ("x.flac", _bytes(b"f"), "UndecodableAudio"),
    "text": ("x.mp3", _bytes(b"no music here\n" * 900), "UndecodableAudio"),
    "web page": ("x.mp3", _bytes(b"<!doctype html><title>404</title>" * 200), "UndecodableAudio"),
    "archive": ("x.mp3", _pictures, "UndecodableAudio"),
    "film without sound": ("x.m4a", _film, "UndecodableAudio"),
    "random bytes": ("x.mp3", _bytes(np.random.default_rng(0).bytes(3 << 20)), "UndecodableAudio"),
    "10 GB of nothing": ("x.mp3", _then_nothing(), "UndecodableAudio"),
    "10 GB after an mp3": ("x.mp3", _with_desert(), "heard 4.0"),
    "10 GB after a wav": ("x.wav", _with_desert(), "heard 4.00 s, lost 0.00"),
    "10 GB after a flac": ("x.flac", _with_desert(), "heard 4.0"),
    "10 GB after an ogg": ("x.ogg", _with_desert(), "heard 4.0"),
    "10 GB after an opus": ("x.opus", _with_desert("libopus"), "heard 4.0"),
    "10 GB after an m4a": ("x.m4a", _with_desert("aac"), "heard 4.0"),
    "10 GB after an aac": ("x.aac", _with_desert("aac"), "heard 4.0"),
    "10 GB with frames in between": ("x.mp3", _oases, "heard"),
    "10 GB of wav chunks": ("x.wav", _then_nothing(_WAV_HEAD + _FORMAT), "UndecodableAudio"),
    "10 GB of wav without a format": ("x.wav", _then_nothing(_WAV_HEAD), "UndecodableAudio"),
    "10 GB of streamed wav": (  # silence, as far as anybody can tell
        "x.wav",
        _then_nothing(_WAV_HEAD + _FORMAT + b"data\xff\xff\xff\xff"),
        "heard 271.00 s",
    ),
    "10 GB of W64": ("x.wav", _then_nothing(b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb"), "UndecodableAudio"),
    "10 GB of m4a": ("x.m4a", _then_nothing(b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42"), "UndecodableAudio"),
    "10 GB of m4a index": (
        "x.m4a",
        _then_nothing(b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42\0\0\0\1moov\0\0\0\2\x80\0\0\0"),
        "UndecodableAudio",
    ),
    "10 GB of flac": ("x.flac", _then_nothing(_NEVER_ENDING_FLAC), "UndecodableAudio"),
    "10 GB of ogg": ("x.ogg", _then_nothing(b"OggS\0\2" + bytes(20) + b"\1\x1e"), "UndecodableAudio"),
    "10 GB of ID3": ("x.mp3", _then_nothing(b"ID3\4\0\0\x7f\x7f\x7f\x7f"), "UndecodableAudio"),
    "huge header": ("x.wav", _wav_claiming(0xF0000000), "TooLong"),
    "ten hours by header": ("x.wav", _wav_claiming(10 * 3600 * 16_000), "TooLong"),
    "ten hours by mp3 tag": ("x.mp3", _mp3_claiming(10 * 3600 * 48_000 // 1152), "TooLong"),
    "ten hours by flac header": ("x.flac", _flac_claiming(10 * 3600 * 48_000), "TooLong"),
    "an mp3 tag that claims twice the length": ("x.mp3", _mp3_claiming(2 * 168), "heard 4.01 s, lost 0.50"),
    "a flac header that claims twice the length": (
        "x.flac",
        _flac_claiming(2 * 4 * 48_000),
        "heard 4.00 s, lost 0.50",
    ),
    "no channels": ("x.wav", _odd_wav(0, 48_000), "UndecodableAudio"),
    "65,535 channels": ("x.wav", _odd_wav(65_535, 48_000), "UndecodableAudio"),
    "60 channels": ("x.wav", _odd_wav(60, 48_000), "UndecodableAudio"),
    "no rate": ("x.wav", _odd_wav(2, 0), "UndecodableAudio"),
    "absurd rate": ("x.wav", _odd_wav(2, 0x7FFFFFFF), "UndecodableAudio"),
    "NaN": ("x.wav", _nan, "DamagedAudio"),
    "seven channels at 192 kHz": ("x.wav", _seven_channels_192_khz, "heard 20.00 s, lost 0.00"),
    "8 kHz": ("x.wav", lambda path: write(path, MUSIC, 8000), "heard 24.00 s, lost 0.00"),
    "truncated mp3": ("x.mp3", _cut_off(), "heard 1.92 s, lost 0.52"),
    "truncated ogg": ("x.ogg", _cut_off(), "heard 1."),
    "truncated opus": ("x.opus", _cut_off("libopus"), "heard 1."),
    "truncated wav": ("x.wav", _cut_off(), "heard 2.00 s, lost 0.50"),
    "truncated RF64": ("x.wav", _long_form, "heard 2.00 s, lost 0.50"),
    "truncated flac": ("x.flac", _cut_off(), "heard 1.96 s, lost 0.51"),
    "truncated m4a": ("x.m4a", _cut_off("aac"), "UndecodableAudio"),  # its index is at the end, and gone
    "truncated aac": ("x.aac", _cut_off("aac"), "heard 1."),
    "truncated within the header": ("x.flac", _cut_off(share=0.0005), "UndecodableAudio"),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


@pytest.mark.parametrize("case", BAD)
def test_bad_file(tmp_path: Path, reader: subprocess.Popen[str], case: str) -> None:
    name, make, expected = BAD[case]
    path = tmp_path / name
    make(path)
    assert reader.stdin
    assert reader.stdout
    reader.stdin.write(f"{path}\n")
    reader.stdin.flush()
    megabytes, cpu_seconds, said = reader.stdout.readline().strip().split(" ", 2)
    print(cpu_seconds, megabytes, said)
    assert said.startswith(expected), said
    assert int(megabytes) < MOST_MEGABYTES, said
    assert float(cpu_seconds) < MOST_CPU_SECONDS, said

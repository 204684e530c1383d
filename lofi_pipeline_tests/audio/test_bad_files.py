"""Files that lead a decoder astray: each is refused with a reason or salvaged, in bounded memory, and nothing waits."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline_tests.audio.music import loop, truncate, write

MUSIC = loop(4.0)
TEN_GB = 10 << 30
MOST_MEGABYTES = 400
"""More than a process needs that has loaded everything, plus the bytes that may be searched for a frame."""

# VmHWM is this program's own peak; ru_maxrss would be the larger of it and the test process's, which it was forked from
READ = """
import sys
from pathlib import Path
from lofi_pipeline import audio
try:
    heard = audio.read(Path(sys.argv[1]), max_seconds=7200, keep_seconds=241)
    said = f"heard {heard.seconds:.2f} s, lost {heard.lost_share:.2f}"
except audio.AudioError as error:
    said = f"{type(error).__name__} {error.reason}"
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024, said)
"""


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, TEN_GB)


def _with_desert(path: Path) -> None:
    write(path, MUSIC)
    os.truncate(path, TEN_GB)


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


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "pipe": ("x.mp3", os.mkfifo, "NotAFile"),
    "folder": ("x.mp3", Path.mkdir, "NotAFile"),
    "device": ("x.wav", lambda path: path.symlink_to("/dev/zero"), "NotAFile"),
    "playlist": ("x.mp3", _bytes(b"#EXTM3U\nfile:///etc/passwd\n"), "UndecodableAudio"),
    "zero bytes": ("x.mp3", _bytes(b""), "UndecodableAudio"),
    "text": ("x.mp3", _bytes(b"no music here\n" * 900), "UndecodableAudio"),
    "10 GB of nothing": ("x.mp3", _sparse, "UndecodableAudio"),
    "10 GB after an mp3": ("x.mp3", _with_desert, ""),
    "10 GB after a wav": ("x.wav", _with_desert, "UndecodableAudio"),
    "10 GB after a flac": ("x.flac", _with_desert, "heard"),
    "10 GB after an ogg": ("x.ogg", _with_desert, ""),
    "huge header": ("x.wav", _wav_claiming(0xFFFFFF00), "TooLong"),
    "ten hours by header": ("x.wav", _wav_claiming(10 * 3600 * 16_000), "TooLong"),
    "NaN": ("x.wav", _nan, "DamagedAudio"),
    "seven channels at 192 kHz": ("x.wav", _seven_channels_192_khz, "heard 20.00 s, lost 0.00"),
    "8 kHz": ("x.wav", lambda path: write(path, MUSIC, 8000), "heard 24.00 s, lost 0.00"),
    "truncated mp3": ("x.mp3", lambda path: truncate(write(path, MUSIC), 0.5), "heard"),
    "truncated ogg": ("x.ogg", lambda path: truncate(write(path, MUSIC), 0.5), "heard"),
    "truncated wav": ("x.wav", lambda path: truncate(write(path, MUSIC), 0.5), "heard 2.00 s, lost 0.50"),
    "truncated flac": ("x.flac", lambda path: truncate(write(path, MUSIC), 0.5), "heard"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(tmp_path: Path, case: str) -> None:
    name, make, expected = BAD[case]
    path = tmp_path / name
    make(path)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    megabytes, said = done.stdout.strip().split(" ", 1)
    assert said.startswith(expected), said
    assert int(megabytes) < MOST_MEGABYTES, said

"""The other side of benchmarks/ingest.py: ffmpeg's two-pass loudnorm, and what its two passes cost."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lofi_pipeline.config import AudioSettings

_LRA = 11.0
"""Loudness range of the target: what ffmpeg's own examples ask for."""
HOW_TO_GET_IT = (
    "ffmpeg is not installed: it is the other side of this benchmark, and nothing else here needs it."
    " Debian and Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg"
)


@dataclass(frozen=True)
class Loudnorm:
    """CPU seconds of both passes, and the mode the second one says it ended in."""

    cpu: float
    mode: Literal["linear", "dynamic"]


def version() -> str:
    """What `ffmpeg -version` calls itself.

    Raises:
        SystemExit: there is none; with what to do about it.
    """
    if shutil.which("ffmpeg") is None:
        raise SystemExit(HOW_TO_GET_IT)
    text = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    return " ".join(text.split()[:3])


def loudnorm(path: Path, destination: Path, settings: AudioSettings) -> Loudnorm:
    """Measure `path`, then bring it to the same target, rate, codec and encoder setting as the stage does."""
    target = f"loudnorm=I={settings.target_lufs}:TP={settings.true_peak_ceiling_dbtp}:LRA={_LRA}"
    before = _children_cpu()
    found = _ffmpeg(path, f"{target}:print_format=json", ["-f", "null", "-"])
    measured = ":".join(
        f"{name}={found[key]}"
        for name, key in (
            ("measured_I", "input_i"),
            ("measured_TP", "input_tp"),
            ("measured_LRA", "input_lra"),
            ("measured_thresh", "input_thresh"),
            ("offset", "target_offset"),
        )
    )
    encoder = ["-ar", "48000", "-c:a", "libmp3lame", "-q:a", str(settings.mp3_vbr_quality), str(destination)]
    second = _ffmpeg(path, f"{target}:{measured}:linear=true:print_format=json", encoder)
    return Loudnorm(
        _children_cpu() - before, "linear" if second["normalization_type"] == "linear" else "dynamic"
    )


def _ffmpeg(path: Path, audio_filter: str, output: list[str]) -> dict[str, str]:
    """Run ffmpeg; return the JSON that the filter prints at its end."""
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-nostats", "-y", "-i", str(path), "-map", "0:a:0"]
    done = subprocess.run([*command, "-af", audio_filter, *output], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ffmpeg failed over {path.name}:\n{done.stderr[-2000:]}")
    return json.loads(done.stderr[done.stderr.rindex("{") :].split("}")[0] + "}")


def _children_cpu() -> float:
    """User and system time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

"""One worker of the ingest stage with a profile: it processes the tracks that it is sent, and reports the cost of each step.

    python -m benchmarks.ingest_stage DATA_ROOT [floor]     # a registered track's id a line on standard input, a line of JSON for each

It is a process of its own, so that memory and CPU time are those of the stage alone. The first track bears the costs of the
start. With `floor` it does only what cannot be avoided: decoding the source and encoding the MP3.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import av
import lameenc
import numpy as np
import soxr

from lofi_pipeline.audio import SAMPLE_RATE, read
from lofi_pipeline.audio.analysis import features
from lofi_pipeline.audio.io import decode_again
from lofi_pipeline.audio.io.encode import FRAME
from lofi_pipeline.audio.mastering import limiter, overshoot
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import RegisteredTrack
from lofi_pipeline.ingest import batch, load_record, load_registry, process_track
from lofi_pipeline.storage import DataRoot

process = import_module("lofi_pipeline.audio.process")  # the package has a function of that name

STEPS = (
    "decode", "resample", "trim", "loudness", "true peak", "quality", "mono", "tempo", "key", "analysis", "fingerprint",
    "limiter", "encode", "decode the MP3", "thumbnail", "hash", "tag", "write", "rest",
)  # fmt: skip


class Profile:
    """CPU seconds by step, each without the steps within it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = ["rest"]
        self._since = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def start(self) -> None:
        self.seconds.clear()
        self._since = time.process_time()

    def end(self) -> dict[str, float]:
        self._turn()
        return dict(self.seconds)


class Counted:
    """How often a file was opened for decoding, by name, how many frames of its MP3 were decoded again, encoders made."""

    def __init__(self) -> None:
        self.decoded: Counter[str] = Counter()
        self.frames_again = 0
        self.encoders = 0

    def clear(self) -> None:
        self.decoded.clear()
        self.frames_again = self.encoders = 0

    def answer(self, seconds: float) -> dict[str, float]:
        return {
            "sources": self.decoded["decode"],
            "mp3s": self.decoded["decode the MP3"],
            "again": self.frames_again * FRAME / SAMPLE_RATE / seconds,
            "encoders": self.encoders,
        }


def watch(profile: Profile, counted: Counted) -> None:
    """Wrap the functions that the stage calls: each call is timed under its step, each decoder and encoder is counted."""

    def wrap(owner: Any, name: str, step: str | Callable[..., str]) -> None:
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with profile.step(step if isinstance(step, str) else step(*args)):
                return function(*args, **kwargs)

        setattr(owner, name, timed)

    def whose(path: Path) -> str:
        return "decode" if "raw" in path.parts else "decode the MP3"

    wrap(process, "read", lambda path: whose(path))
    wrap(soxr.ResampleStream, "resample_chunk", "resample")
    for name, step in (
        ("trim", "trim"),
        ("k_weighted_power", "loudness"), ("true_peak_dbtp", "true peak"), ("score", "quality"),
        ("mono_at", "mono"), ("measure", "analysis"), ("fingerprint", "fingerprint"), ("level", "limiter"),
        ("encode_mp3", "encode"), ("waveform_png", "thumbnail"),
    ):  # fmt: skip
        wrap(process, name, step)
    wrap(limiter, "power_after", "loudness")
    for name in ("k_weighted_power", "power_after"):
        wrap(overshoot, name, "loudness")
    for name in ("true_peak_dbtp", "local_peaks", "peaks_after"):
        wrap(overshoot, name, "true peak")
    wrap(overshoot, "decode_again", "decode the MP3")
    for name in ("log_bands", "growth", "strength_of", "tempo_of"):
        wrap(features, name, "tempo")
    for name in ("chroma_of", "key_of"):
        wrap(features, name, "key")
    wrap(process_track, "file_sha256", "hash")
    wrap(process_track.Steps, "tag", "tag")
    for name in ("write_bytes_atomic", "write_json_atomic"):
        wrap(process_track, name, "write")

    opened = av.open

    def open_counted(file: Any, *args: Any, **kwargs: Any) -> Any:
        counted.decoded[whose(Path(getattr(file, "name", file)))] += 1
        return opened(file, *args, **kwargs)

    av.open = open_counted  # type: ignore[assignment]
    decode_frames = decode_again.decode_frames

    def frames_counted(frames: list[bytes]) -> np.ndarray:
        counted.frames_again += len(frames)
        return decode_frames(frames)

    decode_again.decode_frames = frames_counted
    encoder = lameenc.Encoder

    def made() -> Any:
        counted.encoders += 1
        return encoder()

    lameenc.Encoder = made  # type: ignore[assignment, misc]


def peak_mb() -> float:
    """The highest resident memory since `forget_peak`, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def forget_peak() -> None:
    """Count the peak of memory from here."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def cpu_seconds() -> float:
    """User and system time of this process, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def floor(path: Path, mp3: Path, vbr_quality: int) -> dict[str, float]:
    """CPU seconds for what cannot be avoided: decoding `path`, and LAME on as many samples as `mp3` holds."""
    samples = read(mp3, max_seconds=600.0).samples
    pcm = np.ascontiguousarray((samples.T * 32767).clip(-32768, 32767).astype("<i2")).tobytes()
    started = time.process_time()
    with av.open(str(path)) as container:
        container.streams.audio[0].codec_context.thread_count = 1
        for _ in container.decode(audio=0):
            pass
    decoded = time.process_time()
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(SAMPLE_RATE)
    encoder.set_channels(2)
    encoder.set_quality(5)
    encoder.set_vbr(4)
    encoder.set_vbr_quality(vbr_quality)
    encoder.encode(pcm)
    encoder.flush()
    return {"decode": decoded - started, "encode": time.process_time() - decoded}


def forget(root: DataRoot, track: RegisteredTrack) -> None:
    """Remove all results of a track."""
    root.track_record(track.track_id).unlink(missing_ok=True)
    root.fingerprint(track.track_id).unlink(missing_ok=True)
    for left in root.processed.rglob(f"{track.track_id}*"):
        left.unlink()


def main() -> None:
    """Answer each line until standard input ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data_root", type=Path)
    parser.add_argument("what", nargs="?", choices=["floor"], help="only what cannot be avoided")
    options = parser.parse_args()
    root, config = DataRoot(options.data_root), load_config()
    tracks = load_registry(root).by_id()
    profile, counted = Profile(), Counted()
    if not options.what:
        watch(profile, counted)
    for line in sys.stdin:
        track = tracks[line.strip()]
        source = root.inside(track.origins[0].path)
        if options.what:
            record = load_record(root, track.track_id)
            if record is None or record.processed is None:
                raise SystemExit(f"{source}: not processed yet")
            answer: dict[str, Any] = floor(
                source, root.inside(record.processed.audio_path), config.audio.mp3_vbr_quality
            )
        else:
            forget(root, track)
            forget_peak()
            counted.clear()
            before = cpu_seconds()
            profile.start()
            record = batch.work_with_limit(root, track, config, 600.0)
            steps, cpu = profile.end(), cpu_seconds() - before
            if record.processed is None:
                raise SystemExit(f"{source}: {record.reason}")
            counts = counted.answer(record.processed.duration)
            answer = {"cpu": cpu, "steps": steps, "peak_mb": peak_mb(), **counts}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

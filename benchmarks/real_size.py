"""A base of ACE-Step's real size through the whole of training on a CPU: does it work, and in how much memory?

    python -m benchmarks.real_size [--size 2b|xl|toy] [--folder DIR] [--output FILE] [--stage NAME]

Writes a base with random weights, encodes two short tracks, trains three steps in bf16 with gradient checkpointing, loads the
checkpoint into the base again, generates two seconds with `lofi generate`, and scores. Each stage is a process of its own,
whose peak of memory is printed. 2b wants 6 GB of disk and 10 GB of memory. The sound is noise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lofi_pipeline.config import EvaluationSettings, TrainingPreset
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    SourceRecord,
    SourceType,
    Split,
    StyleCategory,
    Track,
    VersionTrack,
)
from lofi_pipeline.storage import DataRoot, content_sha256, file_sha256, write_json_atomic

RATE = 48_000
TRACK_SECONDS = 12
STEPS = 3
PROMPT = "lofi hip hop, mellow, rhodes, boom bap drums, vinyl crackle, 82 bpm, instrumental"
PRESET = TrainingPreset(
    checkpoint_interval=STEPS, max_steps=STEPS, batch_size=1, crop_seconds=4.0, learning_rate=1e-4, precision="bf16",
    gradient_checkpointing=True, validation_batches=1,
)  # fmt: skip
SCORING = EvaluationSettings(
    clip_seconds=2.0, validation_prompts=2, style_prompts=False, inference_steps=2, guidance_scale=1.0, batch_size=1
)  # fmt: skip
CHECKPOINT = f"epoch=0-step={STEPS}_lora"


@dataclass(frozen=True)
class Place:
    """Where everything of a run lies."""

    folder: Path
    size: str

    @property
    def base(self) -> Path:
        """The base model."""
        return self.folder / f"base-{self.size}"

    @property
    def root(self) -> DataRoot:
        """The data root."""
        return DataRoot(self.folder / "data")

    @property
    def version(self) -> DatasetVersion:
        """The data set."""
        (path,) = (self.root.metadata / "datasets").glob("*.json")
        return DatasetVersion.parse(json.loads(path.read_text()), where=str(path))


def make_base(place: Place) -> str:
    """Write the base."""
    from lofi_pipeline.pretraining.random_base import write_random_base

    if not place.base.exists():
        write_random_base(place.size, place.base)  # pyright: ignore[reportArgumentType]
    return (
        f"{sum(file.stat().st_size for file in place.base.rglob('*') if file.is_file()) / 1e9:.2f} GB on disk"
    )


def make_tracks(place: Place) -> str:
    """A track to train on and one to hold out, as a data set."""
    place.root.create()
    tracks = [
        _track(place.root, number, side) for number, side in enumerate((Split.TRAIN, Split.VALIDATION), 1)
    ]
    dataset = Dataset(
        dataset_id="real-size", created=datetime(2026, 1, 1, tzinfo=UTC), track_count=2, train_count=1, validation_count=1,
        total_duration=2 * TRACK_SECONDS / 3600, style_distribution={StyleCategory.CORE: 2},
        hash=content_sha256([track.audio_sha256 for track in tracks]),
    )  # fmt: skip
    source = SourceRecord(
        source_id="made", track_ids=[track.track.track_id for track in tracks], source_type=SourceType.CREATIVE_COMMONS,
        provider="benchmark", license_type="CC0-1.0", date_acquired=date(2026, 1, 1),
    )  # fmt: skip
    write_json_atomic(
        place.root.dataset_version(dataset.hash),
        DatasetVersion(dataset=dataset, tracks=tracks, sources=[source]),
    )
    return f"{len(tracks)} of {TRACK_SECONDS} s"


def _track(root: DataRoot, number: int, side: Split) -> VersionTrack:
    import soundfile

    track_id = f"track_{number:03d}"
    path = (root.final if side is Split.TRAIN else root.validation) / f"{track_id}.mp3"
    at = np.arange(TRACK_SECONDS * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 110 * number * at) * np.exp(-4 * (at % 0.75))
    tone += 0.01 * np.random.default_rng(number).standard_normal(at.size)
    soundfile.write(path, np.stack([tone, tone], axis=1).astype("float32"), RATE, format="MP3")
    sha256 = file_sha256(path)
    track = Track(
        track_id=track_id, filename=f"{track_id}.wav", audio_path=root.relative(path),
        prompt_path=root.relative(path.with_name(f"{track_id}_prompt.txt")),
        lyrics_path=root.relative(path.with_name(f"{track_id}_lyrics.txt")), duration=30.0, sample_rate=RATE,
        quality_score=80, style_ids=["CORE-01"], source_id="made", split=side,
    )  # fmt: skip
    return VersionTrack(
        track=track, sha256=sha256, audio_sha256=sha256, processing=sha256, prompt=PROMPT, lyrics="[instrumental]",
        language="en", bpm=82, keyscale="A minor", time_signature="4", licence="CC0-1.0", source_ids=["made"],
    )  # fmt: skip


def train(place: Place) -> str:
    """Encode and train; what the trainer says of its memory."""
    from lofi_pipeline.training.records import TrainingEvent, TrainingJob
    from lofi_pipeline.training.run import train as train_here

    job = TrainingJob(
        data_root=place.root.path, dataset_hash=place.version.dataset.hash, base=str(place.base), preset_name="real-size",
        preset=PRESET, device="cpu", encode_chunk_seconds=5.0,
    )  # fmt: skip
    said: list[str] = []

    def note(event: TrainingEvent) -> None:
        if event.message.startswith("memory"):
            said.append(event.message)

    train_here(job, note, lambda: False)
    return "; ".join(said)


def reload_checkpoint(place: Place) -> str:
    """Load the checkpoint into the base again, and ask for its answers."""
    from lofi_pipeline.training.checkpoints import Base, verify_checkpoint

    found = verify_checkpoint(place.root, place.root.checkpoint(CHECKPOINT), Base(str(place.base), "cpu"))
    if not found.is_valid:
        raise SystemExit(found.reason)
    return "valid"


def generate(place: Place) -> str:
    """Two seconds, by the command line's own function."""
    from lofi_pipeline.cli.generate_clips import Request, generate_to_files

    settings = {"LOFI_BASE": str(place.base), "LOFI_EVALUATION__INFERENCE_STEPS": "2"}
    os.environ.update(settings | {"LOFI_EVALUATION__GUIDANCE_SCALE": "1"})
    wanted = Request(prompts=(PROMPT,), output=place.folder / "sound.wav", checkpoint=CHECKPOINT, seconds=2.0)
    generate_to_files(place.root, wanted)
    return f"{wanted.output.stat().st_size} bytes"


def score(place: Place) -> str:
    """The checkpoint and its base."""
    from lofi_pipeline.evaluation.checkpoint import evaluate_checkpoint

    folder = place.root.checkpoint(CHECKPOINT)
    found = evaluate_checkpoint(place.root, folder, place.version, str(place.base), SCORING)
    return f"FAD {found.scores.metrics.fad_score:.3g}, of the base {found.base.metrics.fad_score:.3g}"


STAGES: dict[str, Callable[[Place], str]] = {
    "base": make_base,
    "tracks": make_tracks,
    "train": train,
    "reload": reload_checkpoint,
    "generate": generate,
    "score": score,
}


@dataclass(frozen=True)
class Measured:
    """A stage that went well."""

    stage: str
    seconds: float
    peak_gb: float
    says: str


def _in_own_process(stage: str, given: argparse.Namespace, place: Place) -> Measured:
    command = [sys.executable, "-m", "benchmarks.real_size", "--size", given.size, "--stage", stage]
    began = time.monotonic()
    with subprocess.Popen(
        [*command, "--folder", str(place.folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        said = process.stdout.read().strip().splitlines()
        _, status, usage = os.wait4(process.pid, 0)  # its own peak, not that of the largest child
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{stage}: failed")
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(stage, time.monotonic() - began, usage.ru_maxrss * unit / 1e9, said[-1] if said else "")


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("toy", "2b", "xl"), default="2b")
    parser.add_argument(
        "--folder", type=Path, help="where everything is written, and the base is kept; else removed again"
    )
    parser.add_argument("--stage", choices=tuple(STAGES), help="this stage alone, in this process")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    given = parser.parse_args(arguments)
    if given.stage:
        print(STAGES[given.stage](Place(given.folder, given.size)))
        return 0
    with TemporaryDirectory(prefix="lofi-real-size-") as temporary:
        place = Place(given.folder or Path(temporary), given.size)
        rows = []
        for stage in STAGES:
            row = _in_own_process(stage, given, place)
            print(f"{row.stage:10} {row.seconds:7.1f} s {row.peak_gb:6.2f} GB  {row.says}", flush=True)
            rows.append(asdict(row))
        if given.output:
            given.output.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The demo music: synthetic tracks in four drops with their source.json, and one file for each kind of refusal.

How a piece sounds is in synth.py; random pieces for pretraining are in distributions.py.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from lofi_pipeline.demo.files import write_audio
from lofi_pipeline.demo.synth import KEYS, RATE, SongSpec, render
from lofi_pipeline.entities import (
    DropFile,
    DropManifest,
    Evidence,
    Grant,
    Permission,
    SourceType,
    StylePreset,
    Use,
    Validity,
)
from lofi_pipeline.entities.source import RAW_FOLDER, SOURCE_JSON
from lofi_pipeline.processes import worker_processes
from lofi_pipeline.storage import write_json_atomic
from lofi_pipeline.styles import has_words, load_presets

Progress = Callable[[int, int, str], None]

# Six tracks of each, in this order, so that a LoRA can learn what they have in common; the voices come early so that a
# small drop has one too.
STYLES = (
    "CORE-01", "INST-02", "THEME-02", "SEASON-03", "VOCAL-01", "CORE-03", "THEME-01", "INST-05", "SEASON-05",
    "CORE-04", "THEME-09", "VOCAL-03",
)  # fmt: skip
GROOVES = {"lofi house": "four", "lofi trap": "half"}
SUFFIXES = ("flac", "flac", "wav", "flac", "mp3", "flac", "ogg", "flac")
LYRICS = """[verse]
Rain on the window, light in the room
Slow is the evening, soft is the moon

[chorus]
Stay for the night, stay for the day
Time is a river, drifting away
"""
AGREEMENT = "licence-agreement.txt"
CLAUSE = "The licensor grants the right to train machine learning models on the recordings"
AGREEMENT_TEXT = """LICENCE AGREEMENT (synthetic, for the demo; no such parties exist)

Between {provider} (the licensor) and the Demo Rights Desk, {day}.

1. {clause}, compositions
   and performances of this drop, worldwide and without end.
2. What is trained may be used commercially, and its weights may be passed on.
"""


@dataclass(frozen=True)
class _Drop:
    kind: SourceType
    folder: str
    provider: str
    licence: str
    acquired: date
    cost: float | None = None
    notes: str | None = None
    contract: bool = False

    @property
    def path(self) -> str:
        """Relative to data/raw."""
        return f"{RAW_FOLDER[self.kind]}/{self.folder}"


DROPS = (
    _Drop(
        SourceType.COMMISSIONED, "demo-sessions", "Demo Ensemble", "AI Training Rights", date(2025, 3, 14), cost=1800.0,
        notes="Synthetic. The commission grants AI training and redistribution of trained weights.", contract=True,
    ),
    _Drop(SourceType.CREATIVE_COMMONS, "demo-commons", "Demo Commons Collective", "CC BY 4.0", date(2025, 5, 2)),
    _Drop(SourceType.ROYALTY_FREE, "demo-library", "Demo Music Library", "CC0 1.0", date(2025, 6, 20)),
    _Drop(
        SourceType.PARTNERSHIP, "demo-label", "Demo Partner Label", "Royalty Free with AI Training Rights",
        date(2025, 9, 8), notes="Synthetic. The agreement grants AI training for the whole catalogue.", contract=True,
    ),
)  # fmt: skip
LIBRARY, LABEL = DROPS[2:]
NO_DERIVATIVES = _Drop(
    SourceType.CREATIVE_COMMONS, "demo-no-derivatives", "Demo Archive", "CC BY-NC-ND 4.0", date(2025, 7, 1)
)


@dataclass(frozen=True)
class TrackTruth:
    """What is true of one good track. `path` is relative to data/raw; `key` is a tonic such as "C#"."""

    path: str
    title: str
    style_id: str
    bpm: float
    key: str
    mode: str
    seconds: float
    instruments: list[str]


@dataclass(frozen=True)
class DropTruth:
    """What is true of the demo drop: its good tracks, and by path why each other file must be refused."""

    tracks: list[TrackTruth] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep it as JSON, for tests and for comparing what was measured."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Job:
    drop: _Drop
    name: str
    title: str
    style_id: str
    spec: SongSpec

    @property
    def path(self) -> str:
        return f"{self.drop.path}/{self.name}"


def make_demo_drop(
    raw_root: Path, *, tracks: int = 72, seed: int = 0, workers: int = 0, progress: Progress | None = None
) -> DropTruth:
    """Write the demo music under `raw_root` (data/raw); return what is true of it.

    The same `tracks` and `seed` give the same files, byte for byte. Each source.json is written after its audio.

    Args:
        raw_root: the folder that holds commissioned/, royalty-free/, creative-commons/ and partnerships/.
        tracks: good tracks, of 30 to 45 seconds; the refused ones come on top.
        workers: processes that render; 0 for one a core.
        progress: called with (files written, files in all, path).
    """
    presets = load_presets()
    jobs = [_track(number, presets, seed) for number in range(tracks)]
    forbidden = _extra(presets, seed, NO_DERIVATIVES, "quiet-harbour.flac", 32.0, 1)
    short = _extra(presets, seed, LIBRARY, "short-sketch.flac", 12.0, 2)
    _render_all([*jobs, forbidden, short], raw_root, workers or os.cpu_count() or 1, progress)
    broken = raw_root / LIBRARY.path / "broken-tape.mp3"
    broken.write_text("This was text all along, whatever its name says.\n" * 40, encoding="utf-8")
    twin = raw_root / LABEL.path / f"reissue{Path(jobs[0].name).suffix}"
    twin.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(raw_root / jobs[0].path, twin)
    extras = {
        LIBRARY: [(broken.name, "Broken Tape", "CORE-01"), (short.name, short.title, short.style_id)],
        LABEL: [(twin.name, "Reissue", jobs[0].style_id)],
        NO_DERIVATIVES: [(forbidden.name, forbidden.title, forbidden.style_id)],
    }
    for drop in (*DROPS, NO_DERIVATIVES):
        _describe(raw_root, drop, [job for job in jobs if job.drop is drop], extras.get(drop, []), presets)
    refused = {
        forbidden.path: "licence",
        f"{LIBRARY.path}/{broken.name}": "corrupt",
        short.path: "too short",
        f"{LABEL.path}/{twin.name}": "duplicate",
    }
    return DropTruth(tracks=[_truth(job) for job in jobs], refused=refused)


def spec_of(preset: StylePreset, seed: int, seconds: float) -> SongSpec:
    """A piece in a style: all its instruments and production, one of its moods, a tempo in its range."""
    rng = np.random.default_rng([seed, 38])
    low, high = preset.tempo_range
    mood = preset.mood_options[int(rng.integers(len(preset.mood_options)))]
    dark = mood in ("sad", "melancholic", "lonely", "mysterious", "bittersweet")
    return SongSpec(
        seed=seed,
        bpm=float(rng.integers(low, high + 1)),
        key=KEYS[int(rng.integers(12))],
        mode="minor" if dark or rng.random() < 0.5 else "major",
        seconds=seconds,
        instruments=tuple(preset.instruments),
        mood=mood,
        production=tuple(preset.production),
        atmosphere=preset.atmosphere,
        vocal_type=preset.vocal_type,
        genre=preset.base_tags[0],
        groove=GROOVES.get(preset.base_tags[0], "boom bap"),
        swing=float(rng.uniform(0.53, 0.6)),
    )


def _track(number: int, presets: dict[str, StylePreset], seed: int) -> _Job:
    style_id = STYLES[number % len(STYLES)]
    seconds = 30.5 + (number * 7 + seed) % 15
    spec = spec_of(presets[style_id], seed * 1000 + number, seconds)
    drop = DROPS[number % len(DROPS)]
    title = f"{presets[style_id].name} No. {number // len(STYLES) + 1}"
    name = f"{title.lower().replace(' no. ', '-').replace(' ', '-')}.{SUFFIXES[number % len(SUFFIXES)]}"
    return _Job(drop, name, title, style_id, spec)


def _extra(
    presets: dict[str, StylePreset], seed: int, drop: _Drop, name: str, seconds: float, number: int
) -> _Job:
    title = Path(name).stem.replace("-", " ").title()
    return _Job(
        drop, name, title, "CORE-01", spec_of(presets["CORE-01"], seed * 1000 + 900 + number, seconds)
    )


def _render_all(jobs: list[_Job], raw_root: Path, workers: int, progress: Progress | None) -> None:
    from joblib import Parallel, delayed

    for folder in {(raw_root / job.path).parent for job in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    with worker_processes(min(workers, len(jobs))):
        done = Parallel(return_as="generator")(delayed(_render)(job, raw_root) for job in jobs)
    for count, path in enumerate(done, 1):
        if progress:
            progress(count, len(jobs), str(path))


def _render(job: _Job, raw_root: Path) -> str:
    write_audio(raw_root / job.path, render(job.spec).samples, RATE)
    return job.path


def _truth(job: _Job) -> TrackTruth:
    spec = job.spec
    return TrackTruth(
        job.path, job.title, job.style_id, spec.bpm, spec.key, spec.mode, spec.seconds, list(spec.instruments)
    )


def _describe(
    raw_root: Path,
    drop: _Drop,
    jobs: list[_Job],
    extras: list[tuple[str, str, str]],
    presets: dict[str, StylePreset],
) -> None:
    """Write the drop's source.json, and the lyrics it names; nothing when the drop holds no file."""
    folder = raw_root / drop.path
    if not jobs and not extras:
        return
    files = {name: DropFile(title=title, style_ids=[style_id]) for name, title, style_id in extras}
    for job in jobs:
        entry: dict[str, Any] = {"title": job.title, "style_ids": [job.style_id]}
        if has_words([job.style_id], presets, None):
            words = Path(job.name).with_suffix(".txt").name
            (folder / words).write_text(LYRICS, encoding="utf-8")
            entry |= {"lyrics": words, "language": "en", "vocals": True}
        files[job.name] = DropFile(**entry)
    manifest = DropManifest(
        source_id=drop.folder,
        source_type=drop.kind,
        provider=drop.provider,
        license_type=drop.licence,
        cost=drop.cost,
        date_acquired=drop.acquired,
        verified_by="Demo Rights Desk",
        notes=drop.notes or "Synthetic, rendered by this project.",
        files=files,
        defaults=DropFile(artist=drop.provider),
        grant=_agreed(drop, folder) if drop.contract else None,
    )
    write_json_atomic(folder / SOURCE_JSON, manifest.model_dump(mode="json", exclude_none=True))


def _agreed(drop: _Drop, folder: Path) -> Grant:
    """Write the licence agreement into the drop's folder; return what it grants."""
    text = AGREEMENT_TEXT.format(provider=drop.provider, day=drop.acquired, clause=CLAUSE)
    (folder / AGREEMENT).write_text(text, encoding="utf-8")
    return Grant(
        uses=dict.fromkeys(Use, Permission.ALLOWED),
        validity=Validity(start=drop.acquired),
        evidence=[
            Evidence(document=AGREEMENT, clause=CLAUSE, captured=drop.acquired, licensor=drop.provider)
        ],
    )

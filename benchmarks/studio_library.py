"""A data root of many tracks for measurements of the studio: drops that are registered as usual, and records made from one real track."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

from lofi_pipeline.config import load_config
from lofi_pipeline.entities import RegisteredTrack, TrackRecord
from lofi_pipeline.ingest import ProcessingContext, load_registry, register_sources, work_on
from lofi_pipeline.storage import DataRoot, canonical_json
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import facts, make_drop, song

FILES_IN_A_DROP = 100
WORDS = [
    "night",
    "rain",
    "coffee",
    "window",
    "paper",
    "train",
    "harbour",
    "snow",
    "garden",
    "lamp",
    "river",
    "attic",
]


def make_library(root: DataRoot, tracks: int) -> None:
    """Register that many files, one of them music, and write a record for each as if it were that music."""
    root.create()
    make_drop(root, "music", {"first song.wav": song(0)}, facts(source_id="music", defaults={}))
    make_drops(root, tracks - 1)
    config = load_config()
    register_sources(root, config, style_ids=set(load_presets()))
    registered = load_registry(root).tracks
    music = next(it for it in registered if it.origins[0].source_id == "music")
    template = work_on(root, music, ProcessingContext.open(config))
    chance, styles = random.Random(0), sorted(load_presets())
    root.track_records.mkdir(exist_ok=True)
    for track in registered:
        if track is not music:
            record = record_like(template, track, chance, styles)
            path = root.track_record(track.track_id)
            path.write_text(canonical_json(record.model_dump(mode="json")), encoding="utf-8")
            root.fingerprint(track.track_id).touch()
    shutil.rmtree(root.cache, ignore_errors=True)


def make_drops(root: DataRoot, files: int) -> None:
    """Drops of 100 files each, with titles; not music."""
    chance = random.Random(1)
    for start in range(0, files, FILES_IN_A_DROP):
        numbers = range(start, min(files, start + FILES_IN_A_DROP))
        folder = root.raw / "creative-commons" / f"drop-{start:06d}"
        folder.mkdir(parents=True)
        for number in numbers:
            (folder / f"{number:06d}.mp3").write_bytes(str(number).encode() * 20)
        said = facts(
            source_id=f"source-{start // FILES_IN_A_DROP:04d}", defaults={"artist": f"Artist {start % 7}"}
        )
        titles = {f"{it:06d}.mp3": {"title": " ".join(chance.sample(WORDS, 3))} for it in numbers}
        (folder / "source.json").write_text(json.dumps({**said, "files": titles}), encoding="utf-8")


def record_like(
    template: TrackRecord,
    track: RegisteredTrack,
    chance: random.Random,
    styles: list[str],
    *,
    confidence: float | None = None,
) -> TrackRecord:
    """The record of another track, with quality, length, style, tempo and, unless it is given, confidence by chance."""
    assert template.processed and template.tagged
    drawn = round(chance.random(), 3)
    confidence = drawn if confidence is None else confidence
    quality = template.processed.quality.model_copy(update={"score": chance.randrange(40, 101)})
    seconds = chance.uniform(60, 240)
    unsure = confidence < 0.6
    return template.model_copy(
        update={
            "track_id": track.track_id,
            "sha256": track.sha256,
            "origins": track.origins,
            "processed": template.processed.model_copy(update={"quality": quality, "duration": seconds}),
            "tagged": template.tagged.model_copy(
                update={
                    "style_ids": [chance.choice(styles)],
                    "style_confidence": confidence,
                    "needs_review": unsure,
                    "bpm": chance.randrange(60, 110),
                }
            ),
        }
    )


def library(folder: Path, tracks: int) -> DataRoot:
    """The library in a folder; made where there is none."""
    root = DataRoot(folder)
    if not os.path.exists(root.registry_json):
        make_library(root, tracks)
    return root

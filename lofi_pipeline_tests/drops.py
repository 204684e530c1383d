"""Drops for tests: short real songs, rendered once a session, and folders with a source.json."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from lofi_pipeline import audio
from lofi_pipeline.config import AudioSettings, PipelineConfig, load_config
from lofi_pipeline.entities import RAW_FOLDER, SourceType, TrackRecord
from lofi_pipeline.ingest import Registration, register_sources
from lofi_pipeline.licensing.grants import Acceptances
from lofi_pipeline.storage import DataRoot, file_sha256, replacing
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.audio.music import loop, write

SECONDS = 30.5
TODAY = date.today()
CONTRACT = {"contract.txt": b"To tests: We grant AI training rights for the recordings of this session.\n"}
"""A document for a drop, and what its source.json says of it."""
GRANT: dict[str, Any] = {
    "uses": {"train": "allowed", "commercial": "allowed"},
    "evidence": [{"document": "contract.txt", "clause": "We grant AI training rights"}],
}


def acceptance_of(source_id: str, *term: object) -> dict[str, Any]:
    """An entry of `accepted` in source.json, for one term of a grant."""
    found = Acceptances(source_id).term(*term, sentence="")  # pyright: ignore[reportArgumentType]
    return {
        "accepted_by": "the label's lawyer",
        "date": "2026-01-02",
        "reason": "weights may outlive it",
        "terms": [found.hash],
    }


_SONGS = TemporaryDirectory(prefix="lofi-songs-")
_hashes_of_songs: set[str] = set()


@cache
def song(seed: int = 0, seconds: float = SECONDS) -> Path:
    """A WAV file of a loop that follows from `seed`; copy it, do not change it."""
    tonic, bpm = (9 + 5 * seed) % 12, 74 + 4 * (seed % 5)
    mode = "minor" if seed % 2 else "major"
    path = write(
        Path(_SONGS.name) / f"song-{seed}-{seconds:g}.wav",
        loop(seconds, bpm=bpm, tonic=tonic, mode=mode, seed=seed),
    )
    _hashes_of_songs.add(file_sha256(path))
    return path


def facts(source_type: SourceType = SourceType.CREATIVE_COMMONS, **changes: object) -> dict[str, object]:
    """A source.json that is in order; a change to None removes the field."""
    given = {
        "source_id": f"tests-{source_type}",
        "source_type": str(source_type),
        "provider": "tests",
        "license_type": "CC0 1.0",
        "date_acquired": "2025-01-15",
        **({"cost": 10.0} if source_type is SourceType.COMMISSIONED else {}),
        "defaults": {"style_ids": ["CORE-01"]},
        **changes,
    }
    return {name: value for name, value in given.items() if value is not None}


def make_drop(
    root: DataRoot,
    name: str,
    files: Mapping[str, Path | bytes],
    source: dict[str, object] | str | None = None,
    *,
    kind: SourceType = SourceType.CREATIVE_COMMONS,
) -> Path:
    """Write a drop: its files (copied, or these bytes), and its source.json (text is written as it is)."""
    folder = root.raw / RAW_FOLDER[kind] / name
    for file, content in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    if source is not None:
        text = source if isinstance(source, str) else json.dumps(source)
        (folder / "source.json").write_text(text, encoding="utf-8")
    return folder


def settings(**rooms: dict[str, object]) -> PipelineConfig:
    """The shipped configuration with changes: settings(ingest={"workers": 1})."""
    given = load_config().model_dump()
    return PipelineConfig.model_validate(
        {**given, **{name: given[name] | change for name, change in rooms.items()}}
    )


def register(root: DataRoot, config: PipelineConfig | None = None) -> Registration:
    """Register all drops, for one day in the whole session: midnight may pass while the tests run."""
    return register_sources(root, config or load_config(), style_ids=set(load_presets()), day=TODAY)


def work(
    root: DataRoot, config: PipelineConfig | None = None, *, anew: bool = False
) -> dict[str, TrackRecord]:
    """Register, then work on everything pending in this process; the records by the files' names.

    `anew`: process each song, though it was processed before in this session: for tests of the processing itself, and of what
    is made again.
    """
    from lofi_pipeline.ingest import ProcessingContext, load_registry, pending_tracks, work_on

    config = config or load_config()
    register(root, config)
    context, known = ProcessingContext.open(config), load_registry(root).by_id()
    process = audio.process if anew or audio.process is not _process else _process_once
    with mock.patch.object(audio, "process", process):
        records = [work_on(root, known[track_id], context) for track_id in pending_tracks(root, config)]
    return {record.filename: record for record in records}


_process = audio.process
_processed: dict[tuple[str, str], tuple[bytes, audio.ProcessedAudio]] = {}
"""By a song's hash and the settings, the MP3 and what was measured."""


def _process_once(path: Path, destination: Path, settings: AudioSettings) -> audio.ProcessedAudio:
    """`audio.process`; of a song that was processed before what that gave: the same music gives the same bytes each time."""
    key = file_sha256(path), settings.model_dump_json()
    if key in _processed:
        mp3, result = _processed[key]
        with replacing(destination) as temporary:
            temporary.write_bytes(mp3)
        return result
    result = _process(path, destination, settings)
    if key[0] in _hashes_of_songs:
        _processed[key] = destination.read_bytes(), result
    return result

"""A data root of many tracks that are done, for measurements of scale: all that a run leaves on disk, made by script from one real track.

Drops are registered as usual. Audio is some bytes, which nothing reads after a track is done; fingerprints are noise, so that no two
tracks are alike, and count as compared.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.studio_library import make_drops, record_like
from lofi_pipeline import audio
from lofi_pipeline.audio.fingerprint.extract import BANDS
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset.duplicates import Comparisons
from lofi_pipeline.dataset.sketch_index import SketchIndex, index_key
from lofi_pipeline.entities import KeptFile, RegisteredTrack, TrackRecord, category_of_style
from lofi_pipeline.ingest import ProcessingContext, load_record, load_registry, register_sources, work_on
from lofi_pipeline.ingest.outputs import output_files, text_files
from lofi_pipeline.storage import DataRoot, canonical_json, write_sealed
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import facts, make_drop, song

_FRAMES = 200
_MADE = "scale-library"


def scale_library(folder: Path, tracks: int) -> DataRoot:
    """The data root in a folder; made where there is none. Every track is done and was compared; there is no data set yet."""
    root = DataRoot(folder)
    if not (folder / _MADE).exists():
        root.create()
        make_drop(root, "music", {"first song.wav": song(0)}, facts(source_id="music"))
        make_drops(root, tracks - 1)
        register(root)
        finish(root)
        (folder / _MADE).touch()
    return root


def add_drop(root: DataRoot, files: int, name: str = "new") -> None:
    """One drop more of so many files, not registered yet."""
    content = {f"{number:06d}.mp3": f"{name} {number} ".encode() * 20 for number in range(files)}
    make_drop(root, name, content, facts(source_id=f"source-{name}"))  # pyright: ignore[reportArgumentType]


def register(root: DataRoot) -> None:
    """Give the files in data/raw their ids."""
    register_sources(root, load_config(), style_ids=set(load_presets()))


def finish(root: DataRoot, *, compared: bool = True) -> list[str]:
    """Make of each track that has no record what a run would leave; as compared with all others, unless asked not to. Their ids."""
    context = ProcessingContext.open(load_config())
    registered = load_registry(root).tracks
    template = _template(root, registered, context)
    chance, styles = random.Random(len(registered)), sorted(load_presets())
    new = [track for track in registered if not root.track_record(track.track_id).exists()]
    for folder in (root.track_records, root.fingerprint("").parent, root.thumbnail("").parent):
        folder.mkdir(parents=True, exist_ok=True)
    picture = root.thumbnail(template.track_id).read_bytes()
    for track in new:
        record = record_like(template, track, chance, styles, confidence=0.9)
        _write(root, _placed(record, context.inputs_of(root, track)), picture)
    if compared:
        _count_as_compared(root)
    return [track.track_id for track in new]


def _template(root: DataRoot, registered: list[RegisteredTrack], context: ProcessingContext) -> TrackRecord:
    music = next(it for it in registered if it.origins[0].source_id == "music")
    return load_record(root, music.track_id) or work_on(root, music, context)


def _placed(record: TrackRecord, inputs: dict[str, str]) -> TrackRecord:
    """The record with inputs and paths of its own."""
    assert record.processed and record.tagged
    stem = f"processed/{category_of_style(record.tagged.style_ids[0])}/{record.track_id}"
    sha256 = hashlib.sha256(_audio(record)).hexdigest()
    processed = record.processed.model_copy(update={"audio_path": f"{stem}.mp3", "audio_sha256": sha256})
    texts = {"prompt_path": f"{stem}_prompt.txt", "lyrics_path": f"{stem}_lyrics.txt"}
    tagged = record.tagged.model_copy(update=texts)
    return record.model_copy(update={"inputs": inputs, "processed": processed, "tagged": tagged})


def _audio(record: TrackRecord) -> bytes:
    return f"audio of {record.track_id} ".encode() * 100


def _write(root: DataRoot, record: TrackRecord, picture: bytes) -> None:
    """The files of a track and its record, without waiting for the disk."""
    texts, kept = text_files(record), {}
    for path in output_files(record):
        full = root.path / path
        if path in texts:
            content = texts[path].encode()
        elif path.endswith(".npy"):
            content = b""
            np.save(full, _noise(record.track_id), allow_pickle=False)
        else:
            content = _audio(record)
        if content:
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(content)
        info = full.stat()
        sha256 = hashlib.sha256(content or full.read_bytes()).hexdigest()
        kept[path] = KeptFile(size=info.st_size, mtime_ns=info.st_mtime_ns, sha256=sha256)
    root.thumbnail(record.track_id).write_bytes(picture)
    record = record.model_copy(update={"kept_files": kept})
    root.track_record(record.track_id).write_text(
        canonical_json(record.model_dump(mode="json")), encoding="utf-8"
    )


def _noise(track_id: str) -> np.ndarray:
    """A fingerprint that is like no other."""
    seed = int.from_bytes(hashlib.sha256(track_id.encode()).digest()[:8])
    return np.random.default_rng(seed).integers(0, 256, (_FRAMES, BANDS), dtype=np.uint8)


def _count_as_compared(root: DataRoot) -> None:
    """Enter all tracks in the index of sketches and in duplicates.json, as pairs of which none is alike."""
    index = SketchIndex.open(root)
    fingerprints: dict[str, str] = {}
    for record in _records(root):
        bands = np.load(root.fingerprint(record.track_id), allow_pickle=False)
        index.add(record.track_id, index_key(record.inputs["processed"]), len(bands), audio.sketch(bands))
        kept = record.kept_files[root.relative(root.fingerprint(record.track_id))]
        fingerprints[record.track_id] = kept.sha256
    index.save()
    found = Comparisons(compared=dict(index.keys), fingerprints=fingerprints, sketches=index.shards)
    write_sealed(root, root.duplicates_json, found)


def _records(root: DataRoot) -> Iterator[TrackRecord]:
    for track in load_registry(root).tracks:
        record = load_record(root, track.track_id)
        assert record
        yield record

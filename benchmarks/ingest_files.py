"""Music of real length for benchmarks/ingest.py, rendered once and kept under build/ingest/; and the data root it is dropped into."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.config import load_config
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.files import write_audio
from lofi_pipeline.demo.synth import render
from lofi_pipeline.entities import RAW_FOLDER, RegisteredTrack, SourceType
from lofi_pipeline.ingest import register_sources
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets

CACHE = PROJECT_ROOT / "build" / "ingest"
_FIRST_SEED = 9000


@dataclass(frozen=True)
class Piece:
    """A piece in a style. Which of its modes loudnorm uses for it is measured."""

    style_id: str
    rate: int
    seconds: float

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"{self.style_id.lower()}-{self.rate // 100}-{self.seconds:.0f}.flac"


PIECES = (
    Piece("CORE-01", 48_000, 180), Piece("INST-02", 44_100, 205), Piece("SEASON-08", 44_100, 190),
    Piece("SEASON-03", 48_000, 230), Piece("VOCAL-02", 48_000, 215), Piece("VOCAL-01", 44_100, 185),
    Piece("THEME-01", 44_100, 225), Piece("CORE-04", 48_000, 200),
)  # fmt: skip
"""Half of them have peaks too high for loudnorm to stay linear, half have not."""


def rendered(piece: Piece) -> Path:
    """The piece as a 16-bit FLAC."""
    path = CACHE / "flac" / piece.name
    if not path.is_file():
        print(f"rendering {piece.name}", flush=True)
        spec = spec_of(load_presets()[piece.style_id], _FIRST_SEED + PIECES.index(piece), piece.seconds)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}")
        write_audio(unfinished, render(spec, piece.rate).samples, piece.rate)
        unfinished.replace(path)
    return path


def fresh_root(pieces: tuple[Piece, ...]) -> tuple[DataRoot, dict[str, RegisteredTrack]]:
    """A data root with the pieces in one drop, registered: the root, and by a piece's name its track."""
    root = DataRoot(CACHE / "root")
    shutil.rmtree(root.path, ignore_errors=True)
    drop = root.raw / RAW_FOLDER[SourceType.CREATIVE_COMMONS] / "benchmark"
    drop.mkdir(parents=True)
    for piece in pieces:
        os.link(rendered(piece), drop / piece.name)
    source = {
        "source_id": "benchmark",
        "source_type": SourceType.CREATIVE_COMMONS,
        "provider": "benchmarks/ingest.py",
        "license_type": "CC0 1.0",
        "date_acquired": "2025-01-15",
    }
    (drop / "source.json").write_text(json.dumps(source), encoding="utf-8")
    registration = register_sources(root, load_config(), style_ids=set(load_presets()))
    return root, {Path(track.origins[0].path).name: track for track in registration.registry.tracks}

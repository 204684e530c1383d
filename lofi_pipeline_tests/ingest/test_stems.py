"""One part of a recording alone is kept out unless its drop says that it is meant; music is never taken for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lofi_pipeline import audio
from lofi_pipeline.audio.analysis.stem import stem_of
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.synth import render
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.audio.music import write
from lofi_pipeline_tests.drops import facts, make_drop, settings, song, work

RATE, SECONDS = audio.SAMPLE_RATE, 32


def drums() -> np.ndarray:
    """A kick, a snare and a hi-hat at 80 bpm, float32 [2, n]."""
    rng, at = np.random.default_rng(0), np.arange(SECONDS * RATE) / RATE
    in_kick, in_snare, in_hat = at % 1.5, (at - 0.75) % 1.5, at % 0.375
    kick = np.sin(2 * np.pi * (50 * in_kick + 3 * (1 - np.exp(-30 * in_kick)))) * np.exp(-8 * in_kick)
    noise = rng.standard_normal((2, len(at)))
    snare = (noise[0] + np.sin(2 * np.pi * 185 * in_snare)) * np.exp(-18 * in_snare)
    hat = np.diff(noise[1], prepend=0.0) * np.exp(-60 * in_hat)
    mix = 0.5 * kick + 0.12 * snare + 0.05 * hat
    return np.stack([mix, 0.95 * mix + 0.0005 * noise[0]]).astype(np.float32)


def bass() -> np.ndarray:
    """A line of sixteen low notes with soft overtones, float32 [2, n]."""
    at = np.arange(SECONDS * RATE) / RATE
    notes = np.array([55.0, 55.0, 65.4, 49.0, 43.7, 43.7, 49.0, 58.3])[(at // 0.75).astype(int) % 8]
    phase = 2 * np.pi * np.cumsum(notes) / RATE
    line = sum(np.sin(number * phase) / number**4 for number in range(1, 6))
    line = 0.4 * line * (1 - np.exp(-40 * (at % 0.75))) * np.exp(-1.5 * (at % 0.75))
    return np.stack([line, 0.97 * line]).astype(np.float32)


def test_one_part_alone_is_kept_out_unless_it_is_meant(root: DataRoot, tmp_path: Path) -> None:
    parts = {
        name: write(tmp_path / name, make()) for name, make in (("drums.wav", drums), ("bass.wav", bass))
    }
    folder = make_drop(root, "one", {**parts, "song.wav": song(1), "other.wav": song(3)}, facts())
    records = work(root)
    assert {name: str(record.status) for name, record in records.items()} == {
        "drums.wav": "rejected",
        "bass.wav": "rejected",
        "song.wav": "ok",
        "other.wav": "ok",
    }
    reasons = {item.file.rpartition("/")[2]: item.reason for item in build_dataset(root, settings()).left_out}
    assert reasons.keys() == parts.keys()
    for name, what in (("drums.wav", "drums"), ("bass.wav", "bass")):
        assert what in reasons[name] and '"stems": true' in reasons[name]

    make_drop(root, folder.name, {}, facts(files={"bass.wav": {"stems": True}}))
    assert str(work(root)["bass.wav"].status) == "ok"
    built = build_dataset(root, settings())
    assert {item.track.filename for item in built.version.tracks} == {"song.wav", "other.wav", "bass.wav"}
    score = next(
        item.track.quality_score for item in built.version.tracks if item.track.filename == "bass.wav"
    )
    assert score == records["bass.wav"].processed.quality.score  # type: ignore[union-attr]


def test_stems_may_be_declared_for_a_whole_drop(root: DataRoot, tmp_path: Path) -> None:
    said = facts(defaults={"style_ids": ["CORE-01"], "stems": True})
    make_drop(root, "one", {"drums.wav": write(tmp_path / "drums.wav", drums())}, said)
    assert str(work(root)["drums.wav"].status) == "ok"


def melody(vibrato: float, chord: tuple[int, ...] = (0,)) -> np.ndarray:
    """A line of sung or blown notes, or the same line in chords, float32 [n] at 22.05 kHz."""
    rate = 22_050
    at = np.arange(24 * rate) / rate
    scale = np.array([0, 2, 3, 5, 7, 8, 10, 12])[np.random.default_rng(7).integers(0, 8, 48)]
    inside = at % 0.5
    out = np.zeros(len(at))
    for above in chord:
        hertz = 246.9 * 2 ** ((scale[(at // 0.5).astype(int)] + above) / 12)
        phase = 2 * np.pi * np.cumsum(hertz * (1 + vibrato * np.sin(2 * np.pi * 5.4 * at))) / rate
        out += sum(np.sin(number * phase) / number**1.5 for number in range(1, 9))
    breath = 0.01 * np.random.default_rng(8).standard_normal(len(at))
    return (
        0.2 * (out + breath) * np.minimum(1, inside / 0.04) * np.minimum(1, (0.5 - inside) / 0.05)
    ).astype(np.float32)


def test_a_melody_alone_is_a_stem_and_the_same_in_chords_is_none() -> None:
    for vibrato in (0.0, 0.015):
        mark = stem_of(melody(vibrato))
        assert (
            mark is not None and "a voice or a melody" in mark.sentence and '"stems": true' in mark.sentence
        )
        assert stem_of(melody(vibrato, (0, 3, 7))) is None


ALONE = ["felt piano", "rhodes", "acoustic guitar", "electric guitar", "cello", "vibraphone"]
NUMBERS = {style_id: number for number, style_id in enumerate(sorted(load_presets()))}


@pytest.mark.parametrize("style_id", ["INST-01", "CORE-01", "CORE-03", "THEME-08", "VOCAL-04"])
def test_music_is_no_stem(style_id: str) -> None:
    """Those that come nearest to it, of all presets."""
    spec = spec_of(load_presets()[style_id], 100 + NUMBERS[style_id], 16.0)
    assert stem_of(audio.mono_at(render(spec).samples, 22_050)) is None


@pytest.mark.parametrize("instrument", ALONE)
def test_a_solo_is_no_stem(instrument: str) -> None:
    spec = replace(
        spec_of(load_presets()["CORE-01"], 3, 16.0), instruments=(instrument,), production=("no drums",)
    )
    assert stem_of(audio.mono_at(render(spec).samples, 22_050)) is None

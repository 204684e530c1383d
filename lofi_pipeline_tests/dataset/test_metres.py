"""Of each metre that is heard a version says what ACE-Step takes, and how long a bar is in the tempo of its prompt."""

from __future__ import annotations

import pytest

from lofi_pipeline.dataset.version import version_track
from lofi_pipeline.entities import Split, VersionTrack
from lofi_pipeline.entities.metre import Metre
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.styles import load_presets
from lofi_pipeline_tests.drops import facts, make_drop, song, work


@pytest.fixture
def in_metre(root: DataRoot):
    make_drop(root, "one", {"song.wav": song(1)}, facts())
    record = work(root)["song.wav"]
    processed, tagged = record.processed, record.tagged
    assert processed is not None and tagged is not None

    def make(metre: Metre, measured: float, bpm: int) -> VersionTrack:
        measurements = processed.measurements.model_copy(
            update={"time_signature": metre, "tempo_bpm": measured}
        )
        changed = record.model_copy(
            update={
                "processed": processed.model_copy(update={"measurements": measurements}),
                "tagged": tagged.model_copy(update={"bpm": bpm}),
            }
        )
        return version_track(root, changed, Split.TRAIN, set(load_presets()))

    return make


def test_a_version_says_each_metre_as_the_base_knows_it_and_how_long_its_bar_is(in_metre) -> None:
    tracks: list[VersionTrack] = [
        in_metre(metre, measured, bpm)
        for metre, measured, bpm in (
            ("3/4", 80.0, 80),
            ("4/4", 80.0, 80),
            ("6/8", 60.0, 60),
            ("6/8", 50.0, 100),  # folded into the range of a style
            ("5/4", 80.0, 80),
            ("7/8", 80.0, 80),
        )
    ]
    assert [track.time_signature for track in tracks] == ["3", "4", "6", "6", "N/A", "N/A"]
    assert [track.bar_beats for track in tracks] == [None, None, 2, 4, 5, 3.5]
    assert [track.beats_in_a_bar * 60 / (track.bpm or 0) for track in tracks] == pytest.approx(
        [2.25, 3.0, 2.0, 2.4, 3.75, 2.625]
    )

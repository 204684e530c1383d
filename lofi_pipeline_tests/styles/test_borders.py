"""Lyrics of the greatest size, and tempos of which another octave lies nearer to the middle of a style's range."""

from __future__ import annotations

from pathlib import Path

import pytest

from lofi_pipeline.styles.errors import LyricsError
from lofi_pipeline.styles.lyrics import MAX_LYRICS_BYTES, read_lyrics
from lofi_pipeline.styles.tempo import fold_tempo


def test_lyrics_of_exactly_the_greatest_size_are_taken(tmp_path: Path):
    path = tmp_path / "song.txt"
    path.write_bytes(b"x" * MAX_LYRICS_BYTES)
    assert len(read_lyrics(path)) == MAX_LYRICS_BYTES
    path.write_bytes(b"x" * (MAX_LYRICS_BYTES + 1))
    with pytest.raises(LyricsError, match="larger than 64 KiB"):
        read_lyrics(path)


@pytest.mark.parametrize(
    ("bpm", "tempo_range", "folded"),
    [
        (62, (60, 120), 62),
        (124, (60, 120), 62),
        (31, (60, 120), 62),
        (119, (60, 120), 119),
        (126, (60, 120), 63),
    ],
)
def test_a_tempo_in_the_range_is_preferred_to_one_nearer_to_its_middle(
    bpm: float, tempo_range: tuple[int, int], folded: float
):
    assert fold_tempo(bpm, tempo_range) == folded

"""Lyrics: a text file made plain, `[instrumental]` without one, and a clear word where they are missing or unusable."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.styles import MAX_LYRICS_BYTES, LyricsError, LyricsMissing, lyrics_of, normalise_lyrics


def lyrics(folder: Path, data: bytes) -> Path:
    path = folder / "song.txt"
    path.write_bytes(data)
    return path


def test_no_file_is_instrumental() -> None:
    assert lyrics_of(None, has_words=False) == "[instrumental]"


def test_a_file_is_made_plain_and_keeps_its_sections(tmp_path: Path) -> None:
    text = "\ufeff[ Verse 1 ]\r\nRain\ton glass  \r\n\r\n\r\n\r\n[Chorus]\rCafe\u0301 light\u2028gone\n\n"
    path = lyrics(tmp_path, text.encode())
    assert lyrics_of(path, has_words=True) == "[Verse 1]\nRain on glass\n\n[Chorus]\nCafé light\ngone"


@pytest.mark.parametrize("data", [b"", b" \n\r\n ", b"[Instrumental]\n", b"\xef\xbb\xbf"])
def test_a_vocal_track_whose_file_says_nothing(tmp_path: Path, data: bytes) -> None:
    path = lyrics(tmp_path, data)
    with pytest.raises(LyricsMissing, match=r"vocal track without lyrics.*source\.json"):
        lyrics_of(path, has_words=True)
    assert lyrics_of(path, has_words=False) == "[instrumental]"


def test_a_vocal_track_without_a_file() -> None:
    with pytest.raises(LyricsMissing, match="vocal track without lyrics"):
        lyrics_of(None, has_words=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe\x00r", "not UTF-8"),
        ("Caf\xe9".encode("latin-1"), "not UTF-8"),
        (b"ID3\x04\x00\x00", "control characters"),
        (b"la " * MAX_LYRICS_BYTES, "larger than 64 KiB"),
    ],
)
def test_files_that_are_no_lyrics(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(LyricsError, match=f"song.txt: .*{message}"):
        lyrics_of(lyrics(tmp_path, data), has_words=False)


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "song.txt", tmp_path):
        with pytest.raises(LyricsError, match="cannot be read"):
            lyrics_of(path, has_words=True)


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=200))
def test_making_plain_twice_changes_nothing(text: str) -> None:
    once = normalise_lyrics(text)
    assert normalise_lyrics(once) == once
    assert once == once.strip()
    assert "\n\n\n" not in once

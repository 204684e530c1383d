"""Lyrics: a text file made plain, `[Instrumental]` without one, and a clear word where they are missing or unusable."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofi_pipeline.styles import (
    MAX_LYRICS_BYTES,
    LyricsError,
    LyricsMissing,
    lyrics_of,
    lyrics_timing,
    normalise_lyrics,
    read_lyrics,
)
from lofi_pipeline.styles.lrc import without_times


def lyrics(folder: Path, data: bytes) -> Path:
    path = folder / "song.txt"
    path.write_bytes(data)
    return path


def test_no_file_is_instrumental() -> None:
    assert lyrics_of(None, has_words=False) == "[Instrumental]"


def test_a_file_is_made_plain_and_keeps_its_sections(tmp_path: Path) -> None:
    text = "\ufeff[ Verse 1 ]\r\nRain\ton glass  \r\n\r\n\r\n\r\n[Chorus]\rCafe\u0301 light\u2028gone\n\n"
    path = lyrics(tmp_path, text.encode())
    assert lyrics_of(path, has_words=True) == "[Verse 1]\nRain on glass\n\n[Chorus]\nCafé light\ngone"


@pytest.mark.parametrize("data", [b"", b" \n\r\n ", b"[Instrumental]\n", b"[instrumental]", b"\xef\xbb\xbf"])
def test_a_vocal_track_whose_file_says_nothing(tmp_path: Path, data: bytes) -> None:
    path = lyrics(tmp_path, data)
    with pytest.raises(LyricsMissing, match=r"vocal track without lyrics.*source\.json"):
        lyrics_of(path, has_words=True)
    assert lyrics_of(path, has_words=False) == "[Instrumental]"


def test_a_vocal_track_without_a_file() -> None:
    with pytest.raises(LyricsMissing, match="vocal track without lyrics"):
        lyrics_of(None, has_words=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe\x00r\x00", "not utf-16 text, as it says"),
        (b"\0l\0a", "control characters"),
        ("\u6b4c".encode("shift_jis"), r"not UTF-8 text; save it as UTF-8, or declare .*encoding: Shift_JIS"),
        ("[encoding: EUC-JP]\n\u6b4c".encode("shift_jis"), "not euc_jp text, as it says"),
        (rb"{\rtf1\ansi Rain on the window\par}", r"is rich text \(RTF\); save the words as plain text"),
        (r"{\rtf1\ansi Rain}".encode("utf-16"), r"is rich text \(RTF\)"),
        (b"<!DOCTYPE html><html><body>Rain</body></html>", r"is a web page \(HTML\)"),
        (b"Rain on the window<br/>\nSlow down<br/>", r"is a web page \(HTML\)"),
        (b"PK\3\4" + bytes(40), "a Word or OpenDocument file"),
        (b"%PDF-1.7 la", "a PDF"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nRain\n", "a file of subtitles"),
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


RAIN = "Rain on the window\nSlow down"
LRC: dict[str, tuple[str, str]] = {
    "times and headers": (
        "[ar:Somebody]\n[ti: A song ]\n[length:02:10]\n[00:12.00]Rain on the window\n[00:15.30]Slow down\n",
        RAIN,
    ),
    "thousandths, no part, a colon": (
        "[00:12.005]Rain on the window\n[1:15]Slow down\n[01:16:20]Late",
        f"{RAIN}\nLate",
    ),
    "a time for each word": (
        "[00:12.00] <00:12.00> Rain <00:12.50> on <00:13.00> the <00:13.40> window\n[00:15.30]Slow [00:16.00]down",
        RAIN,
    ),
    "a line that is sung twice": (
        "[00:10.00][00:30.00]Rain\n[00:20.00]Slow down\n",
        "Rain\nSlow down\nRain",
    ),
    "marks between the lines": (
        "[00:01.00][Verse 1]\n[00:12.00]Rain on the window\n\n[chorus]\n[00:15.30]Slow down",
        "[Verse 1]\nRain on the window\n\n[Chorus]\nSlow down",
    ),
    "a gap": (
        "[00:01.00]Rain on the window\n[00:09.00]\n[00:15.30]Slow down",
        "Rain on the window\n\nSlow down",
    ),
    "headers alone": ("[ar:Somebody]\n[by:me]\nRain on the window\nSlow down", RAIN),
    "a comment": ("[:] made by me\n[00:01]Rain on the window\n[00:02]Slow down", RAIN),
    "words in brackets that are no time": ("[00:01]Rain [softly] on 5:30", "Rain [softly] on 5:30"),
}


@pytest.mark.parametrize("case", LRC)
def test_times_and_headers_are_no_words(tmp_path: Path, case: str) -> None:
    written, words = LRC[case]
    assert read_lyrics(lyrics(tmp_path, written.encode())) == words


def test_times_and_headers_are_kept_apart(tmp_path: Path) -> None:
    written = "[ar:Somebody]\n[offset:+500]\n[00:10.50][01:30]Rain\n[00:20.00]Slow down\n"
    timing = lyrics_timing(lyrics(tmp_path, written.encode()))
    assert timing is not None
    assert timing.headers == {"ar": "Somebody", "offset": "+500"}
    assert [(line.seconds, line.text) for line in timing.lines] == [
        (10.5, "Rain"),
        (20.0, "Slow down"),
        (90.0, "Rain"),
    ]
    assert lyrics_timing(lyrics(tmp_path, RAIN.encode())) is None


def test_an_lrc_that_would_become_huge_is_refused(tmp_path: Path) -> None:
    line = "".join(f"[{number // 60:02}:{number % 60:02}]" for number in range(3000)) + "la " * 9000
    with pytest.raises(LyricsError, match=r"song\.txt: the lines have so many times"):
        read_lyrics(lyrics(tmp_path, line.encode()))


MARKS = {
    "[verse]": "[Verse]",
    "[VERSE 2]": "[Verse 2]",
    "[Verse 01]": "[Verse 1]",
    "[verse1]": "[Verse 1]",
    "[Verse 1: Somebody]": "[Verse 1]",
    "[Chorus x2]": "[Chorus]",
    "[pre chorus]": "[Pre-Chorus]",
    "[PreChorus]": "[Pre-Chorus]",
    "[Refrain]": "[Chorus]",
    "[chorus - soft, whispered]": "[Chorus - soft, whispered]",
    "[ outro ]": "[Outro]",
    "[instrumental break]": "[Instrumental]",
    "[Guitar Solo]": "[Guitar Solo]",
    "[spoken]": "[spoken]",
    "Chorus:": "[Chorus]",
    "VERSE 1:": "[Verse 1]",
    "(Bridge)": "[Bridge]",
    "{Verse 2}": "[Verse 2]",
    "Chorus of birds": "Chorus of birds",
    "Break": "Break",
    "Remember:": "Remember:",
    "(softly)": "(softly)",
}


@pytest.mark.parametrize("mark", MARKS)
def test_section_marks_are_as_ace_step_writes_them(mark: str) -> None:
    assert normalise_lyrics(f"la\n{mark}\nla") == f"la\n{MARKS[mark]}\nla"


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-32", ""),
        ("shift_jis", "[encoding: Shift_JIS]\n"),
        ("shift_jis", "# -*- coding: sjis -*-\n"),
        ("cp932", '@charset "Windows-31J";\r\n'),
        ("euc_jp", "encoding=EUC-JP\n"),
        ("iso2022_jp", "[encoding:ISO-2022-JP]\n"),
        ("utf-16-le", "[encoding:utf-16le]\n"),
        ("utf-8", "[encoding: Shift_JIS]\n"),
    ],
)
def test_an_encoding_that_says_its_name_is_read(tmp_path: Path, encoding: str, head: str) -> None:
    words = "\u96e8\u306e\u7a93\n\u3086\u3063\u304f\u308a"
    assert read_lyrics(lyrics(tmp_path, (head + words).encode(encoding))) == words


_PARTS = st.sampled_from(
    [
        "[00:12.30]",
        "[1:2]",
        "<00:01>",
        "[ar:x]",
        "[Verse",
        "]",
        "[",
        ":",
        "la la",
        "\n",
        " ",
        "[Chorus]",
        "99",
    ]
)


@given(st.lists(_PARTS, max_size=60).map("".join))
def test_any_lrc_is_made_plain_once_and_for_all(text: str) -> None:
    words, timing = without_times(text)
    once = normalise_lyrics(words)
    assert normalise_lyrics(once) == once
    assert len(words) <= len(text) * 3 + 1
    assert timing is None or all(line.text in words for line in timing.lines)


@given(st.binary(max_size=300))
def test_any_bytes_are_lyrics_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = lyrics(tmp_path_factory.getbasetemp(), data)
    try:
        found = read_lyrics(path)
    except LyricsError as error:
        assert "song.txt" in str(error)
    else:
        found.encode()

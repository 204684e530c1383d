"""Title, artist, album, ISRC, language and copyright notice of a track: by source.json, else by the tags of its file."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from lofi_pipeline.audit import AuditInputs, build_report, find_subject
from lofi_pipeline.audit.export.attribution import attribution_text
from lofi_pipeline.audit.export.tracks_csv import tracks_table
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import build_dataset
from lofi_pipeline.entities import AuditReport, FindingCode, TrackRecord
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.audio import id3
from lofi_pipeline_tests.drops import facts, make_drop, song, work

TAGS = id3.tag(
    id3.text_frame("TIT2", "<b>Rain</b>\x1b[31m"),
    id3.text_frame("TPE1", "=Ann"),
    id3.text_frame("TALB", "Wet"),
    id3.text_frame("TSRC", "USRC17607839"),
    id3.text_frame("TLAN", "eng"),
    id3.text_frame("TCOP", "2024 Ann"),
)


@pytest.fixture(scope="module")
def credited(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, TrackRecord], AuditReport]:
    """Three tracks of one source: with tags, with tags and words in source.json, and with neither."""
    root = DataRoot(tmp_path_factory.mktemp("credited") / "data").create()
    said: dict[str, Any] = {
        "title": "Snow",
        "artist": "Bob",
        "album": "Dry",
        "language": "de",
        "copyright": "2023 Bob",
    }
    source = facts(license_type="CC BY 4.0", files={"both.wav": said})
    files = {"tags.wav": _tagged(song(0)), "both.wav": _tagged(song(1)), "none.wav": song(2)}
    make_drop(root, "drop", files, source)
    records = work(root)
    config = load_config()
    version = build_dataset(root, config).version
    inputs = AuditInputs(root)
    return records, build_report(
        inputs, find_subject(inputs, version.dataset.hash), config=config, quick=True
    )


def _tagged(path: Path) -> bytes:
    return id3.in_wav(path.read_bytes(), TAGS)


def test_what_source_json_does_not_say_is_taken_from_the_tags_and_marked(
    credited: tuple[Any, AuditReport],
) -> None:
    rows = {row.filename: row for row in credited[1].tracks}
    row = rows["tags.wav"]
    assert (row.title, row.artist, row.album) == ("<b>Rain</b> [31m", "=Ann", "Wet")
    assert (row.isrc, row.language, row.copyright) == ("USRC17607839", "eng", "2024 Ann")
    assert row.from_tags == ["title", "artist", "album", "isrc", "language", "copyright"]
    row = rows["both.wav"]
    assert (row.title, row.artist, row.album, row.language, row.copyright) == (
        "Snow",
        "Bob",
        "Dry",
        "de",
        "2023 Bob",
    )
    assert (row.isrc, row.from_tags) == ("USRC17607839", ["isrc"])
    assert (rows["none.wav"].title, rows["none.wav"].from_tags) == (None, [])
    told = [item for item in credited[1].findings if item.code is FindingCode.ATTRIBUTION_INCOMPLETE]
    assert ["1 tracks" in item.sentence for item in told] == [True]


def test_attribution_and_table_say_so_and_hold_no_markup(credited: tuple[Any, AuditReport]) -> None:
    text = attribution_text(credited[1])
    assert "<b>" not in text and "Rain" in text and "2024 Ann" in text
    assert "from the file's tags" in text
    table = list(csv.DictReader(StringIO(b"".join(tracks_table(credited[1])).decode("utf-8-sig"))))
    (row,) = [row for row in table if row["filename"] == "tags.wav"]
    assert (row["artist"], row["album"], row["isrc"]) == ("'=Ann", "Wet", "USRC17607839")
    assert row["from_tags"].startswith("title | artist")


def test_a_record_without_tags_says_nothing_of_them(credited: tuple[dict[str, TrackRecord], Any]) -> None:
    assert credited[0]["none.wav"].tags is None
    assert credited[0]["none.wav"].credits is None

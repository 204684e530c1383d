"""tracks.csv as a spreadsheet reads it: one row for each track, and no cell is a formula."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO

import pytest

from lofi_pipeline.audit.export.escape import csv_cell, visible
from lofi_pipeline.audit.export.tracks_csv import COLUMNS, tracks_table
from lofi_pipeline.entities import AuditReport
from lofi_pipeline_tests.audit.export.attacks import ATTACKS, INVISIBLE
from lofi_pipeline_tests.audit.export.reports import bare, full

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def table_of(report: AuditReport) -> str:
    return b"".join(tracks_table(report)).decode()


def read(text: str, delimiter: str = ",") -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter))


def test_every_column_is_described_and_every_track_has_its_row() -> None:
    report = full()
    head, *rows = read(table_of(report))
    assert head == list(COLUMNS)
    assert [row[0] for row in rows] == [track.track_id for track in report.tracks]
    first = dict(zip(head, rows[0], strict=True))
    track = report.tracks[0]
    assert first["title"] == track.title
    assert first["original_sha256"] == track.original_sha256
    assert float(first["seconds"]) == track.seconds
    assert first["permitted_now"] == "yes"
    assert first["human_verified"] == "no"
    looked_at = report.model_copy(update={"tracks": [replace(track, human_verified=True)]})
    assert dict(zip(*read(table_of(looked_at)), strict=True))["human_verified"] == "yes"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ATTACKS)
def test_no_cell_is_a_formula_in_any_country(name: str, delimiter: str) -> None:
    text = table_of(full(tracks=4, text=ATTACKS[name], source_ids=[ATTACKS[name].strip()[:200], "b"]))
    rows = read(text, delimiter)
    assert len(rows) == 5
    assert not [cell for row in rows for cell in row if cell.lstrip(' "').startswith(FORMULA)]


@pytest.mark.parametrize("name", ATTACKS)
def test_cells_say_what_was_written(name: str) -> None:
    text = table_of(full(tracks=1, text=ATTACKS[name]))
    head, row = read(text)
    title = row[head.index("title")]
    assert title.replace("'", "") == visible(ATTACKS[name]).replace("'", "")
    assert not INVISIBLE - {"\r", "\ufeff"} & set(text)


def test_a_track_is_permitted_only_when_all_its_sources_are() -> None:
    report = full(tracks=2, sources=2)
    both = replace(report.tracks[0], source_ids=["source-1", "source-0"])
    taken = report.sources[0].model_copy(update={"withdrawn": report.trained})
    report = report.model_copy(update={"tracks": [both], "sources": [taken, report.sources[1]]})
    head, row = read(table_of(report))
    assert row[head.index("source_ids")] == "source-1 | source-0"
    assert (row[head.index("permitted_then")], row[head.index("permitted_now")]) == ("yes", "no")


def test_what_is_not_known_is_empty() -> None:
    head, row = read(table_of(bare()))
    assert row[head.index("title")] == row[head.index("url")] == row[head.index("audio_path")] == ""


@pytest.mark.parametrize("start", ["\t", "\r", "\n", "\r\n"])
def test_a_cell_that_begins_with_a_tab_or_a_line_break_begins_with_an_apostrophe(start: str):
    assert csv_cell(f"{start}plain words").startswith("'")
    assert csv_cell(f"plain{start}words") == "plain words"

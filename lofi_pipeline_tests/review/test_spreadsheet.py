"""The table of tracks goes out as CSV and comes back: what was changed in it becomes edits, all or nothing."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lofi_pipeline import review
from lofi_pipeline.entities import TrackEdit
from lofi_pipeline.review import ReviewError
from lofi_pipeline.review.spreadsheet import escaped, unescaped
from lofi_pipeline.storage import DataRoot

WHO = "kim"
TRACKS = ("track_001", "track_002", "track_003")
CELL = st.text(alphabet=st.sampled_from("=+-@'\t;,a ＝\"1"), max_size=12) | st.text(max_size=20)


def exported(root: DataRoot) -> bytes:
    return review.export_csv(root, [review.record_of(root, track_id) for track_id in TRACKS])


def changed(table: bytes, *, between: str = ",", **cells: dict[str, str]) -> bytes:
    """The table with other cells, by track: changed(table, track_001={"bpm": "90"})."""
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), delimiter=between)
    writer.writeheader()
    for row in rows:
        writer.writerow(row | cells.get(row["track_id"], {}))
    return text.getvalue().encode()


def histories(root: DataRoot) -> dict[str, int]:
    return {track_id: len(review.history(root, track_id)) for track_id in TRACKS}


@given(CELL)
@example("'=1+1")
@example("a;=cmd|' /C calc'!A0")
def test_every_text_is_read_back_as_it_was_and_no_cell_is_a_formula(text: str):
    cell = escaped(text)
    assert unescaped(cell) == text
    assert cell[:1] not in tuple("=+-@＝＋－＠\t\r")
    assert not any(piece[:1] in tuple("=+-@") for piece in cell.split(";"))


def test_a_table_that_is_read_as_it_was_written_changes_nothing(ready: DataRoot):
    review.edit(ready, "track_001", WHO, TrackEdit(caption="=HYPERLINK(1); =2, slow"))
    table = exported(ready)
    before = histories(ready)
    assert b"\"'=HYPERLINK(1)" in table and table.startswith(b"\xef\xbb\xbf")
    assert review.import_csv(ready, table, WHO) == []
    assert histories(ready) == before


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_only_cells_that_were_changed_become_edits(ready: DataRoot, between: str):
    table = changed(
        exported(ready),
        between=between,
        track_001={"bpm": "91,0" if between == ";" else "91", "key": "Bbm", "caption": "-slow"},
        track_003={"verdict": "rejected", "reason": "hum"},
    )
    assert [change.track_id for change in review.import_csv(ready, table, WHO)] == ["track_001", "track_003"]
    assert histories(ready) == {"track_001": 1, "track_002": 0, "track_003": 1}
    (edit,) = review.history(ready, "track_001")
    assert {change.field: change.after for change in edit.changes} == {
        "bpm": 91,
        "key": "A# minor",
        "caption": "-slow",
    }
    rejected = review.review_of(ready, "track_003")
    assert rejected and rejected.rejected == "hum"
    # What came of it is what the table says: reading it again changes nothing
    assert review.import_csv(ready, table, WHO) == []


def test_tags_and_styles_are_changed_one_by_one_and_an_emptied_cell_takes_back_what_was_said(ready: DataRoot):
    review.edit(ready, "track_001", WHO, TrackEdit(bpm=91))
    found = review.shown(ready, "track_002")
    assert found
    tags = ", ".join([*(tag for tag in found.prompt_tags if tag != "instrumental"), "rain"])
    table = changed(
        exported(ready), track_001={"bpm": ""}, track_002={"tags": tags}, track_003={"style_ids": "CORE-02"}
    )
    review.import_csv(ready, table, WHO)
    facts = [review.shown(ready, track_id) for track_id in TRACKS]
    assert facts[0] and facts[0].bpm == 82
    assert facts[1] and "rain" in facts[1].prompt_tags and "instrumental" not in facts[1].prompt_tags
    assert facts[2] and facts[2].style_ids == ["CORE-02"]


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"bpm": "fast"}, "row 3, column bpm: 'fast' is no number"),
        ({"bpm": "900"}, "row 3, column bpm: must be between 50 and 200"),
        ({"bpm": ""}, "row 3, column bpm: nobody said what stood there"),
        ({"key": "X"}, "row 3, column key: must be a tonic"),
        ({"time_signature": "04. Mrz"}, "row 3, column time_signature: Input should be '3/4'"),
        ({"style_ids": "CORE-99"}, "row 3, column style_ids: unknown style id"),
        ({"style_ids": "jazz"}, "row 3, column style_ids: String should match pattern"),
        ({"tags": "rhods"}, "row 3, column tags: unknown tag 'rhods'; did you mean rhodes?"),
        ({"tags": "99 bpm"}, "row 3, column tags: '99 bpm' is no tag to be added; set bpm instead"),
        ({"verdict": "perhaps"}, "row 3, column verdict: must be accepted or rejected"),
        ({"verdict": "rejected"}, "row 3, column reason: say why it is rejected"),
        ({"reason": "hum"}, "row 3, column reason: goes with the verdict rejected"),
        ({"track_id": "track_099"}, "row 3, column track_id: 'track_099': no track of that id"),
        ({"track_id": "track_001"}, "row 3, column track_id: track_001 stands in row 2 already"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named_with_row_and_column_and_nothing_is_changed(
    ready: DataRoot, cells: dict[str, str], rule: str
):
    table = changed(exported(ready), track_001={"bpm": "91"}, track_002=cells, track_003={"key": "X"})
    with pytest.raises(ReviewError) as caught:
        review.import_csv(ready, table, WHO, name="t.csv")
    assert f"t.csv: {rule}" in str(caught.value)
    assert "t.csv: row 4, column key" in str(caught.value)
    assert histories(ready) == dict.fromkeys(TRACKS, 0)


def test_a_track_that_was_changed_since_is_not_overwritten(ready: DataRoot):
    table = changed(exported(ready), track_001={"bpm": "91"})
    review.edit(ready, "track_001", "jo", TrackEdit(key="C major"))
    with pytest.raises(
        ReviewError, match="row 2, column bpm: track_001 was changed since the table was written"
    ):
        review.import_csv(ready, table, WHO)


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (b"", "row 1 has no column track_id"),
        (b"\xff\xff\xff", "is not UTF-8"),
        (b"track_id,bpm\r\ntrack_001,90\r\n", "row 1 has no column as_exported"),
        (b"track_id,as_exported,mood\r\n", "mood is none of them"),
        (b"track_id,as_exported\r\ntrack_001,v1,3\r\n", "row 2: has 3 cells, and there are 2 columns"),
        (b"\x89PNG\r\n\x1a\n", "is not UTF-8"),
        (b'track_id,as_exported\r\n"a', "is no CSV that can be read"),
    ],
)
def test_what_is_no_such_table_is_said(ready: DataRoot, table: bytes, rule: str):
    with pytest.raises(ReviewError) as caught:
        review.import_csv(ready, table, WHO)
    assert rule in str(caught.value)

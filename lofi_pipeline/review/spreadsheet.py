"""The table of tracks as CSV for a spreadsheet, and what somebody changed in it.

A row says what it was when it was written (`as_exported`): only cells that were changed since become edits, and a row whose track
was changed here in the meantime is refused. Cells that a spreadsheet would take for formulas get an apostrophe, which is taken off
again when the table is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lofi_pipeline.entities import EditField, RecordError, Review, TaggedFacts, TrackEdit, TrackRecord, few
from lofi_pipeline.review.edit_file import read_edits, together
from lofi_pipeline.review.errors import ReviewError
from lofi_pipeline.review.fold import fold, in_force
from lofi_pipeline.review.make import accept, check_edit, edit, record_of, reject, shown_with
from lofi_pipeline.storage import DataRoot, content_sha256

TRACK, AS_EXPORTED, VERDICT, REASON = "track_id", "as_exported", "verdict", "reason"
SHOWN = ("file", "title", "artist", "style_confidence", "needs_review", "quality_score")
"""Columns to read, not to change."""
EDITABLE: dict[str, EditField] = {str(field): field for field in EditField if field is not EditField.LYRICS}
COLUMNS = (TRACK, *SHOWN, *EDITABLE, VERDICT, REASON, AS_EXPORTED)
ACCEPTED, REJECTED = "accepted", "rejected"
MOST_ERRORS = 20
_BETWEEN = ", "
_COLUMN = ", column "
"""How an error begins that names one."""
_METRE = " time"
"""Behind a metre: 3/4 alone would become a date."""
_FORMULA = "=+\\-@\\t\\r＝＋－＠"
_AT_START = re.compile(f"'*[{_FORMULA}]")
_INSIDE = re.compile(f"([;,\\t])('*)([{_FORMULA}])")
_ESCAPED_INSIDE = re.compile(f"([;,\\t])'('*)([{_FORMULA}])")


def escaped(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, also where it parts cells elsewhere."""
    text = _INSIDE.sub(r"\1'\2\3", text)
    return f"'{text}" if _AT_START.match(text) else text


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    if text.startswith("'") and _AT_START.match(text[1:]):
        text = text[1:]
    return _ESCAPED_INSIDE.sub(r"\1\2\3", text)


def export_csv(root: DataRoot, records: Iterable[TrackRecord]) -> bytes:
    """The table of these tracks, in UTF-8 with a byte order mark, every cell quoted.

    Raises:
        ReviewError: the edits of a track cannot be read.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for record in records:
        cells = cells_of(root, record)
        writer.writerow([escaped(cells[name]) for name in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def cells_of(root: DataRoot, record: TrackRecord) -> dict[str, str]:
    """The row of a track, as text by column."""
    edits = read_edits(root, record.track_id)
    facts, review, origin = shown_with(record, edits), fold(edits), record.origins[0]
    credits = record.credits
    cells = {
        TRACK: record.track_id,
        "file": origin.path.removeprefix("raw/"),
        "title": origin.title or (credits.title if credits else None) or "",
        "artist": origin.artist or (credits.artist if credits else None) or "",
        "style_confidence": f"{facts.style_confidence:.2f}" if facts else "",
        "needs_review": "yes" if facts and facts.needs_review else "",
        "quality_score": str(record.processed.quality.score) if record.processed else "",
        **_values(record, facts),
        VERDICT: _verdict(review),
        REASON: (review.rejected if review else None) or "",
    }
    return {name: " ".join(value.split()) for name, value in cells.items()} | {AS_EXPORTED: _mark(cells)}


def _values(record: TrackRecord, facts: TaggedFacts | None) -> dict[str, str]:
    if facts is None or record.processed is None:
        return dict.fromkeys(EDITABLE, "")
    measured = record.processed.measurements
    return {
        "style_ids": _BETWEEN.join(facts.style_ids),
        "tags": _BETWEEN.join(facts.prompt_tags),
        "caption": facts.caption or "",
        "bpm": str(facts.bpm) if facts.says_tempo else "",
        "key": facts.keyscale or f"{measured.key} {measured.mode}",
        "time_signature": (facts.time_signature or measured.time_signature) + _METRE,
    }


def _verdict(review: Review | None) -> str:
    if review is None:
        return ""
    return REJECTED if review.rejected is not None else ACCEPTED if review.verified else ""


def _mark(cells: Mapping[str, str]) -> str:
    """Short, and none that a spreadsheet takes for a number."""
    said = {name: " ".join(cells[name].split()) for name in (*EDITABLE, VERDICT, REASON)}
    return f"v{content_sha256(said)[:12]}"


@dataclass(frozen=True)
class RowChange:
    """What somebody changed of a track: its facts, whether it is accepted or rejected, or both."""

    track_id: str
    edit: TrackEdit | None
    verdict: str | None
    reason: str | None
    row: str
    """Says which row of which table it was, so that it is read once."""


def read_changes(root: DataRoot, data: bytes, *, name: str = "the table") -> list[RowChange]:
    """What was changed in a table that `export_csv` wrote. Nothing is written.

    Raises:
        ReviewError: it is no such table, or cells cannot be used; names each row and column.
    """
    header, rows = _table(data, name)
    changes: list[RowChange] = []
    errors: list[str] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            if len(row) > len(header):
                raise ReviewError(f"has {len(row)} cells, and there are {len(header)} columns")
            cells = dict(zip(header, map(unescaped, row), strict=False))
            track_id = cells[TRACK].strip()
            if track_id in seen:
                raise _in(TRACK, f"{track_id} stands in row {seen[track_id]} already")
            seen[track_id] = number
            if change := _change(root, cells):
                changes.append(change)
        except RecordError as error:
            place = f"{name}: row {number}"
            errors.append(f"{place}{error}" if str(error).startswith(_COLUMN) else f"{place}: {error}")
    if errors:
        raise ReviewError(few(errors, most=MOST_ERRORS, between="\n"))
    return changes


def import_csv(root: DataRoot, data: bytes, who: str, *, name: str = "the table") -> list[RowChange]:
    """Make edits of what was changed in a table: all of it, or nothing.

    Raises:
        ReviewError: as `read_changes`.
        OSError: the disk is full or cannot be written to; nothing was changed.
    """
    changes = read_changes(root, data, name=name)
    with together(root):
        for change in changes:
            if change.edit is not None:
                edit(root, change.track_id, who, change.edit, row=change.row)
            if change.verdict == ACCEPTED:
                accept(root, change.track_id, who, row=change.row)
            elif change.verdict == REJECTED:
                reject(root, change.track_id, who, change.reason or "", row=change.row)
    return changes


def _table(data: bytes, name: str) -> tuple[list[str], list[list[str]]]:
    """The head and the rows."""
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReviewError(f"{name}: is not UTF-8; save it as CSV in UTF-8") from error
    first = text.split("\n", 1)[0]
    between = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True))
    except csv.Error as error:
        raise ReviewError(f"{name}: is no CSV that can be read ({error}); export it again") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    for column in (TRACK, AS_EXPORTED):
        if column not in header:
            raise ReviewError(
                f"{name}: row 1 has no column {column}; write the table with `lofi review export`, and keep that column"
            )
    unknown = [column for column in header if column not in COLUMNS]
    if unknown or len(set(header)) < len(header):
        what = f"{few(unknown)} is none of them" if unknown else "one stands there twice"
        raise ReviewError(f"{name}: row 1: there are the columns {', '.join(COLUMNS)}; {what}")
    return header, rows[1:]


def _in(column: str, rule: str) -> ReviewError:
    return ReviewError(f"{_COLUMN}{column}: {rule}")


def _change(root: DataRoot, cells: Mapping[str, str]) -> RowChange | None:
    """What was changed in a row; None: nothing."""
    try:
        record = record_of(root, cells[TRACK].strip())
    except ReviewError as error:
        raise _in(TRACK, str(error)) from error
    present = cells_of(root, record)
    read = {
        name: " ".join(value.split()) for name, value in cells.items() if name in (*EDITABLE, VERDICT, REASON)
    }
    written = {**present, **read}
    changed = [name for name in read if read[name] != present[name]]
    row = f"{_mark(written)} of {cells[AS_EXPORTED]:.20}"
    was_read = any(each.row == row for each in in_force(read_edits(root, record.track_id)))
    if not changed or was_read or _mark(written) == cells[AS_EXPORTED]:
        return None
    if present[AS_EXPORTED] != cells[AS_EXPORTED]:
        raise _in(changed[0], f"{record.track_id} was changed since the table was written; export it again")
    wanted = _edit_of(root, record, present, {name: written[name] for name in changed if name in EDITABLE})
    verdict = written[VERDICT].lower() if VERDICT in changed else None
    if verdict is not None and verdict not in (ACCEPTED, REJECTED):
        raise _in(VERDICT, f"must be {ACCEPTED} or {REJECTED}; `lofi review undo` takes one back")
    if verdict == REJECTED and not written[REASON]:
        raise _in(REASON, "say why it is rejected")
    if REASON in changed and verdict != REJECTED:
        raise _in(REASON, f"goes with the verdict {REJECTED}, when that is set")
    return RowChange(record.track_id, wanted, verdict, written[REASON] or None, row)


def _edit_of(
    root: DataRoot, record: TrackRecord, present: Mapping[str, str], changed: Mapping[str, str]
) -> TrackEdit | None:
    if not changed:
        return None
    review = fold(read_edits(root, record.track_id))
    fields: dict[str, Any] = {"clear": []}
    for name, text in changed.items():
        field = EDITABLE[name]
        if not text:
            _require_said(review, field)
            fields["clear"].append(field)
        elif field is EditField.TAGS:
            old, new = present[name].split(_BETWEEN), _listed(text)
            fields["add_tags"] = [tag for tag in new if tag not in old]
            fields["remove_tags"] = [tag for tag in old if tag and tag not in new]
        elif field is EditField.STYLE_IDS:
            fields[name] = _listed(text)
        else:
            fields[name] = _typed(field, text)
        _check(root, record.track_id, name, fields)
    return TrackEdit.model_validate(fields)


def _check(root: DataRoot, track_id: str, column: str, fields: Mapping[str, Any]) -> None:
    """Check the last field that was added, so that its column can be named."""
    try:
        check_edit(root, track_id, TrackEdit.parse(dict(fields), where="cell"))
    except RecordError as error:
        rule = re.sub(r"^(cell: TrackEdit\.[a-z_.0-9]+|track_[0-9]+): ", "", str(error))
        raise _in(column, rule) from error


def _require_said(review: Review | None, field: EditField) -> None:
    said = review is not None and (str(field) in review.by)
    if not said:
        raise _in(field, "nobody said what stood there, so it cannot be taken back; write another value")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,|]", text) if part.strip()]


def _typed(field: EditField, text: str) -> object:
    if field is EditField.TIME_SIGNATURE:
        return text.removesuffix(_METRE.strip()).strip()
    if field is EditField.BPM:
        try:
            return float(text.lower().removesuffix("bpm").replace(",", "."))
        except ValueError:
            raise _in(field, f"{text!r:.40} is no number") from None
    return text


__all__: Sequence[str] = ("COLUMNS", "RowChange", "export_csv", "import_csv", "read_changes")

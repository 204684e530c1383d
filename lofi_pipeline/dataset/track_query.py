"""What is asked of the list of tracks, and its way into SQL. The tables are in track_index.py."""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import Field

from lofi_pipeline.dataset.overview import TrackOverview
from lofi_pipeline.entities import Entity, track_number

PAGE_ROWS = 50
MOST_WORDS = 20


class TrackSort(StrEnum):
    """What tracks are sorted by."""

    ID = "id"
    TITLE = "title"
    CONFIDENCE = "confidence"
    QUALITY = "quality"
    TEMPO = "tempo"
    DURATION = "duration"


class TrackFilter(StrEnum):
    """What a track is or is not."""

    UNSURE = "unsure"
    WAITING = "waiting"
    """Out of the data set until a person has looked at it."""
    REFUSED = "refused"
    """Out of it for another reason."""
    VERIFIED = "verified"


class TrackChoice(StrEnum):
    """What a track has one or several of."""

    SOURCE = "source"
    STYLE = "style"
    STATE = "state"
    SPLIT = "split"


class TrackQuery(Entity):
    """Which tracks are listed, and in which order. What is given must all hold."""

    text: str = Field(default="", max_length=500, description="Words, or beginnings of words")
    only: list[TrackFilter] = Field(default_factory=list, max_length=len(TrackFilter))
    unlike: list[TrackFilter] = Field(default_factory=list, max_length=len(TrackFilter))
    chosen: dict[TrackChoice, str] = Field(default_factory=dict)
    sort: TrackSort = TrackSort.ID
    descending: bool = False
    page: int = Field(default=1, ge=1, le=1_000_000)

    def toggled(self, kind: TrackFilter) -> TrackQuery:
        """With a filter turned on, or off where it is on."""
        only = [it for it in self.only if it is not kind] if kind in self.only else [*self.only, kind]
        return self.model_copy(update={"only": only, "page": 1})

    def choosing(self, kind: TrackChoice, value: str) -> TrackQuery:
        """With a choice made, or undone where it is made."""
        others = {it: chosen for it, chosen in self.chosen.items() if it is not kind}
        chosen = others if self.chosen.get(kind) == value else {**others, kind: value}
        return self.model_copy(update={"chosen": chosen, "page": 1})


class TrackPage(Entity):
    """One page of tracks, and how many there are."""

    rows: list[TrackOverview]
    total: int
    page: int
    pages: int


class TrackCounts(Entity):
    """How many tracks there would be with one filter more."""

    all: int
    filters: dict[TrackFilter, int]
    choices: dict[TrackChoice, dict[str, int]]


_CHOSEN = {
    TrackChoice.SOURCE: "source_id = ?",
    TrackChoice.STYLE: "id IN (SELECT row FROM styles WHERE style_id = ?)",
    TrackChoice.STATE: "state = ?",
    TrackChoice.SPLIT: "split = ?",
}
_SORTED = {
    TrackSort.ID: "id",
    TrackSort.TITLE: "title",
    TrackSort.CONFIDENCE: "confidence",
    TrackSort.QUALITY: "quality",
    TrackSort.TEMPO: "tempo",
    TrackSort.DURATION: "duration",
}


def condition(query: TrackQuery, *, without: TrackChoice | None = None) -> tuple[str, list[str]]:
    """The WHERE of a query, and its values; of all choices but one."""
    parts, values = ["1"], []
    if words := match(query.text):
        parts.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.append(words)
    parts += [f"{kind} = 1" for kind in query.only]
    parts += [f"{kind} = 0" for kind in query.unlike]
    for kind, value in query.chosen.items():
        if kind is not without:
            parts.append(_CHOSEN[kind])
            values.append(value)
    return " AND ".join(parts), values


def order(query: TrackQuery) -> str:
    """The ORDER BY of a query: what is not known comes last, and equals by id."""
    column, way = _SORTED[query.sort], "DESC" if query.descending else "ASC"
    return f"id {way}" if column == "id" else f"{column} IS NULL, {column} {way}, id"


def beside(query: TrackQuery, row: TrackOverview, *, following: bool) -> tuple[str, str, list[str | float]]:
    """The WHERE, ORDER BY and values that find what stands next to a row, which itself need not be among the rows that are asked for.

    It may have left them: whoever accepts an unsure track goes on from there.
    """
    column = _SORTED[query.sort]
    forward = following is not (query.descending and query.sort is TrackSort.ID)
    after = f"id {'>' if forward else '<'} {row_number(row)}"
    if query.sort is TrackSort.ID:
        return after, f"id {'ASC' if forward else 'DESC'}", []
    value = sorted_by(row)[query.sort]
    way, none_way = ("ASC", "DESC") if following else ("DESC", "ASC")
    if query.descending:
        way = none_way
    ordered = f"{column} IS NULL {'ASC' if following else 'DESC'}, {column} {way}, id {'ASC' if following else 'DESC'}"
    if value is None:
        same = f"{column} IS NULL AND {after}"
        return (same if following else f"({column} IS NOT NULL OR {same})"), ordered, []
    further = f"{column} {'>' if way == 'ASC' else '<'} ? OR {column} = ? AND {after}"
    if following:
        further = f"{further} OR {column} IS NULL"
    return f"({further})", ordered, [value, value]


def row_number(row: TrackOverview) -> int:
    """The number of a track in the index."""
    return track_number(row.track_id or "")


def sorted_by(row: TrackOverview) -> dict[TrackSort, str | float | None]:
    """What a row is sorted by."""
    return {
        TrackSort.TITLE: (row.title or row.file.rsplit("/", 1)[-1]).casefold(),
        TrackSort.CONFIDENCE: row.style_confidence,
        TrackSort.QUALITY: row.quality_score,
        TrackSort.TEMPO: row.bpm,
        TrackSort.DURATION: row.seconds,
    }


# Written without spaces: each letter counts as a word, and a search for two finds them side by side
_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
_WORD = re.compile(r"[^\W_]+")
_PICTURE = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")


def searchable(row: TrackOverview) -> str:
    """The words that a track is found by."""
    texts = (row.track_id, row.title, row.artist, row.file, row.source_id, row.prompt, row.licence)
    return _spaced(" \n ".join([text for text in texts if text] + row.style_ids))


def match(text: str) -> str:
    """What FTS5 is asked for the words of a text, each the beginning of a word; empty: for nothing."""
    asked = [" ".join(_WORD.findall(_spaced(word))) for word in text.split()]
    return " AND ".join(f'"{words}" *' for words in asked[:MOST_WORDS] if words)


def _spaced(text: str) -> str:
    clean = text.encode(errors="replace").decode().replace("\0", " ")
    named = _PICTURE.sub(
        lambda found: f" u{ord(found[0]):x} ", clean
    )  # FTS5 knows no pictures, and drops them
    return _UNSPACED.sub(r" \1 ", named)

"""The list of tracks: search, filters with counts, sorting, a page at a time; and what is done to several at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline import styles
from lofi_pipeline.dataset import (
    TrackChoice,
    TrackCounts,
    TrackFilter,
    TrackIndex,
    TrackOverview,
    TrackPage,
    TrackQuery,
    TrackSort,
)
from lofi_pipeline.entities import Entity, TrackEdit
from lofi_pipeline.entities.base import StyleId, TrackId
from lofi_pipeline.entities.review import Who
from lofi_pipeline.ingest import load_record
from lofi_pipeline.review import accept, edit, export_csv, import_csv, together
from lofi_pipeline.web.asked import MOST_BYTES, root_of, takes, track_list_of
from lofi_pipeline.web.rendering import render
from lofi_pipeline.web.track_list import ListBeingMade

MOST_AT_ONCE = 5_000
MOST_CHOICES = 40
"""Links of a filter; the rest is found by the search."""
_SORTED_BY = {
    TrackSort.ID: "order of arrival",
    TrackSort.TITLE: "title",
    TrackSort.CONFIDENCE: "confidence in the style",
    TrackSort.QUALITY: "quality",
    TrackSort.TEMPO: "tempo",
    TrackSort.DURATION: "length",
}


def query_of(request: Request) -> TrackQuery:
    """What the address asks for; whatever it says that cannot be asked is left out."""
    given = request.query_params
    page = given.get("page", "1")
    return TrackQuery(
        text=given.get("q", "")[:500],
        only=[kind for kind in TrackFilter if kind in given.getlist("only")],
        chosen={kind: value for kind in TrackChoice if (value := given.get(kind))},
        sort=_named(given.get("sort")),
        descending=given.get("order") == "down",
        page=max(1, int(page)) if re.fullmatch("[0-9]{1,6}", page) else 1,
    )


def _named(sort: str | None) -> TrackSort:
    return TrackSort(sort) if sort in list(TrackSort) else TrackSort.ID


def address_of(query: TrackQuery) -> str:
    """The part of an address after its question mark that asks for this; empty: for everything."""
    said: list[tuple[str, str]] = [("q", query.text)] if query.text else []
    said += [("only", kind) for kind in query.only]
    said += [(kind, value) for kind, value in query.chosen.items()]
    said += [("sort", query.sort)] if query.sort is not TrackSort.ID else []
    said += [("order", "down")] if query.descending else []
    said += [("page", str(query.page))] if query.page > 1 else []
    return urlencode(said)


def tracks(request: Request) -> Response:
    """The list, or what a search leaves of it."""
    query = query_of(request)

    def question(index: TrackIndex) -> tuple[TrackPage, TrackCounts]:
        return index.page(query), index.counts(query)

    try:
        (page, counts), behind = track_list_of(request).ask(question)
    except ListBeingMade as error:
        return render(request, "tracks_being_made.html", how_far=error.how_far, address=_address(query)())
    presets = styles.load_presets()
    answer = render(
        request,
        "tracks.html",
        query=query,
        found=page,
        counts=counts,
        sorts=_SORTED_BY,
        styles=presets,
        names={
            TrackChoice.STYLE: {style_id: f"{style_id} {preset.name}" for style_id, preset in presets.items()}
        },
        most_choices=MOST_CHOICES,
        address=_address(query),
        links=_links(query),
        what_to_do=what_to_do,
        behind=behind,
    )
    if request.headers.get("HX-Target", "").endswith("being-made"):
        answer.headers["HX-Refresh"] = "true"  # who waited for the list: load it as a page of its own
    return answer


def _address(query: TrackQuery) -> Callable[..., str]:
    """For templates: the address with some parts of the query changed."""

    def address(**changes: object) -> str:
        changed = query.model_copy(update={"page": 1, **changes})
        return f"?{address_of(changed)}"

    return address


def _links(query: TrackQuery) -> dict[str, Callable[..., str]]:
    return {
        "filter": lambda kind: f"?{address_of(query.toggled(kind))}",
        "choice": lambda kind, value: f"?{address_of(query.choosing(kind, value))}",
        "track": lambda track_id: f"{track_id}?{address_of(query.model_copy(update={'page': 1}))}".rstrip(
            "?"
        ),
    }


def what_to_do(row: TrackOverview) -> str:
    """What somebody does about a track that is left out."""
    reason = row.reason or ""
    if row.waits:
        return "Open it, listen, and accept or correct it."
    if reason.startswith("rejected by"):
        return "Open it and undo the rejection if it should be in after all."
    if "the same" in reason and row.track_id:
        return "Nothing: the better copy is in."
    if row.track_id is None:
        return "Correct the file or its source.json in data/raw, then run the pipeline."
    if "not worked on yet" in reason or "the next run" in reason:
        return "Run the pipeline."
    return "See the reason; replace the file or complete its source.json, then run the pipeline."


def table(request: Request) -> Response:
    """What is listed as a table for a spreadsheet, as `lofi review export` writes it."""
    root, query = root_of(request), query_of(request)
    listed, _ = track_list_of(request).ask(lambda index: index.ids(query), up_to_date=True)
    records = [record for track_id in listed if (record := load_record(root, track_id))]
    headers = {"Content-Disposition": 'attachment; filename="tracks.csv"', "Cache-Control": "no-store"}
    return Response(export_csv(root, records), media_type="text/csv", headers=headers)


class Table(Entity):
    """A table that was changed in a spreadsheet."""

    who: Who
    table: str = Field(max_length=MOST_BYTES)


@takes(Table)
def read_table(request: Request, given: Table) -> Response:
    """Make edits of what was changed in a table: of all, or of nothing."""
    changes = import_csv(root_of(request), given.table.encode(), given.who)
    return JSONResponse({"changed": len(changes)})


class Bulk(Entity):
    """What is done to the selected tracks."""

    who: Who
    track_ids: Annotated[list[TrackId], Field(min_length=1, max_length=MOST_AT_ONCE)]
    style_ids: Annotated[list[StyleId], Field(max_length=20)] = Field(
        default_factory=list, description="Styles to set; none: accept the tracks as they are"
    )


class Surest(Entity):
    """Accept every track of a list whose style is that sure."""

    who: Who
    confidence: float = Field(ge=0, le=1)
    address: str = Field(default="", max_length=2_000, description="The query of the list")


@takes(Bulk)
def change_several(request: Request, given: Bulk) -> Response:
    """Accept several tracks, or set their styles: all, or none of them."""
    root, track_ids = root_of(request), list(dict.fromkeys(given.track_ids))
    with together(root):
        for track_id in track_ids:
            if given.style_ids:
                edit(root, track_id, given.who, TrackEdit(style_ids=given.style_ids))
            else:
                accept(root, track_id, given.who)
    return JSONResponse({"changed": len(track_ids)})


@takes(Surest)
def accept_surest(request: Request, given: Surest) -> Response:
    """Accept what is listed, was suggested with at least that confidence, and is not disputed: see `lofi review accept --above`."""
    query = query_of(Request({**request.scope, "query_string": given.address.lstrip("?").encode()}))
    root = root_of(request)

    def question(index: TrackIndex) -> list[str]:
        listed = index.rows(query)
        return [row.track_id for row in listed if row.track_id and row.is_as_sure_as(given.confidence)]

    sure, _ = track_list_of(request).ask(question, up_to_date=True)
    with together(root):
        for track_id in sure[:MOST_AT_ONCE]:
            accept(root, track_id, given.who)
    return JSONResponse({"changed": len(sure[:MOST_AT_ONCE]), "left": len(sure[MOST_AT_ONCE:])})


routes: list[BaseRoute] = [
    Route("/tracks", tracks),
    Route("/tracks.csv", table),
    Route("/tracks/import", read_table, methods=["POST"]),
    Route("/tracks/bulk", change_several, methods=["POST"]),
    Route("/tracks/accept-surest", accept_surest, methods=["POST"]),
]

"""Checkpoints: the lineages that were trained, and a page for each with its scores, its clips side by side, and a person's word."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from pydantic import Field
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline.checkpoints import by_hand
from lofi_pipeline.checkpoints.errors import CheckpointError
from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.checkpoints.lineages import LineageFolder, find_lineage, lineages
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import Entity
from lofi_pipeline.evaluation.clip_sound import spectrogram
from lofi_pipeline.evaluation.lineage_view import LineageView, base_scores_of, grid_of, lineage_view
from lofi_pipeline.evaluation.sample_grid import GridColumn, GridRow, SampleGrid
from lofi_pipeline.web.asked import root_of, takes
from lofi_pipeline.web.charts import charts_of
from lofi_pipeline.web.media import media
from lofi_pipeline.web.rendering import render
from lofi_pipeline.web.report import confusion_of, report_as_zip
from lofi_pipeline.web.role import STUDIO
from lofi_pipeline.web.sample_cells import cells_of

ROWS_SHOWN = 24
"""Of clips, on a page."""


class Reason(Entity):
    """Why a person says something of a checkpoint; not wanted where it is taken back."""

    why: str = Field(default="", max_length=by_hand.LONGEST_REASON)


def lineage_of(request: Request) -> LineageFolder:
    """The lineage that an address names. Raises: HTTPException, 404."""
    try:
        return find_lineage(root_of(request), request.path_params["lineage"])
    except CheckpointError as error:
        raise HTTPException(404, str(error)) from error


def checkpoint_in(folder: LineageFolder, wanted: str) -> CheckpointFolder:
    """A checkpoint of a lineage. Raises: HTTPException, 404."""
    try:
        return by_hand.find_checkpoint_named(folder.found, wanted)
    except CheckpointError as error:
        raise HTTPException(404, str(error)) from error


def view_of(request: Request) -> LineageView:
    """All that is known of the lineage that an address names. Raises: HTTPException, 404."""
    return lineage_view(root_of(request), lineage_of(request), load_config().retention)


def overview(request: Request) -> Response:
    """Every lineage."""
    return render(request, "checkpoints.html", lineages=lineages(root_of(request)))


def lineage(request: Request) -> Response:
    """A lineage's page."""
    view = view_of(request)
    pages = max(1, -(-len(view.grid.rows) // ROWS_SHOWN))
    page = _number(request.query_params.get("page", "1"), pages)
    rows = view.grid.rows[(page - 1) * ROWS_SHOWN : page * ROWS_SHOWN]
    return render(
        request, "lineage.html", view=view, charts=charts_of(view), rows=rows, page=page, pages=pages
    )


def row(request: Request) -> Response:
    """A row of a lineage's clips, equally loud: fetched when it comes into sight, for what is new in it is measured first."""
    root, folder, grid = root_of(request), *_grid_of(request)
    found = next((it for it in grid.rows if it.number == request.path_params["row"]), None)
    if found is None:
        raise HTTPException(404, f"there are {len(grid.rows)} rows of clips")
    address = f"{STUDIO}/checkpoints/{folder.short}"

    def audio(row: GridRow, column: GridColumn, _file: Path) -> str:
        return f"{address}/clips/{column.step}/{row.number}.flac"

    def picture(row: GridRow, column: GridColumn, _file: Path) -> str:
        return f"{address}/clips/{column.step}/{row.number}.png"

    cells = cells_of(root, grid, found, audio, picture)
    return render(request, "lineage_row.html", row=found, cells=cells)


def clip(request: Request) -> Response:
    """A clip, or its spectrogram."""
    root, (_, grid), asked = root_of(request), _grid_of(request), request.path_params
    column = next((it for it in grid.columns if it.step == asked["step"]), None)
    row = next((it for it in grid.rows if it.number == asked["row"]), None)
    found = column.clips.get(row.asked) if column and row else None
    if found is None or asked["kind"] not in ("flac", "png"):
        raise HTTPException(404, "there is no such clip")
    file = found.file if asked["kind"] == "flac" else spectrogram(root, found.file)
    return media(root, root.relative(file))


def styles(request: Request) -> Response:
    """What the clips of each style are taken for, as a picture."""
    step = request.path_params["step"]
    item = next((it for it in view_of(request).styled if it.step == step), None)
    picture = confusion_of(item) if item else None
    if picture is None:
        raise HTTPException(404, f"step {step} was not asked for styles")
    return Response(picture, media_type="image/png", headers={"Cache-Control": "private, no-cache"})


def report(request: Request) -> Response:
    """A lineage's page as files in an archive; nothing is written into the data root."""
    folder, place = lineage_of(request), Path(mkdtemp(prefix="lofi-report-"))
    try:
        archive = report_as_zip(root_of(request), folder, load_config().retention, place)
    except BaseException:
        rmtree(place)
        raise
    return FileResponse(archive, filename=archive.name, background=BackgroundTask(rmtree, place))


@takes(Reason)
def say(request: Request, given: Reason) -> Response:
    """Write down a person's word on a checkpoint, or take it back."""
    item = checkpoint_in(lineage_of(request), request.path_params["step"])
    root = root_of(request)
    try:
        match request.path_params["word"]:
            case "best":
                by_hand.name_best(root, item, given.why)
            case "pin":
                by_hand.keep_weights(root, item, given.why)
            case "not-best":
                by_hand.take_back_best(root, item)
            case "unpin":
                by_hand.take_back_keeping(root, item)
            case word:
                raise HTTPException(404, f"nobody can say {word!r} of a checkpoint")
    except CheckpointError as error:
        raise HTTPException(422, str(error)) from error
    return JSONResponse({"said": True})


def _grid_of(request: Request) -> tuple[LineageFolder, SampleGrid]:
    root, folder = root_of(request), lineage_of(request)
    return folder, grid_of(root, folder, base_scores_of(root, folder))


def _number(text: str, most: int) -> int:
    return min(max(int(text), 1), most) if text.isdecimal() and len(text) < 9 else 1


routes: list[BaseRoute] = [
    Route("/checkpoints", overview),
    Route("/checkpoints/{lineage}", lineage),
    Route("/checkpoints/{lineage}/rows/{row:int}", row),
    Route("/checkpoints/{lineage}/clips/{step:int}/{row:int}.{kind}", clip),
    Route("/checkpoints/{lineage}/styles/{step:int}.png", styles),
    Route("/checkpoints/{lineage}/report.zip", report),
    Route("/checkpoints/{lineage}/{step}/{word}", say, methods=["POST"]),
]

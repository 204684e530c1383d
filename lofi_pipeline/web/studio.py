"""The studio: review tracks, hear and compare checkpoints, listening tests. One Starlette app from the modules in pages/."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from lofi_pipeline.entities.errors import RecordError
from lofi_pipeline.errors import LofiError
from lofi_pipeline.storage import DataRoot, in_words
from lofi_pipeline.web.door import Door
from lofi_pipeline.web.guard import Guard
from lofi_pipeline.web.pages import routes
from lofi_pipeline.web.rendering import render
from lofi_pipeline.web.role import READING, STUDIO, is_in_studio
from lofi_pipeline.web.track_list import ListBeingMade, TrackList

_STATIC = Path(__file__).with_name("static")


def studio_app(root: DataRoot, *, beside_dagster: bool, read_only: bool = False) -> Starlette:
    """The studio of one data root, to be mounted at /studio behind the guard."""
    app = Starlette(
        routes=[Mount("/static", StaticFiles(directory=_STATIC)), *routes()],
        exception_handlers={
            HTTPException: _http_error,
            LofiError: _sentence,
            OSError: _sentence,
        },
    )
    app.state.root, app.state.beside_dagster, app.state.read_only = root, beside_dagster, read_only
    app.state.track_list = TrackList(root)
    return app


class WithStudio:
    """An ASGI app with the studio at /studio; everything else, and the server's lifespan, is the other app's."""

    def __init__(self, studio: Starlette, other: ASGIApp) -> None:
        self._mount, self._other = Mount(STUDIO, studio), other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one websocket, or the lifespan."""
        if scope["type"] == "http" and scope["path"] == STUDIO:
            await RedirectResponse(f"{STUDIO}/")(scope, receive, send)
        elif scope["type"] == "http" and is_in_studio(scope["path"]):
            _, inside = self._mount.matches(scope)
            await self._mount.handle({**scope, **inside}, receive, send)
        else:
            await self._other(scope, receive, send)


def serve_alone(root: DataRoot, door: Door) -> None:
    """Serve the studio without Dagster until a signal comes."""
    studio = studio_app(root, beside_dagster=False, read_only=door.read_only)
    studio.state.track_list.begin()
    app = Guard(WithStudio(studio, RedirectResponse(f"{STUDIO}/")), door)
    uvicorn.run(app, host=door.host, port=door.port, log_level="warning", lifespan="off")


def _wants_json(request: Request) -> bool:
    return request.method not in READING or "application/json" in request.headers.get("accept", "")


def _said(request: Request, status: int, sentence: str) -> Response:
    if _wants_json(request):
        return JSONResponse({"error": sentence}, status)
    return render(request, "error.html", status, sentence=sentence)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = "there is no such page" if error.detail == HTTPStatus.NOT_FOUND.phrase else error.detail
    return _said(request, error.status_code, detail)


def _sentence(request: Request, error: Exception) -> Response:
    """What went wrong, as the command line says it: 422 for what was sent, 503 for what comes soon, 500 for the rest."""
    status = 422 if isinstance(error, RecordError) else 503 if isinstance(error, ListBeingMade) else 500
    return _said(request, status, in_words(error))

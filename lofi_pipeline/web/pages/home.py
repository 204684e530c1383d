"""The studio's first page: where the data root stands, and the way to the rest."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline.web.rendering import render


def home(request: Request) -> Response:
    """The first page."""
    return render(request, "home.html")


routes: list[BaseRoute] = [Route("/", home)]

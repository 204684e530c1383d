"""The studio's first page: how many tracks there are and wait for a person, what was trained last, and the way to the rest."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline.checkpoints.lineages import LineageFolder, lineages
from lofi_pipeline.dataset import TrackQuery
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.asked import root_of, track_list_of
from lofi_pipeline.web.rendering import render
from lofi_pipeline.web.track_list import ListBeingMade


def home(request: Request) -> Response:
    """The first page."""
    counts = making = None
    try:
        counts, _ = track_list_of(request).ask(lambda index: index.counts(TrackQuery()))
    except ListBeingMade as error:
        making = error.how_far
    trained_last = _trained_last(root_of(request))
    return render(request, "home.html", counts=counts, making=making, trained_last=trained_last)


def _trained_last(root: DataRoot) -> LineageFolder | None:
    return next((it for it in lineages(root) if it.is_active), None)


routes: list[BaseRoute] = [Route("/", home)]

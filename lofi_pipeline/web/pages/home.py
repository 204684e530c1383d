"""The studio's first page: how many tracks there are and wait for a person, what was trained last, and the way to the rest."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lofi_pipeline.checkpoints.lineages import LineageFolder, lineages
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import TrackQuery, ask_index
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.asked import root_of
from lofi_pipeline.web.rendering import render


def home(request: Request) -> Response:
    """The first page."""
    root = root_of(request)
    counts = ask_index(root, load_config(), lambda index: index.counts(TrackQuery()))
    return render(request, "home.html", counts=counts, trained_last=_trained_last(root))


def _trained_last(root: DataRoot) -> LineageFolder | None:
    return next((it for it in lineages(root) if it.is_active), None)


routes: list[BaseRoute] = [Route("/", home)]

"""The studio's pages: one module each, with its templates beside it."""

from __future__ import annotations

from starlette.routing import BaseRoute

from lofi_pipeline.web.pages import checkpoints, compare, home, listen, track, tracks

_PAGES = (home, tracks, track, checkpoints, compare, listen)


def routes() -> list[BaseRoute]:
    """The routes of all pages, relative to /studio."""
    return [route for page in _PAGES for route in page.routes]

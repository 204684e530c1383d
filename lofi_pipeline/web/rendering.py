"""The studio's pages: templates filled in, with everything foreign escaped, and the headers that they go out with."""

from __future__ import annotations

import secrets
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from lofi_pipeline.web.asked import may_change, role_of, root_of
from lofi_pipeline.web.dagster_graph import EXPANDED, GRAPH
from lofi_pipeline.web.role import STUDIO

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'"
)
"""Nothing from another host, no script in the page itself. The waveform component brings a style sheet with the nonce."""


@cache
def templates() -> Environment:
    """The templates beside the pages' modules."""
    environment = Environment(
        loader=PackageLoader("lofi_pipeline.web", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(studio=STUDIO, dagster_graph=GRAPH, dagster_groups=EXPANDED)
    return environment


def render(request: Request, template: str, status: int = 200, **context: object) -> HTMLResponse:
    """A page. Each template finds, beside its context: `role`, `may_change`, `beside_dagster`, `root_name`, `path`, `nonce`."""
    nonce = secrets.token_urlsafe(16)
    shown = (
        templates()
        .get_template(template)
        .render(
            role=role_of(request),
            may_change=may_change(request),
            beside_dagster=request.app.state.beside_dagster,
            root_name=root_of(request).path.name,
            path=request.url.path,
            nonce=nonce,
            **context,
        )
    )
    headers = {"Content-Security-Policy": _POLICY.format(nonce=nonce), "Cache-Control": "no-store"}
    return HTMLResponse(shown, status, headers=headers)

"""Apps of this process on real ports, and a studio in a real browser."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import uvicorn
from playwright.sync_api import Page as RawPage
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp

from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.door import Door
from lofi_pipeline.web.guard import Guard
from lofi_pipeline.web.role import STUDIO, Role
from lofi_pipeline.web.studio import WithStudio, studio_app
from lofi_pipeline_tests.web.browser import Page, browser

TOKENS = {Role.OWNER: "0123456789abcdef", Role.AUDITOR: "fedcba9876543210"}


@contextmanager
def serving(app: ASGIApp, listening: socket.socket) -> Iterator[None]:
    """An app on a socket, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield
    server.should_exit = server.force_exit = True
    thread.join(timeout=30)


def listening() -> tuple[socket.socket, int]:
    found = socket.create_server(("127.0.0.1", 0))
    return found, found.getsockname()[1]


def guarded_studio(root: DataRoot, port: int = 3000, *, read_only: bool = False) -> Guard:
    """The studio alone behind its guard, as `lofi studio` serves it."""
    door = Door(port=port, token=TOKENS[Role.OWNER], auditor_token=TOKENS[Role.AUDITOR], read_only=read_only)
    studio = studio_app(root, beside_dagster=False, read_only=read_only)
    return Guard(WithStudio(studio, RedirectResponse(f"{STUDIO}/")), door)


@dataclass(frozen=True)
class Studio:
    """A studio in a browser whose user came in by the link of a role."""

    page: Page
    address: str
    """Of the studio: http://127.0.0.1:PORT/studio"""

    @property
    def raw(self) -> RawPage:
        """Playwright's own page."""
        return self.page.raw

    def open(self, path: str) -> None:
        """Go to a page of the studio, such as /tracks, and wait until it has loaded."""
        self.raw.goto(self.address + path, wait_until="load")


@contextmanager
def studio_in_browser(root: DataRoot, profile: Path, role: Role = Role.OWNER) -> Iterator[Studio]:
    """The studio of a data root, opened by the link of a role. A listener has none: its pages are open by their address."""
    socket_, port = listening()
    with serving(guarded_studio(root, port), socket_), browser(profile) as page:
        found = Studio(page, f"http://127.0.0.1:{port}{STUDIO}")
        if role in TOKENS:
            found.open(f"/?token={TOKENS[role]}")
        yield found

"""A real browser, driven over its debugging port: no more than going to a page, and asking it for something."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium")
WAIT_SECONDS = 120.0
"""Until what never happens is called missing: no measure of speed."""
_LEFT = -32000
"""The protocol's server error: "Inspected target navigated or closed", or a context that is gone."""
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)


class Left(Exception):
    """The page that was asked was left before it could answer."""


class Page:
    """The one page of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._ids = connection, count(1)

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        wanted = next(self._ids)
        self._connection.send(json.dumps({"id": wanted, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._connection.recv(timeout=WAIT_SECONDS))
            if said.get("id") == wanted:
                if said.get("error", {}).get("code") == _LEFT:
                    raise Left(said)
                assert "error" not in said, said
                return said["result"]

    def open(self, address: str) -> None:
        """Go to a page as from the address bar, which no site has a part in."""
        self._call("Page.navigate", url=address)

    def set_width(self, pixels: int) -> None:
        """Make the window as wide as that of a phone, or wider."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=pixels,
            height=800,
            deviceScaleFactor=1,
            mobile=pixels < 500,
        )

    def printed(self) -> bytes:
        """The page as a PDF, on the paper that it asks for."""
        found = self._call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(found["data"])

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript, once it settles."""
        found = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return found["result"].get("value")

    def ask_unless_left(self, expression: str) -> Any:
        """The value of an expression; None where the page gives way to the next one before it answers."""
        try:
            return self.ask(expression)
        except Left:
            return None

    def wait_for(self, expression: str) -> Any:
        """Ask again and again, until there is something."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := self.ask_unless_left(expression)):
            assert time.monotonic() < deadline, (expression, self.ask("document.documentElement.outerHTML"))
            time.sleep(0.1)
        return found


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser with a new profile, ended at the end of the block."""
    assert CHROMIUM
    command = [CHROMIUM, *SWITCHES, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_debugging_address(profile, process), max_size=None, proxy=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _debugging_address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    named = profile / "DevToolsActivePort"
    deadline = time.monotonic() + WAIT_SECONDS
    while not (named.is_file() and len(lines := named.read_text().splitlines()) == 2):
        assert process.poll() is None, "the browser ended by itself"
        assert time.monotonic() < deadline, "the browser opens no debugging port"
        time.sleep(0.1)
    with httpx.Client(trust_env=False) as client:
        pages = client.get(f"http://127.0.0.1:{lines[0]}/json/list").json()
    return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")

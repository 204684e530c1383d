"""A real browser, driven by Playwright: the system's Chromium, or the one that CHROMIUM names."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import playwright.sync_api as driver

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
WAIT_SECONDS = 120.0
"""Until what never happens is called missing: no measure of speed."""
AXE = Path(__file__).parent / "axe" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Page:
    """The one page of a browser. `raw` is Playwright's own."""

    def __init__(self, raw: driver.Page) -> None:
        self.raw = raw

    def open(self, address: str) -> None:
        """Go to a page as from the address bar, which no site has a part in."""
        self.raw.goto(address, wait_until="commit")

    def set_width(self, pixels: int) -> None:
        """Make the window as wide as that of a phone, or wider."""
        self.raw.set_viewport_size({"width": pixels, "height": 800})

    def printed(self) -> bytes:
        """The page as a PDF, on the paper that it asks for."""
        return self.raw.pdf(prefer_css_page_size=True, print_background=True)

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript, once it settles."""
        return self.raw.evaluate(expression)

    def ask_unless_left(self, expression: str) -> Any:
        """The value of an expression; None where the page gives way to the next one before it answers."""
        try:
            return self.ask(expression)
        except driver.Error as error:
            if "context was destroyed" not in error.message and "navigat" not in error.message:
                raise
            return None

    def wait_for(self, expression: str) -> Any:
        """Ask again and again, until there is something."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := self.ask_unless_left(expression)):
            assert time.monotonic() < deadline, (expression, self.raw.content())
            time.sleep(0.1)
        return found

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it stands, each with the elements."""
        self.raw.evaluate(AXE.read_text())
        found = self.raw.evaluate(
            "(rules) => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES
        )
        assert found["passes"], "axe looked at nothing"
        return [
            f"{each['id']}: {each['help']}: {[node['html'] for node in each['nodes']]}"
            for each in found["violations"]
        ]


class _Driver:
    """Playwright, while a browser is open: a thread can have but one, and no event loop of its own beside it."""

    def __init__(self) -> None:
        self._users, self._running = 0, None

    def __enter__(self) -> driver.Playwright:
        self._users += 1
        self._running = self._running or driver.sync_playwright().start()
        return self._running

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users and self._running:
            self._running.stop()
            self._running = None


_DRIVER = _Driver()


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser with a new profile, ended at the end of the block."""
    assert CHROMIUM
    with _DRIVER as running:
        context = running.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, chromium_sandbox=False, args=["--disable-dev-shm-usage"]
        )
        context.set_default_timeout(WAIT_SECONDS * 1000)
        try:
            yield Page(context.pages[0])
        finally:
            context.close()

"""Seconds from a drop to its first track that is heard in the studio, as a user: `lofi ui` on an empty data root, or `lofi studio` beside `lofi run`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.drops import facts, make_drop, song
from lofi_pipeline_tests.web.browser import CHROMIUM, Page, browser

SECONDS_OF_A_TRACK = 150.0
LONGEST_WAIT = 300.0
WATCH = """() => {
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function () { window.heard = this; return play.call(this); };
    document.addEventListener("click", () => { window.clicked = performance.now(); }, { capture: true, once: true });
}"""
HEARD = """() => new Promise((done) => {
    const look = () => window.heard?.currentTime > 0 ? done(performance.now() - window.clicked) : setTimeout(look, 2);
    look();
})"""
PORT = 3917
ADDRESS = f"http://127.0.0.1:{PORT}/studio"


def measure_first_sound(folder: Path, files: int) -> None:
    """Measure both ways, and print."""
    songs = {f"song {number}.wav": song(number, SECONDS_OF_A_TRACK) for number in range(files)}
    for way, commands in {
        "lofi ui": (["ui"], None),
        "lofi studio, lofi run": (["studio"], ["run", "--to", "tagged_prompts"]),
    }.items():
        root = DataRoot(folder / way.replace(" ", "-")).create()
        server, then = commands
        print(f"{way}: {files} tracks of {SECONDS_OF_A_TRACK:g} s")
        with _running(root, [*server, "--no-token", "--port", str(PORT)]):
            print(
                f"{'  the studio answers after':32}{_until(lambda: _answer('/tracks') is not None):10.1f} s"
            )
            make_drop(root, "mine", songs, facts(defaults={}))
            dropped = time.monotonic()
            with _running(root, then) if then else _nothing():
                _until(lambda: bool(_players()))
                print(f"{'  drop to first track listed':32}{time.monotonic() - dropped:10.1f} s")
                _measure_sound(folder / f"profile-{server[0]}", dropped)
                _until(lambda: len(_players()) == files)
                print(f"{'  drop to all tracks listed':32}{time.monotonic() - dropped:10.1f} s")


def _measure_sound(profile: Path, dropped: float) -> None:
    asked = httpx.get(f"http://127.0.0.1:{PORT}{_players()[0]}", headers={"Range": "bytes=0-65535"})
    assert asked.status_code == 206, asked.text
    print(f"{'  drop to its first bytes':32}{time.monotonic() - dropped:10.1f} s")
    if not CHROMIUM:
        return
    with browser(profile) as page:
        page.raw.goto(f"{ADDRESS}/tracks", wait_until="load")
        print(f"{'  click to sound, in the list':32}{_click_to_sound(page, '[data-play]'):10.0f} ms")
        print(f"{'  drop to sound in a browser':32}{time.monotonic() - dropped:10.1f} s")
        page.raw.click(".tracks h2 a")
        page.raw.wait_for_selector("#track[data-ready=yes]")
        print(f"{'  click to sound, on its page':32}{_click_to_sound(page, '#play'):10.0f} ms")


def _click_to_sound(page: Page, button: str) -> float:
    """Milliseconds from a click until the sound has begun to move on."""
    page.ask(WATCH)
    page.raw.click(button)
    return page.ask(HEARD)


def _answer(path: str) -> str | None:
    try:
        found = httpx.get(f"{ADDRESS}{path}", timeout=30)
    except httpx.TransportError:
        return None
    return found.text if found.status_code == 200 else None


def _players() -> list[str]:
    """The addresses of the sounds that the list plays."""
    return re.findall('data-play="([^"]+)"', _answer("/tracks") or "")


def _until(happened: object) -> float:
    assert callable(happened)
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() - begun < LONGEST_WAIT, "it never happened"
        time.sleep(0.2)
    return time.monotonic() - begun


@contextmanager
def _running(root: DataRoot, arguments: list[str]) -> Iterator[None]:
    """A command of ours in a process, ended at the end of the block."""
    command = [sys.executable, "-m", "lofi_pipeline.cli", *arguments]
    environment = {**os.environ, "LOFI_DATA_ROOT": str(root.path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def _nothing() -> Iterator[None]:
    yield

"""How fast the studio's pages of tracks are, and how fast a person reviews by keys: `python -m benchmarks.studio [TRACKS]`.

Makes a library of 50,000 tracks (unless asked for another number) in a temporary folder, or takes the one in --library. Pages are
asked for within this process, so what is measured is the server's part; the review runs in a real browser, key after key, as fast
as the page takes them. With --drop FILES it measures instead how long it takes from a drop to its first track that is heard.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from starlette.testclient import TestClient

from benchmarks.first_sound import measure_first_sound
from benchmarks.memory import peak_bytes
from benchmarks.studio_library import library
from lofi_pipeline.config import load_config
from lofi_pipeline.dataset import ask_index
from lofi_pipeline.dataset.track_tables import index_path
from lofi_pipeline.review import accept, undo
from lofi_pipeline.storage import DataRoot
from lofi_pipeline.web.role import Role
from lofi_pipeline_tests.web.browser import CHROMIUM
from lofi_pipeline_tests.web.serving import TOKENS, guarded_studio, studio_in_browser

PAGES = {
    "first page": "/tracks",
    "search": "/tracks?q=night+ra",
    "search for one": "/tracks?q=track_0777",
    "unsure ones": "/tracks?only=unsure",
    "unsure, least sure first": "/tracks?only=unsure&sort=confidence",
    "by quality, best first": "/tracks?sort=quality&order=down",
    "a page in the middle": "/tracks?page={middle}",
    "one source": "/tracks?source=source-0003",
    "one style, by tempo": "/tracks?style=CORE-01&sort=tempo",
    "page of a track": "/tracks/track_077?only=unsure&sort=confidence",
    "its licence, versions, copies": "/tracks/track_077/facts",
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds on the clock, and of the processor: the first grows with whatever else the machine does."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:10.1f} ms {self.cpu:10.1f} ms of CPU"


def cost(asked: Callable[[], object], times: int = 1) -> Cost:
    """What something costs; the median of so many times."""
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        asked()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return Cost(median(walls), median(cpus))


def measure_index(root: DataRoot, *, anew: bool) -> None:
    """Making the index, and bringing it up to date."""
    config = load_config()

    def refresh() -> None:
        ask_index(root, config, lambda index: None)

    if anew:
        index_path(root).unlink(missing_ok=True)
    print(f"{'index made' if anew else 'index opened':32}{cost(refresh)}")
    peak = peak_bytes() / 2**20
    size = index_path(root).stat().st_size / 1e6
    print(f"{'  its size':32}{size:10.1f} MB {peak:10.0f} MB peak of memory")
    time.sleep(2.1)  # until folders that were just written to count as settled
    refresh()
    print(f"{'nothing changed':32}{cost(refresh, 5)}")
    print(f"{'one track accepted':32}{cost(lambda: accept(root, 'track_099', 'benchmark'))}")
    print(f"{'  index after that':32}{cost(refresh)}")
    undo(root, "track_099", "benchmark")


def owner(root: DataRoot) -> TestClient:
    """Asks the studio as its owner."""
    client = TestClient(guarded_studio(root), base_url="http://127.0.0.1:3000")
    client.headers["Authorization"] = f"Bearer {TOKENS[Role.OWNER]}"
    return client


def measure_while_made(root: DataRoot) -> None:
    """What pages take, in ms on the clock, while the index is made beside the server."""
    index_path(root).unlink(missing_ok=True)
    client, began = owner(root), time.perf_counter()
    print(f"{'first page, no index yet':32}{cost(lambda: client.get('/studio/tracks')).wall:10.1f} ms")
    taken: dict[str, list[float]] = {"/tracks": [], "/tracks/track_077": [], "/checkpoints": []}
    while "being made" in client.get("/studio/tracks").text:
        for path, walls in taken.items():
            walls.append(cost(lambda path=path: client.get(f"/studio{path}")).wall)
        time.sleep(1)
    for path, walls in taken.items():
        print(f"{f'  meanwhile {path}':32}{median(walls):10.1f} ms, the longest {max(walls):.1f} ms")
    print(f"{'  the list shows itself after':32}{time.perf_counter() - began:10.1f} s")


def measure_pages(root: DataRoot, tracks: int) -> None:
    """Each page, as the server makes it."""
    client = owner(root)
    for name, path in PAGES.items():
        address = "/studio" + path.format(middle=tracks // 100)
        assert client.get(address).status_code == 200, address
        print(f"{name:32}{cost(lambda address=address: client.get(address), 5)}")


def measure_review(root: DataRoot, decisions: int) -> None:
    """Accept one track after another by the key a."""
    with TemporaryDirectory() as profile, studio_in_browser(root, Path(profile)) as studio:
        studio.open("/tracks/track_100")
        studio.raw.fill("#who", "benchmark")
        studio.raw.focus("#main")
        asked = "document.querySelector('#track').dataset.id"
        started, done = time.perf_counter(), []
        for _ in range(decisions):
            here = studio.page.ask(asked)
            studio.raw.keyboard.press("a")
            studio.raw.wait_for_selector(f"#track:not([data-id={here}])")
            done.append(here)
        taken = time.perf_counter() - started
    print(
        f"review by keys        {60 * decisions / taken:8.0f} tracks a minute ({decisions} in {taken:.1f} s)"
    )
    for track_id in done:
        undo(root, track_id, "benchmark")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tracks", type=int, nargs="?", default=50_000)
    parser.add_argument("--library", type=Path, help="A folder for the library, which is kept")
    parser.add_argument("--keep-index", action="store_true", help="Do not make the index anew")
    parser.add_argument("--decisions", type=int, default=40)
    parser.add_argument("--drop", type=int, help="From a drop of so many tracks to the first sound")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        if given.drop:
            measure_first_sound(Path(folder), given.drop)
            return
        root = library(given.library or Path(folder), given.tracks)
        print(f"{given.tracks} tracks")
        if not given.keep_index:
            measure_while_made(root)
        measure_index(root, anew=not given.keep_index)
        measure_pages(root, given.tracks)
        if CHROMIUM:
            measure_review(root, given.decisions)


if __name__ == "__main__":
    main()

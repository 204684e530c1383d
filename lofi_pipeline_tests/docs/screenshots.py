"""Take the pictures of the studio in docs/studio/ anew, of the demo's data root: part of `make docs`.

Where there is none yet, the demo is run first, which takes minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lofi_pipeline.checkpoints.manifest import active_lineage
from lofi_pipeline.installation import PROJECT_ROOT
from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.web.browser import CHROMIUM
from lofi_pipeline_tests.web.serving import Studio, studio_in_browser

PICTURES = PROJECT_ROOT / "docs" / "studio"
DEMO = PROJECT_ROOT / "demo-data"
WIDTH, HEIGHT, PHONE = 1280, 860, 390
SETTLED_MS = 3_000
"""For waveforms and spectrograms to be drawn."""


def picture(studio: Studio, path: str, name: str, width: int = WIDTH) -> None:
    """Open a page, and keep what a window of that width shows."""
    studio.raw.set_viewport_size({"width": width, "height": HEIGHT})
    studio.open(path)
    studio.raw.wait_for_timeout(SETTLED_MS)
    studio.raw.screenshot(path=PICTURES / f"{name}.png")
    print(f"docs/studio/{name}.png")


def take(root: DataRoot, profile: Path) -> None:
    """All pictures of a data root."""
    PICTURES.mkdir(exist_ok=True)
    lineage = active_lineage(root)
    with studio_in_browser(root, profile) as studio:
        picture(studio, "/tracks", "tracks")
        picture(studio, "/tracks/track_001", "track")
        picture(studio, "/tracks/track_001", "track-on-a-phone", PHONE)
        if lineage:
            picture(studio, f"/checkpoints/{lineage.lineage[:8]}", "checkpoints")


if __name__ == "__main__":
    if CHROMIUM is None:
        sys.exit("the pictures of the studio need a browser: apt-get install chromium")
    if not DEMO.is_dir():
        subprocess.run([sys.executable, "-m", "lofi_pipeline.cli", "demo"], check=True)
    with TemporaryDirectory() as folder:
        # Of a copy: looking at pages writes waveforms and an index
        copied = DataRoot(Path(shutil.copytree(DEMO, Path(folder) / "demo-data")))
        take(copied, Path(folder) / "profile")

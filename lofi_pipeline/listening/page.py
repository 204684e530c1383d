"""The listener's page, from a server or as a folder of files that open from disk: one template, one script."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.files import CLIPS, Files, read_sheet, read_test, require_clips
from lofi_pipeline.listening.records import Part, Sheet
from lofi_pipeline.storage import DataRoot, commit_folder, write_bytes_atomic

PAGE = Path(__file__).parent / "page"
BESIDE = {"listen.js": "text/javascript", "listen.css": "text/css"}
"""What the page loads, beside clips."""


@cache
def _template() -> Template:
    loading = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined)
    return loading.get_template("listen.html")


def served_page(sheet: Sheet, plan: int, answered: Collection[str]) -> str:
    """For a listener who came by a link, and has answered these trials."""
    return _page(sheet, {"mode": "served", "plan": plan, "answered": sorted(answered)})


def _page(sheet: Sheet, facts: dict[str, object]) -> str:
    data = json.dumps({"sheet": sheet.model_dump(mode="json"), **facts}, ensure_ascii=True)
    # Within a script element nothing is unescaped, so that no text may end it
    embedded = Markup(data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
    return _template().render(
        sheet=sheet,
        mode=facts["mode"],
        trials=len(sheet.of_part(Part.TRIAL)),
        headphones=bool(sheet.of_part(Part.HEADPHONES)),
        data=embedded,
    )


def export_page(root: DataRoot, files: Files, target: Path) -> Path:
    """Write a folder whose index.html opens from disk, whole or not at all. Each listener who gets it has answers of his own.

    Raises:
        ListeningError: something lies there already, or it is in the data root.
        ChangedTest: a file is not what the test was made with.
    """
    place = target.expanduser().resolve()
    if place.is_relative_to(root.path.resolve()):
        raise ListeningError(f"{target}: lies in the data root; name a folder elsewhere")
    if place.exists():
        raise ListeningError(f"{target}: is there already; name a folder that is not there yet")
    test = read_test(root, files)
    sheet = read_sheet(files, test)
    require_clips(files, test)
    with commit_folder(place) as folder:
        for name in sorted(test.clips):
            (folder / CLIPS).mkdir(exist_ok=True)
            shutil.copy2(files.clip(name), folder / CLIPS)
        for name in BESIDE:
            write_bytes_atomic(folder / name, (PAGE / name).read_bytes())
        write_bytes_atomic(folder / "index.html", _page(sheet, {"mode": "file"}).encode())
    return place

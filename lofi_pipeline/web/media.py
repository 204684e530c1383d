"""Audio and pictures of a data root, as a browser asks for them: in parts, and nothing else."""

from __future__ import annotations

import os
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Receive, Scope, Send

from lofi_pipeline.storage import DataRoot

TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".png": "image/png",
}
_POLICY = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'"
"""For who opens the file itself: the browser's own player may style itself, and nothing runs."""


_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})|-\d{1,18}")


class Media(FileResponse):
    """A file as RFC 9110 has it: in parts (section 14), and not again to who has it (section 13)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self.stat_result is None:
            self.stat_result = os.stat(self.path)
            self.set_stat_headers(self.stat_result)
        asked = Headers(scope=scope)
        known = [tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")]
        if self.headers["etag"] in known or known == ["*"]:
            await NotModifiedResponse(self.headers)(scope, receive, send)
            return
        if not _are_ranges(asked.get("range", "")):  # of another unit, or no ranges at all: not asked for
            others = MutableHeaders(raw=[*asked.raw])
            del others["range"]
            scope = {**scope, "headers": others.raw}
        await super().__call__(scope, receive, send)


def _are_ranges(asked: str) -> bool:
    unit, _, listed = asked.partition("=")
    found = [_RANGE.fullmatch(one.strip()) for one in listed.split(",")]
    in_order = (not it[1] or not it[2] or int(it[1]) <= int(it[2]) for it in found if it)
    return unit.strip().lower() == "bytes" and None not in found and all(in_order)


def media(root: DataRoot, relative: str) -> Media:
    """A file of the data root that a record names.

    Raises:
        HTTPException: 404, there is no such audio or picture in the data root.
    """
    try:
        path = root.inside(relative)
    except ValueError as error:
        raise HTTPException(404, str(error)) from error
    if path.suffix.lower() not in TYPES or not path.is_file():
        raise HTTPException(404, f"{relative}: there is no such file")
    headers = {"Cache-Control": "private, no-cache", "Content-Security-Policy": _POLICY}
    return Media(path, media_type=TYPES[path.suffix.lower()], headers=headers)

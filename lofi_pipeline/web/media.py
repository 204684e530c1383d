"""Audio and pictures of a data root, as a browser asks for them: in parts, and nothing else."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse

from lofi_pipeline.storage import DataRoot

TYPES = {
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".png": "image/png",
}
_POLICY = "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'"
"""For who opens the file itself: the browser's own player may style itself, and nothing runs."""


def media(root: DataRoot, relative: str) -> FileResponse:
    """A file of the data root that a record names. Answers Range requests (RFC 9110, section 14).

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
    return FileResponse(path, media_type=TYPES[path.suffix.lower()], headers=headers)

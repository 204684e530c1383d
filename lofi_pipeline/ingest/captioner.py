"""A model of the user's that writes captions: a command, or a program that answers over HTTP on this machine.

It is given the processed MP3 and answers with JSON (styles.Claims). What it claims is checked in styles/claims.py.
docs/captions.md says how to write one.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from lofi_pipeline.config import TaggingSettings
from lofi_pipeline.entities import RecordError
from lofi_pipeline.styles import Claims

MOST_BYTES = 1_000_000
"""Of an answer."""
_SHOWN = 300


class CaptionerFailed(RecordError):
    """The captioner gave no usable answer. The message names it, the file, and what it said."""


def claims_of(path: Path, settings: TaggingSettings) -> Claims | None:
    """What the captioner claims of an audio file; None where there is no captioner.

    Raises:
        CaptionerFailed: it ended with an error, took too long, or answered something else.
    """
    if settings.caption_command:
        name, answer = settings.caption_command[0], _asked_command(path, settings)
    elif settings.caption_url:
        name, answer = settings.caption_url, _asked_url(path, settings.caption_url, settings)
    else:
        return None
    if len(answer) > MOST_BYTES:
        raise CaptionerFailed(
            f"{name}: answered more than {MOST_BYTES} bytes of {path.name}; let it answer less"
        )
    try:
        data = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise CaptionerFailed(
            f"{name}: answered no JSON of {path.name} ({error}): {_start(answer)}; see docs/captions.md"
        ) from error
    return Claims.parse(data, where=f"{name}: its answer of {path.name}")


def _asked_command(path: Path, settings: TaggingSettings) -> bytes:
    name = settings.caption_command[0]
    try:
        done = subprocess.run(
            [*settings.caption_command, str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=settings.caption_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CaptionerFailed(
            f"{name}: no answer of {path.name} in {settings.caption_seconds:g} s; raise tagging.caption_seconds"
        ) from error
    except OSError as error:
        raise CaptionerFailed(
            f"{name}: cannot be started ({error}); correct tagging.caption_command, or leave it out"
        ) from error
    if done.returncode:
        raise CaptionerFailed(
            f"{name}: ended with exit code {done.returncode} of {path.name}: {_start(done.stderr)}; try it on that file by hand"
        )
    return done.stdout


def _asked_url(path: Path, url: str, settings: TaggingSettings) -> bytes:
    request = urllib.request.Request(url, path.read_bytes(), {"Content-Type": "audio/mpeg"}, method="POST")
    # No proxy and no redirection: the music goes where the configuration says, and nowhere else
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirection())
    try:
        with opener.open(request, timeout=settings.caption_seconds) as answer:
            return answer.read(MOST_BYTES + 1)
    except (OSError, urllib.error.HTTPError) as error:
        raise CaptionerFailed(
            f"{url}: no answer of {path.name} ({error}); start the captioner, or leave tagging.caption_url out"
        ) from error


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _start(answer: bytes) -> str:
    return answer[:_SHOWN].decode(errors="replace").strip() or "nothing"

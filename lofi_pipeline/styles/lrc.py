"""LRC: lyrics with a time before each line. The words are taken for training, the times are kept apart.

Headers such as [ar:...] are taken off any lyrics.
"""

from __future__ import annotations

import re

from lofi_pipeline.entities import LyricsTiming, TimedLine
from lofi_pipeline.styles.errors import LyricsError

_MOST_LETTERS = 64 * 1024
_TIME = r"\[\s*(\d{1,3})\s*:\s*(\d{1,2})(?:\s*[.:,]\s*(\d{1,3}))?\s*\]"
_TIME_MARK = re.compile(_TIME)
_LEADING_TIMES = re.compile(rf"[ \t]*(?:{_TIME}[ \t]*)+")
_WORD_TIME = re.compile(r"[<\[]\d{1,3}:\d{1,2}(?:[.:,]\d{1,3})?[>\]][ \t]?")
_HEADERS = (
    "ar|al|ti|au|lr|by|offset|length|re|ve|la|id|tool|total|hash|sign|qq|kana|artist|album|title|author|creator|editor|version"
    "|language|encoding|#"
)
_HEADER = re.compile(rf"[ \t]*\[\s*({_HEADERS})\s*:[ \t]*([^\n]*?)[ \t]*\]?[ \t]*", re.IGNORECASE)
_COMMENT = re.compile(r"[ \t]*\[:\][^\n]*")


def without_times(text: str) -> tuple[str, LyricsTiming | None]:
    """The words without headers and times, and these; None where there were none. Line ends are \\n.

    A line with several times is sung as often, and stands as often, in the order in which they are sung.

    Raises:
        LyricsError: written out, the lines are far too many.
    """
    headers: dict[str, str] = {}
    lines: list[tuple[list[float], str]] = []
    for line in text.split("\n"):
        if header := _HEADER.fullmatch(line):
            headers.setdefault(header[1].casefold(), header[2])
        elif not _COMMENT.fullmatch(line):
            lines.append(_times_and_words(line))
    if not any(times for times, _ in lines):
        words = "\n".join(words for _, words in lines) if headers else text
        return words, LyricsTiming(headers=headers) if headers else None
    sung = _in_order(lines)
    timed = [
        TimedLine(seconds=seconds, text=words) for seconds, words in sung if seconds is not None and words
    ]
    return "\n".join(words for _, words in sung), LyricsTiming(headers=headers, lines=timed)


def _times_and_words(line: str) -> tuple[list[float], str]:
    leading = _LEADING_TIMES.match(line)
    if leading is None:
        return [], line
    words = _WORD_TIME.sub("", line[leading.end() :]).strip()
    return [_seconds(*mark) for mark in _TIME_MARK.findall(leading[0])], words


def _seconds(minutes: str, seconds: str, part: str) -> float:
    return round(60 * int(minutes) + int(seconds) + (int(part) / 10 ** len(part) if part else 0.0), 3)


def _in_order(lines: list[tuple[list[float], str]]) -> list[tuple[float | None, str]]:
    """Each line as often as it is sung. Lines without a time (section marks) stay before the line that they precede."""
    if sum(len(words) * max(1, len(times)) for times, words in lines) > _MOST_LETTERS:
        raise LyricsError(
            "the lines have so many times that the lyrics would be far too long; write them out"
        )
    if all(len(times) < 2 for times, _ in lines):
        return [(times[0] if times else None, words) for times, words in lines]
    blocks: list[tuple[float, list[tuple[float | None, str]]]] = []
    before: list[tuple[float | None, str]] = []
    for times, words in lines:
        if not times:
            before.append((None, words))
        for seconds in times:
            blocks.append((seconds, [*before, (seconds, words)]))
            before = []
    blocks.sort(key=lambda block: block[0])
    return [line for _, block in blocks for line in block] + before

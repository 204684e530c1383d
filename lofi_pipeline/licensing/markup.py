"""Takes HTML and Markdown off a text about a licence, such as what the licence chooser of Creative Commons gives to paste.

All words stay, and the addresses of links and pictures. https://wiki.creativecommons.org/wiki/CC_REL
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_TAG = re.compile(r"(?i)<(?:a|img)\s[^<>]*>")
_MARKDOWN = re.compile(r"!?\[([^\[\]]*)\]\(\s*<?([^()\s<>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_ICON = re.compile(r"(?i)https?://mirrors\.creativecommons\.org/presskit/icons/")


def without_markup(text: str) -> str:
    """The words and addresses of a text in HTML or Markdown; any other text as it is."""
    while (plain := _MARKDOWN.sub(r" \1 \2 ", text)) != text:  # a picture may stand in a link
        text = plain
    if not _TAG.search(text):
        return text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return " ".join(reader.words)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        source = "" if _ICON.match(given.get("src", "")) else given.get("src", "")
        self.words += [given.get("href", ""), source, given.get("alt", ""), given.get("title", "")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.words.append(data)

"""The pages as a reader meets them: headings, links, code blocks, what stands in code type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from lofi_pipeline_tests.docs.markdown import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("lofi_pipeline/models/*/README.md")]
)
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]


@cache
def tokens(name: str) -> list[Token]:
    """The page as markdown-it reads it, what stands inside of paragraphs included."""
    text = re.sub(r"\A---\n.*?\n---\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    found: list[Token] = []
    for token in MarkdownIt().enable("table").parse(text):
        found += [token, *(token.children or [])]
    return found


@cache
def anchors(name: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    page = tokens(name)
    titles = [page[at + 1].content for at, token in enumerate(page) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(name: str) -> list[str]:
    """Where a page's links and pictures lead."""
    found = [token.attrGet("href") or token.attrGet("src") for token in tokens(name)]
    return [str(target) for target in found if target]


def in_code_type(name: str) -> list[str]:
    """What stands in code type within a sentence or a table."""
    return [token.content for token in tokens(name) if token.type == "code_inline"]


def blocks(name: str, language: str | None = None) -> list[str]:
    """The code blocks of a page, those of one language where one is given."""
    found = [token for token in tokens(name) if token.type == "fence"]
    return [token.content for token in found if language is None or token.info == language]


def command_lines(name: str) -> Iterator[list[str]]:
    """The words of every command line: lines of blocks without a language, and what stands in code type."""
    lines = [line for block in blocks(name, "") for line in block.splitlines()]
    for line in [*lines, *in_code_type(name)]:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # an apostrophe in what is no command line
            continue
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words:
            yield [Path(words[0]).name, *words[1:]]

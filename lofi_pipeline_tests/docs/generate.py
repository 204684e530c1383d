"""Write what follows from the code into docs/: `python -m lofi_pipeline_tests.docs.generate`; `--check` only compares.

Whole pages are listed in PAGES. Parts of pages that people write stand between two comments, and are listed in BLOCKS.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from lofi_pipeline_tests.docs.assets_page import assets_page
from lofi_pipeline_tests.docs.cli_page import cli_page
from lofi_pipeline_tests.docs.data_model_page import data_model_page
from lofi_pipeline_tests.docs.findings_page import findings_page
from lofi_pipeline_tests.docs.graph_svg import asset_graph_svg
from lofi_pipeline_tests.docs.markdown import ROOT
from lofi_pipeline_tests.docs.packages import make_block, packages_block
from lofi_pipeline_tests.docs.settings_page import settings_page

COMMAND = "make docs"
PAGES: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/cli.md": cli_page,
    "docs/data-model.md": data_model_page,
    "docs/assets.md": assets_page,
    "docs/audit-findings.md": findings_page,
    "docs/asset-graph.svg": asset_graph_svg,
}
BLOCKS: dict[str, dict[str, Callable[[], str]]] = {
    "docs/architecture.md": {"packages": packages_block},
    "CONTRIBUTING.md": {"make targets": make_block},
}
_BLOCK = re.compile(r"(<!-- begin: (?P<name>.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered() -> dict[str, str]:
    """Path in the project to text, of every page and picture as it should be."""
    pages = {path: make() for path, make in PAGES.items()}
    for path, blocks in BLOCKS.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        pages[path] = _BLOCK.sub(
            lambda found, made=blocks: f"{found[1]}{made[found['name']]()}\n{found[3]}", text
        )
    return pages


def differing() -> list[str]:
    """The pages that are not what the code says."""
    wanted = rendered()
    files = {path: ROOT / path for path in wanted}
    return [
        path
        for path, file in files.items()
        if not file.is_file() or file.read_text(encoding="utf-8") != wanted[path]
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with --check only say which differ. Exit code 1 if --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page differs")
    options = parser.parse_args(arguments)
    changed = differing()
    if options.check:
        if changed:
            print(f"{', '.join(changed)} differ from the code; run: {COMMAND}", file=sys.stderr)
        return 1 if changed else 0
    for path, text in rendered().items():
        if path in changed:
            (ROOT / path).write_text(text, encoding="utf-8")
    print(f"{len(PAGES)} pages and {len(BLOCKS)} parts, changed: {', '.join(changed) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

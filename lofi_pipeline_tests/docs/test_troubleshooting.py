"""docs/troubleshooting.md: each error that is quoted is brought about, and says what the page says."""

from __future__ import annotations

import re

import pytest

from lofi_pipeline.storage import DataRoot
from lofi_pipeline_tests.docs.markdown import ROOT
from lofi_pipeline_tests.docs.mishaps import MISHAPS

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = dict(re.findall(r"^### (.+?)\n\n```text\n(.+?)\n```$", PAGE, re.MULTILINE | re.DOTALL))


def test_every_entry_quotes_an_error_and_every_error_has_its_entry() -> None:
    assert set(re.findall(r"^### (.+)$", PAGE, re.MULTILINE)) == set(QUOTED) == set(MISHAPS)


@pytest.mark.parametrize("heading", MISHAPS)
def test_the_error_says_what_the_page_quotes(heading: str, root: DataRoot) -> None:
    said = " ".join(MISHAPS[heading](root).split())
    for line in QUOTED[heading].splitlines():
        parts = [re.escape(part.strip()) for part in line.split("...")]
        assert re.search(".*".join(parts), said), f"{line!r} is not in {said!r}"

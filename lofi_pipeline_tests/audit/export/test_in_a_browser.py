"""The pages as a browser shows and prints them: on a phone, on paper, with many findings and very long words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from lofi_pipeline.audit.export.html import audit_page
from lofi_pipeline.audit.export.summary_eu import summary_page
from lofi_pipeline.entities import AuditReport, Finding, FindingCode, Severity
from lofi_pipeline_tests.audit.export.attacks import ATTACKS
from lofi_pipeline_tests.audit.export.reports import bare, full
from lofi_pipeline_tests.web.browser import CHROMIUM, Page, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
PHONE, DESK = 375, 1280
BROKEN_WORDS = r"""(() => {
  const broken = [];
  for (const element of document.querySelectorAll('h1, h2, h3, th[scope=col]')) {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode())
      for (const word of node.data.matchAll(/[^\s-]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1) broken.push(word[0]);
      }
  }
  return broken;
})()"""
CUT_OFF = """[...document.querySelectorAll('body *')].filter(element => !element.closest('figure'))
  .filter(element => element.getBoundingClientRect().right > innerWidth + 1).map(element => element.outerHTML.slice(0, 200))"""


def unverified() -> AuditReport:
    """Seventeen sources that nobody verified."""
    report = full(tracks=60, sources=17)
    findings = [
        Finding(
            severity=Severity.WARNING,
            code=FindingCode.NOT_VERIFIED,
            where=row.record.source_id,
            sentence=f"Nobody is named who verified the licence of {row.record.source_id}.",
        )
        for row in report.sources
    ]
    return report.model_copy(update={"findings": [*report.findings, *findings]})


PAGES = {
    "full": audit_page(unverified()),
    "bare": audit_page(bare()),
    "long": audit_page(full(text=ATTACKS["long"], source_ids=["A" * 200, "b" * 200])),
    "summary": summary_page(full()),
    "long summary": summary_page(full(text=ATTACKS["long"], source_ids=["A" * 200, "b" * 200])),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def shown(page: Page, html: str, folder: Path, width: int) -> None:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    page.set_width(width)
    page.open(path.as_uri())
    page.wait_for(f"location.href === '{path.as_uri()}' && document.readyState === 'complete'")


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_as_wide_as_the_window(name: str, width: int, page: Page, tmp_path: Path) -> None:
    shown(page, PAGES[name], tmp_path, width)
    assert page.ask("innerWidth") == width
    assert page.ask("document.documentElement.scrollWidth") <= width
    assert page.ask(CUT_OFF) == []


@pytest.mark.parametrize("width", [PHONE, 600, DESK])
@pytest.mark.parametrize("name", ["full", "bare", "summary"])
def test_no_heading_is_broken_inside_a_word(name: str, width: int, page: Page, tmp_path: Path) -> None:
    shown(page, PAGES[name], tmp_path, width)
    assert page.ask(BROKEN_WORDS) == []


def test_text_on_a_phone_is_large_enough_to_read(page: Page, tmp_path: Path) -> None:
    shown(page, PAGES["full"], tmp_path, PHONE)
    smallest = "Math.min(...[...document.querySelectorAll('p, td, th, dd, li')].map(e => parseFloat(getComputedStyle(e).fontSize)))"
    assert page.ask(smallest) >= 12
    narrowest = (
        "Math.min(...[...document.querySelectorAll('.stacked td')].map(e => e.getBoundingClientRect().width))"
    )
    assert page.ask(narrowest) > 300


def printed(page: Page) -> list[str]:
    """The words of each page on paper, without ligatures."""
    found = PdfReader(BytesIO(page.printed())).pages
    return [unicodedata.normalize("NFKC", " ".join(part.extract_text().split())) for part in found]


@pytest.mark.parametrize("name", ["full", "summary"])
def test_printed_pages_have_numbers(name: str, page: Page, tmp_path: Path) -> None:
    shown(page, PAGES[name], tmp_path, DESK)
    pages = printed(page)
    assert len(pages) > 1
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text


def test_findings_that_are_folded_on_the_screen_are_printed(page: Page, tmp_path: Path) -> None:
    shown(page, PAGES["full"], tmp_path, DESK)
    sentence = "Nobody is named who verified the licence of source-16."
    listed = f"[...document.querySelectorAll('li')].find(e => e.textContent.includes('{sentence}'))"
    assert not page.ask(f"{listed}.checkVisibility()")
    assert sentence in " ".join(printed(page))

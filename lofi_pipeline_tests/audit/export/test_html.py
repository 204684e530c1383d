"""audit.html: whatever people wrote stays text; the page loads nothing and says what a lawyer looks for first."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lofi_pipeline.audit.export.escape import visible
from lofi_pipeline.audit.export.html import MOST_FINDINGS, audit_page
from lofi_pipeline.entities import AuditReport, Finding, FindingCode, Severity
from lofi_pipeline_tests.audit.export.attacks import ATTACKS, INVISIBLE
from lofi_pipeline_tests.audit.export.reports import bare, full

VOID = {"meta", "br", "img", "link", "input", "hr"}
HARMLESS = "Somebody"


class Page(HTMLParser):
    """Tags in order, attributes, the text, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.comments: list[str] = []
        self.headings: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, as it would be read."""
        return " ".join("".join(self.words).split())


@pytest.mark.parametrize("name", ATTACKS)
def test_what_people_write_changes_no_tag_and_no_attribute_name(name: str) -> None:
    plain, attacked = Page(audit_page(full(text=HARMLESS))), Page(audit_page(full(text=ATTACKS[name])))
    assert attacked.tags == plain.tags
    assert [(tag, key) for tag, key, _ in attacked.attributes] == [
        (tag, key) for tag, key, _ in plain.attributes
    ]
    assert attacked.attributes == plain.attributes  # no value either: links and ids come from elsewhere
    assert not attacked.open
    assert not attacked.comments
    assert " ".join(visible(ATTACKS[name]).split()) in attacked.text


@pytest.mark.parametrize("name", ATTACKS)
def test_no_character_that_cannot_be_seen(name: str) -> None:
    assert not INVISIBLE & set(audit_page(full(text=ATTACKS[name])))


@pytest.mark.parametrize("name", ATTACKS)
def test_source_ids_are_anchors_whatever_they_hold(name: str) -> None:
    page = Page(audit_page(full(source_ids=[ATTACKS[name].strip()[:200], "other"])))
    ids = {value for _, key, value in page.attributes if key == "id"}
    targets = [value for _, key, value in page.attributes if key == "href" and value.startswith("#")]
    assert targets
    assert all(target[1:] in ids and target[1:].isascii() for target in targets)


@pytest.mark.parametrize("report", [full(), bare()], ids=["full", "bare"])
def test_nothing_is_run_and_nothing_is_loaded(report: AuditReport) -> None:
    page = Page(audit_page(report))
    assert not {"script", "img", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    for _, key, value in page.attributes:
        assert not key.startswith("on")
        assert key not in ("src", "srcset", "style", "xlink:href", "action", "background")
        assert key != "href" or value.startswith(("https://", "#"))
    policy = next(value for _, key, value in page.attributes if key == "content" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "url(" not in audit_page(report).split("</style>")[0]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://creativecommons.org@evil.example/",
        "https://evil.example/\u202egpj",
        "http://[::1",
        "https://exa mple.org/",
        "//evil.example/x",
    ],
)
def test_only_plain_web_addresses_become_links(url: str) -> None:
    report = full(tracks=2)
    tracks = [replace(track, url=url) for track in report.tracks]
    page = Page(audit_page(report.model_copy(update={"tracks": tracks})))
    assert not any("evil" in value or "alert" in value for _, key, value in page.attributes if key == "href")


def test_the_verdict_comes_first_and_every_question_has_its_answer() -> None:
    report = full()
    page = Page(audit_page(report))
    assert page.headings == [
        "Verdict",
        "Findings and gaps",
        "What it is made of",
        "Sources",
        "Each source in full",
        "Obligations",
        "What else went into it",
        "Tracks by source",
    ]
    for fact in (
        report.disclaimer,
        "As of training, 2026-01-02",
        "As of the audit, 2026-03-01",
        "250.00 USD",
        "A. Lawyer",
    ):
        assert fact in page.text
    for row in report.sources:
        assert row.record.provider in page.text
        for file in row.provenance.evidence if row.provenance else []:
            assert file.sha256 in page.text
    assert ("html", "lang", "en") in page.attributes
    heads = page.tags.count("th")
    assert sum(key == "scope" for _, key, _ in page.attributes) == heads


def test_a_report_without_optional_facts_says_what_is_not_known() -> None:
    page = Page(audit_page(bare()))
    assert "Not clean: 1 error" in page.text
    assert "Training NOT permitted" in page.text
    assert "none on record" in page.text
    assert "not hashed again" in page.text
    assert "No track asks for attribution." in page.text


def test_a_withdrawn_source_is_seen_in_the_picture_and_in_the_table() -> None:
    report = full()
    rows = [
        report.sources[0].model_copy(
            update={"withdrawn": report.trained, "withdrawn_reason": "the artist asked"}
        ),
        *report.sources[1:],
    ]
    page = Page(audit_page(report.model_copy(update={"sources": rows})))
    assert "WITHDRAWN" in page.text
    assert "withdrawn 2026-01-02" in page.text
    assert "the artist asked" in page.text


def test_errors_stand_before_what_weighs_less() -> None:
    report = full()
    worse = report.findings[0].model_copy(update={"severity": Severity.ERROR, "sentence": "Tampered."})
    page = Page(audit_page(report.model_copy(update={"findings": [*report.findings, worse]})))
    assert page.text.index("Tampered.") < page.text.index(report.findings[0].sentence)


def test_findings_of_a_kind_stand_together_and_are_all_listed() -> None:
    report = full()
    findings = [
        Finding(
            severity=Severity.WARNING,
            code=FindingCode.NOT_VERIFIED,
            where=f"drop {number}",
            sentence=f"Nobody verified {number}.",
        )
        for number in range(17)
    ]
    mixed = [*findings[:9], *report.findings, *findings[9:]]
    page = Page(audit_page(report.model_copy(update={"findings": mixed})))
    assert page.attributes.count(("div", "class", "kind warning")) == 2
    assert f"17 times: {FindingCode.NOT_VERIFIED.description}" in page.text
    assert "drop 0, drop 1, drop 2 and 14 more" in page.text
    for finding in findings:
        assert f"{finding.where}: {finding.sentence}" in page.text


def test_thousands_of_findings_of_a_kind_are_counted_and_the_first_listed() -> None:
    report = full()
    many = report.findings * 3_000
    text = audit_page(report.model_copy(update={"findings": many}))
    assert "<strong>3,000 times</strong>" in text
    assert f"{3_000 - MOST_FINDINGS:,} more, in report.json" in text
    assert len(text) < 300_000


def test_many_tracks_stand_in_the_csv_alone() -> None:
    text = audit_page(full(tracks=3_000))
    assert "3,000 tracks: the full list is in tracks.csv beside this page, too long" in text
    assert "track_2999" not in text
    assert len(text) < 600_000


def test_many_sources_leave_the_picture_readable() -> None:
    page = Page(audit_page(full(tracks=60, sources=40)))
    assert "and 31 more sources" in page.text


def test_one_report_gives_one_page() -> None:
    assert audit_page(full()) == audit_page(full())

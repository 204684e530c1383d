"""summary-eu.html and .json: all sections of the Commission's template; what nobody said is left open, and marked."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from lofi_pipeline.audit.export.escape import visible
from lofi_pipeline.audit.export.summary_eu import MOST_LISTED, summary_json, summary_page
from lofi_pipeline.entities import AuditReport, Publication, SourceType
from lofi_pipeline_tests.audit.export.attacks import ATTACKS, INVISIBLE
from lofi_pipeline_tests.audit.export.reports import bare, full
from lofi_pipeline_tests.audit.export.test_html import Page

SAID = Publication(
    provider="The Label",
    contact="music@example.org",
    representative="Somebody in Dublin",
    model_name="Rain 1.0",
    placed_on_market=date(2026, 4, 1),
    signed_code_of_practice=False,
    reservation_measures="We ask every artist.",
    illegal_content_measures="We listen to all of it.",
    scraped_data="None was.",
    user_data="None did.",
    synthetic_data="None was.",
    other_data="Nothing else.",
)


def sections(report: AuditReport) -> dict[str, dict[str, Any]]:
    return {section["number"]: section for section in json.loads(summary_json(report))["sections"]}


def answers(report: AuditReport, number: str) -> dict[str, str | None]:
    return {item["question"]: item["answer"] for item in sections(report)[number]["answers"]}


@pytest.mark.parametrize("report", [full(), bare()], ids=["full", "bare"])
def test_every_section_of_the_template_is_there_in_its_order(report: AuditReport) -> None:
    expected = ["1.1", "1.2", "1.3", "2.1", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2", "3.3"]
    assert list(sections(report)) == expected
    page = Page(summary_page(report))
    assert [word.split(".")[0] for word in page.headings] == ["1", "2", "3"]
    assert not page.open


def test_what_was_not_set_is_left_open_and_names_its_setting() -> None:
    report = full()
    found = json.loads(summary_json(report))
    settings = {item["open_until"].split()[3].removeprefix("publication.") for item in found["left_open"]}
    assert settings == set(Publication.model_fields) - {"weights_licence", "copyright"}
    page = Page(summary_page(report))
    assert page.attributes.count(("span", "class", "open")) == len(found["left_open"])
    assert f"{len(found['left_open'])} answers left open" in page.text


def test_what_was_set_is_answered_and_nothing_is_left_open() -> None:
    report = full().model_copy(update={"publication": SAID})
    assert json.loads(summary_json(report))["left_open"] == []
    page = Page(summary_page(report))
    assert "eft open" not in page.text
    for words in ("The Label", "Rain 1.0", "2026-04-01", "We ask every artist.", "Somebody in Dublin"):
        assert words in page.text


def test_clips_that_the_base_made_for_training_are_synthetic_data() -> None:
    report = full()
    assert report.training
    training = report.training.model_copy(update={"synthetic": "12 clips that the base itself made."})
    question = "Clips made by the base model"
    assert question not in answers(report, "2.5")
    made = report.model_copy(update={"training": training})
    assert answers(made, "2.5")[question] == "12 clips that the base itself made."


def test_sources_stand_in_the_section_of_their_kind() -> None:
    report = full(sources=5)
    found = sections(report)
    kinds = {row.record.source_id: row.record.source_type for row in report.sources}
    public = {item["name"] for item in found["2.1"]["sources"]}
    licensed = {item["name"] for item in found["2.2.1"]["sources"]}
    assert public == {name for name, kind in kinds.items() if kind is SourceType.CREATIVE_COMMONS}
    assert public | licensed == set(kinds) and not public & licensed
    tracks = [item["tracks"] for number in ("2.1", "2.2.1") for item in found[number]["sources"]]
    assert sum(tracks) == len(report.tracks)
    assert answers(bare(), "2.1")["Were such data used?"] == "No source on record is of this kind."


def test_size_languages_and_dates_follow_from_the_records() -> None:
    report = full().model_copy(update={"languages": {"de": 3, "unknown": 1}})
    general = answers(report, "1.3")
    assert general["Size of the audio"] == (
        "less than 10,000 hours: 12 recordings of lofi music, 0:24:00 (h:mm:ss)"
    )
    assert general["Languages"] == (
        "Captions are in English. Tracks with lyrics of their own: 3 in de, 1 in a language that is not on record."
    )
    latest = max(row.record.date_acquired for row in report.sources).isoformat()
    assert general["Latest date of acquisition"] == latest
    for seconds, words in ((36_000_000.0, "10,000 to 1,000,000 hours"), (3.6e9, "more than 1,000,000 hours")):
        large = answers(report.model_copy(update={"seconds": seconds}), "1.3")["Size of the audio"]
        assert large is not None and large.startswith(words)


def test_very_many_sources_are_counted_and_the_largest_listed() -> None:
    report = full(tracks=900, sources=2 * MOST_LISTED + 20)
    found = sections(report)["2.1"]
    assert (len(found["sources"]), found["more_sources"]) == (MOST_LISTED, 10)
    assert "10 smaller sources more" in Page(summary_page(report)).text


@pytest.mark.parametrize("name", ATTACKS)
def test_what_people_write_changes_no_tag_and_no_attribute(name: str) -> None:
    def page(text: str) -> str:
        said = {field: text for field, given in SAID if isinstance(given, str)}
        report = full(text=text).model_copy(update={"publication": SAID.model_copy(update=said)})
        return summary_page(report.model_copy(update={"languages": {text: 1}}))

    plain, attacked = Page(page("Somebody")), Page(page(ATTACKS[name]))
    assert (attacked.tags, attacked.attributes) == (plain.tags, plain.attributes)
    assert not attacked.open and not attacked.comments
    assert " ".join(visible(ATTACKS[name]).split()) in attacked.text
    assert not INVISIBLE & set(page(ATTACKS[name]))


def test_one_report_gives_one_summary() -> None:
    assert summary_json(full()) == summary_json(full())
    assert summary_page(full()) == summary_page(full())

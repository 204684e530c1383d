"""ATTRIBUTION.md and MODEL_CARD.md through a Markdown and a YAML parser: what people wrote is text, never structure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from lofi_pipeline.audit.export.attribution import attribution_text
from lofi_pipeline.audit.export.escape import markdown, safe_url, visible
from lofi_pipeline.audit.export.model_card import model_card
from lofi_pipeline.entities import AuditReport, Publication
from lofi_pipeline_tests.audit.export.attacks import ATTACKS, INVISIBLE
from lofi_pipeline_tests.audit.export.reports import CC_BY_URL, bare, full

FILES: dict[str, Callable[[AuditReport], str]] = {"attribution": attribution_text, "model card": model_card}


def parsed(text: str) -> tuple[list[str], list[str], str]:
    """Kinds of all tokens in order, all link targets, all text."""
    body = text.split("---\n", 2)[2] if text.startswith("---\n") else text
    kinds, targets, words = [], [], []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").parse(body):
        kinds.append(token.type)
        for child in token.children or []:
            kinds.append(child.type)
            targets += [str(child.attrs[key]) for key in ("href", "src") if key in child.attrs]
            words.append(child.content)
    return kinds, targets, "".join(words)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("file", FILES)
def test_what_people_write_changes_no_structure(file: str, name: str) -> None:
    plain, attacked = (parsed(FILES[file](full(text=text))) for text in ("Somebody", ATTACKS[name]))
    assert attacked[0] == plain[0]
    assert attacked[1] == plain[1]
    assert visible(ATTACKS[name]).strip() in attacked[2]


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("file", FILES)
def test_no_bare_address_and_nothing_invisible(file: str, name: str) -> None:
    text = FILES[file](full(text=ATTACKS[name]))
    outside_links = re.sub(r"\(<https://[^<>\s]*>\)", "", text)
    assert not re.search(r"(?i)https?://|www\.|[^\\]@", outside_links)  # what GitHub would make a link
    assert not INVISIBLE & set(text)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_line_that_opens_a_list_item_stays_one_paragraph(name: str) -> None:
    kinds, _, _ = parsed(f"- {markdown(ATTACKS[name])}\n")
    expected, _, _ = parsed("- a\n")
    assert kinds == expected


@pytest.mark.parametrize(
    "text", ["- a", "+ b", "1. c", "2) d", "---", "- - -", "===", "* e", "> f", "-", "7."]
)
def test_signs_that_open_blocks_are_text(text: str) -> None:
    assert parsed(f"{markdown(text)}\n")[0] == parsed("a\n")[0]
    assert parsed(f"{markdown(text)}\n")[2] == text


def test_numbers_stay_readable() -> None:
    assert markdown("0.0015") == "0.0015"
    assert markdown("-0.5") == "-0.5"


def test_each_attribution_has_title_artist_source_licence_and_link() -> None:
    report = full()
    text = attribution_text(report)
    assert text.count("\n- ") == len(report.attribution) + sum(
        row.obligation != "attribution" for row in report.obligations
    ) + len(report.limited)
    _, targets, words = parsed(text)
    for entry in report.attribution:
        assert entry.url in targets
        assert all(fact in words for fact in (entry.title, entry.artist, entry.provider, entry.licence))
    assert targets.count(CC_BY_URL) == len(report.attribution)


def test_nothing_to_attribute_is_said() -> None:
    assert "No track of it asks for attribution." in attribution_text(bare())


def test_the_card_is_a_model_card() -> None:
    report = full()
    card = ModelCard(model_card(report))
    facts = card.data.to_dict()
    assert (facts["library_name"], facts["pipeline_tag"]) == ("diffusers", "text-to-audio")
    results = facts["model-index"][0]["results"]
    assert [metric["value"] for result in results for metric in result["metrics"]] == [4.2, 0.31]
    assert report.subject.hash in card.content


def test_what_nano_measured_is_published_under_its_name_with_error_and_number() -> None:
    card = ModelCard(model_card(full()))
    metrics = card.data.to_dict()["model-index"][0]["results"][0]["metrics"]
    assert [(metric["type"], metric["name"]) for metric in metrics] == [
        ("nano-FAD", "nano-FAD"),
        ("nano alignment", "nano alignment"),
    ]
    assert not any(word in card.text for word in ("frechet-audio-distance", "Fréchet", "CLAP"))
    said = " ".join(card.text.replace("\\", "").split())
    for words in (
        "4.200 ± 0.083",
        "0.310 (0.280 to 0.340)",
        "base model alone | 9.900 ± 0.083",
        "On 24 clips against 7 validation tracks",
        "1.260 apart (0.900 to 1.600)",
        "would be 3.900",
        "0.0123 ± 0.0040",
        "7 validation tracks: with fewer than 30",
        "of 2 styles: with fewer than 3",
        "track_001 and track_005",
    ):
        assert words in said, words


def test_scores_whose_error_was_never_measured_are_published_with_that_said() -> None:
    report = full()
    subject = report.subject.model_copy(update={"precision": None})
    said = ModelCard(model_card(report.model_copy(update={"subject": subject}))).text
    assert "4.200" in said and "were not measured" in said


def test_the_card_names_a_base_model_of_the_hub_only_when_it_is_one() -> None:
    for name, expected in [
        ("ACE-Step/ACE-Step-v1-3.5B", "ACE-Step/ACE-Step-v1-3.5B"),
        ("nano", None),
        ("../x/y", None),
        ("a/b\nlicense: cc0-1.0", None),
    ]:
        report = full()
        assert report.base is not None
        facts = report.base.facts.model_copy(update={"name": name})
        report = report.model_copy(update={"base": report.base.model_copy(update={"facts": facts})})
        front = yaml.safe_load(model_card(report).split("---\n")[1])
        assert front.get("base_model") == expected
        assert front["license"] == "unknown"


@pytest.mark.parametrize(
    ("chosen", "front"),
    [
        ("CC-BY-4.0", {"license": "cc-by-4.0"}),
        ("apache-2.0", {"license": "apache-2.0"}),
        ("Our own terms", {"license": "other", "license_name": "Our own terms"}),
        (None, {"license": "unknown"}),
    ],
)
def test_the_card_names_the_licence_of_the_weights_that_was_set(
    chosen: str | None, front: dict[str, str]
) -> None:
    text = model_card(full().model_copy(update={"publication": Publication(weights_licence=chosen)}))
    assert front.items() <= ModelCard(text).data.to_dict().items()
    assert ("No licence of the weights is set" in parsed(text)[2]) == (chosen is None)


def test_a_copyright_notice_stands_in_its_credit() -> None:
    report = full()
    first = replace(report.attribution[0], copyright="℗ 2024 The *Artist*")
    said = parsed(attribution_text(report.model_copy(update={"attribution": [first]})))[2]
    assert "℗ 2024 The *Artist*" in said


@pytest.mark.parametrize("name", ATTACKS)
def test_front_matter_holds_whatever_the_ids_hold(name: str) -> None:
    report = full()
    dataset = report.dataset.model_copy(update={"dataset_id": ATTACKS[name]})
    subject = report.subject.model_copy(update={"partition_key": ATTACKS[name]})
    text = model_card(report.model_copy(update={"dataset": dataset, "subject": subject}))
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert head is not None
    front = yaml.safe_load(head[1])
    assert set(front) == {"license", "library_name", "pipeline_tag", "tags", "model-index"}
    assert front["model-index"][0]["name"] == visible(ATTACKS[name])
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == visible(ATTACKS[name])
    ModelCard(text)


def test_a_card_without_optional_facts() -> None:
    report = full()
    subject = report.subject.model_copy(update={"record": None, "metrics": None})
    text = model_card(
        report.model_copy(
            update={
                "subject": subject,
                "base": None,
                "training": None,
                "configuration": {},
                "base_metrics": None,
            }
        )
    )
    assert "It was not evaluated." in text
    assert "Not recorded." in text
    ModelCard(text)


def test_addresses_in_links_cannot_end_the_link() -> None:
    assert safe_url("https://example.org/a(b)<c>`d\\e f") == "https://example.org/a%28b%29%3Cc%3E%60d%5Ce%20f"
    assert safe_url("https://exämple.org/ä?q=ü#ö") == "https://xn--exmple-cua.org/%C3%A4?q=%C3%BC#%C3%B6"

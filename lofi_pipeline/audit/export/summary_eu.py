"""summary-eu.html and summary-eu.json: a draft of the public summary of training content that the EU's AI Act asks for.

It has the sections of the European Commission's template of July 2025 (Article 53(1)(d) of Regulation (EU) 2024/1689). What no
record and no setting knows is left open, and marked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import chain
from urllib.parse import urlsplit

from lofi_pipeline.audit.export.escape import safe_url, visible
from lofi_pipeline.audit.export.format import count, hours
from lofi_pipeline.audit.export.html import rendered
from lofi_pipeline.entities import AuditReport, SourceRow, SourceType

TEMPLATE = "Template for the public summary of training content, European Commission, July 2025"
AUDIO_RANGES = ((10_000, "less than 10,000 hours"), (1_000_000, "10,000 to 1,000,000 hours"))
MOST_AUDIO = "more than 1,000,000 hours"
TEXT_RANGE = "less than 1 billion tokens"
MOST_LISTED = 200
PARTS = {
    "1.1": "1. General information",
    "2.1": "2. List of data sources",
    "3.1": "3. Aspects of data processing",
}
"""The three parts of the template, before their first sections."""
NOTE = (
    "A draft, made from the records of an audit. It is about what this LoRA was trained on and not about its base model, whose "
    "provider owes a summary of its own. Whether one is owed for the LoRA is for its provider to find out."
)
LEFT_OPEN = "Left open"


@dataclass(frozen=True)
class Answer:
    """One line of the template: what is asked, and the answer; `open_until` says what would answer it."""

    question: str
    answer: str | None = None
    open_until: str | None = None


@dataclass(frozen=True)
class Listed:
    """One source, with what the template wants of a data set."""

    name: str
    provider: str
    licence: str
    tracks: int
    hours: str
    url: str | None = None


@dataclass(frozen=True)
class Section:
    """A numbered section of the template."""

    number: str
    title: str
    answers: list[Answer] = field(default_factory=list)
    sources: list[Listed] = field(default_factory=list)
    more_sources: int = 0


def summary_json(report: AuditReport) -> str:
    """The whole file as JSON in ASCII."""
    found = {
        "template": TEMPLATE,
        "note": NOTE,
        "subject": report.subject.name,
        "made": report.made.isoformat(),
        "left_open": [asdict(answer) for answer in _left_open(report)],
        "parts": list(PARTS.values()),
        "sections": [asdict(section) for section in sections(report)],
        "disclaimer": report.disclaimer,
    }
    return json.dumps(found, indent=2) + "\n"


def summary_page(report: AuditReport) -> str:
    """The whole page, in the dress of the audit's."""
    return rendered(
        "summary_eu.html",
        report=report,
        subject=report.subject,
        made_after=TEMPLATE,
        note=NOTE,
        sections=sections(report),
        left_open=_left_open(report),
        parts=PARTS,
    )


def sections(report: AuditReport) -> list[Section]:
    """All sections of the template, in its order."""
    return [*_general(report), *_sources(report), *_processing(report)]


def _left_open(report: AuditReport) -> list[Answer]:
    answers = chain.from_iterable(section.answers for section in sections(report))
    return [answer for answer in answers if answer.answer is None]


def _general(report: AuditReport) -> list[Section]:
    said, base = report.publication, report.base
    depends = [f"{base.facts.name} (SHA-256 of its files: {base.facts.sha256})"] if base else []
    depends += [report.parent.facts.name] if report.parent else []
    model = f"{said.model_name} ({report.subject.name})" if said.model_name else None
    day = said.placed_on_market.isoformat() if said.placed_on_market else None
    return [
        Section(
            "1.1",
            "Provider identification",
            [
                _set("Provider's name", said.provider, "provider"),
                _set("Provider's contact details", said.contact, "contact"),
                _set("Authorised representative, name and contact details", said.representative, "representative"),
            ],
        ),
        Section(
            "1.2",
            "Model identification",
            [
                _set("Versioned model name", model, "model_name"),
                Answer("Checkpoint and data set on record", f"{report.subject.id}; {report.dataset.dataset_id}, {report.dataset.hash}"),
                _known("Model dependencies", "; ".join(depends), "the base model is on record"),
                _set("Date of placement on the market of the Union", day, "placed_on_market"),
            ],
        ),
        Section("1.3", "Modalities, overall size of the training data and other characteristics", _size(report)),
    ]  # fmt: skip


def _size(report: AuditReport) -> list[Answer]:
    days = sorted(row.record.date_acquired for row in report.sources)
    unsaid = {"unknown": "a language that is not on record"}
    languages = ", ".join(
        f"{tracks:,} in {unsaid.get(name, name)}" for name, tracks in report.languages.items()
    )
    length = report.seconds / 3600
    audio = next((words for most, words in AUDIO_RANGES if length < most), MOST_AUDIO)
    styles = Counter(style for track in report.tracks for style in track.style_ids)
    lyrics = f"lyrics of {count(report.captions.with_lyrics, 'track')}"
    spread = ", ".join(f"{style} {styles[style]:,}" for style in sorted(styles))
    recordings = (
        f"{count(report.dataset.track_count, 'recording')} of lofi music, {hours(report.seconds)} (h:mm:ss)"
    )
    words = f"{TEXT_RANGE}: {count(report.captions.prompts, 'different caption')} and the {lyrics}"
    return [
        Answer("Modalities", "Audio, and text that describes it"),
        Answer("Size of the audio", f"{audio}: {recordings}"),
        Answer("Size of the text", words),
        Answer("Types of content", "Musical recordings; captions made of tags; lyrics"),
        _known(
            "Latest date of acquisition", days[-1].isoformat() if days else "", "a source is on record"
        ),
        Answer("Is the model trained on new data after that date?", "No: a version of the data set is never changed."),
        _known(
            "Languages",
            f"Captions are in English. Tracks with lyrics of their own: {languages or 'none'}.",
            "",
        ),
        Answer("Other characteristics", f"Tracks by style: {spread}." if spread else "No track."),
    ]  # fmt: skip


def _sources(report: AuditReport) -> list[Section]:
    said = report.publication
    public = [row for row in report.sources if row.record.source_type is SourceType.CREATIVE_COMMONS]
    licensed = [row for row in report.sources if row.record.source_type is not SourceType.CREATIVE_COMMONS]
    crawled = (
        "The pipeline has no crawler: people put files into its folders. How they came by them it can't know."
    )
    return [
        _listing("2.1", "Publicly available datasets", "Music under a public licence, such as Creative Commons", public),
        _listing("2.2.1", "Datasets commercially licensed by rightsholders or their representatives", "Music that was commissioned, bought, or given by partners", licensed),
        Section("2.2.2", "Private datasets obtained from other third parties", [Answer("Were such data used?", "No source on record is of this kind.")]),
        Section(
            "2.3",
            "Data crawled and scraped from online sources",
            [
                Answer("What the pipeline does", crawled),
                _set("Were data crawled or scraped by the provider or for it?", said.scraped_data, "scraped_data"),
                _domains(report.sources),
            ],
        ),
        Section("2.4", "User data", [_set("Were data of users of the provider's services used?", said.user_data, "user_data")]),
        Section(
            "2.5",
            "Synthetic data",
            [
                Answer("Captions", report.captions.sentence),
                *([Answer("Clips made by the base model", made)] if (made := report.training and report.training.synthetic) else []),
                _set("Was music used that other AI models made?", said.synthetic_data, "synthetic_data"),
            ],
        ),
        Section("2.6", "Other sources of data", [_set("Were data of other kinds used?", said.other_data, "other_data")]),
    ]  # fmt: skip


def _listing(number: str, title: str, kind: str, rows: list[SourceRow]) -> Section:
    if not rows:
        return Section(
            number, title, [Answer("Were such data used?", "No source on record is of this kind.")]
        )
    seconds, tracks = sum(row.seconds for row in rows), sum(row.tracks for row in rows)
    size = f"{count(len(rows), 'source')}, {count(tracks, 'track')}, {hours(seconds)} (h:mm:ss)"
    days = sorted(row.record.date_acquired.isoformat() for row in rows)
    answers = [
        Answer("Were such data used?", f"Yes: {size}"),
        Answer("What they are", kind),
        Answer("Modality", "Audio"),
        Answer("Acquired", days[0] if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"),
    ]
    listed = sorted(rows, key=lambda row: (-row.seconds, row.record.source_id))
    more = max(0, len(rows) - MOST_LISTED)
    return Section(number, title, answers, [_listed(row) for row in listed[:MOST_LISTED]], more)


def _listed(row: SourceRow) -> Listed:
    return Listed(
        name=row.record.source_id,
        provider=row.record.provider,
        licence=row.verdict_now.licence,
        tracks=row.tracks,
        hours=hours(row.seconds),
        url=safe_url(row.provenance.url) if row.provenance else None,
    )


def _domains(rows: Iterable[SourceRow]) -> Answer:
    places = Counter(
        urlsplit(url).hostname or ""
        for row in rows
        if (url := safe_url(row.provenance.url if row.provenance else None))
    )
    shown = ", ".join(sorted(places, key=lambda place: (-places[place], place))[:MOST_LISTED])
    return Answer("Where sources on record can be found", shown or "No address is on record.")


def _processing(report: AuditReport) -> list[Section]:
    said = report.publication
    signed = {True: "Yes", False: "No", None: None}[said.signed_code_of_practice]
    banned = (
        f"Each source is judged by a licence policy (profile “{report.profile}”) before it is used: what doesn't permit AI training, "
        "or says that it is reserved, is refused, and so is what can't be read. A source that is withdrawn leaves the next version, "
        "and audits name every model that it fed."
    )
    illegal = "Files that can't be decoded, or are not music, are refused. The pipeline doesn't look for illegal content in the music."
    return [
        Section(
            "3.1",
            "Respect of reservation of rights from text and data mining",
            [
                _set("Did the provider sign the code of practice?", signed, "signed_code_of_practice"),
                Answer("What the pipeline does", banned),
                _set("Other measures", said.reservation_measures, "reservation_measures"),
            ],
        ),
        Section(
            "3.2",
            "Removal of illegal content",
            [
                Answer("What the pipeline does", illegal),
                _set("Other measures", said.illegal_content_measures, "illegal_content_measures"),
            ],
        ),
        Section("3.3", "Other information", [_verdict(report)]),
    ]  # fmt: skip


def _verdict(report: AuditReport) -> Answer:
    return Answer("Verdict of the audit", f"{report.now.sentence} (as of {report.now.day.isoformat()})")


def _set(question: str, value: str | None, setting: str) -> Answer:
    return _known(question, value or "", f"publication.{setting} is set")


def _known(question: str, value: str, until: str) -> Answer:
    return (
        Answer(question, value)
        if visible(value).strip()
        else Answer(question, None, f"{LEFT_OPEN} until {until}.")
    )

"""MODEL_CARD.md of a checkpoint: the Hugging Face format, with what the records know filled in.

https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from lofi_pipeline.audit.export.attribution import term_lines
from lofi_pipeline.audit.export.escape import markdown, markdown_link, visible
from lofi_pipeline.audit.export.format import count, hours, money
from lofi_pipeline.audit.export.scores import score_table
from lofi_pipeline.audit.export.spdx_licence import is_listed
from lofi_pipeline.entities import AuditReport, AuditVerdict, QualityMetrics
from lofi_pipeline.evaluation.names import score_names
from lofi_pipeline.licensing.expression import spdx_spelling

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
MOST_SOURCES = 200
NO_LICENCE = (
    "No licence of the weights is set, so nobody but their owner may use them: choose one that the obligations leave room for, and "
    "set publication.weights_licence."
)
INTENDED = (
    "Generating short instrumental lofi music from text with the base model named above, by people who have read "
    "the obligations below."
)
LIMITS = (
    "It only adapts its base model: what that model can't do or does wrong, it does too, and what that model was "
    "trained on is not covered by this card beyond what stands above.",
    "It was trained on the tracks named in tracks.csv alone; styles with few tracks come out less surely.",
    "Scores compare models that were measured alike; they are no measure of what listeners like.",
    "Nothing here shows that generated music differs enough from every track it was trained on: listen, and compare.",
)


def model_card(report: AuditReport) -> str:
    """The whole card of a checkpoint's report."""
    parts = [
        front_matter(report),
        f"# {markdown(report.subject.name)}",
        f"A LoRA for text-to-music generation. {markdown(report.disclaimer)}",
        _what(report),
        verdict_section(report),
        f"## Intended use\n\n{INTENDED}",
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in LIMITS),
        _data(report),
        _training(report),
        scores_section(report),
        _obligations(report),
        findings_section(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(report: AuditReport) -> str:
    """What the hub reads of a card."""
    base = visible(report.base.facts.name) if report.base else ""
    facts: dict[str, Any] = {
        **_licence(report),
        "library_name": "diffusers",
        "pipeline_tag": "text-to-audio",
        "tags": ["lora", "text-to-music", "lofi"],
    }
    if HUB_ID.fullmatch(base):
        facts |= {"base_model": base, "base_model_relation": "adapter"}
    if report.subject.metrics and not report.imported:
        facts["model-index"] = [_index(report, report.subject.metrics)]
    # ASCII alone: YAML escapes the rest
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=False, width=1_000)}---"


def _licence(report: AuditReport) -> dict[str, str]:
    """The licence of the weights is their owner's to choose, within the obligations. The hub takes ids in small letters."""
    chosen = report.publication.weights_licence
    if chosen is None:
        return {"license": "unknown"}
    spelled = spdx_spelling(chosen)
    if is_listed(spelled):
        return {"license": spelled.lower()}
    return {"license": "other", "license_name": visible(chosen).strip()}


def _index(report: AuditReport, metrics: QualityMetrics) -> dict[str, Any]:
    held_out = {"name": visible(report.dataset.dataset_id), "type": "audiofolder", "split": "validation"}
    names = score_names(report.subject.score_key)
    # Others know a Frechet audio distance by this type, and CLAP's score by that: what nano measures is neither
    fad_type = names.fad if report.subject.score_key is None or names.is_nano else "frechet-audio-distance"
    scores = [
        {"type": fad_type, "name": names.fad, "value": round(metrics.fad_score, 6)},
        {
            "type": "clap" if names.is_clap else names.clap,
            "name": names.clap,
            "value": round(metrics.clap_score, 6),
        },
    ]
    return {
        "name": visible(report.subject.name),
        "results": [{"task": {"type": "text-to-audio"}, "dataset": held_out, "metrics": scores}],
    }


def _what(report: AuditReport) -> str:
    base = report.base
    rows = [
        ("Checkpoint", report.subject.id),
        ("SHA-256", report.subject.hash),
        ("Trained on", report.trained.isoformat()),
        ("Licence of the weights", report.publication.weights_licence or NO_LICENCE),
        ("Published by", report.publication.provider or "left open: publication.provider is not set"),
        ("Base model", base.facts.name if base else "not recorded"),
        ("Licence of the base model", (base.licence if base else None) or "not known here"),
        ("SHA-256 of the base model", base.facts.sha256 if base else "not recorded"),
        ("LoRA that training began from", report.parent.facts.name if report.parent else "none"),
        ("Data set version", f"{report.dataset.dataset_id}, {report.dataset.hash}"),
    ]
    files = report.subject.record.files if report.subject.record else {}
    rows += [(f"SHA-256 of {name}", files[name]) for name in sorted(files)]
    return "## What it is\n\n" + markdown_table(("Fact", "Value"), rows)


def verdict_section(report: AuditReport) -> str:
    """What the licences come to, then and now."""
    rows = [
        _judged("As of training", report.then),
        _judged("As of the audit", report.now),
    ]
    head = ("", "Day", "Training permitted", "Commercial use", "Why")
    return "## Licence verdict\n\n" + markdown_table(head, rows)


def _judged(name: str, verdict: AuditVerdict) -> tuple[str, ...]:
    yes = {True: "yes", False: "NO"}
    return (
        name,
        verdict.day.isoformat(),
        yes[verdict.permitted],
        yes[verdict.commercial_use],
        verdict.sentence,
    )


def _data(report: AuditReport) -> str:
    opening = (
        f"{count(report.dataset.track_count, 'track')}, {hours(report.seconds)} (h:mm:ss), of these "
        f"{count(report.dataset.validation_count, 'track')} held out; from {count(len(report.sources), 'source')}, "
        f"at a known cost of {money(report.cost)}. {count(report.captions.prompts, 'different caption')}; "
        f"{markdown(report.captions.sentence)}"
    )
    shown = report.sources[:MOST_SOURCES]
    rows = [
        (
            row.record.source_id,
            row.record.provider,
            row.verdict_now.licence,
            f"{row.tracks:,}",
            hours(row.seconds),
        )
        for row in shown
    ]
    table = markdown_table(("Source", "Provider", "Licence", "Tracks", "h:mm:ss"), rows)
    rest = len(report.sources) - len(shown)
    more = f"\n\n{rest:,} more sources stand in audit.html." if rest else ""
    return f"## Training data\n\n{opening}\n\n{table}{more}"


def _training(report: AuditReport) -> str:
    lineage, facts = report.subject.lineage, report.training
    rows = []
    if lineage:
        rows += [
            ("preset", lineage.preset),
            ("configuration SHA-256", lineage.config_hash),
            ("lineage", lineage.lineage),
        ]
    rows += sorted(report.configuration.items())
    if facts:
        rows += [("steps", f"{facts.steps:,}"), ("skipped steps", f"{facts.skipped_steps:,}")]
    if not rows:
        return "## Training\n\nNot recorded."
    sentence = f"\n\n{markdown(facts.sentence)}" if facts else ""
    return f"## Training\n\n{markdown_table(('Setting', 'Value'), rows)}{sentence}"


def scores_section(report: AuditReport) -> str:
    """The scores beside those of the base."""
    found = score_table(report)
    if found is None:
        return "## Scores\n\nIt was not evaluated."
    head = (
        "Model",
        f"{found.names.fad} (lower is nearer)",
        f"{found.names.clap} (higher follows the prompt better)",
    )
    said = " ".join(markdown(sentence) for sentence in found.sentences)
    return f"## Scores\n\nAgainst the tracks that were held out.\n\n{markdown_table(head, list(found.rows))}\n\n{said}"


def _obligations(report: AuditReport) -> str:
    lines = [
        f"- {markdown(row.obligation)}: {markdown(row.sentence)} ({count(row.tracks, 'track')})"
        for row in report.obligations
    ]
    attribution = (
        f"\n\nThe text to publish is in {markdown_link('ATTRIBUTION.md', None)}."
        if report.attribution
        else ""
    )
    terms = term_lines(report)
    limits = "\n\nWhat the grants of its sources limit:\n\n" + "\n".join(terms) if terms else ""
    return "## Obligations\n\n" + ("\n".join(lines) or "None.") + attribution + limits


def findings_section(report: AuditReport) -> str:
    """The first findings of the audit."""
    lines = [
        f"- {finding.severity}: {markdown(finding.where)}: {markdown(finding.sentence)}"
        for finding in report.findings[:100]
    ]
    rest = len(report.findings) - len(lines)
    if rest:
        lines.append(f"- {rest:,} more, in audit.html")
    return "## Findings of the audit\n\n" + ("\n".join(lines) or "None.")


def markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of Markdown, its cells escaped."""
    lines = [head, tuple("---" for _ in head)] + [tuple(markdown(cell) for cell in row) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

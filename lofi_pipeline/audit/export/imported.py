"""The files of an audit of a LoRA that was trained elsewhere: what is known, what is claimed, and that nothing is proved."""

from __future__ import annotations

from lofi_pipeline.audit.export.escape import markdown
from lofi_pipeline.audit.export.html import kinds_of_findings, rendered
from lofi_pipeline.audit.export.model_card import (
    findings_section,
    front_matter,
    markdown_table,
    scores_section,
    verdict_section,
)
from lofi_pipeline.audit.export.scores import score_table
from lofi_pipeline.entities import AuditReport, Imported, Severity

UNKNOWN = (
    "Its origin is unknown. It was trained by another program, and nothing here proves what it was trained on, who allowed that, or "
    "under which licence it may be used. It is here to be compared by its scores."
)
CLAIMED = "Claimed by whoever took it in, and proved by nothing here:"


def origin_text(report: AuditReport, imported: Imported) -> str:
    """ORIGIN.md: the claims, and that they are claims."""
    return f"# Origin of {markdown(report.subject.name)}\n\n{_origin(imported)}\n"


def _origin(imported: Imported) -> str:
    claims = [f"- {field}: {markdown(claim)}" for field, claim in imported.claims.items()]
    claimed = "\n\n".join([CLAIMED, "\n".join(claims)]) if claims else "Nothing is claimed of it."
    return f"{UNKNOWN}\n\n{claimed}"


def card_of_imported(report: AuditReport, imported: Imported) -> str:
    """MODEL_CARD.md: no licence, and no word on the music."""
    parts = [
        front_matter(report),
        f"# {markdown(report.subject.name)}",
        f"A LoRA for text-to-music generation. {markdown(report.disclaimer)}",
        f"## Origin unknown\n\n{_origin(imported)}",
        "## What it is\n\n" + markdown_table(("Fact", "Value"), facts_of_imported(report, imported)),
        verdict_section(report),
        scores_section(report),
        findings_section(report),
    ]
    return "\n\n".join(parts) + "\n"


def facts_of_imported(report: AuditReport, imported: Imported) -> list[tuple[str, str]]:
    """What is known of it, in words."""
    base, files = report.base, report.subject.record.files if report.subject.record else {}
    return [
        ("Checkpoint", report.subject.id),
        ("SHA-256", report.subject.hash),
        ("Taken in on", report.trained.isoformat()),
        ("From the file", f"{imported.file}, in the form of {imported.form}"),
        ("SHA-256 of that file", imported.sha256),
        ("Trained on", "unknown"),
        ("Licence of the weights", "unknown"),
        ("Base model", base.facts.name if base else "not recorded"),
        ("Licence of the base model", (base.licence if base else None) or "not known here"),
        *((f"SHA-256 of {name}", files[name]) for name in sorted(files)),
    ]


def page_of_imported(report: AuditReport, imported: Imported) -> str:
    """audit.html. Every value in it is escaped by the template engine, and made visible before."""
    return rendered(
        "imported.html",
        report=report,
        subject=report.subject,
        imported=imported,
        unknown=UNKNOWN,
        claimed=CLAIMED,
        facts=facts_of_imported(report, imported),
        kinds=kinds_of_findings(report),
        errors=len(report.of_severity(Severity.ERROR)),
        scores=score_table(report),
    )

"""audit.html, and what every page of an audit shares: one page that a lawyer can read and print. No script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lofi_pipeline.audit.export import format
from lofi_pipeline.audit.export.escape import file_stem, safe_url, visible
from lofi_pipeline.audit.export.lineage_svg import lineage_svg
from lofi_pipeline.audit.export.scores import score_table
from lofi_pipeline.entities import AuditReport, Finding, FindingCode, Severity, Split, SubjectKind, TrackRow

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
MOST_TRACKS = 2_000
"""Beyond this many, tracks and attributions stand only in tracks.csv and ATTRIBUTION.md."""
MOST_FINDINGS, MOST_NAMED = 500, 3
"""Of one kind: how many are listed, and how many are named where the list is closed."""


@dataclass(frozen=True)
class KindOfFinding:
    """All findings of one code and weight."""

    severity: Severity
    code: FindingCode
    count: int
    findings: list[Finding]
    """The first of them."""

    @property
    def about(self) -> list[str]:
        """What the first few are about."""
        return [finding.where for finding in self.findings[:MOST_NAMED]]


def audit_page(report: AuditReport) -> str:
    """The whole page. Every value in it is escaped by the template engine, and made visible before."""
    whole = len(report.tracks) <= MOST_TRACKS
    return rendered(
        "audit.html",
        report=report,
        subject=report.subject,
        is_checkpoint=report.subject.kind is SubjectKind.CHECKPOINT,
        kinds=kinds_of_findings(report),
        errors=len(report.of_severity(Severity.ERROR)),
        picture=lineage_svg(report),
        scores=score_table(report),
        tracks_of=_tracks_of(report) if whole else {},
        attribution=report.attribution if len(report.attribution) <= MOST_TRACKS else [],
        held_out=sum(track.split is Split.VALIDATION for track in report.tracks),
    )


def rendered(template: str, **values: object) -> str:
    """A page from a template, with the style sheet that all pages share in it."""
    css = (TEMPLATES / "audit.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return _environment().get_template(template).render(css=css, css_digest=digest, **values)


def kinds_of_findings(report: AuditReport) -> list[KindOfFinding]:
    """The findings, those of a kind together; errors come first, and kinds in the order in which they were found."""
    found: dict[tuple[Severity, FindingCode], list[Finding]] = {}
    for severity in Severity:
        for finding in report.of_severity(severity):
            found.setdefault((severity, finding.code), []).append(finding)
    return [
        KindOfFinding(severity, code, len(findings), findings[:MOST_FINDINGS])
        for (severity, code), findings in found.items()
    ]


def _tracks_of(report: AuditReport) -> dict[str, list[TrackRow]]:
    found: dict[str, list[TrackRow]] = {row.record.source_id: [] for row in report.sources}
    for track in report.tracks:
        for source_id in track.source_ids:
            found.setdefault(source_id, []).append(track)
    return found


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        if value is None:
            return "–"
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        hours=format.hours,
        money=format.money,
        number=format.number,
        short=format.short,
        safe_url=safe_url,
        stem=file_stem,
        count=format.count,
    )
    # Style sheets know no escaping: this one is ours, and the page's policy names its hash
    environment.globals["style"] = lambda text: Markup(text)
    return environment

"""ATTRIBUTION.md: title, artist, source, licence and link of every track that asks for it, ready to publish."""

from __future__ import annotations

from lofi_pipeline.audit.export.escape import markdown, markdown_link
from lofi_pipeline.audit.export.format import count
from lofi_pipeline.entities import AuditReport, Obligation, SubjectKind
from lofi_pipeline.entities.audit import Attribution


def attribution_text(report: AuditReport) -> str:
    """The whole file, in the order of the report."""
    name = markdown(report.subject.name)
    if not report.attribution:
        return f"# Attribution for {name}\n\nNo track of it asks for attribution.\n{_besides(report)}"
    made = (
        "The model was trained on" if report.subject.kind is SubjectKind.CHECKPOINT else "The data set holds"
    )
    opening = (
        f"{made} the following {count(len(report.attribution), 'recording')}, changed in loudness and length. "
        "That they are named here does not mean that their authors endorse it. Where no copyright notice stands, none is on "
        "record. The licences disclaim warranties; their texts are in LICENSES/, or linked there."
    )
    entries = "\n".join(_entry(entry) for entry in report.attribution)
    return f"# Attribution for {name}\n\n{opening}\n\n{entries}\n{_besides(report)}"


def _entry(entry: Attribution) -> str:
    title = markdown_link(entry.title, entry.url)
    licence = markdown_link(entry.licence, entry.licence_url)
    album = f" from {markdown(entry.album)}" if entry.album else ""
    notice = f". {markdown(entry.copyright)}" if entry.copyright else ""
    by_tags = f" ({', '.join(entry.from_tags)}: from the file's tags)" if entry.from_tags else ""
    return f'- "{title}"{album} by {markdown(entry.artist)} (source: {markdown(entry.provider)}), licensed under {licence}{notice}{by_tags}'


def _besides(report: AuditReport) -> str:
    others = [row for row in report.obligations if row.obligation is not Obligation.ATTRIBUTION]
    asked = [f"- {markdown(row.obligation)}: {markdown(row.sentence)}" for row in others]
    parts = {"What the licences ask for besides": asked, "What the grants limit": term_lines(report)}
    return "".join(f"\n## {title}\n\n{chr(10).join(lines)}\n" for title, lines in parts.items() if lines)


def term_lines(report: AuditReport) -> list[str]:
    """One line of Markdown for each source whose grant limits something."""
    return [
        f"- {markdown(row.record.source_id)}: {' '.join(markdown(term) for term in row.terms)}"
        for row in report.limited
    ]

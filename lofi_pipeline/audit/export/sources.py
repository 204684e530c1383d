"""sources/: for each source a sheet with its licence, what was granted, and the hashes of the evidence."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from textwrap import indent

from lofi_pipeline.audit.export.escape import file_stem, safe_url, visible
from lofi_pipeline.audit.export.format import hours, money
from lofi_pipeline.entities import AuditReport, EvidenceFile, Grant, SourceRow, Verdict
from lofi_pipeline.storage import DataRoot

SHEETS = "sources"
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
WITHOUT = (
    "The documents themselves are not here; their hashes tell whether a copy is the one that was checked."
)


def source_sheets(report: AuditReport, *, documents_from: DataRoot | None = None) -> dict[str, bytes]:
    """File names below sources/ and their bytes. With `documents_from` the evidence itself is among them.

    A document whose bytes are not those on record is left out, and the text of its source says so.
    """
    found: dict[str, bytes] = {}
    for row in report.sources:
        stem = file_stem(row.record.source_id)
        notes: dict[str, str] = {}
        for file in row.provenance.evidence if row.provenance else []:
            data = _document(file, documents_from) if documents_from else None
            name = f"{stem}/{file.sha256[:12]}{_suffix(file)}"
            if data is not None:
                found[name] = data
                notes[file.sha256] = f"beside this file as {name.rpartition('/')[2]}"
            elif documents_from:
                notes[file.sha256] = "NOT copied: it is gone, or not the document on record any more"
        found[f"{stem}.txt"] = _text(row, report, notes).encode()
    return dict(sorted(found.items()))


def _document(file: EvidenceFile, root: DataRoot) -> bytes | None:
    try:
        data = root.inside(file.path).read_bytes()
    except (OSError, ValueError):
        return None
    return data if hashlib.sha256(data).hexdigest() == file.sha256 else None


def _suffix(file: EvidenceFile) -> str:
    suffix = PurePosixPath(file.evidence.document).suffix
    return suffix.lower() if _SUFFIX.fullmatch(suffix) else ".bin"


def _text(row: SourceRow, report: AuditReport, notes: dict[str, str]) -> str:
    record, provenance = row.record, row.provenance
    lines = [
        _line("Source", record.source_id),
        _line("Acquired as", record.source_type),
        _line("Provider", record.provider),
        _line("Licence", row.verdict_now.licence),
        _line("Licence as given", record.license_type),
        _line("Licence text", safe_url(row.verdict_now.url) or "not public"),
        _line("Found at", (safe_url(provenance.url) if provenance else None) or "not recorded"),
        _line("Acquired on", record.date_acquired.isoformat()),
        _line("Cost", money(record.cost)),
        _line("Verified by", record.verified_by or "nobody on record"),
        _line("Tracks", f"{row.tracks:,} ({hours(row.seconds)}), named in tracks.csv"),
        _line("As of training", _judged(row.verdict_then, report.trained.isoformat())),
        _line("As of the audit", _judged(row.verdict_now, report.made.date().isoformat())),
        _line("Obligations", ", ".join(row.verdict_now.obligations) or "none"),
        *(_line("Term of the grant", term) for term in row.terms),
        _line("Commercial use", "yes" if row.verdict_now.commercial_use else "no"),
    ]
    if row.withdrawn:
        lines.append(
            _line("Withdrawn", f"{row.withdrawn.isoformat()}: {row.withdrawn_reason or 'no reason given'}")
        )
    if record.notes:
        lines.append(_block("Notes", record.notes))
    lines += _grant(provenance.grant if provenance else None)
    evidence = provenance.evidence if provenance else []
    lines += ["", "Evidence" if evidence else "Evidence: none on record"]
    lines += [_evidence(file, notes.get(file.sha256)) for file in evidence]
    if evidence and not notes:
        lines += ["", WITHOUT]
    return "\n".join([*lines, "", report.disclaimer, ""])


def _grant(grant: Grant | None) -> list[str]:
    if grant is None:
        return ["", "Grant: none beside the licence"]
    start, end = grant.validity.start, grant.validity.end
    lines = ["", "Grant"]
    lines += [_line(f"  {use}", grant.uses[use]) for use in sorted(grant.uses)]
    if grant.constraints:
        lines.append(_block("  Constraints", grant.constraints))
    lines += [
        _line("  Rights", ", ".join(grant.rights)),
        _line("  Territory", grant.territory),
        _line("  Term", f"{start.isoformat() if start else 'open'} to {end.isoformat() if end else 'open'}"),
        _line("  Revocable", "yes" if grant.revocable else "no"),
        _line("  Base models", ", ".join(grant.model_versions) or "any"),
    ]
    if grant.withdrawn:
        lines.append(_line("  Withdrawn", grant.withdrawn.isoformat()))
    return lines


def _evidence(file: EvidenceFile, note: str | None) -> str:
    evidence = file.evidence
    lines = [
        _line("  Document", evidence.document),
        _line("    SHA-256", file.sha256),
        _line("    Bytes", f"{file.size:,}"),
    ]
    if evidence.licensor:
        lines.append(_line("    Signed by", evidence.licensor))
    if evidence.captured:
        lines.append(_line("    Taken down", evidence.captured.isoformat()))
    if evidence.url:
        lines.append(_line("    Found at", evidence.url))
    if evidence.clause:
        lines.append(_block("    Clause", evidence.clause))
    if note:
        lines.append(_line("    Copy", note))
    return "\n".join(lines)


def _judged(verdict: Verdict, day: str) -> str:
    return f"{'permitted' if verdict.permitted else 'NOT permitted'} on {day}: {verdict.reason}"


def _line(name: str, value: str) -> str:
    return f"{name}: {visible(value)}"


def _block(name: str, value: str) -> str:
    # Marked at every line, so that no line of it passes for one of ours
    return f"{name}:\n{indent(visible(value, lines=True).strip(), '      | ', lambda _: True)}"

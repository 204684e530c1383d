"""REUSE.toml and LICENSES/: what each file of an audit may be used for, as `reuse lint` checks it.

https://reuse.software/spec-3.3/. The texts in licence_texts/ are those of Creative Commons, which gives the text of its licences
to the public domain (CC0); of other licences a file says where the text is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from lofi_pipeline.audit.export.escape import file_stem, safe_url, visible
from lofi_pipeline.audit.export.sources import SHEETS
from lofi_pipeline.audit.export.spdx_licence import expression_of, ids_of, is_listed
from lofi_pipeline.entities import AuditReport, SourceRow, few

TEXTS = Path(__file__).parent / "licence_texts"
CONFIGURATION = "REUSE.toml"
RECORD, EVIDENCE = "LicenseRef-Audit-Record", "LicenseRef-Evidence"
OUR_WORDS = {
    RECORD: "A file of an audit, made by lofi-pipeline from the records of a data root. The facts in it are free; titles, names "
    "and quoted words are of those who wrote them. Whoever ran the audit decides who may have it.",
    EVIDENCE: "A document that somebody handed over to prove a licence. Its owner keeps every right in it; it is here for those "
    "who check the audit.",
}
NOBODY = "No copyright notice is on record"


def licensing_of(report: AuditReport, *, documents: bool = False) -> dict[str, str]:
    """REUSE.toml, and a file below LICENSES/ for each licence that it names; by their paths in the audit's folder.

    The sheet of a source has the licence of the recordings that it is about. `documents`: whether evidence is copied.
    """
    tables = [("**", owner_of(report), RECORD)]
    if documents:
        tables.append((f"{SHEETS}/*/*", NOBODY, EVIDENCE))
    notices: defaultdict[str, set[str]] = defaultdict(set)
    for track in report.tracks:
        for source_id in track.source_ids if track.copyright else ():
            notices[source_id].add(visible(track.copyright or "").strip())
    weights = report.publication.weights_licence
    if weights:
        tables.append(("MODEL_CARD.md", owner_of(report), expression_of(weights)))
    tables += [
        (f"{SHEETS}/{file_stem(row.record.source_id)}.txt", _owners(row, notices), _licence(row))
        for row in report.sources
    ]
    used = sorted({licence for _, _, expression in tables for licence in ids_of(expression)})
    texts = {f"LICENSES/{licence}.txt": licence_text(licence, report) for licence in used}
    return {CONFIGURATION: "\n".join(["version = 1", *(_table(*table) for table in tables)]), **texts}


def owner_of(report: AuditReport) -> str:
    """The copyright notice of what is published: the setting, else the provider's name."""
    told = report.publication.copyright or report.publication.provider
    return visible(told).strip() if told and visible(told).strip() else NOBODY


def _licence(row: SourceRow) -> str:
    return expression_of(row.verdict_now.licence)


def _owners(row: SourceRow, notices: Mapping[str, set[str]]) -> str:
    told = few(sorted(notices.get(row.record.source_id, ())), between="; ")
    return told or visible(row.record.provider).strip() or NOBODY


def _table(path: str, notice: str, licence: str) -> str:
    # `override`: words inside a file, such as a title, declare nothing
    facts = {
        "path": path,
        "precedence": "override",
        "SPDX-FileCopyrightText": notice,
        "SPDX-License-Identifier": licence,
    }
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()]
    return "\n".join(["", "[[annotations]]", *lines, ""])


def licence_text(licence: str, report: AuditReport) -> str:
    """The text of a licence, or where it is to be found."""
    shipped = TEXTS / f"{licence}.txt"
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    if licence in OUR_WORDS:
        return OUR_WORDS[licence] + "\n"
    rows = [row for row in report.sources if licence in ids_of(_licence(row))]
    alone = [row for row in rows if _licence(row) == licence]
    named = sorted({visible(row.verdict_now.licence) for row in alone} - {licence})
    address = next((url for row in alone if (url := safe_url(row.verdict_now.url))), None)
    if address is None and is_listed(licence):
        address = f"https://spdx.org/licenses/{licence}.html"
    lines = [licence, ""]
    lines += [f"Its name on record: {name}" for name in named]
    lines.append(
        f"The text of this licence is at {address}"
        if address
        else "This licence has no public text. What was granted stands in the sheets of its sources, below sources/ of the audit."
    )
    lines += sorted({f"What the policy says of it: {visible(row.verdict_now.reason)}" for row in alone})
    return "\n".join(lines) + "\n"

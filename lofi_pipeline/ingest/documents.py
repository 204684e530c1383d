"""What stands in a document of evidence: whether it opens as what it says it is, whom it names, and what it denies.

That it lies in the drop, and its hash, is in ingest/evidence.py. Each kind of document is opened in ingest/open_document.py.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from lofi_pipeline.entities import (
    DocumentFacts,
    Drop,
    DropManifest,
    EvidenceFile,
    FindingCode,
    Remark,
    Verdict,
    few,
)
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.file_kinds import nfc
from lofi_pipeline.ingest.listing import spelled
from lofi_pipeline.ingest.open_document import NotADocument, open_document
from lofi_pipeline.licensing.denials import denials, quoted
from lofi_pipeline.storage import file_sha256

DOCUMENT_RULES = 1
"""Raise it when what is found in documents changes: all are then read anew."""
ABOUT_DOCUMENTS = (
    FindingCode.EVIDENCE_DENIES,
    FindingCode.EVIDENCE_WITHOUT_LICENSOR,
    FindingCode.EVIDENCE_UNREADABLE,
    FindingCode.EVIDENCE_SHARED,
)


def licensor_of(manifest: DropManifest, item: EvidenceFile) -> str:
    """Whose document it should be: the licensor that it names, else the provider."""
    return item.evidence.licensor or manifest.provider


def facts_of_documents(
    folder: Path,
    manifest: DropManifest,
    evidence: Sequence[EvidenceFile],
    known: Iterable[DocumentFacts],
) -> list[DocumentFacts]:
    """What stands in each document of a drop, or why it is no evidence; one that was read before is not read again."""
    former = {(item.sha256, item.name, item.licensor, item.rules): item for item in known}
    found: list[DocumentFacts] = []
    for item in evidence:
        name, licensor = item.evidence.document, licensor_of(manifest, item)
        facts = former.get((item.sha256, name, licensor, DOCUMENT_RULES)) or _read(folder, item, licensor)
        if fault := _not_about_rights(folder, manifest, item):
            facts = facts.model_copy(update={"fault": fault})
        found.append(facts)
    return found


def _not_about_rights(folder: Path, manifest: DropManifest, item: EvidenceFile) -> str | None:
    """Why a file of the drop that is something else is no evidence."""
    name = nfc(item.evidence.document)
    if item.sha256 == file_sha256(folder / SOURCE_JSON):
        return (
            f"is {SOURCE_JSON} itself, which proves nothing; put the contract or the licensor's words there"
        )
    if name in manifest.files:
        return "is music of the drop; put the contract or the licensor's words there"
    entries = [manifest.defaults, *manifest.files.values()]
    if name in {nfc(entry.lyrics) for entry in entries if entry.lyrics}:
        return "is the lyrics of a track; put the contract or the licensor's words there"
    return None


def _read(folder: Path, item: EvidenceFile, licensor: str) -> DocumentFacts:
    facts = DocumentFacts(
        sha256=item.sha256, name=item.evidence.document, kind="", licensor=licensor, rules=DOCUMENT_RULES
    )
    try:
        kind, text = open_document(folder / spelled(folder, item.evidence.document))
    except NotADocument as error:
        return facts.model_copy(update={"fault": str(error), "readable": False})
    return facts.model_copy(
        update={
            "kind": kind,
            "readable": text is not None,
            "denials": denials(text) if text else [],
            "names_licensor": _names(text or "", licensor),
        }
    )


def _names(text: str, name: str) -> bool:
    """Whether a name stands in a text, however it is spaced: PDFs break words."""
    wanted = _letters(name)
    return bool(wanted) and wanted in _letters(text)


def _letters(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in folded if char.isalnum())


def remarks_on_documents(drop: Drop) -> list[Remark]:
    """What is to be known of the documents of a drop, each by name."""
    found: list[Remark] = []
    for facts in drop.documents:
        where = f"{drop.folder}/{facts.name}"
        if not facts.readable:
            sentence = f"{where}: its text is not readable ({facts.kind}): nobody but you can say whether it grants the training."
            found.append(Remark(code=FindingCode.EVIDENCE_UNREADABLE, sentence=sentence))
            continue
        if facts.denials:
            said = "; ".join(f'"{sentence}"' for sentence in facts.denials)
            sentence = f"{where}: holds words against training: {said}."
            found.append(Remark(code=FindingCode.EVIDENCE_DENIES, sentence=sentence))
        if not facts.names_licensor:
            sentence = (
                f'{where}: the name of the licensor, "{quoted(facts.licensor or "")}", does not stand in it.'
            )
            found.append(Remark(code=FindingCode.EVIDENCE_WITHOUT_LICENSOR, sentence=sentence))
    return found


def with_remarks_on_documents(verdict: Verdict, drop: Drop) -> Verdict:
    """A verdict with what the last scan said of the documents of its drop."""
    said = drop.verdict.remarks if drop.verdict else ()
    kept = [remark for remark in said if remark.code in ABOUT_DOCUMENTS]
    return verdict.model_copy(update={"remarks": tuple(dict.fromkeys([*verdict.remarks, *kept]))})


def shared_documents(drops: Sequence[Drop]) -> dict[str, list[Remark]]:
    """By folder of a drop, a remark on each of its documents that is the evidence of another licensor, too."""
    licensors: defaultdict[str, dict[str, str]] = defaultdict(dict)
    documents = [
        (drop.folder, facts) for drop in drops if drop.manifest is not None for facts in drop.documents
    ]
    for _, facts in documents:
        licensors[facts.sha256].setdefault(_letters(facts.licensor or ""), facts.licensor or "")
    found: defaultdict[str, list[Remark]] = defaultdict(list)
    for folder, facts in documents:
        if len(names := licensors[facts.sha256]) > 1:
            named = few([f'"{quoted(name)}"' for name in names.values()], most=5)
            sentence = (
                f"{folder}/{facts.name}: the same document is the evidence of several licensors: {named}."
            )
            found[folder].append(Remark(code=FindingCode.EVIDENCE_SHARED, sentence=sentence))
    return found

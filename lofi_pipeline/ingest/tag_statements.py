"""How a drop is held to what the tags of its files say of their rights.

Which of them bear on rights is found in ingest/said_by_tags.py; whether that is stricter is judged in licensing/judge_source.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set

from lofi_pipeline.entities import (
    Acceptance,
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    EvidenceFile,
    Scan,
    Statement,
    Verdict,
)
from lofi_pipeline.ingest.source_edits import with_verdict

Judge = Callable[[DropManifest, Sequence[EvidenceFile], Sequence[Statement]], Verdict]


def hold_to_tags(drops: Iterable[Drop], judge: Judge) -> Iterator[Drop]:
    """The drops, each without the files whose tags forbid what its licence permits, and held to what is stricter in the others."""
    for drop in drops:
        says = drop.status is DropStatus.ACCEPTED and any(_said(drop, file) for file in drop.files)
        yield _held(drop, judge) if says else drop


def _held(drop: Drop, judge: Judge) -> Drop:
    manifest, evidence = drop.manifest, drop.evidence
    assert manifest is not None
    against: dict[tuple[str, str], str | None] = {}

    def forbidden(said: Statement) -> str | None:
        """Why the statement keeps a file out; asked once for all files that say the same."""
        key = said.place, said.text
        if key not in against:
            verdict = judge(manifest, evidence, [said.model_copy(update={"file": None})])
            against[key] = None if verdict.permitted else verdict.reason
        return against[key]

    def judged(file: DropAudio) -> DropAudio:
        reason = next((why for said in _said(drop, file) if (why := forbidden(said))), None)
        return file.model_copy(update={"refusal": f"{file.path}: {reason}"}) if reason else file

    drop = drop.model_copy(update={"files": [file if file.refusal else judged(file) for file in drop.files]})
    return with_verdict(drop, judge(manifest, evidence, statements_of_files(drop)))


def statements_of_files(drop: Drop, *, only: Set[str] | None = None) -> list[Statement]:
    """What the files of a drop that are taken say of their rights; the same words once, with how many say so.

    Args:
        only: hashes of files; of these alone, taken or not.
    """
    files: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for file in drop.files:
        if (file.sha256 in only) if only is not None else file.refusal is None:
            for said in _said(drop, file):
                files[said.place, said.text].append(file.path)
    return [
        Statement(
            place=place, text=text, file=paths[0] + (f" and {len(paths) - 1} more" if paths[1:] else "")
        )
        for (place, text), paths in files.items()
    ]


def accepted_of(scan: Scan | None) -> dict[str, list[Acceptance]]:
    """By source id, who accepted which of its terms, as the source.json files of the last scan say."""
    found: defaultdict[str, list[Acceptance]] = defaultdict(list)
    for drop in scan.drops if scan else []:
        if drop.manifest is not None:
            found[drop.manifest.source_id] += drop.manifest.accepted
    return found


def _said(drop: Drop, file: DropAudio) -> list[Statement]:
    """What a file's tags say, and its url in source.json."""
    said = dict(file.said or {})
    if (
        drop.manifest
        and (entry := drop.manifest.files.get(file.path.removeprefix(f"{drop.folder}/")))
        and entry.url
    ):
        said["url"] = entry.url
    return [Statement(place=place, text=text, file=file.path) for place, text in said.items()]

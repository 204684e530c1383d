"""Every file of a drop accounted for: what is no audio is a known companion, or refused with a reason.

What a name stands for is in file_kinds.py; audio itself is dealt with in scan.py.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable

from lofi_pipeline.entities import Drop, DropAudio, DropManifest, DropStatus
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.file_kinds import companion_kind, nfc, why_refused
from lofi_pipeline.ingest.listing import Entry

Companions = dict[str, list[str]]
"""By kind, the names in the drop."""
_NO_AUDIO = "files: is no kind of audio that is taken; convert it to FLAC or WAV"


def printable_name(text: str) -> str:
    """A file name that a record can hold: one on disk may not be UTF-8, or may contain a backslash."""
    return text.encode("utf-8", "replace").decode().replace("\\", "?")


def others_of(
    drop: str, entries: Iterable[Entry], manifest: DropManifest | None = None
) -> tuple[list[DropAudio], Companions]:
    """What lies in a drop beside audio and its source.json: the files that are refused, and the known companions."""
    named = _named(manifest) if manifest else {}
    refused: list[DropAudio] = []
    companions: Companions = {}
    for entry in entries:
        if entry.is_named_like_audio or entry.name == SOURCE_JSON or entry.closed:
            continue
        name = printable_name(entry.name)
        kind = named.get(nfc(entry.name)) or companion_kind(entry.name)
        if manifest and nfc(entry.name) in manifest.files:
            reason = _NO_AUDIO
        elif stat.S_ISLNK(entry.mode):
            reason = "is a link; copy what it points at"
        elif kind is None:
            reason = why_refused(entry.name)
        else:
            companions.setdefault(kind, []).append(name)
            continue
        path = f"{drop}/{name}"
        refused.append(
            DropAudio(path=path, size=entry.size, modified_ns=entry.modified_ns, refusal=f"{path}: {reason}")
        )
    return refused, companions


def _named(manifest: DropManifest) -> dict[str, str]:
    """What source.json says of files beside audio."""
    facts = [manifest.defaults, *manifest.files.values()]
    documents = manifest.grant.evidence if manifest.grant else []
    return {
        **{nfc(entry.lyrics): "lyrics" for entry in facts if entry.lyrics},
        **{nfc(evidence.document): "evidence" for evidence in documents},
    }


def without_music(drop: Drop) -> Drop:
    """An accepted drop as it is, unless none of its files can be taken: then it says so."""
    if drop.status is not DropStatus.ACCEPTED or any(file.refusal is None for file in drop.files):
        return drop
    status, reason = DropStatus.REFUSED, "none of its files can be taken; see the reason of each"
    if not drop.files:
        status, reason = DropStatus.INCOMPLETE, "holds no audio; copy the music into it, or remove it"
    return drop.model_copy(update={"status": status, "reason": f"{drop.folder}: {reason}"})

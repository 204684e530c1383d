"""The documents that a drop names as evidence: regular files inside the drop, hashed anew at each scan.

What a document proves is decided in licensing/.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lofi_pipeline.entities import EvidenceFile, Grant, RecordError
from lofi_pipeline.ingest.errors import ChangedMeanwhile
from lofi_pipeline.ingest.hashing import settled_sha256
from lofi_pipeline.ingest.listing import spelled
from lofi_pipeline.storage import DataRoot, sparse_reason


def missing_documents(folder: Path, grant: Grant | None) -> list[str]:
    """The documents of a grant that are not in the drop (yet)."""
    named = [evidence.document for evidence in grant.evidence] if grant else []
    return sorted({name for name in named if not os.path.lexists(folder / spelled(folder, name))})


def documents_of(root: DataRoot, folder: Path, grant: Grant | None, *, where: str) -> list[EvidenceFile]:
    """The documents of a grant that are in the drop, with their current hashes.

    Raises:
        RecordError: a document is a link, not a regular file, outside the drop, incomplete, unreadable or still being
            written. `where` names the source.json in the message.
    """
    found = []
    for evidence in grant.evidence if grant else []:
        path = folder / spelled(folder, evidence.document)
        if not os.path.lexists(path):
            continue
        what = f"{where}: grant.evidence: {evidence.document}"
        if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            raise RecordError(f"{what}: is a link, or leads out of the drop; copy the document itself")
        try:
            info = path.stat()
            if not stat.S_ISREG(info.st_mode):
                raise RecordError(f"{what}: is not a regular file; put the document there")
            if fault := sparse_reason(path):
                raise RecordError(f"{what}: {fault}")
            sha256 = settled_sha256(path, info.st_size, info.st_mtime_ns)
        except ChangedMeanwhile as error:
            raise RecordError(f"{what}: {error}") from error
        except OSError as error:
            raise RecordError(f"{what}: cannot be read ({error.strerror}); check its permissions") from error
        found.append(
            EvidenceFile(evidence=evidence, path=root.relative(path), sha256=sha256, size=info.st_size)
        )
    return found

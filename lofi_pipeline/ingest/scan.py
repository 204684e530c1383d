"""The scan of data/raw: which drops there are, whether each is complete, the facts in its source.json, its files' hashes.

Track ids are given in registry.py. Which entries are drops at all is decided in layout.py; whether a licence permits training,
in licensing/.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from lofi_pipeline.audio import AUDIO_SUFFIXES
from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import (
    SOURCE_TYPE_OF_FOLDER,
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    EvidenceFile,
    RecordError,
    Scan,
    Verdict,
    few,
)
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.evidence import documents_of, missing_documents
from lofi_pipeline.ingest.layout import drop_folders, is_drop, misplaced
from lofi_pipeline.ingest.source_edits import apply_declared_terms, forbid_withdrawn, with_verdict
from lofi_pipeline.ingest.source_history import DeclaredTerms, DeclaredTermsRecord
from lofi_pipeline.licensing import Withdrawal, judge_source, load_policy, load_withdrawals
from lofi_pipeline.licensing.grants import expired
from lofi_pipeline.licensing.withdrawals import in_force
from lofi_pipeline.storage import (
    DataRoot,
    UnreadableRecord,
    content_sha256,
    file_sha256,
    read_json,
    read_ledger,
    sparse_reason,
)

_MAX_SOURCE_JSON_BYTES = 16 << 20
"""Enough for tens of thousands of files with titles and artists; a larger file is not read."""


_CLOSED = ("may not be read",)


def _entries_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below a folder that is not a folder itself, and folders whose names end like an audio file."""
    for directory, names, files in os.walk(folder, followlinks=False):
        names[:] = sorted(name for name in names if not name.startswith("."))
        like_audio = [name for name in names if Path(name).suffix.lower() in AUDIO_SUFFIXES]
        for name in sorted([*like_audio, *(name for name in files if not name.startswith("."))]):
            path = Path(directory) / name
            with suppress(
                FileNotFoundError, PermissionError
            ):  # removed in the meantime, or in a closed folder
                yield path, path.lstat()


def _closed_folder(folder: Path) -> Path | None:
    """A folder of a drop, or the drop itself, that this user may not look into: nobody knows what it would add."""
    folders = [folder]
    for here in folders:
        if not os.access(here, os.R_OK | os.X_OK):
            return here
        folders += [path for path in here.iterdir() if path.is_dir() and not path.is_symlink()]
    return None


def _is_closed(path: Path, info: os.stat_result) -> bool:
    """Whether a file may not be read by this user. Most may be by everybody, which is seen without asking."""
    return info.st_mode & 0o444 != 0o444 and not os.access(path, os.R_OK)


def _printable_name(text: str) -> str:
    """A file name that a record can hold: one on disk may not be UTF-8, or may contain a backslash."""
    return text.encode("utf-8", "replace").decode().replace("\\", "?")


def _folder_name(root: DataRoot, folder: Path) -> str:
    return _printable_name(folder.relative_to(root.path).as_posix())


def drop_signature(folder: Path) -> str:
    """A hash of names, sizes and times: it changes while a drop is being copied. No file is opened, no link followed.

    It also changes when a file becomes readable that was not.
    """
    is_folder = folder.is_dir() and not folder.is_symlink()
    listing = [
        (
            ascii(str(path.relative_to(folder))),
            info.st_size,
            info.st_mtime_ns,
            *_CLOSED[: _is_closed(path, info)],
        )
        for path, info in (_entries_below(folder) if is_folder else [(folder, folder.lstat())])
    ]
    return content_sha256(listing)


def scan_drops(
    root: DataRoot,
    *,
    style_ids: set[str],
    licensing: LicensingSettings,
    known: Scan | None = None,
    record: DeclaredTermsRecord | None = None,
    day: date | None = None,
    base: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Scan:
    """Scan every drop. Bad input makes that drop refused or incomplete, with a reason; it never stops the others.

    A file whose size and modification time are as in `known` is not hashed again; documents of evidence always are.

    Args:
        record: the terms that each source was ingested with; they may apply in place of those of an edited source.json.
        day: the day to judge for (default: today), or the latest that `known` was judged for, if that is later.
        base: the base model to be trained on: a grant may be limited to others.
    """
    day = judging_day(known, day)
    hashes = {file.path: file for drop in (known.drops if known else []) for file in drop.files}
    scanner = _Scanner(root, style_ids, licensing, hashes, progress, day, base)
    record, withdrawals = record or DeclaredTermsRecord(), load_withdrawals(root)
    drops = [scanner.scan(folder) for folder in drop_folders(root)]
    drops = _refuse_conflicting_sources(drops, known, record)
    drops = apply_declared_terms(root, drops, record, known, scanner.judge)
    drops = forbid_withdrawn(drops, withdrawals, day)
    drops = _apply_strictest_licence(drops)
    drops += [scanner.refuse(path, reason) for path, reason in misplaced(root).items()]
    return Scan(
        drops=sorted(drops, key=lambda drop: drop.folder),
        judged_with=judging_hash(style_ids, licensing),
        day=day,
        withdrawals=_withdrawals_hash(withdrawals, day),
        ledger=read_ledger(root).mark(known.ledger if known else None),
    )


def judging_day(scan: Scan | None, day: date | None = None) -> date:
    """The day to judge for: `day` (default: today), or the day that `scan` was judged for, if that is later.

    So setting the clock back does not revive a grant that has ended.
    """
    day = day or date.today()
    return max(day, scan.day) if scan is not None and scan.day is not None else day


def judging_hash(style_ids: set[str], licensing: LicensingSettings) -> str:
    """Hash of what a drop is judged with beside its own content: when it changes, all drops are judged anew."""
    return content_sha256([sorted(style_ids), load_policy().hash_with(licensing)])


def _withdrawals_hash(withdrawals: list[Withdrawal], day: date) -> str | None:
    applicable = in_force(withdrawals, day)
    return content_sha256(applicable) if applicable else None


def changed_drops(
    root: DataRoot,
    scan: Scan | None,
    *,
    style_ids: set[str],
    licensing: LicensingSettings,
    day: date | None = None,
) -> list[str]:
    """The drops (relative to the data root) that are new, changed or gone since `scan`, or to be judged otherwise.

    Judged otherwise: by other rules, other withdrawals, or because a grant began or ended since.
    """
    day = judging_day(scan, day)
    same_rules = (
        scan is not None
        and scan.judged_with == judging_hash(style_ids, licensing)
        and scan.withdrawals == _withdrawals_hash(load_withdrawals(root), day)
    )
    scanned = {drop.folder: drop for drop in scan.drops} if scan is not None else {}
    present = {
        _folder_name(root, path): drop_signature(path) for path in [*drop_folders(root), *misplaced(root)]
    }
    changed = [
        name
        for name, signature in present.items()
        if not same_rules
        or name not in scanned
        or scanned[name].signature != signature
        or _grant_changed(scanned[name], scan.day if scan else None, day)
    ]
    return sorted([*changed, *(set(scanned) - set(present))])


def _grant_changed(drop: Drop, before: date | None, day: date) -> bool:
    """Whether a grant of a drop began or ended between two days."""
    return any(
        before is None or bool(expired(grant, before)) != bool(expired(grant, day)) for grant in drop.grants()
    )


def _refuse_conflicting_sources(
    drops: list[Drop], known: Scan | None, record: DeclaredTermsRecord
) -> list[Drop]:
    """Refuse drops that share a source_id with another drop but state other facts on the source.

    The drop that agrees with the record is kept, else the one that was accepted first.
    """
    settled = {drop.folder for drop in (known.drops if known else []) if drop.status is DropStatus.ACCEPTED}
    declared = {
        drop.folder: DeclaredTerms.of(drop.manifest, drop.evidence) for drop in drops if drop.manifest
    }

    def order(drop: Drop) -> tuple[bool, bool, str]:
        terms = declared.get(drop.folder)
        on_record = record.on_record(terms.source.source_id) if terms else None
        return (terms != on_record, drop.folder not in settled, drop.folder)

    first: dict[str, Drop] = {}
    result = []
    for drop in sorted(drops, key=order):
        if drop.status is DropStatus.ACCEPTED and drop.manifest is not None:
            earlier = first.setdefault(drop.manifest.source_id, drop)
            if declared[earlier.folder] != declared[drop.folder]:
                reason = (
                    f"{drop.folder}/{SOURCE_JSON}: source_id: {drop.manifest.source_id!r} stands in "
                    f"{earlier.folder} with other facts; give this drop a source_id of its own"
                )
                drop = drop.model_copy(update={"status": DropStatus.REFUSED, "reason": reason})
        result.append(drop)
    return sorted(result, key=lambda drop: drop.folder)


def _apply_strictest_licence(drops: list[Drop]) -> list[Drop]:
    """Refuse files whose bytes also lie in a drop whose licence forbids training."""
    forbidden = {
        file.sha256: drop
        for drop in drops
        if drop.status is DropStatus.FORBIDDEN
        for file in drop.files
        if file.sha256
    }

    def judged(file: DropAudio) -> DropAudio:
        other = forbidden.get(file.sha256 or "")
        if other is None or file.refusal:
            return file
        reason = (
            f"{file.path}: the same bytes lie in {other.folder}, whose licence does not permit AI training"
        )
        return file.model_copy(update={"refusal": reason})

    return [
        drop.model_copy(update={"files": [judged(file) for file in drop.files]})
        if drop.status is DropStatus.ACCEPTED
        else drop
        for drop in drops
    ]


@dataclass(frozen=True)
class _Scanner:
    root: DataRoot
    style_ids: set[str]
    licensing: LicensingSettings
    hashes: dict[str, DropAudio]
    progress: Callable[[str], None] | None
    day: date
    base: str | None

    def scan(self, folder: Path) -> Drop:
        """Read one drop; whatever is wrong with it becomes its status and reason."""
        name = _folder_name(self.root, folder)
        if self.progress:
            self.progress(name)
        # Taken first: what changes during the scan makes another signature, and another scan.
        signature = drop_signature(folder)
        files = [self._audio(path, info) for path, info in self._audio_files(folder)]
        found = partial(Drop, folder=name, signature=signature, files=files)
        if closed := _closed_folder(folder):
            where = _folder_name(self.root, closed)
            return found(
                status=DropStatus.REFUSED, reason=f"{where}: cannot be looked into; check its permissions"
            )
        try:
            manifest = self.manifest(folder)
        except RecordError as error:
            return found(status=DropStatus.REFUSED, reason=_printable(str(error)))
        except FileNotFoundError as error:
            return found(status=DropStatus.INCOMPLETE, reason=str(error))
        found = partial(found, files=[*files, *self._not_audio(folder, manifest)], manifest=manifest)
        where = f"{name}/{SOURCE_JSON}"
        try:
            evidence = documents_of(self.root, folder, manifest.grant, where=where)
        except RecordError as error:
            return found(status=DropStatus.REFUSED, reason=_printable(str(error)))
        found = partial(found, evidence=evidence)
        if missing := missing_documents(folder, manifest.grant):
            reason = f"{where}: grant.evidence: named but not in the drop: {few(missing)}"
            return found(status=DropStatus.INCOMPLETE, reason=reason)
        drop = with_verdict(found(status=DropStatus.ACCEPTED), self.judge(manifest, evidence))
        absent = self.absent_files(folder, manifest)
        if drop.status is DropStatus.ACCEPTED and absent:
            reason = f"{where}: files: named but not in the drop: {few(absent)}"
            return drop.model_copy(update={"status": DropStatus.INCOMPLETE, "reason": reason})
        return drop

    def refuse(self, path: Path, reason: str) -> Drop:
        """A refused drop for an entry that is not a drop; its files are listed, not read."""
        name = _folder_name(self.root, path)
        inside = path.is_dir() and not path.is_symlink()
        files = [
            DropAudio(path=_folder_name(self.root, file), size=info.st_size, modified_ns=info.st_mtime_ns)
            for file, info in (self._audio_files(path) if inside else [])
        ]
        return Drop(
            folder=name,
            signature=drop_signature(path),
            status=DropStatus.REFUSED,
            reason=f"{name}: {reason}",
            files=files,
        )

    def judge(self, manifest: DropManifest, evidence: Sequence[EvidenceFile]) -> Verdict:
        """The verdict of the policy on a source.json with these documents."""
        return judge_source(manifest, self.licensing, evidence=evidence, day=self.day, base=self.base)

    def manifest(self, folder: Path) -> DropManifest:
        """The facts in a drop's source.json.

        Raises:
            RecordError: it is faulty.
            FileNotFoundError: there is none.
        """
        path = folder / SOURCE_JSON
        where = f"{_folder_name(self.root, folder)}/{SOURCE_JSON}"
        if where != path.relative_to(self.root.path).as_posix():
            raise RecordError(
                f"{where}: the name of the folder is not UTF-8 text, or holds a backslash; rename it"
            )
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise RecordError(f"{where}: must be a regular file")
        if path.exists() and path.stat().st_size > _MAX_SOURCE_JSON_BYTES:
            raise RecordError(f"{where}: is larger than {_MAX_SOURCE_JSON_BYTES >> 20} MiB; split the drop")
        try:
            data = read_json(path)
        except UnreadableRecord as error:
            raise RecordError(f"{where}: is not JSON: {error.__cause__}") from error
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{where}: missing; write one with the fields of a SourceRecord"
            ) from error
        except OSError as error:
            raise RecordError(f"{where}: cannot be read ({error.strerror}); check its permissions") from error
        manifest = DropManifest.parse(data, where=where, context={"style_ids": self.style_ids})
        expected = SOURCE_TYPE_OF_FOLDER[folder.parent.name]
        if manifest.source_type is not expected:
            raise RecordError(
                f"{where}: DropManifest.source_type: is {manifest.source_type!s}, but the drop lies in "
                f"{folder.parent.name}/, which is for {expected!s}"
            )
        return manifest

    def absent_files(self, folder: Path, manifest: DropManifest) -> list[str]:
        """The files that source.json names and the drop does not have."""
        named = set(manifest.files)
        named |= {entry.lyrics for entry in [manifest.defaults, *manifest.files.values()] if entry.lyrics}
        return sorted(name for name in named if not _regular_inside(folder / name, folder))

    def _audio_files(self, folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        for path, info in _entries_below(folder):
            if path.suffix.lower() in AUDIO_SUFFIXES:
                yield path, info

    def _not_audio(self, folder: Path, manifest: DropManifest) -> Iterator[DropAudio]:
        """Files that source.json lists although their format is not supported."""
        for name in sorted(manifest.files):
            if Path(name).suffix.lower() not in AUDIO_SUFFIXES and _regular_inside(folder / name, folder):
                relative = f"{_folder_name(self.root, folder)}/{_printable_name(name)}"
                kinds = ", ".join(sorted(AUDIO_SUFFIXES))
                reason = f"{relative}: files: is no kind of audio that is taken ({kinds}); convert it"
                yield DropAudio(path=relative, size=0, modified_ns=0, refusal=reason)

    def _audio(self, path: Path, info: os.stat_result) -> DropAudio:
        exact = path.relative_to(self.root.path).as_posix()
        relative = _printable_name(exact)
        if relative != exact:
            reason = f"{relative}: its name is not UTF-8 text, or holds a backslash; rename it"
            return DropAudio(path=relative, size=0, modified_ns=0, refusal=reason)
        if not stat.S_ISREG(info.st_mode):
            kind = "a link" if stat.S_ISLNK(info.st_mode) else "not a regular file"
            return DropAudio(
                path=relative, size=0, modified_ns=0, refusal=f"{relative}: is {kind}; copy the audio itself"
            )
        known = self.hashes.get(relative)
        if known and known.sha256 and (known.size, known.modified_ns) == (info.st_size, info.st_mtime_ns):
            return known.model_copy(update={"refusal": None})
        found = partial(DropAudio, path=relative, size=info.st_size, modified_ns=info.st_mtime_ns)
        try:
            if fault := sparse_reason(path):
                return found(refusal=f"{relative}: {fault}")
            return found(sha256=file_sha256(path))
        except OSError as error:
            return found(refusal=f"{relative}: cannot be read ({error.strerror}); check its permissions")


def _regular_inside(path: Path, folder: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve())
    except OSError:  # the name is too long
        return False


def _printable(text: str) -> str:
    """Escape lone surrogates: JSON may contain them, UTF-8 files may not."""
    return text.encode("utf-8", "backslashreplace").decode()


def incomplete_reason(root: DataRoot, folder: Path, *, style_ids: set[str]) -> str | None:
    """Why a drop is still incomplete (source.json or a named file is missing), or None. No audio is opened.

    A drop with a faulty source.json counts as complete: the scan refuses it with a reason. So does an entry that is no drop.
    """
    if not is_drop(root, folder):
        return None
    scanner = _Scanner(root, style_ids, LicensingSettings(), {}, None, date.today(), None)
    try:
        manifest = scanner.manifest(folder)
    except FileNotFoundError as error:
        return str(error)
    except (RecordError, ValidationError):
        return None
    absent = [*scanner.absent_files(folder, manifest), *missing_documents(folder, manifest.grant)]
    return f"{folder.name}: waiting for {few(absent)}" if absent else None

"""The scan of data/raw: which drops there are, whether each is complete, the facts in its source.json, its files' hashes.

Track ids are given in registry.py. Which entries are drops at all is decided in layout.py; whether a licence permits training,
in licensing/.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from heapq import merge
from itertools import chain
from operator import is_
from pathlib import Path

from pydantic import ValidationError

from lofi_pipeline.config import LicensingSettings
from lofi_pipeline.entities import (
    SOURCE_TYPE_OF_FOLDER,
    Drop,
    DropAudio,
    DropManifest,
    DropStatus,
    EvidenceFile,
    RecordError,
    Remark,
    Scan,
    Statement,
    Verdict,
    few,
)
from lofi_pipeline.entities.base import MOST_LISTED
from lofi_pipeline.entities.packed_drops import PackedDrops
from lofi_pipeline.entities.source import SOURCE_JSON
from lofi_pipeline.ingest.accounting import others_of, printable_name, without_music
from lofi_pipeline.ingest.documents import (
    DOCUMENT_RULES,
    facts_of_documents,
    remarks_on_documents,
    shared_documents,
)
from lofi_pipeline.ingest.evidence import documents_of, missing_documents
from lofi_pipeline.ingest.file_kinds import hint_for, is_meant_as_source_json, nfc
from lofi_pipeline.ingest.hashing import hashed
from lofi_pipeline.ingest.judging_day import clock_day, judging_day, with_remedy
from lofi_pipeline.ingest.layout import companions_outside, drop_folders, is_drop, misplaced
from lofi_pipeline.ingest.listing import Entry, closed_folder, drop_signature, entries_below, signature_of
from lofi_pipeline.ingest.remembered import (
    NOTHING_REMEMBERED,
    Memory,
    apply_memory,
    updated,
    with_replaced,
)
from lofi_pipeline.ingest.said_by_tags import TAG_RULES
from lofi_pipeline.ingest.source_edits import apply_declared_terms, forbid_withdrawn, with_verdict
from lofi_pipeline.ingest.source_history import DeclaredTerms, DeclaredTermsRecord, is_replaced
from lofi_pipeline.ingest.tag_statements import hold_to_tags
from lofi_pipeline.licensing import Withdrawal, judge_source, load_policy, load_withdrawals
from lofi_pipeline.licensing.grants import expired
from lofi_pipeline.licensing.judge_source import SOURCE_RULES
from lofi_pipeline.licensing.policy import Policy
from lofi_pipeline.licensing.withdrawals import in_force
from lofi_pipeline.storage import (
    DataRoot,
    UnreadableRecord,
    content_sha256,
    file_sha256,
    no_search_for_cycles,
    odd_texts,
    read_json,
    require_music,
)
from lofi_pipeline.styles import no_such_tag

Progress = Callable[[int, int, str], None]
_ACCEPTED = DropStatus.ACCEPTED
_MAX_SOURCE_JSON_BYTES = 16 << 20
"""Enough for tens of thousands of files with titles and artists; a larger file is not read."""


def _folder_name(root: DataRoot, folder: Path) -> str:
    return printable_name(folder.relative_to(root.path).as_posix())


def scan_drops(
    root: DataRoot,
    *,
    style_ids: set[str],
    licensing: LicensingSettings,
    known: Scan | None = None,
    record: DeclaredTermsRecord | None = None,
    memory: Memory | None = None,
    day: date | None = None,
    base: str | None = None,
    only: Path | None = None,
    progress: Progress = lambda _done, _total, _what: None,
) -> Scan:
    """Scan every drop. Bad input makes that drop refused or incomplete, with a reason; it never stops the others.

    First all drops are read and judged, then all files are hashed. One drop after the other is in memory as objects, the others
    are packed: what a step needs to know of the others, it notes. A file whose size and modification time are as in `known`
    is not hashed again; documents of evidence always are.

    Args:
        record: the terms that each source was ingested with; they may apply in place of those of an edited source.json.
        memory: the terms of what was refused or removed; they may apply to the same files in any drop.
        day: the day to judge for (default: today), or the latest that `known` was judged for, if that is later.
        base: the base model to be trained on: a grant may be limited to others.
        only: read this drop alone; the others are as in `known`.
        progress: told how many of how many drops were read, then how many of how many files were hashed.
    """
    require_music(root)
    clock = day or clock_day()
    day = judging_day(known, clock)
    former = PackedDrops.of(known.drops if known else [])
    rules = judging_hash(style_ids, licensing)
    same_rules = known is not None and known.judged_with == rules
    scanner = _Scanner(root, style_ids, licensing, former, day, clock, base, same_rules)
    record, withdrawals = record or DeclaredTermsRecord(), load_withdrawals(root)
    folders = drop_folders(root) if only is None else [only]
    folders = list(map(str, sorted(folders, key=partial(_folder_name, root))))
    unread: list[int] = []
    with no_search_for_cycles():
        drops = PackedDrops(_listed(scanner, folders, progress, unread), former=former)
    drops = drops.through(partial(_hashed, root, drops, unread, progress), only=set(unread))
    if only is not None:
        others = (drop for drop in former if drop.folder != drops.folders[0])
        drops = PackedDrops(sorted([*drops, *others], key=_by_folder))

    conflicts, shared = _conflicting_sources(drops, former, record), shared_documents(drops)

    def judged(drops: Iterable[Drop]) -> Iterator[Drop]:
        settled = apply_declared_terms(root, _refused(drops, conflicts), record, former, scanner.judge)
        return _with_remarks(hold_to_tags(settled, scanner.judge), shared)

    drops = drops.through(judged)
    remembered = updated(memory or NOTHING_REMEMBERED, former, drops, day)
    drops = apply_memory(drops, remembered, record, scanner.judge, day)
    if withdrawals:
        drops = drops.through(partial(forbid_withdrawn, withdrawals=withdrawals, day=day))
    if DropStatus.FORBIDDEN in drops.statuses:
        drops = drops.through(partial(_apply_strictest_licence, drops))
    if only is None and (strangers := misplaced(root)):
        refused = [scanner.refuse(path, reason) for path, reason in strangers.items()]
        drops = PackedDrops(merge(drops, sorted(refused, key=_by_folder), key=_by_folder))
    drops.share(former)
    scan = Scan(
        drops=[],
        judged_with=rules,
        day=day,
        withdrawals=_withdrawals_hash(withdrawals, day),
        base=base if any(map(_limited_to_bases, drops)) else None,
        outside=[_folder_name(root, path) for path in companions_outside(root)],
    )
    return scan.model_copy(update={"drops": drops})


def _by_folder(drop: Drop) -> str:
    return drop.folder


def _listed(
    scanner: _Scanner, folders: Sequence[str], progress: Progress, unread: list[int]
) -> Iterator[Drop]:
    """The drops as they stand there: names and sizes, and no hash that is not known. Those with such files go into `unread`."""
    for number, folder in enumerate(folders):
        drop = scanner.scan(Path(folder))
        if any(map(_to_be_read, drop.files)):
            unread.append(number)
        yield drop
        progress(number + 1, len(folders), f"drops read: {drop.folder}")


def _hashed(
    root: DataRoot,
    all_drops: Sequence[Drop],
    unread: Sequence[int],
    progress: Progress,
    drops: Iterable[Drop],
) -> Iterator[Drop]:
    """The drops with these numbers, with the hashes of the files that can be taken; how much is to be read is found first."""
    count = total = files = size = 0
    for file in filter(_to_be_read, _files_of(map(all_drops.__getitem__, unread))):
        count, total = count + 1, total + file.size
    with closing(hashed(root, filter(_to_be_read, _files_of(map(all_drops.__getitem__, unread))))) as done:
        for drop in drops:
            new = [next(done) if _to_be_read(file) else file for file in drop.files]
            yield without_music(_with_files(drop, new))
            if read := [file for file, before in zip(new, drop.files, strict=True) if file is not before]:
                files, size = files + len(read), size + sum(file.size for file in read)
                progress(files, count, f"files hashed: {size / 1e9:.1f} of {total / 1e9:.1f} GB")


def _files_of(drops: Iterable[Drop]) -> Iterator[DropAudio]:
    return chain.from_iterable(drop.files for drop in drops)


def _with_files(drop: Drop, files: list[DropAudio]) -> Drop:
    """The drop with these files; itself where they are its own."""
    return drop if all(map(is_, files, drop.files)) else drop.model_copy(update={"files": files})


def _to_be_read(file: DropAudio) -> bool:
    """Whether its bytes, or its tags, are still to be read."""
    return file.refusal is None and (file.sha256 is None or file.said is None)


def _with_remarks(drops: Iterable[Drop], shared: Mapping[str, list[Remark]]) -> Iterator[Drop]:
    """The drops with what is to be known of their documents, written into their verdicts."""
    for drop in drops:
        more = [*remarks_on_documents(drop), *shared.get(drop.folder, [])]
        if more and drop.verdict is not None:
            verdict = drop.verdict.model_copy(update={"remarks": (*drop.verdict.remarks, *more)})
            drop = drop.model_copy(update={"verdict": verdict})
        yield drop


def judging_hash(style_ids: set[str], licensing: LicensingSettings) -> str:
    """Hash of what a drop is judged with beside its own content: when it changes, all drops are judged anew."""
    rules = [SOURCE_RULES, DOCUMENT_RULES, TAG_RULES]
    return content_sha256([sorted(style_ids), load_policy().hash_with(licensing), rules])


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
    base: str | None = None,
) -> list[str]:
    """The drops (relative to the data root) that are new, changed or gone since `scan`, or to be judged otherwise."""
    return list(changed_signatures(root, scan, style_ids=style_ids, licensing=licensing, day=day, base=base))


def changed_signatures(
    root: DataRoot,
    scan: Scan | None,
    *,
    style_ids: set[str],
    licensing: LicensingSettings,
    day: date | None = None,
    base: str | None = None,
) -> dict[str, str | None]:
    """The changed drops in order, each with its signature now; None: it is gone.

    Judged otherwise: by other rules, other withdrawals, because a grant began or ended since, or for another base model.
    """
    require_music(root)
    day = judging_day(scan, day)
    same_rules = (
        scan is not None
        and _sources_are_whole(root, scan)
        and scan.judged_with == judging_hash(style_ids, licensing)
        and scan.withdrawals == _withdrawals_hash(load_withdrawals(root), day)
    )
    present, changed = signatures_of_drops(root), dict[str, str | None]()
    for drop in scan.drops if scan is not None else ():
        signature = present.pop(drop.folder, None)
        if (
            not same_rules
            or signature != drop.signature
            or _grant_changed(drop, scan.day if scan else None, day)
            or (scan and base not in (None, scan.base) and _limited_to_bases(drop))
        ):
            changed[drop.folder] = signature
    return dict(sorted({**changed, **present}.items()))


def signatures_of_drops(root: DataRoot) -> dict[str, str]:
    """By name, how each drop looks now, and what lies where no drop is looked for. No file is opened."""
    return {
        _folder_name(root, path): drop_signature(path) for path in [*drop_folders(root), *misplaced(root)]
    }


def _sources_are_whole(root: DataRoot, scan: Scan) -> bool:
    """Whether sources.json is the one that was compiled from the scan; of an older scan only that it is there."""
    is_there = root.sources_json.is_file()
    return is_there and scan.sources in (None, file_sha256(root.sources_json))


def _grant_changed(drop: Drop, before: date | None, day: date) -> bool:
    """Whether a grant of a drop began or ended since the drop was judged, else since `before`."""
    before = (drop.verdict.day if drop.verdict else None) or before
    return any(
        before is None or bool(expired(grant, before)) != bool(expired(grant, day)) for grant in drop.grants()
    )


def _limited_to_bases(drop: Drop) -> bool:
    return any(grant.model_versions for grant in drop.grants())


def _conflicting_sources(
    drops: PackedDrops, former: PackedDrops, record: DeclaredTermsRecord
) -> dict[str, str]:
    """By folder, the accepted drops that share a source_id with another drop but state other facts on the source; with that drop.

    The drop that agrees with the record is kept, else the one that was accepted first.
    """
    accepted = drops.sources_of(_ACCEPTED)
    again = {source_id for source_id, count in Counter(filter(None, accepted)).items() if count > 1}
    declared: dict[str, tuple[str, str]] = {}
    first: dict[str, tuple[bool, bool, str]] = {}
    settled = {folder for folder, it in zip(former.folders, former.statuses, strict=True) if it is _ACCEPTED}
    for number, source_id in enumerate(accepted):
        if source_id in again and (manifest := (drop := drops[number]).manifest) is not None:
            terms = DeclaredTerms.of(manifest, drop.evidence)
            order = (terms != record.on_record(source_id), drop.folder not in settled, drop.folder)
            first[source_id] = min(first.get(source_id, order), order)
            declared[drop.folder] = source_id, terms.sha256
    return {
        folder: earlier
        for folder, terms in declared.items()
        for earlier in [first[terms[0]][-1]]
        if declared[earlier] != terms
    }


def _refused(drops: Iterable[Drop], conflicts: Mapping[str, str]) -> Iterator[Drop]:
    """The drops, those that conflict with another one refused."""
    for drop in drops:
        if drop.folder in conflicts and drop.manifest is not None:
            reason = (
                f"{drop.folder}/{SOURCE_JSON}: source_id: {drop.manifest.source_id!r} stands in "
                f"{conflicts[drop.folder]} with other facts; give this drop a source_id of its own"
            )
            drop = drop.model_copy(update={"status": DropStatus.REFUSED, "reason": reason})
        yield drop


def _apply_strictest_licence(all_drops: PackedDrops, drops: Iterable[Drop]) -> Iterator[Drop]:
    """Refuse files whose bytes also lie in a drop whose licence forbids training, unless their drop supersedes it."""
    forbidden: dict[bytes, tuple[int, ...]] = {}
    for number, status in enumerate(all_drops.statuses):
        if status is DropStatus.FORBIDDEN:
            alone = (number,)  # one for most of its files
            for key in {bytes.fromhex(file.sha256) for file in all_drops[number].files if file.sha256}:
                forbidden[key] = (*forbidden[key], number) if key in forbidden else alone

    def judged(drop: Drop, file: DropAudio) -> DropAudio:
        others = forbidden.get(bytes.fromhex(file.sha256), ()) if file.sha256 and not file.refusal else ()
        other = next((it for it in map(all_drops.__getitem__, others) if not _supersedes(drop, it)), None)
        if other is None:
            return file
        reason = (
            f"{file.path}: the same bytes lie in {other.folder}, whose licence does not permit AI training"
        )
        return file.model_copy(update={"refusal": reason})

    for drop in drops:
        accepted = drop.status is DropStatus.ACCEPTED
        yield _with_files(drop, [judged(drop, file) for file in drop.files]) if accepted else drop


def _supersedes(drop: Drop, other: Drop) -> bool:
    return other.manifest is not None and is_replaced(
        DeclaredTerms.of(other.manifest, other.evidence), drop.replaces
    )


@dataclass(frozen=True)
class _Scanner:
    root: DataRoot
    style_ids: set[str]
    licensing: LicensingSettings
    former: PackedDrops
    """The drops of the last scan."""
    day: date
    clock: date
    base: str | None
    same_rules: bool = False
    """Whether the last scan was judged with the rules of today."""
    policy: Policy = field(default_factory=load_policy)

    def scan(self, folder: Path) -> Drop:
        """Read one drop but for its files; whatever is wrong with it becomes its status and reason."""
        name = _folder_name(self.root, folder)
        # Listed first: what changes during the scan makes another signature, and another scan.
        entries = entries_below(folder)
        former = self.former.get(name)
        files, signature = self._audio_files(folder, entries, former), signature_of(entries)

        def listed(manifest: DropManifest | None = None) -> Callable[..., Drop]:
            others, companions = others_of(name, entries, manifest)
            return partial(
                Drop,
                folder=name,
                signature=signature,
                files=[*files, *others],
                companions=companions,
                manifest=manifest,
            )

        if closed := closed_folder(entries):
            where = _folder_name(self.root, folder / closed)
            return listed()(
                status=DropStatus.REFUSED, reason=f"{where}: cannot be looked into; check its permissions"
            )
        try:
            manifest = self.manifest(folder)
        except RecordError as error:
            return listed()(status=DropStatus.REFUSED, reason=_printable(str(error)))
        except FileNotFoundError as error:
            return listed()(status=DropStatus.INCOMPLETE, reason=str(error))
        present, found = _Present(folder, entries), listed(manifest)
        where = f"{name}/{SOURCE_JSON}"
        try:
            evidence = documents_of(self.root, folder, manifest.grant, where=where)
        except RecordError as error:
            return found(status=DropStatus.REFUSED, reason=_printable(str(error)))
        found = partial(found, evidence=evidence)
        if missing := missing_documents(folder, manifest.grant):
            reason = f"{where}: grant.evidence: named but not in the drop: {few(missing)}"
            return found(status=DropStatus.INCOMPLETE, reason=reason)
        try:
            known = former.documents if former else []
            documents = facts_of_documents(folder, manifest, evidence, known)
        except OSError as error:
            reason = f"{where}: grant.evidence: cannot be read ({error.strerror}); check the documents' permissions"
            return found(status=DropStatus.REFUSED, reason=reason)
        found = partial(found, documents=documents)
        if faults := [f"{facts.name}: {facts.fault}" for facts in documents if facts.fault]:
            reason = f"{where}: grant.evidence: {few(faults, between='; ')}"
            return found(status=DropStatus.REFUSED, reason=reason)
        drop = with_verdict(found(status=DropStatus.ACCEPTED), self.judge(manifest, evidence))
        drop = with_replaced(self.root, drop)
        absent = present.absent(manifest)
        if drop.status is DropStatus.ACCEPTED and absent:
            reason = f"{where}: files: named but not in the drop: {few(absent)}"
            return drop.model_copy(update={"status": DropStatus.INCOMPLETE, "reason": reason})
        return without_music(drop)

    def refuse(self, path: Path, reason: str) -> Drop:
        """A refused drop for an entry that is not a drop; its files are listed, not read."""
        name = _folder_name(self.root, path)
        entries = entries_below(path)
        others, companions = others_of(name, entries)
        files = [
            DropAudio(
                path=f"{name}/{printable_name(entry.name)}", size=entry.size, modified_ns=entry.modified_ns
            )
            for entry in entries
            if entry.is_named_like_audio
        ]
        return Drop(
            folder=name,
            signature=drop_signature(path),
            status=DropStatus.REFUSED,
            reason=f"{name}: {reason}",
            files=[*files, *others],
            companions=companions,
        )

    def judge(
        self, manifest: DropManifest, evidence: Sequence[EvidenceFile], said: Sequence[Statement] = ()
    ) -> Verdict:
        """The verdict of the policy on a source.json with these documents; `said`: by tags of its files."""
        verdict = judge_source(
            manifest,
            self.licensing,
            evidence=evidence,
            said=said,
            day=self.day,
            base=self.base,
            policy=self.policy,
        )
        return with_remedy(verdict, manifest.grant, judged=self.day, clock=self.clock)

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
        try:
            info = path.lstat()
            if not stat.S_ISREG(info.st_mode):
                raise RecordError(f"{where}: must be a regular file")
            if info.st_size > _MAX_SOURCE_JSON_BYTES:
                raise RecordError(
                    f"{where}: is larger than {_MAX_SOURCE_JSON_BYTES >> 20} MiB; split the drop"
                )
            data = read_json(path)
        except UnreadableRecord as error:
            raise RecordError(f"{where}: is not JSON: {error.__cause__}") from error
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{where}: missing; {_instead(folder)}") from error
        except OSError as error:
            raise RecordError(f"{where}: cannot be read ({error.strerror}); check its permissions") from error
        if odd := [f"{place} holds the control character {letter}" for place, letter in odd_texts(data)]:
            raise RecordError(f"{where}: {few(odd)}; take it out")
        context = {"style_ids": self.style_ids, "check_tag": no_such_tag}
        manifest = DropManifest.parse(data, where=where, context=context)
        expected = SOURCE_TYPE_OF_FOLDER[folder.parent.name]
        if manifest.source_type is not expected:
            raise RecordError(
                f"{where}: DropManifest.source_type: is {manifest.source_type!s}, but the drop lies in "
                f"{folder.parent.name}/, which is for {expected!s}"
            )
        return manifest

    def _audio_files(self, folder: Path, entries: Sequence[Entry], former: Drop | None) -> list[DropAudio]:
        exact = folder.relative_to(self.root.path).as_posix()
        known = {file.path: file for file in former.files} if former else {}
        found = [
            _audio(f"{exact}/{entry.name}", entry, known) for entry in entries if entry.is_named_like_audio
        ]
        if self.same_rules:
            return found
        # Which tags bear on rights is told by the rules: they are read anew
        return [file.model_copy(update={"said": None}) if file.said is not None else file for file in found]


def _audio(exact: str, entry: Entry, known: Mapping[str, DropAudio]) -> DropAudio:
    """The file with its hash, if that is known, or the reason why it cannot be taken."""
    relative = printable_name(exact)
    if relative != exact:
        reason = f"{relative}: its name is not UTF-8 text, or holds a backslash; rename it"
        return DropAudio(path=relative, size=0, modified_ns=0, refusal=reason)
    if not entry.is_regular:
        kind = "a link" if stat.S_ISLNK(entry.mode) else "not a regular file"
        return DropAudio(
            path=relative, size=0, modified_ns=0, refusal=f"{relative}: is {kind}; copy the audio itself"
        )
    before = known.get(relative)
    if before and before.sha256 and (before.size, before.modified_ns) == (entry.size, entry.modified_ns):
        return before.model_copy(update={"refusal": None}) if before.refusal else before
    return DropAudio(path=relative, size=entry.size, modified_ns=entry.modified_ns)


_WITHOUT_JSON = ("source.txt", "source")


def _instead(folder: Path) -> str:
    """What to do about a source.json that is missing: there may be one under another name, or in another place."""
    names = [entry.name for entry in entries_below(folder)]
    meant = [name for name in names if is_meant_as_source_json(name) or name.casefold() in _WITHOUT_JSON]
    here = [name for name in meant if "/" not in name]
    if here:
        return f"there is {printable_name(here[0])}: rename it to {SOURCE_JSON}"
    if meant:
        return f"there is {printable_name(meant[0])}, one folder too deep: move it up, or that folder out of this one"
    if (folder.parent / SOURCE_JSON).is_file():
        return f"there is one in {folder.parent.name}/, one folder too high: move it into the drop"
    return "write one with the fields of a SourceRecord"


class _Present:
    """The regular files of a drop, by the names that source.json may give them."""

    def __init__(self, folder: Path, entries: Sequence[Entry]) -> None:
        self._folder = folder
        self._listed = {
            nfc(entry.name): entry.name for entry in entries if entry.is_regular and not entry.hidden
        }

    def __contains__(self, name: str) -> bool:
        return nfc(name) in self._listed or _regular_inside(self._folder / name, self._folder)

    def absent(self, manifest: DropManifest) -> list[str]:
        """The files that source.json names and the drop does not have, each with the one that may be meant."""
        named = set(manifest.files)
        named |= {entry.lyrics for entry in [manifest.defaults, *manifest.files.values()] if entry.lyrics}
        absent = sorted(name for name in named if name not in self)
        present = list(self._listed.values())
        hints = {name: hint_for(name, present) for name in absent[:MOST_LISTED]}
        return [
            f"{name} (is {printable_name(hint)} meant?)" if (hint := hints.get(name)) else name
            for name in absent
        ]


def _regular_inside(path: Path, folder: Path) -> bool:
    """Whether it is a regular file of the drop; also a hidden one, or one by way of a link within the drop."""
    try:
        return path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(folder.resolve())
    except OSError:  # the name is too long
        return False


def _printable(text: str) -> str:
    """Escape lone surrogates: JSON may contain them, UTF-8 files may not."""
    return text.encode("utf-8", "backslashreplace").decode()


def incomplete_reason(root: DataRoot, folder: Path, *, style_ids: set[str]) -> str | None:
    """Why a drop is still incomplete (source.json or a named file is missing), or None. No audio is opened.

    So is one that holds nothing beside its source.json. A drop with a faulty source.json counts as complete: the scan refuses it
    with a reason. So does an entry that is no drop.
    """
    if not is_drop(root, folder):
        return None
    scanner = _Scanner(root, style_ids, LicensingSettings(), PackedDrops(), clock_day(), clock_day(), None)
    try:
        manifest = scanner.manifest(folder)
    except FileNotFoundError as error:
        return str(error)
    except (RecordError, ValidationError):
        return None
    entries = entries_below(folder)
    absent = [*_Present(folder, entries).absent(manifest), *missing_documents(folder, manifest.grant)]
    if (
        not any(entry.is_named_like_audio for entry in entries)
        and not others_of("drop", entries, manifest)[0]
    ):
        absent.append("audio")
    return f"{folder.name}: waiting for {few(absent)}" if absent else None

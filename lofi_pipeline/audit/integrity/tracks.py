"""The files of a version's tracks: published audio, prompt and lyrics, the worker's record, the originals.

Where each track came from by its licence is not asked here: see audit/findings.py.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from functools import cached_property

from lofi_pipeline.audit.inputs import AuditInputs
from lofi_pipeline.audit.integrity.verifier import MISSING, Verifier, is_as_written
from lofi_pipeline.entities import (
    DatasetVersion,
    FindingCode,
    RecordError,
    Severity,
    TrackRecord,
    VersionTrack,
)
from lofi_pipeline.storage import read_record

FILES_OF_A_TRACK = 1
"""Steps of progress for each track."""
REBUILD = (
    "take it back from a backup, or run `lofi run --to dataset_manifest` to make it anew from the original"
)


def verify_tracks(verifier: Verifier, version: DatasetVersion, inputs: AuditInputs) -> None:
    """Prove every file of every track. What another version of the data set has put in its place is no error."""
    proof = _TrackProof(verifier, version, inputs)
    for item in version.tracks:
        proof.prove(item)
        verifier.step(item.track.track_id)
    proof.sum_up()


class _TrackProof:
    def __init__(self, verifier: Verifier, version: DatasetVersion, inputs: AuditInputs) -> None:
        self.verifier, self.root, self.version, self.inputs = verifier, verifier.root, version, inputs
        self.records = self.root.relative(self.root.track_records)
        self.is_current = self._is_current()
        self.registered = self._registered()
        self.replaced: Counter[str] = Counter()
        self.unpublished = 0

    def _is_current(self) -> bool:
        """Whether the version is the data set as it is now; with what is wrong with dataset_manifest.json."""
        read, ours = self.inputs.dataset, self.version.dataset
        if read.error is not None:
            sentence = f"{read.where} can't be read: {read.error}; build the data set again."
            self.verifier.error(FindingCode.RECORD_BROKEN, read.where, sentence)
        if read.value is None:
            return False
        current = read.value
        same = current == ours and is_as_written(read.data, json.loads(read.data))
        if current.hash == ours.hash and not same:
            sentence = f"{read.where} says other things of the data set than its version does: build the data set again."
            self.verifier.error(FindingCode.RECORD_CHANGED, read.where, sentence)
        if current.hash not in self.inputs.version_hashes:
            sentence = f"{read.where} names the version {current.hash[:12]}, which is not there: build the data set again."
            self.verifier.error(FindingCode.RECORD_CHANGED, read.where, sentence)
        return current.hash == ours.hash

    def _registered(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """By track id, the SHA-256 of its original and where that lies."""
        read = self.inputs.registered
        if read.error is not None:
            sentence = f"{read.where} can't be read: {read.error}; take it back from a backup."
            self.verifier.error(FindingCode.RECORD_BROKEN, read.where, sentence)
        return read.tracks

    @cached_property
    def _paths_by_content(self) -> set[str]:
        """Where the registry says that originals lie now, with whose content."""
        return {f"{path} {sha256}" for sha256, paths in self.registered.values() for path in paths}

    @cached_property
    def _elsewhere(self) -> dict[str, set[str]]:
        """Hashes that other versions have at each published path; read only when something differs."""
        found: dict[str, set[str]] = defaultdict(set)
        for path, version in self.inputs.versions.found:
            for item in version.tracks if path.stem != self.version.dataset.hash else []:
                found[item.track.audio_path].add(item.audio_sha256)
                found[item.track.prompt_path].add(_of_text(item.prompt))
                found[item.track.lyrics_path].add(_of_text(item.lyrics))
        return found

    def prove(self, item: VersionTrack) -> None:
        """One track: what is published, what its record says, and its original."""
        track = item.track
        self._published(
            track.audio_path, item.audio_sha256, "the processed music of " + track.track_id, music=True
        )
        self._published(track.prompt_path, _of_text(item.prompt), "the prompt of " + track.track_id)
        self._published(track.lyrics_path, _of_text(item.lyrics), "the lyrics of " + track.track_id)
        record = self._record(item)
        if record is not None:
            self._processed(item, record)
        self._originals(item, record)

    def _published(self, path: str, sha256: str, what: str, *, music: bool = False) -> None:
        if music and self.verifier.quick:
            found = sha256 if self.verifier.exists(path) else MISSING
        else:
            found = self.verifier.sha256(path)
        if found is None or found == sha256:
            return
        if not self.is_current:
            if found == MISSING:
                self.unpublished += 1
                return
            if found in self._elsewhere[path]:
                self.replaced[path] += 1
                return
        if found == MISSING:
            self.verifier.error(FindingCode.FILE_MISSING, path, f"{path} ({what}) is missing: {REBUILD}.")
        else:
            sentence = f"{path} ({what}) was changed: its hash is {found[:12]}, the version has {sha256[:12]}; {REBUILD}."
            self.verifier.error(FindingCode.FILE_CHANGED, path, sentence)

    def _record(self, item: VersionTrack) -> TrackRecord | None:
        path, where = self.root.track_record(item.track.track_id), self._record_of(item.track.track_id)
        try:
            record = read_record(TrackRecord, path, where=where)
        except FileNotFoundError:
            if self.is_current:
                self.verifier.error(FindingCode.FILE_MISSING, where, f"{where} is missing: {REBUILD}.")
            return None
        except (OSError, RecordError) as error:
            self.verifier.error(
                FindingCode.RECORD_BROKEN, where, f"{where} can't be read: {error}; {REBUILD}."
            )
            return None
        if record.sha256 != item.sha256 or record.track_id != item.track.track_id:
            sentence = (
                f"{where} is of other content ({record.sha256[:12]}) than the version has for {item.track.track_id} "
                f"({item.sha256[:12]}): an id is for life; take the record back from a backup."
            )
            self.verifier.error(FindingCode.RECORD_CHANGED, where, sentence)
            return None
        if self.is_current and (differing := _differing(item, record)):
            sentence = (
                f"{where} has another {differing} than the data set version: it was changed, or the track was worked on again; "
                "build the data set again."
            )
            self.verifier.log(Severity.WARNING, FindingCode.RECORD_DIFFERS, where, sentence)
        return record

    def _record_of(self, track_id: str) -> str:
        return f"{self.records}/{track_id}.json"

    def _processed(self, item: VersionTrack, record: TrackRecord) -> None:
        track_id, where = record.track_id, self._record_of(record.track_id)
        expected: list[tuple[str, str, str]] = []
        if record.processed and not self.verifier.quick:
            expected.append((record.processed.audio_path, record.processed.audio_sha256, "audio_sha256"))
        if record.tagged:
            expected.append((record.tagged.prompt_path, _of_text(record.tagged.prompt), "prompt"))
            expected.append((record.tagged.lyrics_path, _of_text(record.tagged.lyrics), "lyrics"))
        versions = {
            "audio_sha256": item.audio_sha256,
            "prompt": _of_text(item.prompt),
            "lyrics": _of_text(item.lyrics),
        }
        for path, sha256, name in expected:
            found = self.verifier.sha256(path)
            if found is None or found == sha256:
                continue
            if found == MISSING:
                if self.is_current:
                    self.verifier.error(
                        FindingCode.FILE_MISSING, path, f"{path} ({track_id}) is missing: {REBUILD}."
                    )
            elif found == versions[name]:
                sentence = f"{where}: {name} was changed: the file it speaks of is the version's; {REBUILD}."
                self.verifier.error(FindingCode.RECORD_CHANGED, where, sentence)
            else:
                sentence = f"{path} ({track_id}) was changed: it is not what {where} says; {REBUILD}."
                self.verifier.error(FindingCode.FILE_CHANGED, path, sentence)

    def _originals(self, item: VersionTrack, record: TrackRecord | None) -> None:
        track_id = item.track.track_id
        registered, paths = self.registered.get(track_id, (item.sha256, ()))
        if registered != item.sha256:
            where = self.root.relative(self.root.registry_json)
            sentence = (
                f"{where} gives {track_id} to other content ({registered[:12]}) than the version has "
                f"({item.sha256[:12]}): an id is for life; take the file back from a backup."
            )
            self.verifier.error(FindingCode.RECORD_CHANGED, where, sentence)
        there = False
        origins = [origin.path for origin in record.origins] if record else []
        for path in dict.fromkeys([*origins, *paths]):
            if self.verifier.quick:
                there = there or self.verifier.exists(path)
                continue
            found = self.verifier.sha256(path)
            there = there or found == item.sha256
            if found in (None, MISSING, item.sha256) or f"{path} {found}" in self._paths_by_content:
                continue
            sentence = (
                f"{path} (the original of {track_id}) was changed: its hash is {found[:12]}, on record is {item.sha256[:12]}; put "
                "the licensed file back."
            )
            self.verifier.error(FindingCode.ORIGINAL_CHANGED, path, sentence)
        if not there:
            self.verifier.absent_originals += 1

    def sum_up(self) -> None:
        """Add one finding for each kind of thing that is as it should be with a version that is not the newest."""
        where = self.root.relative(self.root.dataset_version(self.version.dataset.hash))
        log = self.verifier.log
        if self.unpublished:
            sentence = (
                f"{self.unpublished} files of this version are not published any more, because a newer one does not have them; "
                "their hashes stay on record."
            )
            log(Severity.INFO, FindingCode.NOT_PUBLISHED, where, sentence)
        if self.replaced:
            sentence = f"{len(self.replaced)} published files are those of another version now; their hashes stay on record."
            log(Severity.INFO, FindingCode.REPLACED, where, sentence)
        if self.verifier.absent_originals:
            sentence = (
                f"The originals of {self.verifier.absent_originals} tracks do not lie under raw/ any more: their hashes can be "
                "compared with files that somebody shows, and nothing else."
            )
            log(Severity.INFO, FindingCode.ORIGINAL_ABSENT, where, sentence)


def _of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _differing(item: VersionTrack, record: TrackRecord) -> str:
    """Names of what the record says otherwise than the version."""
    pairs = {
        "source": (list(dict.fromkeys(origin.source_id for origin in record.origins)), item.source_ids),
        "licence": (record.origins[0].licence, item.licence),
        "title": (record.origins[0].title, item.title),
        "artist": (record.origins[0].artist, item.artist),
        "credits": (record.credits, item.credits),
        "audio_sha256": (record.processed.audio_sha256 if record.processed else None, item.audio_sha256),
        "prompt": (record.tagged.prompt if record.tagged else None, item.prompt),
        "lyrics": (record.tagged.lyrics if record.tagged else None, item.lyrics),
        "duration": (record.processed.duration if record.processed else None, item.track.duration),
    }
    return ", ".join(name for name, (here, there) in pairs.items() if here != there)

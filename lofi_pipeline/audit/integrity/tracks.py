"""The files of a version's tracks: published audio, prompt and lyrics, the worker's record, the originals."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from functools import cached_property

from lofi_pipeline.audit.integrity.verifier import MISSING, Verifier, is_as_written
from lofi_pipeline.entities import (
    Dataset,
    DatasetVersion,
    RecordError,
    RegisteredTrack,
    Registry,
    Severity,
    TrackRecord,
    VersionTrack,
)
from lofi_pipeline.storage import UnreadableRecord, read_json

FILES_OF_A_TRACK = 1
"""Steps of progress for each track."""
REBUILD = (
    "take it back from a backup, or run `lofi run --to dataset_manifest` to make it anew from the original"
)


def verify_tracks(verifier: Verifier, version: DatasetVersion) -> None:
    """Prove every file of every track. What another version of the data set has put in its place is told, not blamed."""
    proof = _TrackProof(verifier, version)
    for item in version.tracks:
        proof.prove(item)
        verifier.step(item.track.track_id)
    proof.sum_up()


class _TrackProof:
    def __init__(self, verifier: Verifier, version: DatasetVersion) -> None:
        self.verifier, self.root, self.version = verifier, verifier.root, version
        self.is_current = self._is_current()
        self.registered = self._registry()
        self.replaced: Counter[str] = Counter()
        self.unpublished = 0

    def _is_current(self) -> bool:
        path = self.root.dataset_manifest_json
        where = self.root.relative(path)
        try:
            current = Dataset.parse(read_json(path), where=where)
        except FileNotFoundError:
            return False
        except (OSError, UnreadableRecord, RecordError) as error:
            sentence = f"{where} can't be read: {error}; build the data set again."
            self.verifier.error("record-broken", where, sentence)
            return False
        same = current == self.version.dataset and is_as_written(path.read_bytes(), read_json(path))
        if current.hash == self.version.dataset.hash and not same:
            sentence = (
                f"{where} says other things of the data set than its version does: build the data set again."
            )
            self.verifier.error("record-changed", where, sentence)
        if not self.root.dataset_version(current.hash).is_file():
            sentence = f"{where} names the version {current.hash[:12]}, which is not there: build the data set again."
            self.verifier.error("record-changed", where, sentence)
        return current.hash == self.version.dataset.hash

    def _registry(self) -> dict[str, RegisteredTrack]:
        path = self.root.registry_json
        where = self.root.relative(path)
        try:
            return Registry.parse(read_json(path), where=where).by_id()
        except FileNotFoundError:
            return {}
        except (OSError, UnreadableRecord, RecordError) as error:
            self.verifier.error(
                "record-broken", where, f"{where} can't be read: {error}; take it back from a backup."
            )
            return {}

    @cached_property
    def _paths_by_content(self) -> set[str]:
        """Where the registry says that originals lie now, with whose content."""
        return {
            f"{origin.path} {track.sha256}" for track in self.registered.values() for origin in track.origins
        }

    @cached_property
    def _elsewhere(self) -> dict[str, set[str]]:
        """Hashes that other versions have at each published path; read only when something differs."""
        found: dict[str, set[str]] = defaultdict(set)
        for path in sorted(self.root.dataset_version("any").parent.glob("*.json")):
            if path.stem == self.version.dataset.hash:
                continue
            try:
                tracks = read_json(path)["tracks"]
                for item in tracks:
                    track = item["track"]
                    found[track["audio_path"]].add(item["audio_sha256"])
                    found[track["prompt_path"]].add(_of_text(item["prompt"]))
                    found[track["lyrics_path"]].add(_of_text(item["lyrics"]))
            except (OSError, UnreadableRecord, KeyError, TypeError):
                continue
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
            self.verifier.error("file-missing", path, f"{path} ({what}) is missing: {REBUILD}.")
        else:
            sentence = f"{path} ({what}) was changed: its hash is {found[:12]}, the version has {sha256[:12]}; {REBUILD}."
            self.verifier.error("file-changed", path, sentence)

    def _record(self, item: VersionTrack) -> TrackRecord | None:
        path = self.root.track_record(item.track.track_id)
        where = self.root.relative(path)
        try:
            record = TrackRecord.parse(read_json(path), where=where)
        except FileNotFoundError:
            if self.is_current:
                self.verifier.error("file-missing", where, f"{where} is missing: {REBUILD}.")
            return None
        except (OSError, UnreadableRecord, RecordError) as error:
            self.verifier.error("record-broken", where, f"{where} can't be read: {error}; {REBUILD}.")
            return None
        if record.sha256 != item.sha256 or record.track_id != item.track.track_id:
            sentence = (
                f"{where} is of other content ({record.sha256[:12]}) than the version has for {item.track.track_id} "
                f"({item.sha256[:12]}): an id is for life; take the record back from a backup."
            )
            self.verifier.error("record-changed", where, sentence)
            return None
        if self.is_current and (differing := _differing(item, record)):
            sentence = (
                f"{where} has another {differing} than the data set version: it was changed, or the track was worked on again; "
                "build the data set again."
            )
            self.verifier.log(Severity.WARNING, "record-differs", where, sentence)
        return record

    def _processed(self, item: VersionTrack, record: TrackRecord) -> None:
        track_id, where = record.track_id, self.root.relative(self.root.track_record(record.track_id))
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
                    self.verifier.error("file-missing", path, f"{path} ({track_id}) is missing: {REBUILD}.")
            elif found == versions[name]:
                sentence = f"{where}: {name} was changed: the file it speaks of is the version's; {REBUILD}."
                self.verifier.error("record-changed", where, sentence)
            else:
                sentence = f"{path} ({track_id}) was changed: it is not what {where} says; {REBUILD}."
                self.verifier.error("file-changed", path, sentence)

    def _originals(self, item: VersionTrack, record: TrackRecord | None) -> None:
        track_id = item.track.track_id
        registered = self.registered.get(track_id)
        if registered is not None and registered.sha256 != item.sha256:
            where = self.root.relative(self.root.registry_json)
            sentence = (
                f"{where} gives {track_id} to other content ({registered.sha256[:12]}) than the version has "
                f"({item.sha256[:12]}): an id is for life; take the file back from a backup."
            )
            self.verifier.error("record-changed", where, sentence)
        origins = [*(record.origins if record else []), *(registered.origins if registered else [])]
        there = False
        for path in dict.fromkeys(origin.path for origin in origins):
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
            self.verifier.error("original-changed", path, sentence)
        if not there:
            self.verifier.absent_originals += 1

    def sum_up(self) -> None:
        """Tell in one finding each what is as it should be with a version that is not the newest."""
        where = self.root.relative(self.root.dataset_version(self.version.dataset.hash))
        log = self.verifier.log
        if self.unpublished:
            sentence = (
                f"{self.unpublished} files of this version are not published any more, because a newer one does not have them; "
                "their hashes stay on record."
            )
            log(Severity.INFO, "not-published", where, sentence)
        if self.replaced:
            sentence = f"{len(self.replaced)} published files are those of another version now; their hashes stay on record."
            log(Severity.INFO, "replaced", where, sentence)
        if self.verifier.absent_originals:
            sentence = (
                f"The originals of {self.verifier.absent_originals} tracks do not lie under raw/ any more: their hashes can be "
                "compared with files that somebody shows, and nothing else."
            )
            log(Severity.INFO, "original-absent", where, sentence)


def _of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _differing(item: VersionTrack, record: TrackRecord) -> str:
    """Names of what the record says otherwise than the version."""
    pairs = {
        "source": (list(dict.fromkeys(origin.source_id for origin in record.origins)), item.source_ids),
        "licence": (record.origins[0].licence, item.licence),
        "title": (record.origins[0].title, item.title),
        "artist": (record.origins[0].artist, item.artist),
        "audio_sha256": (record.processed.audio_sha256 if record.processed else None, item.audio_sha256),
        "prompt": (record.tagged.prompt if record.tagged else None, item.prompt),
        "lyrics": (record.tagged.lyrics if record.tagged else None, item.lyrics),
        "duration": (record.processed.duration if record.processed else None, item.track.duration),
    }
    return ", ".join(name for name, (here, there) in pairs.items() if here != there)

"""What tracks left behind whose originals are gone: processed music and encodings, which are copies of it.

Track ids, records and fingerprints stay for life: audits ask them, and the next copy of the same music is compared with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from lofi_pipeline.checkpoints.manifest import no_training
from lofi_pipeline.dataset.errors import NoTracks
from lofi_pipeline.dataset.version import load_version
from lofi_pipeline.entities import Entity
from lofi_pipeline.evaluation.copies.training import COPIES_FOLDER
from lofi_pipeline.ingest import load_record, load_registry, output_files
from lofi_pipeline.storage import DataRoot, sync_folder
from lofi_pipeline.training.errors import TrainingError
from lofi_pipeline.training.packing import contained, without
from lofi_pipeline.training.shards import SHARDS, all_shards, keys_in, read_shard, shard_files

ENCODINGS = ("latents", "reference", COPIES_FOLDER)
"""Folders under cache/."""


class GoneFile(Entity):
    """A file that was made of a track whose original is gone. The path is relative to the data root."""

    track_id: str
    path: str
    size: int
    entry: str | None = None
    """What of the file goes; None: all of it."""


def gone_files(root: DataRoot) -> list[GoneFile]:
    """What can be removed: of no track that has a file in data/raw, or is in the current data set version."""
    kept = _in_the_data_set(root)
    found: list[GoneFile] = []
    tracks: dict[str, str] = {}
    for track in load_registry(root).tracks:
        if track.origins or track.track_id in kept:
            continue
        record = load_record(root, track.track_id)
        if record is None:
            continue
        fingerprint = root.relative(root.fingerprint(track.track_id))
        paths = [path for path in output_files(record) if path != fingerprint]
        audio = {record.processed.audio_sha256} if record.processed else set()
        tracks |= dict.fromkeys(audio, track.track_id)
        for path in [*paths, *_single_encodings(root, audio)]:
            with suppress(OSError):  # removed before, or never made
                size = root.inside(path).lstat().st_size
                found.append(GoneFile(track_id=track.track_id, path=path, size=size))
    return [*found, *_gone_from_shards(root, tracks)]


def _gone_from_shards(root: DataRoot, gone: Mapping[str, str]) -> Iterator[GoneFile]:
    """`gone`: by the hash of their audio, the tracks that are gone."""
    for item in entries_of_shards(root, lambda key: key in gone):
        yield item.model_copy(update={"track_id": gone[item.entry or ""]})
    for folder in {path.parent.parent for path in all_shards(root)}:
        for shard in contained(shard for path in shard_files(folder) if (shard := read_shard(path))):
            yield GoneFile(track_id="", path=root.relative(shard.path), size=shard.path.stat().st_size)


def entries_of_shards(root: DataRoot, is_chosen: Callable[[str], bool]) -> Iterator[GoneFile]:
    """The latents in shards whose audio has a hash that is chosen."""
    for path in all_shards(root, ("latents",)):
        keys = keys_in(path)
        for key in sorted(filter(is_chosen, keys)):
            size = path.stat().st_size // len(keys)
            yield GoneFile(track_id="", path=root.relative(path), size=size, entry=key)


def _in_the_data_set(root: DataRoot) -> set[str]:
    with suppress(NoTracks):
        return {item.track.track_id for item in load_version(root).tracks}
    return set()


def cached_encodings(root: DataRoot, audio: Collection[str]) -> list[str]:
    """What is kept of processed audio: latents, also in shards, embeddings, levels; paths relative to the data root."""
    shards = [root.relative(path) for path in all_shards(root, ("latents",)) if keys_in(path) & set(audio)]
    return sorted([*_single_encodings(root, audio), *shards])


def _single_encodings(root: DataRoot, audio: Collection[str]) -> list[str]:
    kept = [path for kind in ENCODINGS for path in (root.cache / kind).glob("*/*") if path.stem in audio]
    return sorted(root.relative(path) for path in kept)


def remove_gone(root: DataRoot, files: Iterable[GoneFile]) -> None:
    """Remove them; should an original come back, the next run makes them again.

    Raises:
        TrainingError: a training works on this data root, and a shard is to be packed anew.
        OSError: a shard cannot be written.
    """
    folders, shards = set(), dict[Path, set[str]]()
    for file in files:
        path = root.inside(file.path)
        if path.parent.name == SHARDS:
            shards.setdefault(path, set()).update([file.entry] if file.entry else keys_in(path))
            continue
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)
    if shards:
        _pack_anew(root, shards)


def _pack_anew(root: DataRoot, shards: Mapping[Path, Set[str]]) -> None:
    """Take encodings out of shards. A damaged one goes as a whole: the next training encodes what was in it."""
    try:
        with no_training(root):
            for path, keys in shards.items():
                if shard := read_shard(path, read=True):
                    without(shard, keys)
                else:
                    path.unlink(missing_ok=True)
    except Timeout as error:
        raise TrainingError(
            f"{root.path}: a training works on this data root, and reads the shards of latents; remove what is in them when it has ended"
        ) from error

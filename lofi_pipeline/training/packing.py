"""Packing encodings into shards: 50,000 tracks are some hundred files to list, copy and keep elsewhere. Torch-free.

Whoever packs has the data root's training lock: what is removed is read by no training. A process that is killed leaves files
of single encodings, their shard, or both; the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.numpy import load_file

from lofi_pipeline.storage import DataRoot, sync_folder
from lofi_pipeline.training.encoded_file import encoded_shape
from lofi_pipeline.training.errors import EncodingError
from lofi_pipeline.training.records import EncodedCaption, EncodedDataset, EncodedTrack
from lofi_pipeline.training.shards import (
    FORMS,
    Shard,
    Tensors,
    entry_of,
    key_of,
    read_shard,
    shard_files,
    write_shard,
)

SHARD_BYTES = 256 << 20
"""Where a shard is full: large enough to be read from a network disk at its speed, small enough to be in memory twice."""


def pack(root: DataRoot, encoded: EncodedDataset, *, shard_bytes: int = SHARD_BYTES) -> EncodedDataset:
    """Put the encodings of a data set that lie in files of their own into shards. Returns where everything lies now.

    A last shard that is not full yet takes in what comes later.

    Raises:
        EncodingError: a file does not hold what was encoded any more; or a shard cannot be read back.
        OSError: the disk is full, for one.
    """
    places = {track.latents: ("latents", track.entry) for track in encoded.tracks}
    places |= {said.condition: ("conditions", said.entry) for it in encoded.tracks for said in it.conditions}
    packers: dict[Path, _Packer] = {}
    for relative, (kind, entry) in places.items():
        path = root.inside(relative)
        folder = path.parent.parent if entry else path.parent
        packer = packers.setdefault(folder, _Packer(folder, kind, encoded.base_sha256, shard_bytes))
        if not entry:
            packer.loose.append(path)
    found: dict[str, dict[str, str]] = {"latents": {}, "conditions": {}}
    for packer in packers.values():
        shards = packer.packed().items()
        found[packer.kind] |= {key: root.relative(shard.path) for key, shard in shards}
    return encoded.model_copy(update={"tracks": [_moved(track, found) for track in encoded.tracks]})


def without(shard: Shard, keys: Collection[str]) -> Shard | None:
    """A shard with what is left of another, which is removed; None where nothing is left."""
    left = shard.shapes.keys() - set(keys)
    smaller = part_of(shard, left, shard.folder) if left else None
    shard.path.unlink(missing_ok=True)
    sync_folder(shard.path.parent)
    return smaller


def part_of(shard: Shard, keys: Collection[str], folder: Path) -> Shard:
    """A shard beside the single encodings in `folder`, with some of the encodings of another."""
    chosen = {key: shard.tensors(key) for key in shard.shapes if key in keys}
    return write_shard(folder, shard.kind, shard.base_sha256, chosen)


def contained(shards: Iterable[Shard]) -> list[Shard]:
    """The shards that hold nothing that another does not: what a process that was killed while it packed left."""
    standing = sorted(shards, key=lambda shard: (len(shard.shapes), shard.path.name))
    return [
        shard
        for place, shard in enumerate(standing)
        if any(shard.shapes.keys() <= other.shapes.keys() for other in standing[place + 1 :])
    ]


@dataclass
class _Packer:
    """What is packed in one folder of single encodings."""

    folder: Path
    kind: str
    base_sha256: str
    shard_bytes: int
    loose: list[Path] = field(default_factory=list)

    def packed(self) -> dict[str, Shard]:
        """By the key of each encoding in the folder's shards, the shard that holds it."""
        standing = {path: shard for path in shard_files(self.folder) if (shard := read_shard(path))}
        for shard in contained(standing.values()):
            del standing[shard.path]
            shard.path.unlink(missing_ok=True)
        for shard in standing.values():
            self._remove_singles(shard)
        begun = self._begun(standing.values()) if self.loose else None
        made = [self._written(batch) for batch in self._batches(begun)]
        if begun and begun.path not in {shard.path for shard in made}:
            del standing[begun.path]
            begun.path.unlink(missing_ok=True)
        return {key: shard for shard in [*standing.values(), *made] for key in shard.shapes}

    def _begun(self, standing: Iterable[Shard]) -> Shard | None:
        """The shard that is not full: it is packed anew together with what came since."""
        sizes = [(sum(map(shard.size_of, shard.shapes)), shard.path.name, shard) for shard in standing]
        return min((it for it in sizes if it[0] < self.shard_bytes), default=(0, "", None))[2]

    def _batches(self, begun: Shard | None) -> Iterator[dict[str, Tensors]]:
        """What makes a shard each."""
        batch: dict[str, Tensors] = {}
        size = 0
        for key, tensors in self._encodings(begun):
            batch[key] = tensors
            size += sum(array.nbytes for array in tensors.values())
            if size >= self.shard_bytes:
                yield batch
                batch, size = {}, 0
        if batch:
            yield batch

    def _encodings(self, begun: Shard | None) -> Iterator[tuple[str, Tensors]]:
        if begun:
            yield from ((key, begun.tensors(key)) for key in begun.shapes)
        for path in self.loose:
            if encoded_shape(path, FORMS[self.kind], self.base_sha256, read=True) is None:
                raise EncodingError(
                    f"{path}: does not hold what was encoded any more; remove it, and run again: it is encoded anew"
                )
            yield path.stem, load_file(path)

    def _written(self, batch: Mapping[str, Tensors]) -> Shard:
        shard = write_shard(self.folder, self.kind, self.base_sha256, batch)
        self._remove_singles(shard)
        return shard

    def _remove_singles(self, shard: Shard) -> None:
        for key in shard.shapes:
            (self.folder / f"{key}.safetensors").unlink(missing_ok=True)


def _moved(track: EncodedTrack, found: Mapping[str, Mapping[str, str]]) -> EncodedTrack:
    latents, entry = _place(track.latents, track.entry, found["latents"])

    def moved(said: EncodedCaption, **beside: object) -> EncodedCaption:
        condition, inner = _place(said.condition, said.entry, found["conditions"])
        return said.model_copy(update={"condition": condition, "entry": inner, **beside})

    captions = list(map(moved, track.captions))
    plan = moved(track.plan, captions=list(map(moved, track.plan.captions))) if track.plan else None
    return track.model_copy(update={"latents": latents, "entry": entry, "captions": captions, "plan": plan})


def _place(path: str, entry: str, found: Mapping[str, str]) -> tuple[str, str]:
    key = key_of(entry) if entry else Path(path).stem
    return (found[key], entry_of(key)) if key in found else (path, entry)

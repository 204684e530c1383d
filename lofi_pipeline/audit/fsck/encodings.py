"""The cache of latents and conditions: whether each file, and each shard, holds the tensors that it says."""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from pathlib import Path

from filelock import Timeout

from lofi_pipeline.audit.fsck.errors import CannotMend
from lofi_pipeline.audit.fsck.examination import Examination
from lofi_pipeline.checkpoints.manifest import no_training
from lofi_pipeline.entities import FindingCode, Severity
from lofi_pipeline.storage import DataRoot, regular_stat
from lofi_pipeline.training.encoded_file import CONDITION, LATENTS, encoded_shape
from lofi_pipeline.training.shards import all_shards, read_shard

KINDS = {"latents": LATENTS, "conditions": CONDITION}


def encoded_files(root: DataRoot) -> list[tuple[Path, Set[str]]]:
    """Every file of the cache, with the tensors that it should hold."""
    return [
        (path, names)
        for kind, names in KINDS.items()
        for path in sorted((root.cache / kind).glob("*/*.safetensors"))
    ]


def check_encodings(examination: Examination) -> None:
    """Read every file. Music that no data set version has any more is named."""
    versions = examination.inputs.versions
    needed = {item.audio_sha256 for _, version in versions.found for item in version.tracks}
    for path in all_shards(examination.root):
        _check_shard(examination, path, None if versions.unreadable else needed)
    for path, names in encoded_files(examination.root):
        where = examination.root.relative(path)
        facts = regular_stat(path)
        examination.verifier.count(facts.st_size if facts else 0)
        if encoded_shape(path, names, read=True) is None and path.exists():
            sentence = f"{where} does not hold what was encoded; the next training encodes it again."
            examination.verifier.error(FindingCode.FILE_CHANGED, where, sentence)
            examination.mends[where] = partial(
                _remove, examination.root, path, partial(encoded_shape, names=names, read=True)
            )
        elif names is LATENTS and path.stem not in needed and not versions.unreadable:
            sentence = (
                f"{where} is of music that no data set version has: nothing needs this copy; remove it."
            )
            examination.verifier.log(Severity.INFO, FindingCode.FILE_ORPHAN, where, sentence)
        examination.verifier.step(where)


def _check_shard(examination: Examination, path: Path, needed: Set[str] | None) -> None:
    """`needed`: the music that data set versions have; None where that is not known."""
    where = examination.root.relative(path)
    facts = regular_stat(path)
    examination.verifier.count(facts.st_size if facts else 0)
    shard = read_shard(path, read=True)
    if shard is None and path.exists():
        sentence = (
            f"{where} does not hold what was encoded; the next training encodes the tracks in it again."
        )
        examination.verifier.error(FindingCode.FILE_CHANGED, where, sentence)
        examination.mends[where] = partial(_remove, examination.root, path, partial(read_shard, read=True))
    elif shard and shard.kind == "latents" and needed is not None and (rest := shard.shapes.keys() - needed):
        sentence = (
            f"{where} holds {len(rest)} of {len(shard.shapes)} encodings of music that no data set version has; `lofi gc` lists what "
            "can go."
        )
        examination.verifier.log(Severity.INFO, FindingCode.FILE_ORPHAN, where, sentence)
    examination.verifier.step(where)


def _remove(root: DataRoot, path: Path, whole: Callable[[Path], object]) -> str:
    try:
        with no_training(root):
            if whole(path) is None:
                path.unlink(missing_ok=True)
    except Timeout as error:
        raise CannotMend(
            f"{root.relative(path)}: a training works on this data root; repair when it has ended"
        ) from error
    return f"{root.relative(path)}: removed; the next training encodes it again"

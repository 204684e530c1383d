"""What is kept under cache/ of a sound that nothing names any more: a track was processed anew, or a checkpoint's clips are gone.

What a record, a data set version of whatever age or a score names stays. So does all of it where one of those can't be read.
"""

from __future__ import annotations

from collections.abc import Iterator

from lofi_pipeline.dataset.gone import GoneFile, entries_of_shards
from lofi_pipeline.entities import SCORES_RECORD, Scores
from lofi_pipeline.evaluation.copies.training import COPIES_FOLDER
from lofi_pipeline.ingest import load_record, load_registry
from lofi_pipeline.storage import DataRoot, file_sha256, read_record, read_versions
from lofi_pipeline.training.shards import all_shards

BY_SOUND = ("clips/*", "levels", "spectrograms", "peaks", "latents/*", f"{COPIES_FOLDER}/*")
"""Folders under cache/ whose files are named by the SHA-256 of the sound that they were made of."""
_DIGITS = 64


def unneeded_files(root: DataRoot) -> list[GoneFile]:
    """What can be removed from cache/; should its sound come back, it is made again.

    Raises:
        OSError, RecordError: a record, a data set version or scores can't be read, so that nobody knows what they name.
    """
    kept = [path for kind in BY_SOUND for folder in root.cache.glob(kind) for path in folder.iterdir()]
    kept = [path for path in kept if path.is_file() and len(path.name.partition(".")[0]) >= _DIGITS]
    if not kept and not all_shards(root):
        return []
    named = set(_named(root))
    files = [
        GoneFile(track_id="", path=root.relative(path), size=path.lstat().st_size)
        for path in sorted(kept)
        if path.name[:_DIGITS] not in named
    ]
    return [*files, *entries_of_shards(root, lambda key: key not in named)]


def _named(root: DataRoot) -> Iterator[str]:
    """The hashes of all sounds that something speaks of: processed audio, and clips of checkpoints and bases."""
    for track in load_registry(root).tracks:
        record = load_record(root, track.track_id)
        if record is not None and record.processed is not None:
            yield record.processed.audio_sha256
    for _, version in read_versions(root):
        yield from (item.audio_sha256 for item in version.tracks)
    for path in (
        *root.checkpoints.rglob(SCORES_RECORD),  # those of archived lineages, too
        *(root.metadata / "base_scores").glob("*.json"),
    ):
        scores = read_record(Scores, path)
        for sample in [*scores.samples, *(scores.styles.samples if scores.styles else ())]:
            if sample.sha256:
                yield sample.sha256
            elif sample.path and (file := root.inside(sample.path)).is_file():
                yield file_sha256(file)  # scores of an earlier version do not name it

"""Captions: the prompts of a data set, and the other wordings of them that are trained on. Torch-free.

They are drawn once for a data set version and kept in metadata/captions/, so that a vocabulary that changes later changes
neither a training that is resumed nor what an audit can read. How a prompt is worded otherwise is in styles/captions.py.
"""

from __future__ import annotations

from lofi_pipeline.entities import Captions, DatasetVersion, Split, Trigger
from lofi_pipeline.storage import DataRoot, locked, read_json, write_json_atomic
from lofi_pipeline.styles import UnknownTag, caption_variants, load_vocabulary
from lofi_pipeline.training.errors import TrainingError


def captions_of(
    root: DataRoot, version: DatasetVersion, variants: int, trigger: Trigger | None = None
) -> dict[str, list[str]]:
    """The captions of each track by its id: its prompt; if it is trained on, also up to `variants` other wordings, and the sentence
    that somebody wrote of it.

    With a `trigger`, it is in every one of them.

    Raises:
        TrainingError: a prompt holds a tag that the vocabulary does not know, so that it cannot be said otherwise.
    """
    prompts = {item.track.track_id: [item.prompt] for item in version.tracks}
    found = prompts | _kept(root, version, variants).captions if variants else prompts
    written = {item.track.track_id: [item.caption] for item in version.side(Split.TRAIN) if item.caption}
    found = {track_id: captions + written.get(track_id, []) for track_id, captions in found.items()}
    if trigger is None:
        return found
    return {track_id: [trigger.put_into(one) for one in captions] for track_id, captions in found.items()}


def _kept(root: DataRoot, version: DatasetVersion, variants: int) -> Captions:
    path = root.captions(version.dataset.hash, variants)
    with locked(path):
        if not path.is_file():
            write_json_atomic(path, _drawn(version, variants))
        return Captions.parse(read_json(path), where=str(path))


def _drawn(version: DatasetVersion, variants: int) -> Captions:
    vocabulary = load_vocabulary()
    captions: dict[str, list[str]] = {}
    for item in version.side(Split.TRAIN):
        try:
            found = caption_variants(item.prompt, vocabulary, count=1 + variants, seed=item.sha256)
        except UnknownTag as error:
            raise TrainingError(
                f"{item.track.track_id}: no other wordings of its prompt: {error}; build the data set again, "
                "or set caption_variants of the training preset to 0"
            ) from error
        captions[item.track.track_id] = found
    return Captions(dataset_hash=version.dataset.hash, variants=variants, captions=captions)

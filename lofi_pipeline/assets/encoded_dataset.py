"""encoded_dataset: latents and conditions of every track for one base model, cached by content."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.configuration import base_standing
from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.lora_training import completed_training
from lofi_pipeline.assets.metadata import Facts
from lofi_pipeline.assets.partitions import GPU_POOL, OWNERS
from lofi_pipeline.assets.standing import Standing
from lofi_pipeline.assets.training_choice import TrainingChoice, tell_version
from lofi_pipeline.entities import Lineage
from lofi_pipeline.resources import Workspace

if TYPE_CHECKING:
    from lofi_pipeline.training.records import EncodedDataset


@dg.asset(
    group_name="training",
    kinds={"pytorch", "safetensors"},
    owners=OWNERS,
    code_version="1",
    pool=GPU_POOL,
    deps=["dataset_manifest", "base_model"],
)
@failing_in_words()
def encoded_dataset(
    context: dg.AssetExecutionContext, workspace: Workspace, config: TrainingChoice
) -> dg.MaterializeResult:
    """Encodes what is not in the cache yet. Latents keep mean and std, so that each step draws its own sample."""
    from lofi_pipeline.dataset import load_version
    from lofi_pipeline.training.encode import encode_dataset

    def log(done: int, total: int, track_id: str) -> None:
        progress.report("encoded_dataset", done, total, track_id)
        if done % 50 == 0:
            context.log.info(f"{done} of {total} tracks")

    asked, version = config.asked(workspace), load_version(workspace.root)
    if lacks := tell_version(workspace, version, config, context.log.info):
        context.log.warning(lacks)
    encoded = encode_dataset(
        version,
        workspace.root,
        asked.base,
        asked.settings.preset,
        progress=log,
        chunk_seconds=asked.settings.encode_chunk_seconds,
    )
    if asked.settings.latents == "shards":
        context.log.info(_packed(workspace, encoded))
    return _standing(version.dataset.hash, encoded.base_sha256, lambda: encoded).result()


def standing_encoding(workspace: Workspace) -> Iterator[Standing]:
    """What the complete training was made from, if it is all in the cache still."""
    if last := completed_training(workspace):
        lineage = last.lineage
        yield base_standing(lineage.base)
        yield _standing(lineage.dataset_hash, lineage.base.sha256, lambda: _read(workspace, lineage))


def _packed(workspace: Workspace, encoded: "EncodedDataset") -> str:
    """What became of packing the encodings into shards."""
    from filelock import Timeout

    from lofi_pipeline.checkpoints.manifest import no_training
    from lofi_pipeline.training.packing import pack

    try:
        with no_training(workspace.root):
            found = pack(workspace.root, encoded)
    except Timeout:
        return "a training works on this data root: encodings are packed into shards when the next one begins"
    shards = {track.latents for track in found.tracks}
    shards |= {said.condition for track in found.tracks for said in track.conditions}
    return f"{len(shards)} shards hold the encodings"


def _standing(dataset_hash: str, base_sha256: str, encoded: "Callable[[], EncodedDataset]") -> Standing:
    return Standing("encoded_dataset", f"{dataset_hash[:32]}-{base_sha256[:32]}", lambda: _facts(encoded()))


def _read(workspace: Workspace, lineage: Lineage) -> "EncodedDataset":
    from lofi_pipeline.audit.base_model import base_at_hand
    from lofi_pipeline.dataset import load_version
    from lofi_pipeline.training.encode import read_encoded
    from lofi_pipeline.training.errors import BaseModelError

    base = base_at_hand(lineage, workspace.config)
    if base is None or base.facts.sha256 != lineage.base.sha256:
        raise BaseModelError(f"base model {lineage.base.name} does not lie here")
    version = load_version(workspace.root, lineage.dataset_hash)
    return read_encoded(version, workspace.root, str(base.folder), workspace.config.training.preset)


def _facts(encoded: "EncodedDataset") -> Facts:
    return {
        "track_count": len(encoded.tracks),
        "encoded": encoded.encoded,
        "cached": encoded.cached,
        "rebuilt": ", ".join(encoded.rebuilt),
        "base_sha256": encoded.base_sha256,
        "dataset_hash": encoded.dataset_hash,
    }

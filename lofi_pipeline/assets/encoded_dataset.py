"""encoded_dataset: latents and conditions of every track for one base model, cached by content."""

import dagster as dg

from lofi_pipeline import progress
from lofi_pipeline.assets.failures import failing_in_words
from lofi_pipeline.assets.partitions import GPU_POOL, OWNERS
from lofi_pipeline.resources import Workspace, base_name


@dg.asset(
    group_name="training",
    kinds={"pytorch", "safetensors"},
    owners=OWNERS,
    code_version="1",
    pool=GPU_POOL,
    deps=["dataset_manifest", "base_model"],
)
@failing_in_words()
def encoded_dataset(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Encodes what is not in the cache yet. Latents keep mean and std, so that each step draws its own sample."""
    from lofi_pipeline.dataset import load_version
    from lofi_pipeline.training.encode import encode_dataset

    def log(done: int, total: int, track_id: str) -> None:
        progress.report("encoded_dataset", done, total, track_id)
        if done % 50 == 0:
            context.log.info(f"{done} of {total} tracks")

    config = workspace.config
    version = load_version(workspace.root)
    encoded = encode_dataset(
        version,
        workspace.root,
        base_name(config),
        config.training.preset,
        progress=log,
    )
    return dg.MaterializeResult(
        metadata={
            "tracks": len(version.tracks),
            "encoded": encoded.encoded,
            "cached": encoded.cached,
            "rebuilt": ", ".join(encoded.rebuilt) or "none",
            "base_sha256": encoded.base_sha256,
            "dataset_hash": version.dataset.hash,
        },
        data_version=dg.DataVersion(f"{version.dataset.hash[:32]}-{encoded.base_sha256[:32]}"),
    )

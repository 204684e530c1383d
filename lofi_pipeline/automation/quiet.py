"""Whether anything has changed that a tick of source_drop_sensor goes by, since one that found nothing to do. No record is read."""

from __future__ import annotations

import dagster as dg

from lofi_pipeline.assets.partitions import TRACKS
from lofi_pipeline.config import PipelineConfig
from lofi_pipeline.storage import DataRoot, content_sha256, file_stamp


def look_of(
    instance: dg.DagsterInstance, root: DataRoot, config: PipelineConfig, moment: float
) -> str | None:
    """A hash of sizes and times of all in data/raw, of the files that decide, and of the folders of records and what was made.

    None: a folder was changed just now, and may be changed again without another time.
    """
    from lofi_pipeline.dataset import UNSETTLED, folder_stamp, state_of_inputs
    from lofi_pipeline.ingest import ProcessingContext, day_changes_json, judging_hash, signatures_of_drops

    made = root.processed.glob("*")
    folders = [root.track_records, root.edits, root.fingerprint("").parent, *sorted(made)]
    stamps = [folder_stamp(folder, int(moment * 1e9)) for folder in folders]
    if UNSETTLED in stamps:
        return None
    context = ProcessingContext.open(config)
    keys = instance.get_dynamic_partitions(str(TRACKS.name))
    return content_sha256(
        [
            stamps,
            state_of_inputs(root, config),
            [file_stamp(path) for path in (root.sources_json, day_changes_json(root))],
            context.sha256,
            judging_hash(set(context.presets), config.licensing),
            signatures_of_drops(root),
            [len(keys), *keys[-1:]],
        ]
    )

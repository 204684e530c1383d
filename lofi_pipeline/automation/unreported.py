"""Tracks whose work is done but does not stand in Dagster's history: the process was killed between the two."""

import dagster as dg

from lofi_pipeline.entities import TrackStatus
from lofi_pipeline.storage import DataRoot

LAST_STAGE = dg.AssetKey("tagged_prompts")


def unreported_tracks(instance: dg.DagsterInstance, root: DataRoot) -> list[str]:
    """The tracks whose last stage is not shown as materialized although their records are settled.

    Working on them again does nothing but report.
    """
    from lofi_pipeline.ingest import load_record, load_registry

    shown = instance.get_materialized_partitions(LAST_STAGE)
    silent = [
        track.track_id
        for track in load_registry(root).tracks
        if track.origins and track.track_id not in shown
    ]
    settled = {TrackStatus.OK, TrackStatus.REJECTED}
    return [
        track_id
        for track_id in silent
        if (record := load_record(root, track_id)) and record.status in settled
    ]

"""From drops to data sets: scanning, track ids, the work on each track, the split, and hashed versions."""

from lofi_pipeline.dataset.batch import pending_tracks, work_batch
from lofi_pipeline.dataset.drops import (
    changed_drops,
    drop_signature,
    incomplete_reason,
    judging_day,
    scan_drops,
)
from lofi_pipeline.dataset.manifest import (
    BuiltDataset,
    LeftOut,
    NoTracks,
    build_dataset,
    dataset_is_current,
    left_out,
    load_version,
)
from lofi_pipeline.dataset.places import drop_folders
from lofi_pipeline.dataset.registry import (
    JudgedAnew,
    Registration,
    load_registry,
    load_scan,
    register_sources,
)
from lofi_pipeline.dataset.standing import Standing, standing_of
from lofi_pipeline.dataset.track_work import Workshop, load_record, needs_work, work_on
from lofi_pipeline.dataset.zero_shot import ear_of, heard_styles

__all__ = [
    "BuiltDataset",
    "JudgedAnew",
    "LeftOut",
    "NoTracks",
    "Registration",
    "Standing",
    "Workshop",
    "build_dataset",
    "changed_drops",
    "dataset_is_current",
    "drop_folders",
    "drop_signature",
    "ear_of",
    "heard_styles",
    "incomplete_reason",
    "judging_day",
    "left_out",
    "load_record",
    "load_registry",
    "load_scan",
    "load_version",
    "needs_work",
    "pending_tracks",
    "register_sources",
    "scan_drops",
    "standing_of",
    "work_batch",
    "work_on",
]

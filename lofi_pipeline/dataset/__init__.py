"""From track records to data sets: eligibility, near-duplicates, the split, and immutable hashed versions.

How track records are made is in ingest/.
"""

from lofi_pipeline.dataset.barred import withdrawn_recordings
from lofi_pipeline.dataset.build import (
    BuiltDataset,
    build_dataset,
    current_dataset,
    dataset_is_current,
    published_metadata,
)
from lofi_pipeline.dataset.built_from import load_built_from
from lofi_pipeline.dataset.eligibility import Eligibility, eligibility_of
from lofi_pipeline.dataset.errors import ChangedTracks, NoTracks
from lofi_pipeline.dataset.exclusions import LeftOut, left_out
from lofi_pipeline.dataset.file_stamps import UNSETTLED, deciding_files, folder_stamp, state_of_inputs
from lofi_pipeline.dataset.overview import TrackOverview, track_overview
from lofi_pipeline.dataset.track_index import (
    TrackIndex,
    ask_index,
    ask_index_as_it_is,
    refresh_index,
)
from lofi_pipeline.dataset.track_query import (
    TrackChoice,
    TrackCounts,
    TrackFilter,
    TrackPage,
    TrackQuery,
    TrackSort,
)
from lofi_pipeline.dataset.track_refresh import Progress, Refreshed
from lofi_pipeline.dataset.version import current_hash, load_version

__all__ = [
    "UNSETTLED",
    "BuiltDataset",
    "ChangedTracks",
    "Eligibility",
    "LeftOut",
    "NoTracks",
    "Progress",
    "Refreshed",
    "TrackChoice",
    "TrackCounts",
    "TrackFilter",
    "TrackIndex",
    "TrackOverview",
    "TrackPage",
    "TrackQuery",
    "TrackSort",
    "ask_index",
    "ask_index_as_it_is",
    "build_dataset",
    "current_dataset",
    "current_hash",
    "dataset_is_current",
    "deciding_files",
    "eligibility_of",
    "folder_stamp",
    "left_out",
    "load_built_from",
    "load_version",
    "published_metadata",
    "refresh_index",
    "state_of_inputs",
    "track_overview",
    "withdrawn_recordings",
]

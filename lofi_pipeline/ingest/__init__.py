"""From a drop to a track record: the scan of data/raw, the verdict on each source, track ids, and the work on each track.

How the records of all tracks become a data set is in dataset/.
"""

from lofi_pipeline.ingest.batch import work_batch
from lofi_pipeline.ingest.context import ProcessingContext
from lofi_pipeline.ingest.day_changes import day_changes_json
from lofi_pipeline.ingest.due import pending_tracks, refused_tracks
from lofi_pipeline.ingest.errors import DayInDoubt
from lofi_pipeline.ingest.judging_day import clock_day, judging_day
from lofi_pipeline.ingest.layout import drop_folders
from lofi_pipeline.ingest.left import LeftTrack, left_since
from lofi_pipeline.ingest.listing import drop_signature
from lofi_pipeline.ingest.outputs import (
    changed_files,
    fingerprint_path,
    looks_whole,
    output_files,
    published_files,
    sha256_of,
    with_kept_files,
)
from lofi_pipeline.ingest.process_track import load_record, needs_work, take_up_review, work_on
from lofi_pipeline.ingest.refused import (
    RefusedRecording,
    listen_to_refused,
    load_refused,
    refused_without_fingerprint,
)
from lofi_pipeline.ingest.registry import (
    Registration,
    VerdictChange,
    load_registration,
    load_registry,
    load_scan,
    register_sources,
    remember_day,
)
from lofi_pipeline.ingest.remembered import Memory, is_corrected, load_memory, verdict_under
from lofi_pipeline.ingest.scan import (
    changed_drops,
    changed_signatures,
    incomplete_reason,
    judging_hash,
    scan_drops,
    signatures_of_drops,
)
from lofi_pipeline.ingest.source_edits import Judge, withdrawn_reason
from lofi_pipeline.ingest.source_history import (
    DeclaredTerms,
    DeclaredTermsRecord,
    is_replaced,
    load_declared_terms,
    replacing_hint,
)
from lofi_pipeline.ingest.zero_shot import tagger_of, zero_shot_styles

__all__ = [
    "DayInDoubt",
    "DeclaredTerms",
    "DeclaredTermsRecord",
    "Judge",
    "LeftTrack",
    "Memory",
    "ProcessingContext",
    "RefusedRecording",
    "Registration",
    "VerdictChange",
    "changed_drops",
    "changed_files",
    "changed_signatures",
    "clock_day",
    "day_changes_json",
    "drop_folders",
    "drop_signature",
    "fingerprint_path",
    "incomplete_reason",
    "is_corrected",
    "is_replaced",
    "judging_day",
    "judging_hash",
    "left_since",
    "listen_to_refused",
    "load_declared_terms",
    "load_memory",
    "load_record",
    "load_refused",
    "load_registration",
    "load_registry",
    "load_scan",
    "looks_whole",
    "needs_work",
    "output_files",
    "pending_tracks",
    "published_files",
    "refused_tracks",
    "refused_without_fingerprint",
    "register_sources",
    "remember_day",
    "replacing_hint",
    "scan_drops",
    "sha256_of",
    "signatures_of_drops",
    "tagger_of",
    "take_up_review",
    "verdict_under",
    "with_kept_files",
    "withdrawn_reason",
    "work_batch",
    "work_on",
    "zero_shot_styles",
]

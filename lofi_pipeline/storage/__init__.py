"""Files: every path of the layout, reading and atomic writing of records, hashes, locks, and the ledger.

What a record says is in entities/. Nothing here knows what a file is for.
"""

from lofi_pipeline.storage.atomic import (
    TEMPORARY_PREFIX,
    canonical_json,
    commit_folder,
    content_sha256,
    file_sha256,
    json_file,
    link_or_copy,
    locked,
    naming,
    parse_json,
    read_json,
    read_record,
    replacing,
    sync_folder,
    temporary_folder,
    write_bytes_atomic,
    write_json_atomic,
)
from lofi_pipeline.storage.data_root import DataRoot
from lofi_pipeline.storage.errors import UnreadableRecord
from lofi_pipeline.storage.faults import in_words, is_of_the_disk, trouble_with
from lofi_pipeline.storage.kept_files import is_kept, kept_file, looks_kept, refreshed, regular_stat
from lofi_pipeline.storage.ledger import (
    Ledger,
    append_to_ledger,
    edited_by_hand,
    enter_grown,
    is_entered,
    ledger_path,
    read_ledger,
)
from lofi_pipeline.storage.sparse import sparse_reason
from lofi_pipeline.storage.temp_files import (
    is_left_over,
    remove_left_over,
    remove_temporary_files,
    temporary_files,
)
from lofi_pipeline.storage.version_hash import version_hash
from lofi_pipeline.storage.versions import read_versions, version_files

__all__ = [
    "TEMPORARY_PREFIX",
    "DataRoot",
    "Ledger",
    "UnreadableRecord",
    "append_to_ledger",
    "canonical_json",
    "commit_folder",
    "content_sha256",
    "edited_by_hand",
    "enter_grown",
    "file_sha256",
    "in_words",
    "is_entered",
    "is_kept",
    "is_left_over",
    "is_of_the_disk",
    "json_file",
    "kept_file",
    "ledger_path",
    "link_or_copy",
    "locked",
    "looks_kept",
    "naming",
    "parse_json",
    "read_json",
    "read_ledger",
    "read_record",
    "read_versions",
    "refreshed",
    "regular_stat",
    "remove_left_over",
    "remove_temporary_files",
    "replacing",
    "sparse_reason",
    "sync_folder",
    "temporary_files",
    "temporary_folder",
    "trouble_with",
    "version_files",
    "version_hash",
    "write_bytes_atomic",
    "write_json_atomic",
]

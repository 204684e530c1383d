"""Files: every path of the layout, reading and atomic writing of records, hashes, locks, and the ledger.

What a record says is in entities/. Nothing here knows what a file is for.
"""

from lofi_pipeline.storage.atomic import (
    TEMPORARY_PREFIX,
    canonical_json,
    commit_folder,
    content_sha256,
    file_sha256,
    link_or_copy,
    locked,
    naming,
    parse_json,
    read_json,
    replacing,
    sync_folder,
    write_bytes_atomic,
    write_json_atomic,
)
from lofi_pipeline.storage.data_root import DataRoot
from lofi_pipeline.storage.errors import UnreadableRecord
from lofi_pipeline.storage.faults import in_words, is_of_the_disk, trouble_with
from lofi_pipeline.storage.ledger import Ledger, append_to_ledger, ledger_path, read_ledger
from lofi_pipeline.storage.sparse import sparse_reason
from lofi_pipeline.storage.temp_files import remove_temporary_files
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
    "file_sha256",
    "in_words",
    "is_of_the_disk",
    "ledger_path",
    "link_or_copy",
    "locked",
    "naming",
    "parse_json",
    "read_json",
    "read_ledger",
    "read_versions",
    "remove_temporary_files",
    "replacing",
    "sparse_reason",
    "sync_folder",
    "trouble_with",
    "version_files",
    "version_hash",
    "write_bytes_atomic",
    "write_json_atomic",
]

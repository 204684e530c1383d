"""Where things lie, and how records are read and written without ever being half there."""

from lofi_pipeline.storage.atomic import (
    TEMPORARY_PREFIX,
    UnreadableRecord,
    canonical_json,
    content_sha256,
    file_sha256,
    landing_folder,
    link_or_copy,
    locked,
    read_json,
    replacing,
    write_bytes_atomic,
    write_json_atomic,
)
from lofi_pipeline.storage.data_root import DATA_ROOT_VARIABLE, PROJECT_ROOT, DataRoot
from lofi_pipeline.storage.holes import never_filled
from lofi_pipeline.storage.leftovers import sweep_leftovers
from lofi_pipeline.storage.seals import Seals, ledger, read_seals, seal
from lofi_pipeline.storage.version_hash import version_hash

__all__ = [
    "DATA_ROOT_VARIABLE",
    "PROJECT_ROOT",
    "TEMPORARY_PREFIX",
    "DataRoot",
    "Seals",
    "UnreadableRecord",
    "canonical_json",
    "content_sha256",
    "file_sha256",
    "landing_folder",
    "ledger",
    "link_or_copy",
    "locked",
    "never_filled",
    "read_json",
    "read_seals",
    "replacing",
    "seal",
    "sweep_leftovers",
    "version_hash",
    "write_bytes_atomic",
    "write_json_atomic",
]

"""Copies of a data root for the day on which its disk is gone: what cannot be made again, each file with its hash.

What a backup holds is said in contents.py, how it is written in write.py, and how it is taken back in restore.py.
"""

from lofi_pipeline.backup.errors import BackupError
from lofi_pipeline.backup.manifest import MANIFEST, BackupManifest
from lofi_pipeline.backup.restore import check_backup, restore_backup
from lofi_pipeline.backup.write import write_backup

__all__ = ["MANIFEST", "BackupError", "BackupManifest", "check_backup", "restore_backup", "write_backup"]

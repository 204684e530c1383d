"""Every file under a data root against its record, by hash; and making way for what can be made again.

An audit proves what one checkpoint or version rests on. This looks at everything, also at what nobody trained on yet.
"""

from lofi_pipeline.audit.fsck.check import check_data_root
from lofi_pipeline.audit.fsck.report import FsckReport

__all__ = ["FsckReport", "check_data_root"]

"""An object store beside a data root: music, latents and checkpoints in a bucket; records, locks and the ledger in the folder.

What goes there is said in contents.py, how in push.py, and how it comes back in pull.py. A bucket is data: nothing that it says decides
where a file goes, but a key that keys.py lets pass, and nothing of it is run.
"""

from lofi_pipeline.offsite.bucket import Bucket
from lofi_pipeline.offsite.contents import GROUPS
from lofi_pipeline.offsite.errors import StoreError
from lofi_pipeline.offsite.evict import evict
from lofi_pipeline.offsite.overview import Overview, overview
from lofi_pipeline.offsite.pull import Pulled, pull
from lofi_pipeline.offsite.push import Pushed, push

__all__ = [
    "GROUPS",
    "Bucket",
    "Overview",
    "Pulled",
    "Pushed",
    "StoreError",
    "evict",
    "overview",
    "pull",
    "push",
]

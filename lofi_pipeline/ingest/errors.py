"""What keeps one track out while the others go on. A drop that is refused is a Drop with a reason, not an error."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class TrackRefused(LofiError):
    """A track cannot become part of the data set as it is; the message is what its record will say."""


class OriginalChanged(LofiError):
    """A track's original is not, or no longer, the file that was registered: it may be put back, or be scanned anew."""

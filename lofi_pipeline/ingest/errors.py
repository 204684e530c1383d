"""What keeps one track or all of them out. A drop that is refused is a Drop with a reason, not an error."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class TrackRefused(LofiError):
    """A track cannot become part of the data set as it is; the message is what its record will say."""


class ChangedMeanwhile(LofiError):
    """A file is not as it was listed, or did not stay so until its last byte was read."""

    def __init__(self) -> None:
        super().__init__("changed while it was read; scan again when it stands still")


class DayInDoubt(LofiError):
    """The day to judge for is in doubt, and a grant depends on it; the message names both days and what to do."""


class OriginalChanged(LofiError):
    """A track's original is not, or no longer, the file that was registered: it may be put back, or be scanned anew."""


class ClusterFault(LofiError):
    """The machines that should work on tracks are not there, or must not; the message names which, and what to do."""

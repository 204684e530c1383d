"""What keeps a data set from being built or read. Every message says what to do."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class NoTracks(RecordError):
    """There is nothing to make a data set of."""


class ChangedTracks(RecordError):
    """Files of tracks that are done are not what their records say."""

"""The errors of styles, tags and lyrics. Each message says what to do."""

from __future__ import annotations

from lofi_pipeline.entities import RecordError


class StyleError(RecordError):
    """The presets or the vocabulary cannot be used as they are written."""


class UnknownTag(StyleError):
    """A tag is not in the controlled vocabulary. The message names the nearest ones."""


class UnknownStyle(StyleError):
    """A style id has no preset."""


class LyricsError(RecordError):
    """A lyrics file cannot be used. The message is fit for the person who dropped it."""


class LyricsMissing(LyricsError):
    """A vocal track has no lyrics."""

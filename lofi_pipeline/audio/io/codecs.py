"""What is known of a codec by its name, as `Audio.source_codec` gives it."""

from __future__ import annotations


def is_lossless(codec: str) -> bool:
    """Whether a codec can keep every sample; False for one that is not known."""
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return Codec(codec, "r").lossless
    except UnknownCodecError:
        return False

"""What can be wrong with an audio file. Every error has a `reason`: one sentence with what to do."""

from __future__ import annotations

from lofi_pipeline.errors import LofiError


class AudioError(LofiError):
    """Base of the family. `refusal` tells a verdict on the file (final) from a fault (worth a retry)."""

    refusal = False

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefusedAudio(AudioError):
    """The file itself is unfit; only another file would change that."""

    refusal = True


class NotAFile(RefusedAudio):
    """A folder, pipe, socket or device."""


class UndecodableAudio(RefusedAudio):
    """No audio in it that could be decoded."""


class DamagedAudio(RefusedAudio):
    """Decodable, but the samples are not usable: not finite, or beyond all measure."""


class TooShort(RefusedAudio):
    """Less music than a training track needs."""


class TooLong(RefusedAudio):
    """More than may be read, or a header that claims so."""


class Silent(RefusedAudio):
    """Nothing to hear."""


class EncodingFailed(AudioError):
    """The encoder gave something that does not hold what went in: a fault, not a verdict on the file."""


def spoken_seconds(seconds: float) -> str:
    """A duration as people say it: "4.2 s", "12.5 min", "10.0 h"."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

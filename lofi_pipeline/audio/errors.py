"""The errors of the audio package. Each has a `reason`: one sentence that says what to do."""

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
    """The file holds no audio that can be decoded."""


class DamagedAudio(RefusedAudio):
    """The samples are not usable: not finite, or far beyond full scale."""


class TooShort(RefusedAudio):
    """Less audio than a training track needs."""


class TooLong(RefusedAudio):
    """More audio than may be read, or a header that declares more."""


class Silent(RefusedAudio):
    """The file is silent."""


class EncodingFailed(AudioError):
    """The encoder's output does not match its input: a fault, not a verdict on the file."""


def spoken_seconds(seconds: float) -> str:
    """A duration for people: "4.2 s", "12.5 min", "10.0 h"."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

"""Decoding: any supported audio file in, 48 kHz stereo out, or an AudioError with the reason.

Nothing that a file says of itself is trusted: not its suffix, declared length, channel count or samples. Which pieces of a file
are decoded, and what its headers declare, is found in pieces.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.stream import Disposition

from lofi_pipeline.audio.errors import DamagedAudio, TooLong, UndecodableAudio, spoken_seconds
from lofi_pipeline.audio.io.pieces import pieces
from lofi_pipeline.audio.io.read import SAMPLE_RATE, Audio
from lofi_pipeline.audio.io.regular_file import Piece, RegularFile

_DEMUXERS = "wav,w64,flac,mp3,ogg,mov,aac,aiff,caf,au,wv,ape,asf,tta,matroska,webm,mpc,mpc8,tak,dsf,iff"
_MATROSKA = "matroska,webm"
"""A demuxer that knows the length of the file, and not of its streams."""
_BUFFER_BYTES = 1 << 17
_RATES = range(4_000, 768_001)
_MAX_CHANNELS = 8
_FAR_BEYOND_FULL_SCALE = 1e5
_TOLERATED_SECONDS = 0.25
"""Encoder delay and rounding make a whole lossy file this much shorter than it declares."""
_TOLERATED_SECONDS_LOSSLESS = 0.01


_PROTECTED = {"drms", "enca"}
"""Codec tags of encrypted audio in MP4."""
_IS_PROTECTED = "{} is protected against copying (DRM); buy or ask for a copy without it, as WAV or FLAC"
_SILENT_RANGE = 2 * 10 ** (-70 / 20)
"""Peak to peak: nothing sounds in a second that keeps within it."""
_KEPT_SILENT_PARTS = 30
"""About as many seconds."""
_MOST_SILENT_SECONDS = 900.0
"""More than anybody puts before music: hours of it are not searched to their end."""


def decode(path: Path, *, max_seconds: float, keep_seconds: float | None = None) -> Audio:
    """What read.py promises."""
    with RegularFile(path) as file:
        decoder = _Decoder(path.name, file, max_seconds, keep_seconds)
        first_error: UndecodableAudio | None = None
        for piece in pieces(file):
            try:
                decoder.add(piece)
            except UndecodableAudio as error:
                first_error = first_error or error
                decoder.bad += 1
        if first_error and not decoder.segments:
            raise first_error
        return decoder.audio()


def _opened(file: RegularFile) -> Any:
    """The container in the piece that a file shows."""
    return av.open(
        file,
        options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"},
        metadata_errors="ignore",
        buffer_size=_BUFFER_BYTES,
    )


def _main_stream(container: Any, name: str) -> AudioStream:
    """The first audio stream that is marked as the default, else the first, of those whose codec is known."""
    streams = container.streams.audio
    if not streams:
        raise UndecodableAudio(f"{name} holds no audio stream; export it as WAV or FLAC again")
    known = [stream for stream in streams if stream.codec_context is not None]  # despite the type hint
    if not known:
        raise UndecodableAudio(f"{name} uses an unknown codec; export it as WAV or FLAC again")
    default = [stream for stream in known if stream.disposition & Disposition.default]
    return (default or known)[0]


def _short_message(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)[:120]


def _too_long(name: str, seconds: float, limit: float) -> str:
    return (
        f"{name}: its header claims {spoken_seconds(seconds)} of audio, more than the"
        f" {spoken_seconds(limit)} that are read; split it, or export it again if it is shorter than that"
    )


def _declared_seconds(container: Any, stream: AudioStream, piece: Piece) -> float | None:
    """What the header declares of a piece; None where it declares nothing reliable."""
    kind = container.format.name
    if kind in piece.seconds:
        return piece.seconds[kind]
    if stream.duration and stream.duration > 0 and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base) - piece.delay)
    if kind == _MATROSKA and container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


@dataclass
class _Segment:
    """Frames of one rate, layout and sample format; a chained Ogg file may have several segments.

    They are converted to 48 kHz stereo second by second, so that eight channels at 192 kHz never fill the memory.
    """

    rate: int
    channels: tuple[str, ...]
    layout: str
    sample_format: str
    name: str
    waiting: AudioFifo = field(default_factory=AudioFifo)
    parts: list[np.ndarray] = field(default_factory=list)
    resamplers: list[soxr.ResampleStream] = field(default_factory=list)
    silent_parts: int = 0
    """The first parts, which are silent."""

    def __post_init__(self) -> None:
        if self.rate != SAMPLE_RATE:
            self.resamplers = [
                soxr.ResampleStream(self.rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
                for _ in range(min(2, len(self.channels)))
            ]

    def takes(self, frame: AudioFrame) -> bool:
        """Whether a frame has this segment's rate, layout and sample format."""
        mine = (self.rate, self.sample_format, self.layout)
        return mine == (frame.sample_rate, frame.format.name, frame.layout.name)

    def take(self, frame: AudioFrame) -> None:
        """Add a frame."""
        frame.pts = None  # only the order counts: time stamps may jump
        self.waiting.write(frame)
        if self.waiting.samples >= self.rate:
            self._convert(last=False)

    def forget_silence(self) -> float:
        """Throw away the first parts if all is silent so far and longer than is worth keeping; the seconds thrown away."""
        while self.silent_parts < len(self.parts) and np.ptp(self.parts[self.silent_parts]) < _SILENT_RANGE:
            self.silent_parts += 1
        forgotten = 0.0
        while self.silent_parts == len(self.parts) > _KEPT_SILENT_PARTS:
            forgotten += self.parts.pop(0).shape[1] / SAMPLE_RATE
            self.silent_parts -= 1
        return forgotten

    def stereo(self) -> np.ndarray:
        """float32 [2, n] at 48 kHz; nothing can be added any more."""
        self._convert(last=True)
        samples = _concatenated(self.parts)
        self.parts.clear()
        return _to_both_sides(samples)

    def _convert(self, *, last: bool) -> None:
        waiting = self.waiting.read()
        if waiting is not None:
            frames = waiting.to_ndarray()
            samples = _as_float(frames, len(self.channels))
            if not np.issubdtype(frames.dtype, np.integer):
                _check_floats(samples, self.name)
            samples = _downmix(samples, self.channels)
        else:
            samples = np.zeros((min(2, len(self.channels)), 0), dtype=np.float32)
        if self.resamplers:
            pairs = zip(self.resamplers, samples, strict=True)
            samples = np.stack([resampler.resample_chunk(channel, last=last) for resampler, channel in pairs])
        self.parts.append(samples)


def _check_floats(samples: np.ndarray, name: str) -> None:
    highest = float(np.abs(samples).max(initial=0.0))  # NaN, too, where there is one
    if not np.isfinite(highest):
        raise DamagedAudio(f"{name} holds samples that are not numbers (NaN or infinity); export it again")
    if highest > _FAR_BEYOND_FULL_SCALE:
        raise DamagedAudio(
            f"{name} holds samples far beyond full scale; export it again with peaks within ±1.0"
        )


@dataclass
class _Decoder:
    """Decodes one stream of each piece of a file, and counts what it could not decode."""

    name: str
    file: RegularFile
    max_seconds: float
    keep_seconds: float | None
    segments: list[_Segment] = field(default_factory=list)
    codec: str = ""
    declared: float | None = 0.0
    seconds: float = 0.0
    silent: float = 0.0
    """Seconds of silence at the beginning that were thrown away."""
    bad: int = 0
    good: int = 0
    complete: bool = True

    def add(self, piece: Piece) -> None:
        """Decode a piece; once there is enough, only look what it declares.

        Raises:
            UndecodableAudio: it cannot be opened, or is encrypted.
        """
        if piece.protected:
            raise UndecodableAudio(_IS_PROTECTED.format(self.name))
        self.file.show(piece)
        try:
            with _opened(self.file) as container:
                stream = _main_stream(container, self.name)
                if stream.codec_context.codec_tag in _PROTECTED:
                    raise UndecodableAudio(_IS_PROTECTED.format(self.name))
                self._declare(_declared_seconds(container, stream, piece))
                if not self.complete:
                    return
                stream.codec_context.thread_count = 1
                self.codec = self.codec or stream.codec_context.name
                self._take_all(_packets(container, stream))
                cut_off = self.complete and container.format.name == "ogg" and not piece.whole
                self.bad += self.file.gave_up or cut_off
        except FFmpegError as error:
            raise UndecodableAudio(
                f"{self.name} is not audio that can be decoded ({_short_message(error)}); export it as WAV or FLAC again"
            ) from error

    def _declare(self, seconds: float | None) -> None:
        self.declared = None if seconds is None or self.declared is None else self.declared + seconds
        if self.declared is not None and self.declared > self.max_seconds:
            raise TooLong(_too_long(self.name, self.declared, self.max_seconds))

    def audio(self) -> Audio:
        """Everything that was decoded."""
        if not self.segments:
            damage = f" ({self.bad} damaged packets)" if self.bad else ""
            raise UndecodableAudio(
                f"{self.name} holds no decodable audio{damage}; export it as WAV or FLAC again"
            )
        first = self.segments[0]
        samples = _concatenated([segment.stereo() for segment in self.segments])
        if not self.complete:
            samples = samples[:, : int((self.keep_seconds or 0.0) * SAMPLE_RATE)]
        return Audio(
            samples=samples,
            source_rate=first.rate,
            source_channels=len(first.channels),
            source_codec=self.codec,
            declared_seconds=self.declared,
            lost_share=self._lost_share(),
            bad_packets=self.bad,
            complete=self.complete,
            silent_seconds=self.silent,
        )

    def _take_all(self, packets: Iterator[list[AudioFrame] | None]) -> None:
        for frames in packets:
            if frames is None:
                self.bad += 1
                continue
            self.good += 1
            for frame in frames:
                if frame.samples:
                    self._take(frame)
            if self.seconds > self.max_seconds:
                raise TooLong(
                    f"{self.name} is longer than the {spoken_seconds(self.max_seconds)} that are read;"
                    " split it into tracks"
                )
            if self.keep_seconds is not None and self.seconds - self.silent > self.keep_seconds:
                self.complete = False
                return

    def _take(self, frame: AudioFrame) -> None:
        if not self.segments or not self.segments[-1].takes(frame):
            self.segments.append(_new_segment(self.name, frame))
        self.segments[-1].take(frame)
        seconds = frame.samples / frame.sample_rate
        self.seconds += seconds
        self.file.progress(seconds)
        if self.keep_seconds is not None and len(self.segments) == 1 and self.silent < _MOST_SILENT_SECONDS:
            self.silent += self.segments[0].forget_silence()

    def _lost_share(self) -> float:
        """Share of damaged packets, or of what is missing from the declared length where that is more."""
        lost = self.bad / (self.bad + self.good) if self.bad else 0.0
        lossless = self.codec == "flac" or self.codec.startswith("pcm_")
        tolerated = _TOLERATED_SECONDS_LOSSLESS if lossless else _TOLERATED_SECONDS
        declared = self.declared
        if self.complete and declared is not None and declared - self.seconds > tolerated:
            lost = max(lost, 1 - self.seconds / declared)
        return min(1.0, lost)


def _concatenated(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays [c, n] one after the other; a single one is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _packets(container: Any, stream: AudioStream) -> Iterator[list[AudioFrame] | None]:
    """The frames of each packet, None for a damaged one; ends where the container can't be followed."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (FFmpegError, ValueError):
            yield None
            return
        try:
            yield [frame for frame in packet.decode() if isinstance(frame, AudioFrame)]
        except EndOfStream:
            return
        except (FFmpegError, ValueError):
            yield None


def _new_segment(name: str, frame: AudioFrame) -> _Segment:
    channels = _channel_names(frame)
    if frame.sample_rate not in _RATES:
        raise UndecodableAudio(
            f"{name} claims {frame.sample_rate} samples a second; export it at 44.1 or 48 kHz"
        )
    if len(channels) > _MAX_CHANNELS:
        raise UndecodableAudio(f"{name} has {len(channels)} channels; mix it down to stereo")
    return _Segment(frame.sample_rate, channels, frame.layout.name, frame.format.name, name)


_USUAL_ORDER: dict[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
"""Speakers by channel count (the order of WAV and FLAC), for files that do not name them."""

_TO_THE_SIDE = np.sqrt(0.5)
_SPEAKERS: dict[str, tuple[float, float]] = {
    "FL": (1, 0),
    "FR": (0, 1),
    "DL": (1, 0),
    "DR": (0, 1),
    "FC": (_TO_THE_SIDE, _TO_THE_SIDE),
    "BC": (0.5, 0.5),
    "LFE": (0, 0),
    **dict.fromkeys(("BL", "SL", "FLC", "WL", "TFL", "TBL"), (_TO_THE_SIDE, 0)),
    **dict.fromkeys(("BR", "SR", "FRC", "WR", "TFR", "TBR"), (0, _TO_THE_SIDE)),
}
"""Gain of each speaker into (left, right): the down-mix of ITU-R BS.775; the LFE channel is left out."""


def _channel_names(frame: AudioFrame) -> tuple[str, ...]:
    names = tuple(channel.name for channel in frame.layout.channels)
    if all(name in _SPEAKERS for name in names) and len(names) > 2:
        return names
    return _USUAL_ORDER.get(len(names), names)


def _downmix(samples: np.ndarray, channels: tuple[str, ...]) -> np.ndarray:
    """[c, n] -> [2, n]; mono stays mono."""
    if len(channels) <= 2:
        return samples
    matrix = np.array([_SPEAKERS[name] for name in channels], dtype=np.float32).T
    return matrix @ samples


def _to_both_sides(samples: np.ndarray) -> np.ndarray:
    """[1 or 2, n] -> [2, n]; mono goes to both sides at its own level."""
    return samples if len(samples) == 2 else np.repeat(samples, 2, axis=0)


def _as_float(block: np.ndarray, channels: int) -> np.ndarray:
    """Frames as FFmpeg gives them, planar [c, n] or packed [1, n * c], to float32 [c, n] within ±1."""
    if block.shape[0] != channels:
        block = block.reshape(-1, channels).T
    samples = np.ascontiguousarray(block, dtype=np.float32)
    if block.dtype == np.uint8:
        samples -= 128
        samples /= 128
    elif np.issubdtype(block.dtype, np.integer):
        samples *= np.float32(1 / -float(np.iinfo(block.dtype).min))
    return samples

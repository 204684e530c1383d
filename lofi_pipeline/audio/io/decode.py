"""Decoding: any supported audio file in, 48 kHz stereo out, or an AudioError with the reason.

Nothing that a file says of itself is trusted: not its suffix, declared length, channel count or samples. What the headers
declare is read in headers.py.
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

from lofi_pipeline.audio.errors import DamagedAudio, TooLong, UndecodableAudio, spoken_seconds
from lofi_pipeline.audio.io.headers import mp3_seconds, ogg_end, wav_header
from lofi_pipeline.audio.io.regular_file import RegularFile

SAMPLE_RATE = 48_000
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"})

_DEMUXERS = "wav,w64,flac,mp3,ogg,mov,aac"
_BUFFER_BYTES = 1 << 17
_RATES = range(4_000, 768_001)
_MAX_CHANNELS = 8
_FAR_BEYOND_FULL_SCALE = 1e5
_TOLERATED_SECONDS = 0.25
"""Encoder delay and rounding make a whole lossy file this much shorter than it declares."""
_TOLERATED_SECONDS_LOSSLESS = 0.01


@dataclass(frozen=True)
class Audio:
    """Decoded audio, and what is known of the file it came from."""

    samples: np.ndarray = field(repr=False)
    """float32 [2, n] at 48 kHz; full scale is 1.0, and may be exceeded."""
    source_rate: int
    source_channels: int
    source_codec: str
    declared_seconds: float | None
    """What the header declares; None where it declares nothing reliable."""
    lost_share: float
    """Share of the audio, 0..1, that was declared but missing or undecodable."""
    bad_packets: int
    complete: bool = True
    """False: reading stopped at `keep_seconds`, there is more in the file."""

    @property
    def seconds(self) -> float:
        """The length of `samples`."""
        return self.samples.shape[1] / SAMPLE_RATE


def read(path: Path, *, max_seconds: float, keep_seconds: float | None = None) -> Audio:
    """Decode the first audio stream of `path`.

    A file that is longer than `max_seconds`, or declares to be, is refused. Of one that is longer than `keep_seconds`, only
    the first `keep_seconds` are decoded. Damaged packets are skipped and counted.

    Raises:
        NotAFile: `path` is a folder, pipe or device.
        UndecodableAudio: not a supported container or codec, or nothing decodable in it.
        TooLong: longer than `max_seconds`.
        DamagedAudio: samples that are not finite, or absurdly loud.
        OSError: the file is missing or not readable.
    """
    with RegularFile(path) as file:
        return _read(path, file, max_seconds, keep_seconds)


def _read(path: Path, file: RegularFile, max_seconds: float, keep_seconds: float | None) -> Audio:
    header_seconds = _header_seconds(file)
    try:
        with av.open(
            file,
            options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"},
            metadata_errors="ignore",
            buffer_size=_BUFFER_BYTES,
        ) as container:
            if not container.streams.audio:
                raise UndecodableAudio(f"{path.name} holds no audio stream; export it as WAV or FLAC again")
            stream = container.streams.audio[0]
            if stream.codec_context is None:  # despite the type hint: a codec that this FFmpeg does not know
                raise UndecodableAudio(f"{path.name} uses an unknown codec; export it as WAV or FLAC again")
            kind = container.format.name
            declared = header_seconds[kind] if kind in header_seconds else _stream_seconds(stream)
            if declared is not None and declared > max_seconds:
                raise TooLong(_too_long(path, declared, max_seconds))
            return _Decoder(path.name, file, max_seconds, keep_seconds).audio(container, stream, declared)
    except FFmpegError as error:
        raise UndecodableAudio(
            f"{path.name} is not audio that can be decoded ({_short_message(error)}); export it as WAV or FLAC again"
        ) from error


def _short_message(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)[:120]


def _too_long(path: Path, seconds: float, limit: float) -> str:
    return (
        f"{path.name}: its header claims {spoken_seconds(seconds)} of audio, more than the"
        f" {spoken_seconds(limit)} that are read; split it, or export it again if it is shorter than that"
    )


def _header_seconds(file: RegularFile) -> dict[str, float | None]:
    """Declared seconds by demuxer, of the formats where the demuxer's own figure is unreliable; None where none is declared.

    It also hides from the demuxer what follows the audio of a WAV.
    """
    seconds = {"aac": None, "mp3": mp3_seconds(file)}
    if wav := wav_header(file):
        seconds["wav"] = wav.seconds
        if wav.end is not None:
            file.end_at(wav.end)
    if not ogg_end(file).has_length:
        seconds["ogg"] = None
    file.seek(0)
    return seconds


def _stream_seconds(stream: AudioStream) -> float | None:
    if not stream.duration or stream.duration < 0 or not stream.time_base:
        return None
    return float(stream.duration * stream.time_base)


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
    """Decodes one stream of a file, and counts what it could not decode."""

    name: str
    file: RegularFile
    max_seconds: float
    keep_seconds: float | None
    segments: list[_Segment] = field(default_factory=list)
    seconds: float = 0.0
    bad: int = 0
    good: int = 0
    complete: bool = True

    def audio(self, container: Any, stream: AudioStream, declared: float | None) -> Audio:
        """Everything in the stream, of which the header declares so many seconds."""
        stream.codec_context.thread_count = 1
        self._take_all(_packets(container, stream))
        cut_off = self.complete and container.format.name == "ogg" and not ogg_end(self.file).whole
        self.bad += self.file.gave_up or cut_off
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
            source_codec=stream.codec_context.name,
            declared_seconds=declared,
            lost_share=self._lost_share(stream.codec_context.name, declared),
            bad_packets=self.bad,
            complete=self.complete,
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
            if self.keep_seconds is not None and self.seconds > self.keep_seconds:
                self.complete = False
                return

    def _take(self, frame: AudioFrame) -> None:
        if not self.segments or not self.segments[-1].takes(frame):
            self.segments.append(_new_segment(self.name, frame))
        self.segments[-1].take(frame)
        seconds = frame.samples / frame.sample_rate
        self.seconds += seconds
        self.file.progress(seconds)

    def _lost_share(self, codec: str, declared: float | None) -> float:
        """Share of damaged packets, or of what is missing from the declared length where that is more."""
        lost = self.bad / (self.bad + self.good) if self.bad else 0.0
        lossless = codec == "flac" or codec.startswith("pcm_")
        tolerated = _TOLERATED_SECONDS_LOSSLESS if lossless else _TOLERATED_SECONDS
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

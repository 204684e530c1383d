"""Writing rendered audio in the formats people drop: the same samples give the same bytes."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray


def write_audio(path: Path, samples: NDArray[np.float32], rate: int) -> None:
    """Write float32 [2, n] as wav or flac (16 bit), mp3 or ogg, by the name's suffix."""
    suffix = path.suffix.removeprefix(".")
    if suffix == "ogg":
        _write_opus(path, samples, rate)
    elif suffix == "mp3":
        soundfile.write(path, samples.T, rate, format="MP3")
    else:
        soundfile.write(path, samples.T, rate, format=suffix.upper(), subtype="PCM_16")


def _write_opus(path: Path, samples: NDArray[np.float32], rate: int) -> None:
    # libsndfile gives each Ogg stream a random serial number; FFmpeg in its exact mode does not.
    with av.open(str(path), "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=rate, options={"flags": "+bitexact", "b": "160000"})
        stream.layout = "stereo"
        stream.format = "flt"
        block = rate // 50
        padded = np.pad(samples, ((0, 0), (0, -samples.shape[1] % block)))
        for start in range(0, padded.shape[1], block):
            part = np.ascontiguousarray(padded[:, start : start + block].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="stereo")
            frame.sample_rate = rate
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

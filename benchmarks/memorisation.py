"""Copies of training tracks in generated clips: how many planted ones are found, by length and by what was done to them, how many
honest clips raise a false alarm, and what the search costs.

    python -m benchmarks.memorisation [--planted 100] [--honest 1000] [--seconds 5] [--samples FOLDER ...]

Training tracks are the demo's, rendered and coded as the product does. Honest clips are pieces of the same renderer with other seeds:
in the 38 styles, at random, and twins: tempo, instruments, textures and all tags of a training track, in another key. `--samples` adds
the samples of real checkpoints. `--seed` below 100 is what thresholds were chosen on; measure with another.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import soxr

from lofi_pipeline import audio
from lofi_pipeline.demo.distributions import draw
from lofi_pipeline.demo.drop import STYLES, spec_of
from lofi_pipeline.demo.synth import KEYS, SongSpec, render
from lofi_pipeline.evaluation.copies.search import Copied, find_copies
from lofi_pipeline.evaluation.copies.sound import Sound
from lofi_pipeline.styles import load_presets

RATE = 24_000
TRACKS = 72
LENGTHS = {5.0: (1.0, 1.5, 2.0, 3.0, 5.0), 30.0: (1.5, 3.0, 6.0)}
NANO_FIDELITY = 0.94
"""What the nano base's codec leaves of the demo's tracks, as it is measured in each evaluation."""
Music = np.ndarray
"""float32 [2, n] at RATE."""


def training_specs() -> list[SongSpec]:
    """What the demo's tracks play."""
    presets = load_presets()
    return [
        spec_of(presets[STYLES[number % len(STYLES)]], number, 30.5 + number * 7 % 15)
        for number in range(TRACKS)
    ]


def coded(music: Music, vbr_quality: int) -> Music:
    """Through an MP3."""
    given = soxr.resample(music.T, RATE, audio.SAMPLE_RATE).T
    with TemporaryDirectory() as folder:
        path = Path(folder) / "music.mp3"
        path.write_bytes(audio.encode_mp3(np.ascontiguousarray(given), vbr_quality=vbr_quality))
        read = audio.read(path, max_seconds=600).samples
    return soxr.resample(read.T, audio.SAMPLE_RATE, RATE).T[:, : music.shape[1]]


def _low_passed_noisy(music: Music) -> Music:
    from scipy.signal import butter, sosfilt

    rng = np.random.default_rng(1)
    low = sosfilt(butter(6, 11_500, fs=RATE, output="sos"), music, axis=1)
    noise = rng.standard_normal(music.shape) * np.sqrt(np.mean(music**2)) * 10 ** (-30 / 20)
    return np.asarray(low + noise, dtype=np.float32)


def nano_codec(music: Music) -> Music:
    """Through the codec of the nano base: magnitudes alone, phases made up."""
    import torch

    from lofi_pipeline.training.nano.codec import MelCodec

    codec = MelCodec()
    with torch.no_grad():
        return codec.decode(codec.encode(torch.from_numpy(music)[None]).latent_dist.mean).sample[0].numpy()


def _faster(speed: float) -> Callable[[Music], Music]:
    return lambda music: soxr.resample(music.T, RATE * speed, RATE).T


CHANGES: dict[str, Callable[[Music], Music]] = {
    "none": lambda music: music,
    "8 dB softer": lambda music: music * np.float32(0.4),
    "mp3, 128k": lambda music: coded(music, 5),
    "low-pass, noise at -30 dB": _low_passed_noisy,
    "1 % faster": _faster(1.01),
    "1 % slower": _faster(0.99),
    "2 % slower": _faster(0.98),
    "nano's codec": nano_codec,
}


def honest_specs(count: int, seed: int, seconds: float) -> Iterator[tuple[str, SongSpec]]:
    """(kind, what to play) of honest clips: half in styles, a quarter at random, a quarter twins of training tracks."""
    specs = training_specs()
    for number in range(count):
        chosen = 1_000_000 * (seed + 1) + number
        if number % 4 == 0:
            spec = specs[number // 4 % TRACKS]
            key = KEYS[(KEYS.index(spec.key) + 1 + number % 11) % 12]
            yield "twins", replace(spec, seconds=seconds, seed=chosen, key=key)
        elif number % 4 == 1:
            yield "random", draw("lofi", chosen, seconds).spec
        else:
            yield "styles", draw("preset", chosen, seconds).spec


def rendered(spec: SongSpec) -> Music:
    """A piece at RATE."""
    return render(spec, RATE).samples


def planted(rng: np.random.Generator, music: Music, host: Music, seconds: float) -> Music:
    """The host with a stretch of the music in the place of its own, as loud as the host."""
    count = min(round(seconds * RATE), host.shape[1], music.shape[1])
    level = float(np.sqrt(np.mean(music**2)))
    while True:
        start = int(rng.integers(music.shape[1] - count + 1))
        stretch = music[:, start : start + count]
        if np.sqrt(np.mean(stretch**2)) > 0.3 * level:
            break
    at = int(rng.integers(host.shape[1] - count + 1))
    found = host.copy()
    found[:, at : at + count] = stretch * (np.sqrt(np.mean(host**2)) / level)
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--planted", type=int, default=100, help="copies of each length and change")
    parser.add_argument("--honest", type=int, default=1000, help="clips that copy nothing")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a clip")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--samples", type=Path, nargs="*", default=[], help="folders of checkpoints' samples")
    given = parser.parse_args()
    tracks = [_track(spec) for spec in training_specs()]
    specs = list(honest_specs(given.honest, given.seed, given.seconds))
    clips = [rendered(spec) for _, spec in specs]
    before = time.process_time()
    sounds = {f"track_{number:03d}": Sound.of(track, RATE) for number, track in enumerate(tracks)}
    length = sum(track.shape[1] for track in tracks) / RATE
    print(
        f"{len(tracks)} tracks of {length:.0f} s together, listened to in {time.process_time() - before:.2f} CPU s"
    )
    _false_alarms([kind for kind, _ in specs], clips, sounds)
    for folder in given.samples:
        _alarms_in_samples(folder, sounds)
    rng = np.random.default_rng(given.seed)
    lengths = LENGTHS.get(given.seconds, (0.1 * given.seconds,))
    print("\nfound, of planted copies" + "".join(f"{seconds:>8.1f} s" for seconds in lengths))
    for name, change in CHANGES.items():
        allowance = NANO_FIDELITY if change is nano_codec else 1.0
        row = [
            _found(rng, tracks, clips, sounds, seconds, given.planted, change, allowance)
            for seconds in lengths
        ]
        print(f"{name:24}" + "".join(f"{found / given.planted:>10.0%}" for found in row), flush=True)


def _track(spec: SongSpec) -> Music:
    return coded(rendered(spec), 2)


def _false_alarms(kinds: list[str], clips: list[Music], sounds: dict[str, Sound]) -> None:
    before = time.process_time()
    found = find_copies(clips, RATE, sounds)
    cost = (time.process_time() - before) / max(1, len(clips))
    for kind in sorted(set(kinds)):
        of_kind = [copies for copies, other in zip(found, kinds, strict=True) if other == kind]
        print(f"false alarms, {kind}: {sum(map(bool, of_kind))} of {len(of_kind)}")
    print(f"{1000 * cost:.0f} CPU ms a clip")
    through = [nano_codec(clip) for clip in clips[::4]]
    lenient = find_copies(through, RATE, sounds, fidelity=NANO_FIDELITY)
    print(
        f"false alarms among those that passed through nano's codec: {sum(map(bool, lenient))} of {len(through)}",
        flush=True,
    )


def _alarms_in_samples(folder: Path, sounds: dict[str, Sound]) -> None:
    clips = [soundfile.read(path, dtype="float32")[0].T for path in sorted(folder.glob("*.flac"))]
    before = time.process_time()
    found: list[list[Copied]] = find_copies(clips, RATE, sounds, fidelity=NANO_FIDELITY)
    cost = time.process_time() - before
    print(f"{folder}: {sum(map(bool, found))} of {len(clips)} samples copy; {cost:.2f} CPU s")


def _found(
    rng: np.random.Generator,
    tracks: list[Music],
    hosts: list[Music],
    sounds: dict[str, Sound],
    seconds: float,
    count: int,
    change: Callable[[Music], Music],
    allowance: float,
) -> int:
    names = list(sounds)
    chosen = [int(rng.integers(len(tracks))) for _ in range(count)]
    clips = [
        change(planted(rng, tracks[at], hosts[int(rng.integers(len(hosts)))], seconds)).astype(np.float32)
        for at in chosen
    ]
    copies = find_copies(clips, RATE, sounds, fidelity=allowance)
    return sum(
        any(it.track_id == names[at] for it in found) for at, found in zip(chosen, copies, strict=True)
    )


if __name__ == "__main__":
    main()

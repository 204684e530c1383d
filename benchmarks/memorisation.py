"""Copies of training tracks in generated clips: how many planted ones are found, by what was done to them, how many honest clips
raise a false alarm, and what the search costs.

    python -m benchmarks.memorisation [--planted 25] [--honest 500] [--seconds 30] [--copied 3] [--changes none] [--samples FOLDER ...] [--music FOLDER]

Training tracks are the demo's, rendered and coded as the product does. Honest clips are pieces of the same renderer with other seeds:
in the 38 styles, at random, and twins: tempo, instruments, textures and all tags of a training track, in another key. `--samples` adds
the samples of checkpoints of the nano base, `--music` recordings: every second one is a training track more, and the others are cut
into honest clips. `--seed` below 100 is what thresholds were chosen on; measure with another.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import soxr

from lofi_pipeline import audio
from lofi_pipeline.demo.distributions import draw
from lofi_pipeline.demo.drop import STYLES, spec_of
from lofi_pipeline.demo.synth import KEYS, SongSpec, render
from lofi_pipeline.evaluation.copies.search import EXACT, Likeness, find_copies
from lofi_pipeline.evaluation.copies.sound import Sound
from lofi_pipeline.styles import load_presets

RATE = 24_000
TRACKS = 72
NANO_LOST = Likeness(0.911, 3.38)
"""What the nano base's codec leaves of the demo's tracks, as it is measured in each evaluation."""
NANO_SECONDS = 5.0
HOSTS, AT_ONCE, MOST_CUTS = 40, 25, 8
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
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(music.shape) * np.sqrt(np.mean(music**2)) * 10 ** (-30 / 20)
    return np.asarray(_passed(11_500, "low")(music) + noise, dtype=np.float32)


def _passed(hertz: float, side: str) -> Callable[[Music], Music]:
    """Through a filter of 24 dB by octave."""
    from scipy.signal import butter, sosfilt

    filters = butter(4, hertz, side, fs=RATE, output="sos")
    return lambda music: np.asarray(sosfilt(filters, music, axis=1), dtype=np.float32)


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
    "mono": lambda music: music.mean(axis=0, keepdims=True),
    "mp3, 128k": lambda music: coded(music, 5),
    "low-pass 4 kHz": _passed(4000, "low"),
    "high-pass 200 Hz": _passed(200, "high"),
    "low-pass 11.5 kHz, noise at -30 dB": _low_passed_noisy,
    "1 % faster": _faster(1.01),
    "1 % slower": _faster(0.99),
    "2 % faster": _faster(1.02),
    "2 % slower": _faster(0.98),
    "under other music as loud": lambda music: music,
    "under other music 6 dB louder": lambda music: music,
    "nano's codec, in 5 s": nano_codec,
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


UNDER = {"under other music as loud": 0.0, "under other music 6 dB louder": -6.0}
"""The changes in which the host plays on, and the level of what is copied beside it in dB."""


def planted(
    rng: np.random.Generator, music: Music, host: Music, seconds: float, *, level_db: float | None = None
) -> Music:
    """The host with a stretch of the music in the place of its own, as loud as the host; or, at a level, with both at once."""
    count = min(round(seconds * RATE), host.shape[1], music.shape[1])
    level = float(np.sqrt(np.mean(music**2)))
    while True:
        start = int(rng.integers(music.shape[1] - count + 1))
        stretch = music[:, start : start + count]
        if np.sqrt(np.mean(stretch**2)) > 0.3 * level:
            break
    at = int(rng.integers(host.shape[1] - count + 1))
    found = host.copy()
    below = 0 if level_db is None else found[:, at : at + count]
    gain = 10 ** ((level_db or 0) / 20) * np.sqrt(np.mean(host**2)) / level
    found[:, at : at + count] = below + stretch * gain
    return found


@dataclass
class Count:
    """How many of how many, and what it cost."""

    of: int = 0
    found: int = 0
    seconds: float = 0.0

    def add(
        self,
        clips: list[Music],
        names: Sequence[str],
        rate: int,
        sounds: dict[str, Sound],
        lost: Likeness = EXACT,
    ) -> None:
        """Search for copies in honest clips; prints each that is found."""
        before = time.process_time()
        copies = find_copies(clips, rate, sounds, lost=lost)
        self.seconds += time.process_time() - before
        self.of += len(clips)
        self.found += sum(map(bool, copies))
        for name, of_clip in zip(names, copies, strict=True):
            for copied in of_clip:
                print(f"  {name}: {copied}", flush=True)

    def __str__(self) -> str:
        """With the cost of one."""
        return f"{self.found} of {self.of}, {1000 * self.seconds / max(1, self.of):.0f} CPU ms a clip"


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--planted", type=int, default=25, help="copies of each change")
    parser.add_argument("--honest", type=int, default=500, help="rendered clips that copy nothing")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a clip")
    parser.add_argument("--copied", type=float, default=3.0, help="length of a planted copy")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--changes", nargs="*", choices=CHANGES, default=[*CHANGES], metavar="CHANGE")
    parser.add_argument("--samples", type=Path, nargs="*", default=[], help="folders of checkpoints' samples")
    parser.add_argument("--music", type=Path, help="a folder of recordings")
    given = parser.parse_args()
    tracks = {f"track_{number:03d}": coded(rendered(spec), 2) for number, spec in enumerate(training_specs())}
    sounds = {name: Sound.of(track, RATE) for name, track in tracks.items()}
    hosts = _found_in_honest(given.honest, given.seed, given.seconds, sounds)
    for folder in given.samples:
        _found_in_samples(folder, sounds)
    if given.music:
        _found_in_music(given.music, sounds, given.seconds)
    print(f"\nfound, of {given.planted} copies of {given.copied:.1f} s in clips of {given.seconds:.0f} s")
    rng = np.random.default_rng(given.seed)
    for name in given.changes if given.planted else ():
        print(f"{name:36}{_found(rng, tracks, hosts, sounds, name, given)}", flush=True)


def _found_in_honest(count: int, seed: int, seconds: float, sounds: dict[str, Sound]) -> list[Music]:
    """Prints the false alarms by kind; the first clips."""
    counts: dict[str, Count] = defaultdict(Count)
    hosts: list[Music] = []
    specs = list(honest_specs(count, seed, seconds))
    for kind in ("twins", "random", "styles"):
        of_kind = [(number, spec) for number, (other, spec) in enumerate(specs) if other == kind]
        for at in range(0, len(of_kind), AT_ONCE):
            some = of_kind[at : at + AT_ONCE]
            clips = [rendered(spec) for _, spec in some]
            counts[kind].add(clips, [f"clip {number}" for number, _ in some], RATE, sounds)
            hosts += clips if at == 0 else []
        print(f"false alarms, {kind} of {seconds:.0f} s: {counts[kind]}", flush=True)
    return hosts[:: max(1, len(hosts) // HOSTS)]


def _found_in_samples(folder: Path, sounds: dict[str, Sound]) -> None:
    paths = sorted(folder.glob("*.flac"))
    read = [soundfile.read(path, dtype="float32") for path in paths]
    count, names = Count(), [path.stem for path in paths]
    count.add([samples.T for samples, _ in read], names, read[0][1], sounds, NANO_LOST)
    print(f"alarms in {folder}: {count}", flush=True)


def _found_in_music(folder: Path, sounds: dict[str, Sound], seconds: float) -> None:
    """Different recordings, and stretches of some that are training tracks as well."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".ogg", ".mp3", ".flac", ".wav"})
    known = {path.name: Sound.of(_read(path), audio.SAMPLE_RATE) for path in paths[::2]}
    honest = Count()
    length = round(seconds * audio.SAMPLE_RATE)
    for path in paths[1::2]:
        music = _read(path)
        starts = range(0, music.shape[1] - length + 1, length)
        cuts = [music[:, start : start + length] for start in starts][:MOST_CUTS]
        names = [f"{path.name} from {start / audio.SAMPLE_RATE:.0f} s" for start in starts]
        honest.add(cuts, names[: len(cuts)], audio.SAMPLE_RATE, {**sounds, **known})
    print(f"false alarms, recordings beside {len(known)} others: {honest}", flush=True)


def _read(path: Path) -> Music:
    return audio.read(path, max_seconds=3600).samples


def _found(
    rng: np.random.Generator,
    tracks: dict[str, Music],
    hosts: list[Music],
    sounds: dict[str, Sound],
    name: str,
    given: argparse.Namespace,
) -> Count:
    count, names = Count(given.planted), list(tracks)
    for number in range(given.planted):
        track = names[int(rng.integers(len(names)))]
        host = hosts[int(rng.integers(len(hosts)))]
        of_nano = CHANGES[name] is nano_codec
        host = host[:, : round(NANO_SECONDS * RATE)] if of_nano else host
        clip = planted(rng, tracks[track], host, given.copied, level_db=UNDER.get(name))
        clip = np.asarray(CHANGES[name](clip), dtype=np.float32)
        before = time.process_time()
        (copies,) = find_copies([clip], RATE, sounds, lost=NANO_LOST if of_nano else EXACT)
        count.seconds += time.process_time() - before
        is_found = any(it.track_id == track for it in copies)
        count.found += is_found
        if not is_found:
            print(f"  copy {number}, of {track}: missed", flush=True)
    return count


if __name__ == "__main__":
    main()

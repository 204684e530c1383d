"""Loops with known truth for the measurements: rendered once, kept as 22.05 kHz mono under build/analysis/.

`styles` are pieces in the 38 presets as the demo makes them; `loose` are such pieces less to the letter: another texture or
none, some of the production, an instrument less, a tempo a little outside the range. `wide` are pieces of no style: tempo, key, swing, groove, voice,
crackle, texture and drums are drawn one by one, so that none of them can be guessed from another; a third has noise added,
and each begins somewhere within its first beat. Pieces to fit on and pieces to test on have different seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.signal import butter, sosfilt

from lofi_pipeline import audio
from lofi_pipeline.demo.distributions import BASSES, CHORDS, DRUMS, LEADS
from lofi_pipeline.demo.drop import spec_of
from lofi_pipeline.demo.instruments import TIMBRES, VOICES, Role
from lofi_pipeline.demo.synth import KEYS, MOODS, SongSpec, render
from lofi_pipeline.demo.textures import TEXTURE_OF
from lofi_pipeline.styles import load_presets

CACHE = Path(__file__).parents[1] / "build" / "analysis"
SECONDS = 30.0
ANALYSIS_RATE = 22_050
SWUNG = 0.62
"""Where the synthesiser puts the off-beat, at least, when the production says "swung drums"."""
PRODUCTION = (
    "low-pass filtered", "tape wobble", "tape saturation", "dusty drums", "muted highs", "warm analog", "bit crushed",
    "chopped samples", "mono warmth", "spacious reverb", "sidechain compression", "dry close mix", "wide stereo",
)  # fmt: skip
RAIN = ("rain", "storm")
NOISE = (*RAIN, "waves", "wind", "leaves", "murmur", "train", "traffic")
"""Textures that are noise, of the atmosphere tags; the others are tones or single events."""

Part = Literal["fit", "test", "blind", "fresh"]
"""Weights are found on "fit", features were chosen while looking at "test"; "blind" was looked at once, before tempos were
weighed and a model tagged styles; "fresh" when all that was settled."""
_FIRST_SEED: dict[Part, int] = {
    "test": 20_000_000,
    "fit": 30_000_000,
    "blind": 60_000_000,
    "fresh": 80_000_000,
}


@dataclass(frozen=True)
class Piece:
    """A spec, the style it was made in (None: no style), the seconds cut from its beginning, and the noise added (dB)."""

    spec: SongSpec
    style_id: str | None = None
    cut_seconds: float = 0.0
    noise_db: float | None = None

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.style_id or 'wide'}-{self.spec.seed}"

    @property
    def drums(self) -> bool:
        """Whether a drum kit or percussion plays."""
        return "no drums" not in self.spec.production and any(
            TIMBRES[tag].role is Role.DRUMS for tag in self.spec.instruments
        )

    @property
    def voice(self) -> bool:
        """Whether somebody sings, speaks, hums or is chopped."""
        return self.spec.vocal_type in VOICES

    @property
    def crackle(self) -> bool:
        """Whether vinyl crackles."""
        return "vinyl crackle" in self.spec.production

    @property
    def texture(self) -> str | None:
        """What the atmosphere tag sounds like."""
        return TEXTURE_OF.get(self.spec.atmosphere, "room") if self.spec.atmosphere else None

    @property
    def swing(self) -> float:
        """Where the second eighth of a beat falls, 0.5 straight."""
        return max(self.spec.swing, SWUNG) if "swung drums" in self.spec.production else self.spec.swing

    @property
    def beat_offset(self) -> float:
        """Seconds from the start to the first beat."""
        return -self.cut_seconds % (60 / self.spec.bpm)


def style_pieces(part: Part, each: int) -> Iterator[Piece]:
    """`each` pieces of each of the 38 styles."""
    for number, preset in enumerate(load_presets().values()):
        for index in range(each):
            seed = _FIRST_SEED[part] + 1000 * number + index
            yield Piece(spec_of(preset, seed, SECONDS), preset.style_id)


def loose_pieces(part: Part, each: int) -> Iterator[Piece]:
    """`each` pieces of each of the 38 styles, played more freely."""
    for number, preset in enumerate(load_presets().values()):
        for index in range(each):
            seed = _FIRST_SEED[part] + 2_000_000 + 1000 * number + index
            yield Piece(_loosened(spec_of(preset, seed, SECONDS)), preset.style_id)


def _loosened(spec: SongSpec) -> SongSpec:
    rng = np.random.default_rng([spec.seed, 6])
    change = rng.random()
    atmosphere = spec.atmosphere
    if change < 0.6:
        atmosphere = None if change < 0.3 else tuple(TEXTURE_OF)[int(rng.integers(len(TEXTURE_OF)))]
    production = tuple(tag for tag in spec.production if tag == "no drums" or rng.random() < 0.7)
    band = list(spec.instruments)
    if len(band) > 1 and rng.random() < 0.5:
        del band[int(rng.integers(len(band)))]
    bpm = round(spec.bpm * float(rng.uniform(0.97, 1.03)), 1)
    return replace(spec, atmosphere=atmosphere, production=production, instruments=tuple(band), bpm=bpm)


def wide_pieces(part: Part, count: int) -> Iterator[Piece]:
    """Pieces whose properties were drawn one by one."""
    for index in range(count):
        seed = _FIRST_SEED[part] + 5_000_000 + index
        yield _wide(seed)


def _wide(seed: int) -> Piece:
    rng = np.random.default_rng([seed, 5])

    def pick(options: tuple[str, ...]) -> str:
        return options[int(rng.integers(len(options)))]

    drums = rng.random() < 0.65
    shape = rng.random()
    band = [pick(CHORDS)] if shape < 0.8 else []
    band += [pick(LEADS)] if shape >= 0.8 or rng.random() < 0.4 else []
    band += [pick(BASSES)] if rng.random() < 0.6 else []
    band += [pick(DRUMS)] if drums else []
    production = {pick(PRODUCTION) for _ in range(int(rng.integers(0, 3)))}
    production |= {"vinyl crackle"} if rng.random() < 0.4 else set()
    production |= {"tape hiss"} if rng.random() < 0.25 else set()
    bpm = round(float(rng.uniform(58, 98)), 1)
    spec = SongSpec(
        seed=seed,
        bpm=bpm,
        key=pick(KEYS),
        mode=pick(("minor", "major")),
        seconds=SECONDS,
        instruments=tuple(band),
        mood=pick(tuple(MOODS)),
        production=tuple(sorted(production)),
        atmosphere=pick(tuple(TEXTURE_OF)) if rng.random() < 0.5 else None,
        vocal_type=pick(tuple(sorted(VOICES))) if rng.random() < 0.4 else "instrumental",
        groove=pick(("boom bap", "boom bap", "half", "backbeat", "four")),
        swing=round(float(rng.uniform(0.5, 0.66)), 3),
    )
    noise = float(rng.uniform(20, 40)) if rng.random() < 1 / 3 else None
    return Piece(spec, None, round(float(rng.uniform(0, 60 / bpm)), 4), noise)


def mono_of(piece: Piece) -> np.ndarray:
    """The piece as float32 [n] at 22.05 kHz; rendered the first time."""
    path = CACHE / f"{piece.name}.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        mono = audio.mono_at(render(piece.spec).samples, ANALYSIS_RATE)[
            round(piece.cut_seconds * ANALYSIS_RATE) :
        ]
        if piece.noise_db is not None:
            noise = np.random.default_rng(piece.spec.seed).standard_normal(len(mono))
            mono = mono + noise * np.sqrt(np.mean(mono**2)) * 10 ** (-piece.noise_db / 20)
        np.save(path, np.rint(np.clip(mono, -1, 1) * 32767).astype(np.int16))
    return np.load(path).astype(np.float32) / np.float32(32768)


def disturbed(mono: np.ndarray, seed: int) -> np.ndarray:
    """The same with tone control of up to 4 dB either way and faint noise: float32 [n]."""
    rng = np.random.default_rng(seed)
    low = np.asarray(sosfilt(butter(1, 800, fs=ANALYSIS_RATE, output="sos"), mono))
    tilted = low + (mono - low) * 10 ** (rng.uniform(-4, 4) / 20)
    level = np.sqrt(np.mean(tilted**2)) * 10 ** (-rng.uniform(40, 55) / 20)
    return (tilted + level * rng.standard_normal(len(mono))).astype(np.float32)

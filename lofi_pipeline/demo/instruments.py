"""Single notes of the vocabulary's instruments and voices: wavetables, struck partials and plucked strings.

Everything is deterministic: the same note at the same sample rate gives the same samples. Drums are in drums.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Mono = NDArray[np.float32]
TABLE = 2048


class Role(StrEnum):
    """The usual part of an instrument in an arrangement."""

    CHORDS = "chords"
    LEAD = "lead"
    BASS = "bass"
    DRUMS = "drums"


@dataclass(frozen=True)
class Timbre:
    """How one instrument sounds.

    `body` are the amplitudes of the harmonics that last, `shine` of those that fade with `shine_decay`.
    `partials` (ratio, amplitude, decay in seconds) make struck metal and wood instead; `pluck` (0 to 1, brightness)
    makes a plucked string instead.
    """

    role: Role
    body: tuple[float, ...] = (1.0,)
    shine: tuple[float, ...] = ()
    attack: float = 0.005
    decay: float = 1.5
    shine_decay: float = 0.15
    release: float = 0.08
    vibrato: float = 0.0
    tremolo: float = 0.0
    detune: float = 0.0
    breath: float = 0.0
    octave: int = 0
    gain: float = 1.0
    partials: tuple[tuple[float, float, float], ...] = ()
    pluck: float | None = None
    formants: tuple[float, ...] = ()


def _saw(count: int, slope: float = 1.0) -> tuple[float, ...]:
    return tuple(1.0 / k**slope for k in range(1, count + 1))


def _odd(count: int, slope: float = 1.0) -> tuple[float, ...]:
    return tuple(1.0 / k**slope if k % 2 else 0.0 for k in range(1, count + 1))


C, L, B = Role.CHORDS, Role.LEAD, Role.BASS
NO_DECAY = 60.0
"""Seconds: a tone with this decay lasts as long as it is played."""
TIMBRES: dict[str, Timbre] = {
    "rhodes": Timbre(C, (1.0, 0.12), (0, 0.3, 0.0, 0.25, 0, 0, 0.2), decay=1.4, shine_decay=0.12, tremolo=0.18),
    "piano": Timbre(C, (1.0, 0.5, 0.25, 0.12), _saw(12, 0.9), attack=0.002, decay=0.8, shine_decay=0.22),
    "felt piano": Timbre(C, (1.0, 0.25, 0.06), (0.0, 0.3, 0.1), attack=0.012, decay=0.7, breath=0.02),
    "upright piano": Timbre(C, (1.0, 0.6, 0.3, 0.1), _saw(10), attack=0.002, decay=0.6, detune=0.004),
    "acoustic guitar": Timbre(C, pluck=0.8, decay=0.9),
    "nylon guitar": Timbre(C, pluck=0.35, decay=0.7),
    "electric guitar": Timbre(C, pluck=0.55, decay=1.6, tremolo=0.12),
    "harp": Timbre(C, pluck=0.5, decay=1.8, octave=1),
    "koto": Timbre(C, pluck=1.0, decay=0.5, octave=1, vibrato=0.0),
    "ukulele": Timbre(C, pluck=0.6, decay=0.35, octave=1),
    "organ": Timbre(C, (1.0, 0.8, 0.5, 0.6, 0, 0.3, 0, 0.35), attack=0.01, decay=NO_DECAY, tremolo=0.25),
    "accordion": Timbre(C, _saw(14, 0.6), attack=0.05, decay=NO_DECAY, detune=0.006, vibrato=0.002),
    "strings": Timbre(C, _saw(10, 1.1), attack=0.18, decay=NO_DECAY, release=0.3, vibrato=0.004, detune=0.005),
    "synth pad": Timbre(C, _saw(6, 1.5), attack=0.3, decay=NO_DECAY, release=0.5, detune=0.008),
    "analog synth": Timbre(C, _saw(5, 1.2), _saw(24), attack=0.004, decay=1.2, shine_decay=0.3, detune=0.005),
    "synth lead": Timbre(L, _odd(19, 0.9), attack=0.006, decay=NO_DECAY, release=0.05, vibrato=0.003),
    "violin": Timbre(L, _saw(14, 0.8), attack=0.06, decay=NO_DECAY, vibrato=0.007, octave=1),
    "cello": Timbre(L, _saw(12, 0.8), attack=0.08, decay=NO_DECAY, vibrato=0.006, octave=-1),
    "flute": Timbre(L, (1.0, 0.25, 0.06), attack=0.05, decay=NO_DECAY, vibrato=0.005, breath=0.12, octave=1),
    "saxophone": Timbre(L, (0.7, 1.0, 0.8, 0.6, 0.5, 0.35, 0.3, 0.2), attack=0.03, decay=NO_DECAY, vibrato=0.006, breath=0.06),
    "muted trumpet": Timbre(L, (0.3, 0.5, 0.8, 1.0, 0.9, 0.7, 0.6, 0.4, 0.3, 0.2), attack=0.02, decay=NO_DECAY, vibrato=0.003),
    "vibraphone": Timbre(L, partials=((1, 1.0, 1.6), (4.0, 0.25, 0.4), (10.0, 0.06, 0.1)), tremolo=0.35, octave=1),
    "kalimba": Timbre(L, partials=((1, 1.0, 0.5), (5.4, 0.22, 0.08), (8.9, 0.1, 0.04)), octave=1),
    "music box": Timbre(L, partials=((1, 1.0, 0.9), (3.0, 0.3, 0.3), (6.8, 0.35, 0.12)), octave=2),
    "bells": Timbre(L, partials=((1, 0.8, 1.6), (2.0, 0.5, 1.2), (2.76, 0.6, 0.9), (5.4, 0.4, 0.5), (8.1, 0.2, 0.3)), octave=1),
    "celesta": Timbre(L, partials=((1, 1.0, 0.7), (4.0, 0.12, 0.2)), octave=2),
    "upright bass": Timbre(B, (1.0, 0.55, 0.3, 0.12), (0, 0.3, 0.3, 0.3, 0.2), attack=0.008, decay=0.45, shine_decay=0.06, breath=0.01),
    "electric bass": Timbre(B, (1.0, 0.5, 0.35, 0.2, 0.15, 0.1), _saw(12), attack=0.004, decay=0.9, shine_decay=0.12),
    "sub bass": Timbre(B, (1.0, 0.05), attack=0.01, decay=1.6, gain=1.3),
    "boom bap drums": Timbre(Role.DRUMS),
    "brushed drums": Timbre(Role.DRUMS),
    "drum machine": Timbre(Role.DRUMS),
    "soft percussion": Timbre(Role.DRUMS),
    "bongos": Timbre(Role.DRUMS),
    "shaker": Timbre(Role.DRUMS),
    "finger snaps": Timbre(Role.DRUMS),
    # Voices, asked for by vocal_type: a pulse through the formants of a vowel.
    "female vocals": Timbre(L, _saw(24, 0.4), attack=0.05, decay=NO_DECAY, vibrato=0.007, breath=0.04, formants=(800, 1200, 2900), octave=1),
    "male vocals": Timbre(L, _saw(24, 0.4), attack=0.05, decay=NO_DECAY, vibrato=0.005, breath=0.04, formants=(650, 1050, 2500)),
    "vocal chops": Timbre(L, _saw(24, 0.4), attack=0.004, decay=0.18, formants=(850, 1500, 2900), octave=1),
    "whispered vocals": Timbre(L, (0.2,), attack=0.05, decay=NO_DECAY, breath=0.6, formants=(700, 1300, 2800), octave=1),
    "humming": Timbre(L, (1.0, 0.5, 0.15, 0.05), attack=0.09, decay=NO_DECAY, vibrato=0.005, breath=0.02),
    "choir": Timbre(C, _saw(20, 0.5), attack=0.25, decay=NO_DECAY, release=0.4, vibrato=0.004, detune=0.009, formants=(600, 1000, 2600)),
    "spoken word": Timbre(L, _saw(24, 0.4), attack=0.02, decay=0.14, breath=0.1, formants=(550, 1400, 2500), octave=-1),
    "rap": Timbre(L, _saw(24, 0.4), attack=0.005, decay=0.1, breath=0.12, formants=(600, 1500, 2600), octave=-1),
}  # fmt: skip
VOICES = frozenset(list(TIMBRES)[list(TIMBRES).index("finger snaps") + 1 :])


def note(timbre: Timbre, midi: float, seconds: float, rate: int) -> Mono:
    """One note, float32 [n] at `rate`, its release included; RMS of its first half second about 0.25 x gain.

    `midi` is the pitch (69 is 440 Hz) before the timbre's own octave, `seconds` how long the key is held.
    """
    frequency = 440.0 * 2.0 ** ((midi + 12 * timbre.octave - 69) / 12)
    frames = int((seconds + timbre.release) * rate)
    time = np.arange(frames, dtype=np.float32) / rate
    if timbre.pluck is not None:
        sound = _plucked(frequency, frames, rate, timbre.pluck, timbre.decay)
    elif timbre.partials:
        sound = _struck(frequency, time, rate, timbre.partials)
    else:
        sound = _table_tone(timbre, frequency, time, rate)
    if timbre.tremolo:
        sound *= 1 - timbre.tremolo * (0.5 - 0.5 * np.cos(2 * np.pi * 5.2 * time))
    sound = sound * _gate(frames, seconds, timbre, rate)
    rms = float(np.sqrt(np.mean(sound[: rate // 2] ** 2)))
    return (sound * (0.25 * timbre.gain / max(1e-6, rms))).astype(np.float32)


def _gate(frames: int, seconds: float, timbre: Timbre, rate: int) -> Mono:
    gate = np.ones(frames, np.float32)
    rise = min(frames, max(1, int(timbre.attack * rate)))
    gate[:rise] = np.linspace(0, 1, rise, dtype=np.float32)
    sustained = min(frames, int(seconds * rate))
    gate[sustained:] *= np.linspace(1, 0, frames - sustained, dtype=np.float32)
    return gate


def _table_tone(timbre: Timbre, frequency: float, time: Mono, rate: int) -> Mono:
    phase = frequency * time
    if timbre.vibrato:
        late = np.minimum(1.0, time / 0.25)
        phase = phase + frequency * timbre.vibrato / (2 * np.pi * 5.4) * late * np.sin(2 * np.pi * 5.4 * time)
    body = _table(frequency, rate, timbre.body, timbre.formants)
    sound = _read(body, phase)
    if timbre.detune:
        sound = 0.5 * (sound + _read(body, phase * (1 + timbre.detune) + 0.37))
    if timbre.decay < NO_DECAY:
        sound = sound * np.exp(-time / timbre.decay)
    if timbre.shine:
        shine = _read(_table(frequency, rate, timbre.shine, ()), phase)
        sound = sound + 0.7 * shine * np.exp(-time / timbre.shine_decay)
    if timbre.breath:
        noise = np.random.default_rng(int(frequency * 8)).standard_normal(len(time)).astype(np.float32)
        centre = min(timbre.formants[1] if timbre.formants else 3.0 * frequency, rate * 0.3)
        band = np.array([0.6, 1.5]) * centre
        sound = sound + timbre.breath * 3 * np.asarray(
            sosfilt(butter(1, band, "band", fs=rate, output="sos"), noise)
        )
    return sound.astype(np.float32)


def _table(
    frequency: float,
    rate: int,
    amplitudes: tuple[float, ...],
    formants: tuple[float, ...],
) -> Mono:
    """One cycle [TABLE] with the harmonics below the Nyquist frequency, peak 1."""
    count = max(1, min(len(amplitudes), int(0.45 * rate / frequency)))
    weights = np.array(amplitudes[:count], dtype=np.float64)
    if formants:
        harmonics = frequency * np.arange(1, count + 1)
        peaks = [
            np.exp(-(((harmonics - f) / (0.12 * f + 60)) ** 2)) * g for f, g in zip(formants, (1, 0.7, 0.35))
        ]
        weights = weights * (0.03 + np.sum(peaks, axis=0))
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    spectrum[1 : count + 1] = -0.5j * TABLE * weights
    table = np.fft.irfft(spectrum, TABLE)
    return (table / max(1e-9, np.abs(table).max())).astype(np.float32)


def _read(table: Mono, phase: NDArray[np.floating]) -> Mono:
    return table[(phase * TABLE).astype(np.int64) & (TABLE - 1)]


def _struck(
    frequency: float,
    time: Mono,
    rate: int,
    partials: tuple[tuple[float, float, float], ...],
) -> Mono:
    sound = np.zeros_like(time)
    for ratio, amplitude, decay in partials:
        if ratio * frequency < 0.45 * rate:
            sound += amplitude * np.sin(2 * np.pi * ratio * frequency * time) * np.exp(-time / decay)
    return sound


def _plucked(frequency: float, frames: int, rate: int, brightness: float, decay: float) -> Mono:
    """Karplus-Strong synthesis, one period at a time: each period is the former one, slightly low-passed and quieter."""
    period = max(8, round(rate / frequency))
    burst = np.random.default_rng(period).uniform(-1, 1, period)
    burst -= burst.mean()
    cutoff = min(0.45, (0.05 + 0.4 * brightness) * 24000 / rate) * rate
    burst = sosfilt(butter(1, cutoff, fs=rate, output="sos"), np.tile(burst, 2))[period:]
    burst /= np.abs(burst).max()
    rounds = frames // period + 1
    loss = np.exp(-period / rate / decay)
    blend = 0.5 * (24000 / rate if rate > 24000 else 1.0)
    out = np.empty((rounds, period))
    for k in range(rounds):
        out[k] = burst
        burst = loss * ((1 - blend) * burst + blend * np.concatenate((burst[-1:], burst[:-1])))
    return out.reshape(-1)[:frames].astype(np.float32)

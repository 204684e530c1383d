"""Comparison of two fingerprints: at any speed from 0.8 to 1.25 and any pitch, aligned to the frame.

Different pieces over one loop share chords and drums. Contradiction separates them from copies: notes that are prominent in
one and absent in the other. Equalising, encoding and shifting blur notes but do not move them. Which tracks are compared is
decided in dataset/duplicates.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import scipy.fft

from lofi_pipeline.audio.analysis.spectrum import fft_size, signal_of, spectrum_of
from lofi_pipeline.audio.fingerprint.extract import BANDS, FRAMES_PER_SECOND, notes_of
from lofi_pipeline.audio.fingerprint.sketch import (
    SKETCH_SCALE,
    SPEEDS,
    STEPS_PER_OCTAVE,
    WINDOW,
    at_speed,
    autocorrelation,
    query_sketches,
    sketch,
    sketch_starts,
)

SAME_SIMILARITY = 0.75
SAME_CONTRADICTION = 0.045
SHIFTED_CONTRADICTION = 0.1
"""Where the pitch alone was shifted: a phase vocoder blurs what it shifts."""
SAME_OVERLAP = 0.8
PART_SIMILARITY = 0.6
PART_CONTRADICTION = 0.05
"""Of a part, the notes of one side count alone: what was mixed over a recording adds notes, and takes few away."""
RELATED = 0.67
LEAST_SIMILARITY = 0.4
LEAST_SECONDS = 15.0
_STANDS_OUT, _ABSENT = 1.5, 0.5
_LOWEST_BAND = 16
_MOST_SEMITONES = 5
_CHUNK = 64
_SLACK = 8
_SAME_SPEED, _SAME_PITCH, _RESAMPLED = 0.005, 0.25, 0.1
_HINTS, _HINT_MARGIN = 3, 0.15


class MatchType(StrEnum):
    """How two tracks are related."""

    SAME = "same recording"
    PART = "part of it"
    """A stretch of one is the same recording as a stretch of the other: a mash-up, a medley."""
    RELATED = "related"
    NONE = "none"


@dataclass(frozen=True)
class Hint:
    """Two windows that may match: where each begins (frames), and the speed of the first against the second (1/12 octave)."""

    first: int
    second: int
    twelfths: float


@dataclass(frozen=True)
class Likeness:
    """The result of a comparison, at the best alignment."""

    similarity: float
    """Mean cosine of the aligned frames, 0..1."""
    contradiction: float
    """Share of the notes that are prominent in one and absent in the other, 0..1."""
    overlap: float
    """Share of the shorter one that is aligned, 0..1."""
    speed: float = 1.0
    """How many times as fast as the second the first is played."""
    semitones: float = 0.0
    """How much higher than the second the first is."""
    offset_seconds: float = 0.0
    """Where in the second the first begins; negative: so long before it."""
    shared_seconds: float = 0.0
    """How long the part is that both share, of those that `shared_part` finds."""

    @property
    def match_type(self) -> MatchType:
        """The match type that follows from these figures."""
        if not self.is_one_edit:
            return MatchType.NONE
        if (
            self.similarity >= SAME_SIMILARITY
            and self.contradiction <= self._most_contradiction
            and self.overlap >= SAME_OVERLAP
            and not self._is_stretched
        ):
            return MatchType.SAME
        return MatchType.RELATED if self.similarity >= RELATED else MatchType.NONE

    @property
    def is_one_edit(self) -> bool:
        """Whether speed and pitch differ as one edit makes them: pitch alone, speed alone, or both by resampling.

        Where key and tempo differ independently, the music was played again.
        """
        return (
            self._keeps_speed
            or abs(self.semitones) < _SAME_PITCH
            or abs(self.semitones - self._resampled) < _SAME_PITCH
        )

    @property
    def _is_stretched(self) -> bool:
        """Whether the speed alone differs. Such a pair is never called a copy: more often it is the same music played faster.

        Among 1500 pieces of all presets some 40 pairs were one chord progression at two tempos, as similar as recordings that
        a phase vocoder had stretched. Keeping those pieces is worth more than finding every stretched copy.
        """
        return not self._keeps_speed and abs(self.semitones - self._resampled) >= _RESAMPLED

    @property
    def _most_contradiction(self) -> float:
        shifted = self._keeps_speed and abs(self.semitones) >= _SAME_PITCH
        return SHIFTED_CONTRADICTION if shifted else SAME_CONTRADICTION

    @property
    def _keeps_speed(self) -> bool:
        return abs(self.speed - 1) < _SAME_SPEED

    @property
    def _resampled(self) -> float:
        """The rise in pitch that resampling to this speed causes, in semitones."""
        return 12 * float(np.log2(self.speed))

    def swapped(self) -> Likeness:
        """The same, with the second named first."""
        return replace(
            self,
            speed=1 / self.speed,
            semitones=-self.semitones,
            offset_seconds=-self.offset_seconds / self.speed,
        )


NOTHING = Likeness(0.0, 1.0, 0.0)


def compare(first: np.ndarray, second: np.ndarray) -> Likeness:
    """Compare two fingerprints, uint8 [frames, 60]. compare(a, b) is compare(b, a).swapped()."""
    if (len(second), second.tobytes()) < (len(first), first.tobytes()):
        return compare(second, first).swapped()
    if not len(first):
        return NOTHING
    return compare_at(first, second, hints_of(query_sketches(first), sketch(second), len(first), len(second)))


def hints_of(queries: np.ndarray, sketched: np.ndarray, first_frames: int, second_frames: int) -> list[Hint]:
    """The two windows that match best, at each of the few best speeds.

    Args:
        queries: `query_sketches` of the first, float32 [speeds, m, 64].
        sketched: `sketch` of the second, int8 [n, 64].
    """
    alike = queries @ (sketched.astype(np.float32) * np.float32(SKETCH_SCALE)).T
    starts = sketch_starts(first_frames), sketch_starts(second_frames)
    tops = alike.reshape(len(SPEEDS), -1)
    scores = tops.max(axis=1)
    hints = []
    for speed in np.argsort(-scores, kind="stable")[:_HINTS]:
        if scores[speed] >= scores.max() - _HINT_MARGIN:
            here, there = np.unravel_index(int(tops[speed].argmax()), alike.shape[1:])
            hints.append(Hint(int(starts[0][here]), int(starts[1][there]), float(SPEEDS[speed])))
    return hints


def compare_at(first: np.ndarray, second: np.ndarray, hints: Sequence[Hint]) -> Likeness:
    """Compare two fingerprints, searching only around some hints; the best one counts."""
    found = [alignment for hint in hints if (alignment := _align_window(first, second, hint))]
    if not found:
        return NOTHING
    alignment = max(found, key=lambda item: item.score)
    for seconds in (20.0, 60.0):
        alignment = _refine(first, second, alignment, seconds)
    alignment = _refine(first, second, _align_whole(first, second, alignment), None)
    return _likeness(first, second, _exact_pitch(first, second, alignment))


def shared_part(first: np.ndarray, second: np.ndarray, hints: Sequence[Hint]) -> Likeness:
    """The longest stretch in which one of two fingerprints holds the other, as a medley or a mash-up does; NOTHING without one.

    The likeness is that of the stretch: at its contradiction, only the notes of the side that is held count. Speed and pitch
    must be those of one edit, as for whole recordings.
    """
    best = NOTHING
    for hint in hints:
        alignment = _align_window(first, second, hint)
        if alignment is None:
            continue
        # Loops match at many offsets, and the window alone may lie at another one than the part
        whole = replace(_align_whole(first, second, alignment), anchor=alignment.anchor)
        for start in (alignment, whole):
            for seconds in (20.0, 60.0):
                start = _refine(first, second, start, seconds)
            found = _longest_stretch(first, second, _exact_pitch(first, second, start))
            best = max(best, found, key=lambda item: item.shared_seconds)
    return best


def _longest_stretch(first: np.ndarray, second: np.ndarray, alignment: _Alignment) -> Likeness:
    """The longest run of windows in each of which the notes of one are found in the other."""
    here, there, axis, bands = _aligned(first, second, alignment, None)
    size = round(LEAST_SECONDS * FRAMES_PER_SECOND)
    if len(axis) < size:
        return NOTHING
    low = max(0, _LOWEST_BAND - bands.start)
    similar = _window_means(_cosines(here, there), size)
    contradiction = np.minimum(
        _absent_by_window(here, there, low, size), _absent_by_window(there, here, low, size)
    )
    plain = Likeness(1.0, 0.0, 1.0, alignment.speed, alignment.semitones)
    if plain.match_type is not MatchType.SAME:
        return NOTHING
    start, end = _longest_run((similar >= PART_SIMILARITY) & (contradiction <= PART_CONTRADICTION))
    if start == end:
        return NOTHING
    seconds = (end - start - 1 + size) / FRAMES_PER_SECOND
    shorter = min(len(first), len(second) / alignment.speed) / FRAMES_PER_SECOND
    return Likeness(
        similarity=float(np.clip(similar[start:end].mean(), 0, 1)),
        contradiction=float(contradiction[start:end].mean()),
        overlap=min(1.0, seconds / shorter),
        speed=alignment.speed,
        semitones=alignment.semitones,
        offset_seconds=alignment.offset / FRAMES_PER_SECOND,
        shared_seconds=seconds,
    )


def _absent_by_window(one: np.ndarray, other: np.ndarray, low: int, size: int) -> np.ndarray:
    """`_absent` of every window of `size` frames."""
    out, absent = (_window_sums(count, size) for count in _outstanding(one, other, low))
    return np.where(out > 0, absent / np.maximum(out, 1), 1.0)


def _window_sums(values: np.ndarray, size: int) -> np.ndarray:
    total = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    return total[size:] - total[:-size]


def _window_means(values: np.ndarray, size: int) -> np.ndarray:
    return _window_sums(values, size) / size


def _longest_run(fits: np.ndarray) -> tuple[int, int]:
    """Begin and end of the longest run of True; both 0 where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], fits.astype(np.int8), [0]))))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return 0, 0
    start, end = runs[int((runs[:, 1] - runs[:, 0]).argmax())]
    return int(start), int(end)


@dataclass(frozen=True)
class _Alignment:
    """second at speed * t + offset (frames), `semitones` higher, is first at t; found around `anchor`."""

    speed: float
    offset: float
    semitones: float
    anchor: float
    score: float


def _align_whole(first: np.ndarray, second: np.ndarray, alignment: _Alignment) -> _Alignment:
    """The offset at which most frames match, at the same speed and pitch.

    Loops match at many offsets; a copy matches over its whole length at one.
    """
    count = int((len(second) - 1) / alignment.speed) + 1
    moved, bands = _moved(second.astype(np.float32), np.arange(count) * alignment.speed, alignment.semitones)
    here, there = notes_of(first[:, bands]), notes_of(moved)
    size = fft_size(len(here) + len(there))
    product = signal_of((spectrum_of(here, size) * spectrum_of(there, size).conj()).sum(axis=1), size)
    lag = np.arange(size)
    lag = np.where(lag >= len(here), lag - size, lag)
    best = int(lag[int(product.argmax())])
    start, end = max(0, best), min(len(here), best + count)
    return replace(alignment, offset=-alignment.speed * best, anchor=(start + end) / 2)


def _moved(bands: np.ndarray, times: np.ndarray, semitones: float) -> tuple[np.ndarray, slice]:
    """Bands [frames, 60] at fractional times and transposed; and which bands that leaves."""
    below = np.clip(times.astype(np.int64), 0, max(0, len(bands) - 2))
    share = (times - below).astype(np.float32)[:, None]
    after = np.minimum(below + 1, len(bands) - 1)
    values = bands[below] * (1 - share) + bands[after] * share
    source = np.arange(BANDS) - semitones
    low = max(0, int(np.ceil(semitones)))
    high = BANDS - max(0, int(np.ceil(-semitones)))
    left = np.floor(source[low:high]).astype(np.int64)
    part = (source[low:high] - left).astype(np.float32)
    right = np.minimum(left + 1, BANDS - 1)
    return values[:, left] * (1 - part) + values[:, right] * part, slice(low, high)


def _align_window(first: np.ndarray, second: np.ndarray, hint: Hint) -> _Alignment | None:
    """Align the hint's window of the first with the second: exact speed, then pitch and time at once."""
    here = notes_of(first[hint.first : hint.first + WINDOW])
    there = notes_of(second[hint.second : hint.second + WINDOW])
    twelfths = _exact_speed(autocorrelation(here), autocorrelation(there), hint.twelfths)
    speed = 2 ** (-twelfths / STEPS_PER_OCTAVE)
    begin = max(0, hint.second - WINDOW)
    reach = second[begin : hint.second + 2 * WINDOW]
    count = int((len(reach) - 1) / speed) + 1
    moved, _ = _moved(reach.astype(np.float32), np.arange(count) * speed, 0.0)
    time = int(scipy.fft.next_fast_len(count + len(here), True) or 0)
    size = (time, BANDS + _MOST_SEMITONES + 1)
    spectrum = np.asarray(scipy.fft.rfftn(notes_of(moved), size))
    product = np.asarray(scipy.fft.irfftn(np.conj(spectrum) * np.asarray(scipy.fft.rfftn(here, size)), size))
    shifts = np.arange(-_MOST_SEMITONES, _MOST_SEMITONES + 1)
    # product[l, p]: the first, `l` frames later and `p` semitones higher. l is negative: the reach begins before it.
    least = max(1, len(here) // 2)
    allowed = np.arange(-(count - least), len(here) - least + 1)
    lagged = product[allowed][:, shifts]
    overlap = np.minimum(len(here), allowed + count) - np.maximum(0, allowed)
    score = lagged / np.maximum(overlap, least)[:, None]
    resampled = 12 * np.log2(speed)
    possible = (abs(speed - 1) < 0.02) | (shifts == 0) | (np.abs(shifts - resampled) < 0.75)
    score = np.where(possible, score, -1.0)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    if score[row, column] < LEAST_SIMILARITY * 0.6:
        return None
    lag, semitones = float(allowed[row]), float(shifts[column])
    # first at hint.first + t is `moved` at t - lag, which is second at begin + speed * (t - lag).
    offset = begin - speed * (lag + hint.first)
    alignment = _Alignment(speed, offset, semitones, hint.first + len(here) / 2, float(score[row, column]))
    return _exact_pitch(first, second, alignment)


def _exact_speed(here: np.ndarray, there: np.ndarray, twelfths: float) -> float:
    steps = twelfths + np.linspace(-0.75, 0.75, 13)
    wanted = at_speed(there, 0)
    alike = np.array([float(at_speed(here, step) @ wanted) for step in steps])
    best = int(alike.argmax())
    return float(steps[best] + (steps[1] - steps[0]) * _vertex(alike, best))


def _vertex(values: np.ndarray, at: int) -> float:
    """The top of the parabola through three neighbours, as an offset from the middle one: -0.5..0.5."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, middle, after = (float(value) for value in values[at - 1 : at + 2])
    bend = before - 2 * middle + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _exact_pitch(first: np.ndarray, second: np.ndarray, alignment: _Alignment) -> _Alignment:
    """Decide the pitch: a fraction of a semitone if it was resampled, as speed and pitch then agree; else whole semitones."""
    whole = replace(alignment, semitones=float(round(alignment.semitones)))
    resampled = 12 * float(np.log2(alignment.speed))
    if abs(resampled - whole.semitones) > 0.75 or abs(resampled) < 0.02:
        return whole
    exact = replace(alignment, semitones=resampled)
    coarse, fine = (_cosines(*_aligned(first, second, item, 20.0)[:2]).mean() for item in (whole, exact))
    return exact if fine >= coarse - 0.01 else whole


def _aligned(
    first: np.ndarray, second: np.ndarray, alignment: _Alignment, seconds: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, slice]:
    """Notes of both on the first's time axis, that axis, and the bands both have; `seconds` around the anchor or all."""
    start = max(0.0, np.ceil(-alignment.offset / alignment.speed))
    end = min(float(len(first)), np.floor((len(second) - 1 - alignment.offset) / alignment.speed) + 1)
    if seconds is not None:
        half = seconds * FRAMES_PER_SECOND / 2
        start, end = max(start, np.floor(alignment.anchor - half)), min(end, np.ceil(alignment.anchor + half))
    axis = np.arange(int(start), max(int(start), int(end)))
    moved, bands = _moved(
        second.astype(np.float32), alignment.speed * axis + alignment.offset, alignment.semitones
    )
    if not len(axis):
        return moved, moved, axis, bands
    return notes_of(first[axis][:, bands]), notes_of(moved), axis, bands


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("tb,tb->t", first, second) if len(first) else np.zeros(1)


def _refine(
    first: np.ndarray, second: np.ndarray, alignment: _Alignment, seconds: float | None
) -> _Alignment:
    """Exact speed and offset: a line through the lags at which chunks of 6 s match best."""
    here, there, axis, _ = _aligned(first, second, alignment, seconds)
    if len(axis) < 2 * _SLACK + _CHUNK // 2:
        return alignment
    lags = np.arange(-_SLACK, _SLACK + 1)
    inner = slice(_SLACK, len(axis) - _SLACK)
    scores = np.stack(
        [np.einsum("tb,tb->t", here[inner], there[_SLACK + lag :][: len(here[inner])]) for lag in lags]
    )
    chunks = max(1, scores.shape[1] // _CHUNK)
    parts = np.array_split(np.arange(scores.shape[1]), chunks)
    tops = np.stack([scores[:, part].mean(axis=1) for part in parts])
    best = tops.argmax(axis=1)
    found = np.array([lags[at] + _vertex(tops[row], at) for row, at in enumerate(best)])
    weights = np.maximum(tops.max(axis=1), 0.0) ** 2 + 1e-6
    centres = np.array([axis[inner][part].mean() for part in parts]) - alignment.anchor
    slope, shift = _line(centres, found, weights)
    # At first-time t the second fits best `shift + slope * (t - anchor)` frames (of the first's axis) later.
    speed = alignment.speed * (1 + slope)
    offset = alignment.offset + alignment.speed * shift - alignment.speed * slope * alignment.anchor
    return replace(alignment, speed=speed, offset=offset)


def _line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope and value at 0 of a line, by iteratively reweighted least squares (Cauchy weights): outliers count little."""
    slope, value = 0.0, float(np.median(y))
    for _ in range(6):
        far = np.abs(y - slope * x - value)
        trust = weights / (1 + (far / 0.5) ** 2)
        middle = float(np.average(x, weights=trust))
        spread = float(np.average((x - middle) ** 2, weights=trust))
        level = float(np.average(y, weights=trust))
        if len(x) < 3 or spread < 1:
            slope, value = 0.0, level
            continue
        slope = float(np.average((x - middle) * (y - level), weights=trust)) / spread
        slope = float(np.clip(slope, -0.03, 0.03))
        value = level - slope * middle
    return slope, value


def _likeness(first: np.ndarray, second: np.ndarray, alignment: _Alignment) -> Likeness:
    here, there, axis, bands = _aligned(first, second, alignment, None)
    if len(axis) < LEAST_SECONDS * FRAMES_PER_SECOND:
        return NOTHING
    shorter = min(len(first), len(second) / alignment.speed)
    low = max(0, _LOWEST_BAND - bands.start)
    contradiction = (_absent(here, there, low) + _absent(there, here, low)) / 2
    return Likeness(
        similarity=float(np.clip(_cosines(here, there).mean(), 0, 1)),
        contradiction=contradiction,
        overlap=min(1.0, len(axis) / shorter),
        speed=alignment.speed,
        semitones=alignment.semitones,
        offset_seconds=alignment.offset / FRAMES_PER_SECOND,
    )


def _absent(one: np.ndarray, other: np.ndarray, low: int) -> float:
    """Share of the prominent notes of one that are absent in the other; 1 if no note is prominent."""
    out, absent = _outstanding(one, other, low)
    count = int(out.sum())
    return float(absent.sum() / count) if count else 1.0


def _outstanding(one: np.ndarray, other: np.ndarray, low: int) -> tuple[np.ndarray, np.ndarray]:
    """How many notes of each frame are prominent in one, and how many of these are absent in the other."""
    unit = 1 / np.sqrt(one.shape[1])
    out = one[:, low:] > _STANDS_OUT * unit
    return out.sum(axis=1), (out & (other[:, low:] < _ABSENT * unit)).sum(axis=1)

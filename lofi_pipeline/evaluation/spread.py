"""How far a Frechet distance can be trusted: its value without each clip and each track, and for endlessly many clips.

Deleting one clip of n redoes no linear algebra in the embedder's D dimensions: with F = tr((C_a C_b)^(1/2)) the nuclear norm of the
cross products of both sides, every subset is a submatrix of one Gram matrix, and costs the eigenvalues of its smaller side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lofi_pipeline.evaluation.frechet import Gaussian

FEWEST_ROWS = 2
"""A covariance needs as many."""
FEWEST_CLIPS_TO_EXTRAPOLATE = 8
_SIZES = 6
_DRAWS = 12


class ClipDistances:
    """Squared Frechet distances of any of the clips to one reference, exact; prepared once for all of them.

    `clips`: embeddings [windows, D] of each clip.
    """

    def __init__(self, clips: Sequence[np.ndarray], reference: Gaussian) -> None:
        counts = [len(rows) for rows in clips]
        self._rows_of = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
        # Seen from the reference's mean, nothing large cancels
        self._rows = np.concatenate(clips).astype(np.float64) - reference.mean
        self._squares = np.sum(self._rows**2, axis=1)
        self._reference = reference
        self._projected = self._rows @ reference.root.T
        few = len(self._rows) <= self._projected.shape[1]
        self._gram = self._projected @ self._projected.T if few else None

    def __len__(self) -> int:
        return len(self._rows_of)

    def of(self, kept: Sequence[int] | np.ndarray) -> float | None:
        """The distance of these clips alone; None with fewer than 2 windows."""
        rows = np.concatenate([self._rows_of[clip] for clip in kept]) if len(kept) else np.zeros(0, int)
        count = len(rows)
        if count < FEWEST_ROWS:
            return None
        mean = self._rows[rows].mean(axis=0)
        apart = float(mean @ mean)
        trace = (float(self._squares[rows].sum()) - count * apart) / (count - 1)
        if self._gram is not None:
            gram = _centred(self._gram[np.ix_(rows, rows)])
        else:
            projected = self._projected[rows] - self._projected[rows].mean(axis=0)
            gram = projected.T @ projected
        return max(0.0, apart + trace + self._reference.trace - 2 * _root_trace(gram / (count - 1)))

    def without_each(self) -> list[float] | None:
        """The distance without the first clip, without the second, and so on; None where too little would be left."""
        everything = np.arange(len(self))
        return complete([self.of(np.delete(everything, clip)) for clip in everything])


def without_each_track(
    clips: Sequence[np.ndarray], track_of_clip: Sequence[int], tracks: Sequence[np.ndarray]
) -> list[float] | None:
    """The distance without each track: without its windows in the reference, and without the clips of its prompt.

    A track is what was drawn at random: its windows are alike, and so are clips that one prompt gave. `clips` and `tracks`:
    embeddings [windows, D] of each. None where too little would be left.
    """
    of_row = np.repeat(track_of_clip, [len(rows) for rows in clips])
    rows, dimension = np.concatenate(clips).astype(np.float64), clips[0].shape[1]
    pooled = np.concatenate(tracks).astype(np.float64)
    centre = pooled.mean(axis=0)
    if dimension <= len(rows):  # The covariances are the smaller matrices
        return complete([_distance_without(track, rows, of_row, tracks) for track in range(len(tracks))])
    return _by_cross_products(rows - centre, of_row, [track - centre for track in tracks])


def _distance_without(
    track: int, rows: np.ndarray, of_row: np.ndarray, tracks: Sequence[np.ndarray]
) -> float | None:
    others = [windows for number, windows in enumerate(tracks) if number != track]
    left = rows[of_row != track]
    if min(len(left), sum(map(len, others))) < FEWEST_ROWS:
        return None
    return Gaussian.of(np.concatenate(others)).distance(Gaussian.of(left))


def _by_cross_products(
    rows: np.ndarray, of_row: np.ndarray, tracks: Sequence[np.ndarray]
) -> list[float] | None:
    """As `without_each_track`, in matrices of windows by windows: X'X of the reference is a sum over its tracks."""
    crossed = [rows @ np.asarray(track, np.float64).T for track in tracks]
    whole = np.add.reduce([part @ part.T for part in crossed])
    sums = np.add.reduce([part.sum(axis=1) for part in crossed])
    squares = [float(np.sum(np.asarray(track, np.float64) ** 2)) for track in tracks]
    totals = [track.sum(axis=0, dtype=np.float64) for track in tracks]
    count = sum(map(len, tracks))
    found: list[float | None] = []
    for number, (track, part) in enumerate(zip(tracks, crossed, strict=True)):
        left, kept = count - len(track), np.flatnonzero(of_row != number)
        if min(left, len(kept)) < FEWEST_ROWS:
            return None
        mean = (np.add.reduce(totals) - totals[number]) / left
        trace = (sum(squares) - squares[number] - left * float(mean @ mean)) / (left - 1)
        summed = sums - part.sum(axis=1)
        gram = (whole - part @ part.T - np.outer(summed, summed) / left) / (left - 1)
        ours = rows[kept]
        own_mean = ours.mean(axis=0)
        own_trace = float(np.sum((ours - own_mean) ** 2)) / (len(kept) - 1)
        shared = _root_trace(_centred(gram[np.ix_(kept, kept)]) / (len(kept) - 1))
        found.append(max(0.0, float(np.sum((own_mean - mean) ** 2)) + own_trace + trace - 2 * shared))
    return complete(found)


def fad_infinity(distances: ClipDistances, seed: int = 0) -> float | None:
    """The distance that endlessly many clips would have: a line through means over subsets, read at 1/N = 0.

    Chong and Forsyth 2020, arXiv 1911.07023. Subsets hold whole clips, drawn without replacement, half of them or more: with fewer,
    the line is none. What the reference's own number of windows adds is left in it. None with fewer than 8 clips.
    """
    count = len(distances)
    if count < FEWEST_CLIPS_TO_EXTRAPOLATE:
        return None
    random = np.random.default_rng(seed)
    sizes = np.unique(np.linspace(count / 2, count, _SIZES).round().astype(int))
    means = []
    for size in sizes:
        draws = 1 if size == count else _DRAWS
        found = [distances.of(random.choice(count, size, replace=False)) for _ in range(draws)]
        means.append(np.mean(complete(found) or [np.nan]))
    slope, at_zero = np.polyfit(1 / sizes, means, 1)
    return max(0.0, float(at_zero)) if np.isfinite(slope) else None


def floor_by_track(
    tracks: Sequence[np.ndarray], windows: int, seed: int = 0
) -> tuple[tuple[float, float, float], int] | None:
    """The FAD of real music against other real music: between two random halves of the tracks, with equally many windows.

    Returns (a tenth of the splits lies below, half, a tenth above) and N, the windows on each side: `windows`, or what the
    smaller half has. None with fewer than 4 tracks.
    """
    if len(tracks) < 4:
        return None
    random = np.random.default_rng(seed)
    found, fewest = [], windows
    splits = [random.permutation(len(tracks)) for _ in range(_DRAWS)]
    halves = [(order[: len(order) // 2], order[len(order) // 2 :]) for order in splits]
    for half in (half for split in halves for half in split):
        fewest = min(fewest, sum(len(tracks[track]) for track in half))
    if fewest < FEWEST_ROWS:
        return None
    for split in halves:
        sides = [np.concatenate([tracks[track] for track in half]) for half in split]
        drawn = [side[random.choice(len(side), fewest, replace=False)] for side in sides]
        found.append(Gaussian.of(drawn[0]).distance(Gaussian.of(drawn[1])))
    low, middle, high = (float(value) for value in np.quantile(found, [0.1, 0.5, 0.9]))
    return (low, middle, high), fewest


def _centred(gram: np.ndarray) -> np.ndarray:
    """The Gram matrix of the same rows less their mean."""
    means = gram.mean(axis=0)
    return gram - means - means[:, None] + means.mean()


def _root_trace(gram: np.ndarray) -> float:
    """tr(G^(1/2)): the nuclear norm of the matrix that G is the Gram matrix of."""
    return float(np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0)).sum())


def complete(values: Sequence[float | None]) -> list[float] | None:
    """The values; None where one is missing."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None

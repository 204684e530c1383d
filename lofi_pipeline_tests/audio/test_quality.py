"""The score ranks damage below the original and leaves what makes lofi lofi alone."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from scipy.signal import butter, sosfilt

from benchmarks import quality as table
from lofi_pipeline import audio
from lofi_pipeline.audio.analysis.quality import score
from lofi_pipeline.config import QualitySettings
from lofi_pipeline.entities import QualityReport
from lofi_pipeline_tests.audio.levelled import levelled
from lofi_pipeline_tests.audio.music import loop


@pytest.fixture(scope="module")
def music() -> np.ndarray:
    return loop(32.0, level=0.5)


def _score(samples: np.ndarray, lost_share: float = 0.0) -> QualityReport:
    planar = np.ascontiguousarray(samples, dtype=np.float32)
    lufs = audio.integrated_loudness(planar)
    assert lufs is not None
    return score(planar, lufs=lufs, peak_dbtp=audio.true_peak_dbtp(planar), lost_share=lost_share)


def _through(rate: int, samples: np.ndarray) -> np.ndarray:
    return soxr.resample(soxr.resample(samples.T, 48_000, rate), rate, 48_000).T


def _low_pass(samples: np.ndarray, hertz: float) -> np.ndarray:
    return np.asarray(sosfilt(butter(4, hertz, fs=48_000, output="sos"), samples, axis=1))


def _crackle(samples: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    clicks = np.where(rng.random(samples.shape[1]) < 4e-4, 0.05 * rng.standard_normal(samples.shape[1]), 0)
    hiss = 0.002 * rng.standard_normal(samples.shape)
    return samples + clicks + hiss


def test_clean_and_lofi_are_perfect(music: np.ndarray) -> None:
    for treated in (music, _crackle(music), _low_pass(music, 3000), 0.3 * music):
        assert _score(treated).score >= 97, _score(treated)


def _gap(samples: np.ndarray) -> np.ndarray:
    holed = samples.copy()
    holed[:, 5 * 48_000 : 17 * 48_000] = 0
    return holed


DAMAGE = {
    "clipping": (lambda x: np.clip(2.8 * x, -0.5, 0.5), 80),
    "overs": (lambda x: 4 * x, 92),
    "upsampled": (lambda x: _through(8000, x), 70),
    "phase": (lambda x: np.stack([x.mean(axis=0), -x.mean(axis=0)]), 70),
    "balance": (lambda x: x * np.array([[1.0], [0.1]]), 80),
    "mono": (lambda x: np.stack([x.mean(axis=0)] * 2), 96),
    "dc offset": (lambda x: x + 0.05, 92),
    "silence": (_gap, 75),
    "noise": (lambda x: x + 0.06 * np.random.default_rng(1).standard_normal(x.shape), 95),
    "level": (lambda x: 0.003 * x, 95),
}


@pytest.mark.parametrize("dither", [0.0, 1e-5, 1e-4])
def test_what_is_nearly_all_silence_is_told_from_a_quiet_track(music: np.ndarray, dither: float) -> None:
    quiet = dither * np.random.default_rng(2).standard_normal(music.shape)
    quiet[:, :38_400] += music[:, :38_400]
    silence = next(part for part in _score(quiet).parts if part.name == "silence")
    assert silence.penalty == 35


@pytest.mark.parametrize("fault", DAMAGE)
def test_each_fault_is_named_and_costs(music: np.ndarray, fault: str) -> None:
    treat, at_most = DAMAGE[fault]
    report = _score(treat(music))
    assert report.score <= at_most, report
    part = next(part for part in report.parts if part.name == fault)
    assert part.penalty > 0
    assert part.sentence.endswith(".")
    assert report.score == pytest.approx(100 - sum(part.penalty for part in report.parts), abs=0.6)


@pytest.mark.parametrize(("style_id", "seed"), [("SEASON-03", 8100), ("VOCAL-03", 9300)])
def test_the_table_of_damage_ranks_below_the_original(style_id: str, seed: int) -> None:
    piece = table.source(style_id, 10.0, seed)
    original = table.judged(piece).score
    assert original >= 95
    for name, treat in table.HARMLESS.items():
        assert table.judged(treat(piece)).score >= table.HARMLESS_AT_LEAST, name
    least = QualitySettings().min_score
    for name, treat in table.DAMAGE.items():
        assert least <= table.judged(treat(piece)).score < original, name
    for name, treat in table.SEVERAL.items():
        assert table.judged(treat(piece)).score < original - 30, name


def test_a_steady_note_is_no_wall() -> None:
    """Repeated and held notes reach one height again and again, and are as loud each time."""
    time = np.arange(20 * 48_000) / 48_000
    organ = sum(0.1 / k * np.sin(2 * np.pi * 110 * k * time) for k in (1, 2, 3))
    swell = 0.3 * np.sin(2 * np.pi * 220 * time) * (0.2 + np.abs(np.sin(np.pi * time / 2)))
    for tone in (organ, swell):
        names = {part.name for part in _score(np.stack([tone, 0.9 * tone])).parts}
        assert not names & {"clipping", "rounded clipping"}, names


def test_a_wall_shows_through_coding_and_a_limiter_is_none() -> None:
    piece = table.source("THEME-05", 20.0, 9300)
    limited = levelled(piece, 0.0, ceiling=-1.0, limiter=6.0).samples
    assert np.abs(limited).max() > 0.85
    for sharp in (piece, limited, table.mp3(limited)):
        assert "rounded clipping" not in {part.name for part in _score(sharp).parts}
    clipped = table.clip(6)(piece)
    for code in (table.mp3, table.coded("aac", "m4a", 160_000)):
        penalties = {part.name: part.penalty for part in _score(code(clipped)).parts}
        assert penalties["rounded clipping"] >= 12, penalties


def test_hum_and_clicks_do_not_hide_that_it_was_upsampled(music: np.ndarray) -> None:
    narrow = _through(8000, music)
    for treated in (table.hum(narrow), table.dropouts(narrow), table.hum(table.dropouts(narrow))):
        parts = {part.name: part for part in _score(treated).parts}
        assert parts["upsampled"].penalty >= 20, parts


def test_more_damage_costs_more(music: np.ndarray) -> None:
    scores = [_score(np.clip(gain * music, -0.5, 0.5)).score for gain in (1, 1.2, 1.6, 2.8)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4
    lost = [_score(music, lost_share=share).score for share in (0, 0.05, 0.2, 0.5)]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] - lost[1] >= 5

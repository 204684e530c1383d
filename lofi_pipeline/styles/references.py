"""The typical timbre of each of the 38 styles, as fitted by benchmarks/fit_styles.py.

Linear discriminant analysis of the timbre numbers (lofi_pipeline/audio/analysis/timbre.py): an affine map under which the pieces
of one style have unit variance in each direction, and the centre of each style. How a style is suggested from it is in suggest.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from lofi_pipeline.entities import StylePreset

FILE_NAME = "references.json"


@dataclass(frozen=True)
class References:
    """The map `(timbre - mean) / scale @ axes`, the centres by style id, and the parameters that interpret distances.

    `sounds` are the hashes of the presets that the centres were made for. `sharpness` turns squared distances into log
    likelihoods; `familiar` and `slope` turn the mean squared distance to the nearest centre into trust.
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    centres: dict[str, np.ndarray]
    sounds: dict[str, str]
    sharpness: float
    familiar: float
    slope: float

    def distances(self, timbre: np.ndarray, style_ids: list[str]) -> np.ndarray:
        """Mean squared distance per dimension to the centres: float64 [styles]; 1 is usual within a style."""
        position = (timbre - self.mean) / self.scale @ self.axes
        return np.array([np.square(position - self.centres[style_id]).mean() for style_id in style_ids])

    def trust(self, nearest: float) -> float:
        """The weight of the references (0 to 1) for a track at this distance from the nearest centre."""
        return float(1 / (1 + np.exp(np.clip(self.slope * (np.log(nearest) - self.familiar), -30, 30))))

    def knows(self, preset: StylePreset) -> bool:
        """Whether the preset is unchanged, as to its sound, since its centre was made."""
        return self.sounds.get(preset.style_id) == sound_of(preset)


def sound_of(preset: StylePreset) -> str:
    """The hash of what determines the timbre of a preset. The tempo does not: it is measured separately."""
    fields = [
        preset.instruments,
        preset.production,
        preset.mood_options,
        preset.atmosphere,
        preset.vocal_type,
    ]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]


@cache
def load_references() -> References:
    """The references that come with the package."""
    text = resources.files("lofi_pipeline.styles").joinpath(FILE_NAME).read_text(encoding="utf-8")
    return references_of(json.loads(text))


def references_of(data: dict) -> References:
    """The references from their JSON form."""
    return References(
        mean=np.array(data["mean"]),
        scale=np.array(data["scale"]),
        axes=np.array(data["axes"]),
        centres={style_id: np.array(centre) for style_id, centre in data["centres"].items()},
        sounds=data["sounds"],
        sharpness=data["sharpness"],
        familiar=data["familiar"],
        slope=data["slope"],
    )

"""What the files of `lofi generate` are called: after what tells them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lofi_pipeline.entities import RecordError

FORMATS = {".wav": "WAV", ".flac": "FLAC"}
_IN_FOLDERS = ".flac"
_LONGEST = 40


def file_format(path: Path) -> str:
    """What soundfile calls the type of a file."""
    return FORMATS[path.suffix.lower()]


def is_folder(output: Path) -> bool:
    """Whether clips are written into it, under names of their own.

    Raises:
        RecordError: it is a file of another type than is written.
    """
    if output.is_dir() or not output.suffix:
        return True
    if output.suffix.lower() not in FORMATS:
        raise RecordError(
            f"--output: {output.name}: write to a file ending in {' or '.join(FORMATS)}, or to a folder"
        )
    return False


@dataclass(frozen=True)
class Names:
    """The file of each clip: of each prompt, with each seed, by each player (a checkpoint, or the base).

    One clip is written into `output`. Of several, each has behind that name what differs: number and words of the prompt, the
    seed, and the first player where there are two. Where `output` is a folder, all of it is the name.
    """

    output: Path
    prompts: Sequence[str]
    seeds: Sequence[int]
    players: Sequence[str]

    def of(self, player: str) -> list[Path]:
        """Prompt by prompt, and of each prompt seed by seed."""
        return [
            self._path(number, seed, player) for number in range(len(self.prompts)) for seed in self.seeds
        ]

    def _path(self, number: int, seed: int, player: str) -> Path:
        parts = []
        if is_folder(self.output) or len(self.prompts) > 1:
            parts.append(self._words(number))
        if is_folder(self.output) or len(self.seeds) > 1:
            parts.append(f"seed{seed}")
        if is_folder(self.output) or player != self.players[-1]:
            parts.append(player)
        if is_folder(self.output):
            return self.output / f"{'-'.join(parts)}{_IN_FOLDERS}"
        return self.output.with_name("-".join([self.output.stem, *parts]) + self.output.suffix)

    def _words(self, number: int) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", self.prompts[number].lower())[:_LONGEST].strip("-")
        return "-".join(part for part in (f"{number + 1:02d}" * (len(self.prompts) > 1), words) if part)

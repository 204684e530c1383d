"""How often the tags of real music's prompts are right: as they were (a guessed style's words, any tempo), and as they are.

    python -m benchmarks.tags FOLDER --truth truth.csv [--seconds 120] [--markdown FILE]

Each recording is heard as a track whose style nobody declared. truth.csv has the column `file` and any of these:

- tempo: beats per minute; where it is empty, librosa's beat_track is asked, which shares no code with what is judged. An octave up
  or down is right as well.
- voice: yes or no. drums: yes or no.
- instruments: those that play, parted by semicolons, in words of the vocabulary; more may play.

A tag that the truth says nothing about is counted as not judged, never as right.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofi_pipeline.audio import SAMPLE_RATE, AudioError, measure, mono_at, read
from lofi_pipeline.config import load_config
from lofi_pipeline.entities import StylePreset, Support, TagKind, TrackMeasurements
from lofi_pipeline.ingest.tagger import heard_in_samples, hearing_sha256
from lofi_pipeline.styles import (
    INSTRUMENTAL,
    Hearing,
    KnownStyles,
    Vocabulary,
    choose_tags,
    fold_tempo,
    load_presets,
    load_vocabulary,
    suggest_for,
    tempo_tag,
)
from lofi_pipeline.styles.contradiction import DRUM_INSTRUMENTS, NEEDS_DRUMS

RATE = 22_050
SAME_TEMPO = 0.066
"""In octaves: librosa's tempos are 4 % apart."""


@dataclass(frozen=True)
class Heard:
    """A recording: its row of the truth, what was measured and heard, and librosa's tempo."""

    truth: Mapping[str, str]
    measured: TrackMeasurements
    heard: Hearing | None
    librosa_bpm: float


def listen(folder: Path, truth: Mapping[str, str], seconds: float) -> Heard:
    """Hear the middle of a recording.

    Raises:
        AudioError: it cannot be decoded.
    """
    import librosa

    samples = read(folder / truth["file"], max_seconds=900).samples
    frames = min(samples.shape[1], round(seconds * SAMPLE_RATE))
    start = (samples.shape[1] - frames) // 2
    samples = samples[:, start : start + frames]
    mono = mono_at(samples, RATE)
    tagger = hearing_sha256(load_config())
    bpm = float(np.atleast_1d(librosa.beat.beat_track(y=mono, sr=RATE)[0])[0])
    return Heard(truth, measure(mono), heard_in_samples(samples, tagger) if tagger else None, bpm)


def tags_before(item: Heard, presets: Mapping[str, StylePreset], vocabulary: Vocabulary) -> list[str]:
    """As prompts were made at first: all words of the guessed style, and the tempo whatever its confidence."""
    best, _ = suggest_for(item.measured, presets, vocals=None)
    guessed = KnownStyles([best.style_id], Support.DECLARED, 1.0)
    found = choose_tags(guessed, item.measured, presets, vocabulary, key=item.truth["file"])
    bpm = fold_tempo(item.measured.tempo_bpm, presets[best.style_id].tempo_range)
    words = [tag.tag for tag in found.tags if vocabulary.kind_of(tag.tag) is not TagKind.TEMPO]
    return [*words, tempo_tag(bpm)]


def tags_after(item: Heard, presets: Mapping[str, StylePreset], vocabulary: Vocabulary) -> list[str]:
    """As they are made now."""
    best, _ = suggest_for(item.measured, presets, vocals=None)
    guessed = KnownStyles([best.style_id], Support.SUGGESTED, best.confidence)
    found = choose_tags(guessed, item.measured, presets, vocabulary, key=item.truth["file"], heard=item.heard)
    return [tag.tag for tag in found.tags if tag.support is not Support.NOTHING]


def is_right(tag: str, item: Heard, vocabulary: Vocabulary) -> bool | None:
    """Whether a tag is true of a recording; None where nobody knows."""
    truth = {name: item.truth.get(name, "").strip().lower() for name in ("tempo", "voice", "drums")}
    kind = vocabulary.kind_of(tag)
    if kind is TagKind.TEMPO:
        true = float(truth["tempo"] or item.librosa_bpm)
        octaves = math.log2(float(tag.split()[0]) / true) if true > 0 else 0.5
        return abs(octaves - round(octaves)) <= SAME_TEMPO
    if kind is TagKind.VOCAL_TYPE:
        return (truth["voice"] == "no") is (tag == INSTRUMENTAL) if truth["voice"] else None
    if tag == "no drums" or tag in NEEDS_DRUMS or tag in DRUM_INSTRUMENTS:
        return (truth["drums"] == "no") is (tag == "no drums") if truth["drums"] else None
    if kind is TagKind.INSTRUMENTS and item.truth.get("instruments", "").strip():
        return tag in {name.strip() for name in item.truth["instruments"].split(";")}
    return None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--show", action="store_true", help="print each recording's tags")
    arguments = parser.parse_args()
    presets, vocabulary = load_presets(), load_vocabulary()
    items = []
    for row in csv.DictReader(arguments.truth.read_text(encoding="utf-8-sig").splitlines()):
        try:
            items.append(listen(arguments.folder, row, arguments.seconds))
        except AudioError as error:
            print(f"{row['file']}: {error}")
            continue
        if arguments.show:
            print(row["file"], "|", ", ".join(tags_after(items[-1], presets, vocabulary)), flush=True)
    text = report(items, presets, vocabulary)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


def report(items: Iterable[Heard], presets: Mapping[str, StylePreset], vocabulary: Vocabulary) -> str:
    """A table: by category, how many tags were judged and right, and not judged."""
    counts: Counter[tuple[str, str, bool | None]] = Counter()
    voices = Counter[str]()
    listed = list(items)
    for item in listed:
        for when, tags in (
            ("before", tags_before(item, presets, vocabulary)),
            ("now", tags_after(item, presets, vocabulary)),
        ):
            for tag in tags:
                counts[when, vocabulary.kind_of(tag), is_right(tag, item, vocabulary)] += 1
            sung = [
                tag for tag in tags if vocabulary.kind_of(tag) is TagKind.VOCAL_TYPE and tag != INSTRUMENTAL
            ]
            voices[when] += bool(sung) and item.truth.get("voice", "").lower() == "no"
    lines = [
        f"{len(listed)} recordings",
        "",
        "| | right before | not judged | right now | not judged |",
        "|---|---|---|---|---|",
    ]
    for kind in TagKind:
        cells = [cell for when in ("before", "now") for cell in _cells(counts, when, [kind])]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    total = [cell for when in ("before", "now") for cell in _cells(counts, when, list(TagKind))]
    lines.append(f"| all | {' | '.join(total)} |")
    lines += ["", f"instrumentals called vocal: {voices['before']} before, {voices['now']} now"]
    return "\n".join(lines) + "\n"


def _cells(counts: Mapping[tuple[str, str, bool | None], int], when: str, kinds: list[TagKind]) -> list[str]:
    right, wrong, unknown = (
        sum(counts[when, kind, answer] for kind in kinds) for answer in (True, False, None)
    )
    judged = right + wrong
    return [f"{right} of {judged} ({right / judged:.0%})" if judged else "-", str(unknown)]


if __name__ == "__main__":
    main()

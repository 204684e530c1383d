"""What a tagger of recorded music hears, in the words of the vocabulary.

The limits were calibrated with benchmarks/tags.py; how, and how often what is said is right, is in docs/captions.md. Words that
could not be checked on real music are offered to a person alone, however sure the tagger is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lofi_pipeline.entities import Support, SupportedTag

VOICE_LABELS = (
    *(f"MTT {label}" for label in ("vocal", "vocals", "singing", "voice", "female", "male", "woman", "man")),
    *("MTT female vocal", "MTT male vocal", "MTT female voice", "MTT male voice"),
    *("MTT choir", "MTT choral", "MTT opera"),
)
DRUM_LABELS = ("MTT drums", "MTT beat", "MTT beats")
NO_VOICE_HEARD, NO_DRUMS_HEARD = 0.12, 0.025
"""Probabilities up to which there are none. They are small: of what has drums or a choir, many pieces get no more than 0.15."""
SURELY_NO_VOICE_HEARD = 0.06
"""Real singers 6 dB below real music got 0.078 and more where the measurement had no doubt either (docs/captions.md)."""

_INSTRUMENT_LABELS = frozenset(
    f"MTT {label}" for label in ("strings", "piano", "violin", "cello", "flute", "harp", "guitar", "synth")
)


@dataclass(frozen=True)
class Word:
    """A label of the tagger, the tag that stands for it, and the probabilities from which it is offered and from which it is said.

    `sure` above 1: never said.
    """

    label: str
    tag: str
    offered: float
    sure: float = 2.0

    @property
    def is_instrument(self) -> bool:
        """Whether something is heard that plays."""
        return self.label in _INSTRUMENT_LABELS


WORDS = (
    Word("MTT strings", "strings", 0.25, 0.35),
    Word("MTT piano", "piano", 0.4),
    Word("MTT violin", "violin", 0.3),
    Word("MTT cello", "cello", 0.3),
    Word("MTT flute", "flute", 0.3),
    Word("MTT harp", "harp", 0.3),
    Word("MTT guitar", "acoustic guitar", 0.4),
    Word("MTT synth", "analog synth", 0.4),
    Word("MSD jazz", "lofi jazz", 0.4),
    Word("MSD ambient", "ambient lofi", 0.4),
    Word("MTT classical", "classical lofi", 0.5),
    Word("MSD Hip-Hop", "lofi hip hop", 0.4),
    Word("MSD soul", "lofi soul", 0.4),
    Word("MSD folk", "lofi folk", 0.4),
    Word("MSD House", "lofi house", 0.4),
    Word("MSD rnb", "lofi r&b", 0.4),
    Word("MSD chillout", "chill", 0.3),
    Word("MSD Mellow", "mellow", 0.3),
    Word("MSD sad", "sad", 0.2),
    Word("MSD happy", "happy", 0.2),
    Word("MTT choir", "choir", 0.3),
    Word("MTT female vocal", "female vocals", 0.3),
    Word("MTT male vocal", "male vocals", 0.3),
)
"""The genres of the vocabulary all say that music is lofi, which nothing measures, and moods can't be measured. Of the instruments
only strings were right often enough: of what was called a piano surely, six in eight were guitars, music boxes or accordions.
"""


@dataclass(frozen=True)
class Hearing:
    """The probabilities of a tagger's labels, as means over a track."""

    tagger: str
    labels: Mapping[str, float]

    @property
    def voice(self) -> float:
        """The largest probability of anything that says there is a voice."""
        return max(self.labels[label] for label in VOICE_LABELS)

    @property
    def no_voice(self) -> bool:
        """Whether nothing says so with any weight."""
        return self.voice <= NO_VOICE_HEARD

    @property
    def surely_no_voice(self) -> bool:
        """Whether nothing says so at all."""
        return self.voice <= SURELY_NO_VOICE_HEARD

    @property
    def no_drums(self) -> bool:
        """Whether nothing says with any weight that there are drums."""
        return max(self.labels[label] for label in DRUM_LABELS) <= NO_DRUMS_HEARD


def heard_tags(heard: Hearing, *, vocals: bool | None) -> list[tuple[SupportedTag, bool]]:
    """The tags that the tagger hears, surest first, and whether each is sure enough for a prompt."""
    found = [
        (
            SupportedTag(
                tag=word.tag,
                support=Support.TAGGED,
                by=f"{heard.tagger}: {word.label}",
                confidence=min(1.0, round(heard.labels[word.label], 3)),
            ),
            heard.labels[word.label] >= word.sure,
        )
        for word in WORDS
        if heard.labels[word.label] >= word.offered and not (vocals is False and word.label in VOICE_LABELS)
    ]
    return sorted(found, key=lambda item: -item[0].confidence)

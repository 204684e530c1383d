"""The records of a listening test: what listeners get, what only the owner has, and what was answered.

What a listener gets (`Sheet`) holds nothing that tells which clip is which. That lies in `Key`, in another folder.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from lofi_pipeline.entities import Entity
from lofi_pipeline.entities.base import Name, RelativePath, Sha256, Timestamp
from lofi_pipeline.entities.lineage import PartitionKey, absent

TestId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
Opaque = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
"""A random name, of a trial or of a clip."""
ListenerCode = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
"""Random; the link that holds it lets its bearer into one test."""
Share = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[float, float]
CONSENT = "0" * 12
"""In place of a trial: the listener agrees to take part."""
TONES = ("1", "2", "3")
"""What can be chosen in a trial of the headphone check."""


class Kind(StrEnum):
    """What listeners are asked."""

    TELL = "tell"
    """Which of two clips a machine made."""
    RATE = "rate"
    """How good each of several clips sounds."""


class Part(StrEnum):
    """Where in the test a trial stands, as listeners see it."""

    HEADPHONES = "headphones"
    PRACTICE = "practice"
    TRIAL = "trial"


class Role(StrEnum):
    """What a trial is for. Listeners see trials and attention trials alike."""

    HEADPHONES = "headphones"
    PRACTICE = "practice"
    TRIAL = "trial"
    ATTENTION = "attention"


class Origin(StrEnum):
    """What a clip is."""

    HELD_OUT = "held_out"
    GENERATED = "generated"
    ANCHOR = "anchor"
    TONES = "tones"
    PLAIN = "plain"
    """Of an attention trial: without noise."""
    MARKED = "marked"
    """Of an attention trial: with bursts of noise."""


class Trial(Entity):
    """One trial as a listener gets it; its clips stand in the order of their random names."""

    trial: Opaque
    part: Part
    clips: list[Opaque] = Field(min_length=1)
    reference: Opaque | None = Field(default=None, description="A clip that is named as the reference")
    answer: Opaque | None = Field(
        default=None, description="Shown after the practice trial, which does not count"
    )


class Plan(Entity):
    """One way through the test: the order of trials, and for each of them the order of its clips, by their places."""

    order: list[int]
    shown: list[list[int]] = Field(description="Beside `order`: which clip stands first, second...")


class Sheet(Entity):
    """served/test.json: all that a listener's page needs."""

    test: TestId
    kind: Kind
    question: str
    seconds: float = Field(gt=0, description="Of each clip")
    minutes: int = Field(ge=1, description="About how long it takes")
    trials: list[Trial]
    plans: list[Plan] = Field(min_length=1, description="Fixed beforehand; listeners take them in turn")
    credits: list[str] = Field(description="Shown at the end: whose recordings were heard")

    def of_part(self, part: Part) -> list[Trial]:
        """The trials of one part, in their order in the sheet."""
        return [trial for trial in self.trials if trial.part is part]


class ClipSource(Entity):
    """What one clip is."""

    origin: Origin
    of: str | None = Field(default=None, description="The track, or the checkpoint that made it")
    file: RelativePath | None = Field(default=None, description="What it was cut from")
    start: float = Field(default=0, ge=0, description="Seconds")


class TrialKey(Entity):
    """What one trial is."""

    trial: Opaque
    role: Role
    right: str | None = Field(
        default=None, description="The right answer; None: there is none, as in a rating"
    )
    clips: dict[Opaque, ClipSource]


class Key(Entity):
    """key.json: which clip is which. It is never served or exported."""

    test: TestId
    seed: int = Field(description="Decided excerpts, pairs, sides and order; names are random")
    trials: list[TrialKey]

    def by_trial(self) -> dict[str, TrialKey]:
        """The trials by their names."""
        return {trial.trial: trial for trial in self.trials}


class Rules(Entity):
    """Fixed when the test is made: whose answers count, and what will be claimed from them."""

    headphones_right: int = Field(ge=0, description="Of the headphone check's trials, how many must be right")
    attention_right: int = Field(ge=0, description="Of the attention trials, how many must be right")
    margin: float = Field(
        gt=0, lt=0.5, description="Indistinguishable: an accuracy nearer than this to one half"
    )
    level: float = Field(default=0.05, gt=0, lt=1, description="Of significance")
    planned_listeners: int = Field(ge=1, description="How many listeners that finish were planned")
    reference_at_least: int = Field(
        default=90, ge=0, le=100, description="Of a rating: what the hidden reference gets"
    )
    reference_missed: Share = Field(
        default=0.15,
        description="Of a rating: in what share of trials it may get less; who exceeds it does not count",
    )


class ListeningTest(Entity):
    """test.json: what the owner has of a test; its hashes hold the key and the sheet."""

    test: TestId
    kind: Kind
    made: Timestamp
    checkpoints: list[PartitionKey] = Field(min_length=1)
    trials: int = Field(ge=1, description="That count")
    seconds: float = Field(gt=0)
    lufs: float = Field(description="Loudness of every clip that is judged")
    pieces: int = Field(ge=1, description="Held-out tracks that the recordings are excerpts of")
    rules: Rules
    sheet_sha256: Sha256
    key_sha256: Sha256
    clips: dict[Opaque, Sha256] = Field(description="Of the files in served/clips/")


class Listener(Entity):
    """A line of listeners.jsonl."""

    listener: ListenerCode
    plan: int = Field(ge=0)
    since: Timestamp
    name: Name | None = Field(default=None, exclude_if=absent, description="The owner's note of who it is")
    by_file: bool = Field(default=False, description="Answered from an exported folder, not by a link")


class Given(Entity):
    """What a listener's page sends: one answer."""

    trial: Opaque
    chosen: str | None = Field(default=None, max_length=12)
    ratings: dict[Opaque, Annotated[int, Field(ge=0, le=100)]] | None = Field(default=None, exclude_if=absent)
    seconds: float | None = Field(
        default=None, ge=0, le=86_400, description="Until it was answered, as the page says"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.chosen is None) is (self.ratings is None):
            raise ValueError("give either what was chosen or the ratings")
        return self


class Answer(Given):
    """A line of answers/<listener>.jsonl. Of several answers to a trial the first counts."""

    when: Timestamp


class AnswersFile(Entity):
    """What an exported folder's page has the listener download."""

    test: TestId
    listener: ListenerCode
    plan: int = Field(ge=0)
    answers: list[Answer] = Field(max_length=1000)


class ListenerRow(Entity):
    """What one listener did."""

    listener: ListenerCode
    name: str | None = None
    answered: int
    right: int | None = Field(default=None, description="Of a rating: None")
    accuracy: Share | None = None
    p_value: Share | None = Field(default=None, description="Exact, two-sided, of this listener alone")
    headphones: int
    attention: int
    counts: bool
    why_not: str | None = Field(default=None, description="The rule that leaves the listener out")


class Equivalence(Entity):
    """Whether the accuracy is shown to lie within the margin around one half, and what it would take."""

    margin: float
    level: float
    p_value: Share = Field(description="Of two one-sided exact tests, the larger")
    p_value_by_listener: Share | None = Field(
        description="The same by t tests over listeners; None: fewer than two"
    )
    shown: bool
    trials_needed: int = Field(description="For a power of 80 % if nobody can tell at all")
    more_trials: int
    more_listeners: int


class TellResult(Entity):
    """result.json of a test of what was made by a machine."""

    test: TestId
    checkpoint: PartitionKey
    evaluator_count: int = Field(ge=0)
    accuracy: Share
    p_value: Share = Field(description="Exact, two-sided, over all trials")
    p_value_by_listener: Share | None = Field(
        description="Signs flipped over listeners; None: fewer than two"
    )
    date: date
    trials: int
    right: int
    interval: Interval = Field(description="95 %, Clopper-Pearson, as if all trials were of one listener")
    interval_by_listener: Interval | None = Field(description="95 %, t over listeners; None: fewer than two")
    equivalence: Equivalence
    planned_listeners: int
    listeners: list[ListenerRow]
    answers_sha256: Sha256


class Rated(Entity):
    """The ratings of one thing: a checkpoint, the hidden reference, or the low anchor."""

    what: str
    mean: float
    interval: Interval | None = Field(description="95 %, bootstrap over listeners")


class RatedPair(Entity):
    """How two checkpoints differ, each listener compared with himself."""

    one: PartitionKey
    other: PartitionKey
    difference: float
    interval: Interval | None


class RateResult(Entity):
    """result.json of a rating."""

    test: TestId
    evaluator_count: int = Field(ge=0)
    date: date
    trials: int
    rated: list[Rated]
    pairs: list[RatedPair]
    planned_listeners: int
    listeners: list[ListenerRow]
    answers_sha256: Sha256

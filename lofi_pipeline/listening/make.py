"""Making a test: clips of one length and loudness under random names, the sheet for listeners, and the key apart from it."""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lofi_pipeline.checkpoints.folder import CheckpointFolder
from lofi_pipeline.entities import now
from lofi_pipeline.listening import checks, plans
from lofi_pipeline.listening.chance import trials_needed
from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.files import Files, listening_folder
from lofi_pipeline.listening.material import (
    USUAL_SECONDS,
    Material,
    Pair,
    Take,
    common_takes,
    credits_of,
    held_out_tracks,
    kept_takes,
    matched,
    record_of,
    seconds_of,
    shortest,
)
from lofi_pipeline.listening.records import (
    ClipSource,
    Key,
    Kind,
    ListeningTest,
    Origin,
    Part,
    Role,
    Rules,
    Sheet,
    Trial,
    TrialKey,
)
from lofi_pipeline.listening.sound import common_lufs, levelled, write_clip
from lofi_pipeline.storage import DataRoot, append_to_ledger, commit_folder, file_sha256, write_json_atomic

QUESTIONS = {
    Kind.TELL: "Which of the two was made by a machine?",
    Kind.RATE: "How good does each of them sound, as music to listen to?",
}
LEAST_RATED, MOST_RATED = 3, 5
ANCHOR_HZ = 3_500.0
DEFAULT_MARGIN = 0.1


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None: as fits."""

    trials: int | None = None
    seconds: float | None = None
    margin: float = DEFAULT_MARGIN
    listeners: int | None = None
    headphones: bool = True
    seed: int = field(default_factory=lambda: secrets.randbits(32))

    @property
    def headphone_trials(self) -> int:
        return plans.HEADPHONE_TRIALS if self.headphones else 0


def make_test(
    root: DataRoot, found: Sequence[CheckpointFolder], wanted: Wanted, takes: Sequence[Take] | None = None
) -> ListeningTest:
    """Make the test of one checkpoint against recordings, or a rating of several, whole or not at all.

    Args:
        takes: clips that were generated for the test; None: those that were kept when the checkpoints were scored.

    Raises:
        ListeningError: there are too few clips, they are too short, or the test would take too long; nothing is written.
    """
    kind = _kind(len(found))
    records = [record_of(item) for item in found]
    names = [record.partition_key for record in records]
    tracks = held_out_tracks(root, records[0])
    common = (
        [[take] for take in takes]
        if takes is not None
        else common_takes([kept_takes(root, it) for it in found])
    )
    seconds = seconds_of([take for each in common for take in each], wanted.seconds)
    dice = random.Random(wanted.seed)
    dice.shuffle(common)
    pairs = list(matched(root, tracks, common, names, seconds, dice))
    clips_each = 2 if kind is Kind.TELL else len(found) + 3
    fitting = plans.most_trials(kind, seconds, clips_each, headphones=wanted.headphone_trials)
    what = "a recording that was held out and a clip that was made for its prompt, neither of them silent"
    trials = plans.chosen_trials(wanted.trials, fitting, len(pairs) - 1, what=what)
    builder = _Builder(
        kind, wanted, seconds, pairs[: trials + 1], np.random.default_rng(secrets.randbits(64))
    )
    builder.build(dice)
    heard = {pair.held_out.source.of for pair in builder.pairs}
    whose = [item for item in tracks if item.track.track_id in heard]
    needed = plans.seconds_needed(kind, trials, seconds, clips_each, headphones=wanted.headphone_trials)
    return _written(root, builder, names, trials, math.ceil(needed / 60), credits_of(root, whose), len(heard))


def clips_wanted(wanted: Wanted) -> tuple[int, float]:
    """How many clips, and of what length, a checkpoint makes for a test; some more, as a silent one is passed over."""
    seconds = wanted.seconds or USUAL_SECONDS
    fitting = plans.most_trials(Kind.TELL, seconds, 2, headphones=wanted.headphone_trials)
    return (wanted.trials or min(plans.MOST_TRIALS, fitting)) + 3, seconds


def lacks_takes(root: DataRoot, found: CheckpointFolder, wanted: Wanted) -> bool:
    """Whether the samples that were kept are too few or too short for what is asked."""
    takes = kept_takes(root, found)
    if len(takes) < (wanted.trials or plans.LEAST_TRIALS) + 1:
        return True
    return wanted.seconds is not None and shortest(takes) + 0.01 < wanted.seconds


def _kind(checkpoints: int) -> Kind:
    if checkpoints == 1:
        return Kind.TELL
    if not LEAST_RATED <= checkpoints <= MOST_RATED:
        raise ListeningError(
            f"--rate: takes {LEAST_RATED} to {MOST_RATED} checkpoints, not {checkpoints}; without it, one checkpoint is tested "
            "against recordings"
        )
    return Kind.RATE


def rules_of(kind: Kind, wanted: Wanted, trials: int) -> Rules:
    """The rules, which are fixed before anybody has answered."""
    level = Rules.model_fields["level"].default
    if not 0 < wanted.margin < 0.5:
        raise ListeningError("--margin: must lie between 0 and 0.5")
    enough = math.ceil(trials_needed(wanted.margin, level) / trials) if kind is Kind.TELL else 20
    return Rules(
        headphones_right=plans.HEADPHONES_RIGHT if wanted.headphones else 0,
        attention_right=plans.ATTENTION_TRIALS if kind is Kind.TELL else 0,
        margin=wanted.margin,
        planned_listeners=wanted.listeners or enough,
    )


@dataclass
class _Builder:
    """Collects clips under random names, trials and their key."""

    kind: Kind
    wanted: Wanted
    seconds: float
    pairs: list[Pair]
    noise: np.random.Generator
    clips: dict[str, np.ndarray] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    keys: list[TrialKey] = field(default_factory=list)
    lufs: float = 0.0

    def build(self, dice: random.Random) -> None:
        """All trials: the headphone check and the practice trial first, then those that count and attention trials mixed."""
        self._headphones(dice)
        practice, *counted = self.pairs
        sets = [(Role.PRACTICE, self._candidates(practice))]
        sets += [(Role.TRIAL, self._candidates(pair)) for pair in counted]
        if self.kind is Kind.TELL:
            sets += [(Role.ATTENTION, self._attention(item)) for item in self._for_attention(practice)]
        self.lufs = common_lufs([item.samples for _, items in sets for item in items])
        for role, items in sets:
            self._add(role, items)
        self.trials.sort(key=lambda trial: trial.trial)
        self.keys.sort(key=lambda key: key.trial)

    def _headphones(self, dice: random.Random) -> None:
        for _ in range(self.wanted.headphone_trials):
            quieter, opposed = dice.sample(range(3), 2)
            clip, trial = _opaque(), _opaque()
            self.clips[clip] = checks.three_tones(quieter, opposed)
            self.trials.append(Trial(trial=trial, part=Part.HEADPHONES, clips=[clip]))
            source = {clip: ClipSource(origin=Origin.TONES)}
            self.keys.append(
                TrialKey(trial=trial, role=Role.HEADPHONES, right=str(quieter + 1), clips=source)
            )

    def _candidates(self, pair: Pair) -> list[Material]:
        """What is judged in a trial; in a rating the low anchor too, and the reference, which is heard openly as well."""
        if self.kind is Kind.TELL:
            return [pair.held_out, *pair.generated]
        anchor = Material(low_passed(pair.held_out.samples), _as(pair.held_out, Origin.ANCHOR))
        return [pair.held_out, anchor, *pair.generated]

    def _for_attention(self, practice: Pair) -> list[Material]:
        """The clips of the practice trial, which are known by then: none that counts is heard twice."""
        both = [practice.held_out, *practice.generated]
        return [both[number % 2] for number in range(plans.ATTENTION_TRIALS)]

    def _attention(self, item: Material) -> list[Material]:
        """The same clip twice, once with bursts of noise."""
        hissing = checks.with_hisses(item.samples, self.noise)
        plain = Material(item.samples, _as(item, Origin.PLAIN))
        return [plain, Material(hissing, _as(item, Origin.MARKED))]

    def _add(self, role: Role, items: Sequence[Material]) -> None:
        named = {_opaque(): item for item in items}
        for name, item in named.items():
            self.clips[name] = levelled(item.samples, self.lufs)
        right, reference = _right(self.kind, role, named), None
        if self.kind is Kind.RATE:
            reference = _opaque()
            self.clips[reference] = levelled(items[0].samples, self.lufs)
        trial = Trial(
            trial=_opaque(),
            part=Part.PRACTICE if role is Role.PRACTICE else Part.TRIAL,
            clips=sorted(named),
            reference=reference,
            answer=right if role is Role.PRACTICE else None,
        )
        self.trials.append(trial)
        sources = {name: item.source for name, item in named.items()}
        self.keys.append(TrialKey(trial=trial.trial, role=role, right=right, clips=sources))


def _right(kind: Kind, role: Role, named: dict[str, Material]) -> str | None:
    """The clip that is the right answer; of a rating, the hidden reference, which is told after practice."""
    wanted = (
        Origin.HELD_OUT
        if kind is Kind.RATE
        else Origin.MARKED
        if role is Role.ATTENTION
        else Origin.GENERATED
    )
    return next((name for name, item in named.items() if item.source.origin is wanted), None)


def _as(item: Material, origin: Origin) -> ClipSource:
    return item.source.model_copy(update={"origin": origin})


def low_passed(samples: np.ndarray) -> np.ndarray:
    """The low anchor: nothing above 3.5 kHz."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(8, ANCHOR_HZ, fs=48_000, output="sos")
    return sosfiltfilt(sections, samples, axis=1).astype(np.float32)


def _opaque() -> str:
    return secrets.token_hex(6)


def _written(
    root: DataRoot,
    builder: _Builder,
    checkpoints: list[str],
    trials: int,
    minutes: int,
    credits: list[str],
    pieces: int,
) -> ListeningTest:
    """Put the test into its folder, and seal it."""
    test, kind, wanted = secrets.token_hex(4), builder.kind, builder.wanted
    shuffled = [trial for trial in builder.trials if trial.part is Part.TRIAL]
    sheet = Sheet(
        test=test,
        kind=kind,
        question=QUESTIONS[kind],
        seconds=builder.seconds,
        minutes=min(minutes, plans.LONGEST_MINUTES),
        trials=builder.trials,
        plans=plans.make_plans(random.Random(f"{wanted.seed} plans"), len(shuffled), len(shuffled[0].clips)),
        credits=credits,
    )
    key = Key(test=test, seed=wanted.seed, trials=builder.keys)
    place = Files(listening_folder(root) / test)
    with commit_folder(place.folder) as folder:
        files = Files(folder)
        for name in sorted(builder.clips):
            write_clip(files.clip(name), builder.clips[name], builder.noise)
        write_json_atomic(files.sheet, sheet)
        write_json_atomic(files.key, key)
        (folder / "answers").mkdir()
        made = ListeningTest(
            test=test,
            kind=kind,
            made=now(),
            checkpoints=checkpoints,
            trials=trials,
            seconds=builder.seconds,
            lufs=round(builder.lufs, 2),
            pieces=pieces,
            rules=rules_of(kind, wanted, trials),
            sheet_sha256=file_sha256(files.sheet),
            key_sha256=file_sha256(files.key),
            clips={name: file_sha256(files.clip(name)) for name in sorted(builder.clips)},
        )
        write_json_atomic(files.test, made)
    append_to_ledger(root, {root.relative(place.test): file_sha256(place.test)})
    return made

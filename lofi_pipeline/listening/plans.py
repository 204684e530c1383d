"""How long a test takes, how many trials fit, and the ways through it."""

from __future__ import annotations

import math
import random

from lofi_pipeline.listening.checks import HEADPHONE_SECONDS
from lofi_pipeline.listening.errors import ListeningError
from lofi_pipeline.listening.records import Kind, Plan

LONGEST_MINUTES = 15
MOST_TRIALS = 20
LEAST_TRIALS = 6
"""With fewer, even who is always right can't be told from chance (2 / 2^5 = 0.06)."""
HEADPHONE_TRIALS = 6
HEADPHONES_RIGHT = 5
ATTENTION_TRIALS = 3
PLANS = 64
_INSTRUCTIONS_SECONDS = 60.0
_HEARD = 1.5
"""Times that a clip is listened to."""
_DECIDING_SECONDS = {Kind.TELL: 5.0, Kind.RATE: 15.0}


def seconds_needed(
    kind: Kind, trials: int, seconds: float, clips: int, *, headphones: int = HEADPHONE_TRIALS
) -> float:
    """Of a whole test with so many trials that count, each of so many clips."""
    attention = ATTENTION_TRIALS if kind is Kind.TELL else 0
    each = clips * seconds * _HEARD + _DECIDING_SECONDS[kind]
    return _INSTRUCTIONS_SECONDS + headphones * (HEADPHONE_SECONDS + 4.0) + (1 + attention + trials) * each


def most_trials(kind: Kind, seconds: float, clips: int, *, headphones: int = HEADPHONE_TRIALS) -> int:
    """How many trials fit into the longest time that a test may take."""
    none = seconds_needed(kind, 0, seconds, clips, headphones=headphones)
    each = seconds_needed(kind, 1, seconds, clips, headphones=headphones) - none
    return max(0, math.floor((60 * LONGEST_MINUTES - none) / each))


def chosen_trials(asked: int | None, fitting: int, there: int, *, what: str) -> int:
    """How many trials a test gets.

    Args:
        there: how many the clips are enough for, besides the practice trial.
        what: what a trial takes, for messages.

    Raises:
        ListeningError: more are asked for than fit into the time or than there are clips for; or too few can be made.
    """
    wanted = min(MOST_TRIALS, fitting, there) if asked is None else asked
    if wanted > fitting:
        raise ListeningError(
            f"--trials: {wanted} trials take longer than {LONGEST_MINUTES} minutes, {fitting} fit; ask for fewer, or for shorter "
            "clips with --seconds"
        )
    if there < max(LEAST_TRIALS, wanted):
        raise ListeningError(
            f"a test needs {max(LEAST_TRIALS, wanted)} trials and one to practise, each of {what}; there are {there + 1}: ask for "
            "shorter clips with --seconds, add music that is held out, or raise evaluation.validation_prompts and score again"
        )
    if wanted < LEAST_TRIALS:
        raise ListeningError(
            f"--trials: {wanted} are too few, with fewer than {LEAST_TRIALS} nobody can be told from chance"
        )
    return wanted


def make_plans(dice: random.Random, trials: int, clips: int) -> list[Plan]:
    """Ways through trials of so many clips each: order and places are drawn without a look at what the clips are.

    If the machine's clips stood first in just half of the trials of each plan, whoever reads the plans could compute the key.
    """
    return [_plan(dice, trials, clips) for _ in range(PLANS)]


def _plan(dice: random.Random, trials: int, clips: int) -> Plan:
    order = list(range(trials))
    dice.shuffle(order)
    shown = [list(range(clips)) for _ in order]
    for each in shown:
        dice.shuffle(each)
    return Plan(order=order, shown=shown)

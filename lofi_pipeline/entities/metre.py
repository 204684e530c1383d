"""The metres that are told apart, and how many beats of a track's tempo make a bar in each."""

from __future__ import annotations

from typing import Literal, get_args

Metre = Literal["3/4", "4/4", "5/4", "6/8", "7/8"]
METRES: tuple[Metre, ...] = get_args(Metre)
BEATS_IN_A_BAR: dict[Metre, float] = {"3/4": 3, "4/4": 4, "5/4": 5, "6/8": 2, "7/8": 3.5}
"""Quarter notes; in 6/8 dotted ones, the two beats that are felt."""

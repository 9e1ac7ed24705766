"""Stays in segments, drawn: never in it, in it now, left, and back again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from random import Random
from typing import Any

from tests.segments.families import Pool

SEGMENTS = ("base-one", "base-two")
USER_SEGMENTS = ("people-one", "people-two")


def drawn_stays(dice: Random, instants: Pool, segments: Iterable[str] = SEGMENTS) -> list[dict[str, Any]]:
    """The stays of one account, or of one person, in some segments."""
    found = []
    times_known = sorted(one for one in instants.values if isinstance(one, dt.datetime))
    for segment in segments:
        shape = dice.choice(["never", "now", "left", "back"])
        times = sorted(dice.choice(times_known) for _ in range({"never": 0, "now": 1, "left": 2, "back": 3}[shape]))
        for place in range(0, len(times), 2):
            left = times[place + 1] if place + 1 < len(times) else None
            found.append({"segment": segment, "entered": times[place], "left": left})
    return found

"""Whether a feed that still brings something brings far less than usual.

The usual volume of a slot of the week (`usage.feeds.rhythm`: an hour, or a weekday) is the median of what it brought in
each of the last eight weeks, weeks without anything included. Going back from now over the expected slots that have
passed, what came is compared with what is usual for just these slots: nights, weekends and quiet hours count for as
little as they bring. **Low** is a feed that brought less than LOW (a fifth) of the usual in more slots in a row than it
may miss completely (`Rhythm.allowed`), if at least LEAST events were usual in them: a Poisson number of mean 50 is
below 10 with a probability of 1e-12.

Only a feed of steady volume is judged. Cut into stretches of that length, nine tenths of its own last weeks must lie
between half and double of the usual; a feed whose loads are now small and now large has no usual volume. It is back
when it brought at least BACK (a half) of the usual in a third of that length.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from usage.feeds.rhythm import HOUR, WEEKS, Rhythm, slots_between

LOW, BACK = 0.2, 0.5
STEADY = 0.5, 2.0
LEAST = 50
FEWEST_STRETCHES = 6


@dataclass(frozen=True)
class Slot:
    """An expected slot that is over: when it began, what came in it, and what is usual."""

    start: dt.datetime
    came: int
    usual: float


def walk(counts: Mapping[dt.datetime, int], rhythm: Rhythm, now: dt.datetime) -> list[Slot]:
    """The expected slots of the last eight weeks up to now, in order. `counts` are by the hour's beginning (UTC)."""
    if not counts:
        return []
    start = max(min(counts), now - dt.timedelta(weeks=WEEKS))
    start = start.replace(minute=0, second=0, microsecond=0)
    found: list[tuple[Any, dt.datetime, int]] = []
    for slot, begins, ends in slots_between(start, now, rhythm):
        hours = round((ends - begins) / HOUR)
        found.append((slot, begins, sum(counts.get(begins + step * HOUR, 0) for step in range(hours))))
    by_slot: dict[Any, list[int]] = defaultdict(list)
    for slot, _, came in found:
        by_slot[slot].append(came)
    usual = {slot: float(median(came)) for slot, came in by_slot.items()}
    return [Slot(begins, came, usual[slot]) for slot, begins, came in found]


def low_since(slots: Sequence[Slot], rhythm: Rhythm, *, after: dt.datetime | None = None) -> dt.datetime | None:
    """Since when the feed has been low; None if it is not. What lies before `after` (the end of the last silence)
    counts for nothing."""
    length = length_of(rhythm)
    came = usual = 0.0
    place = None
    for number, slot in enumerate(reversed(slots), 1):
        if after is not None and slot.start < after:
            break
        came, usual = came + slot.came, usual + slot.usual
        if number >= length and usual >= LEAST and came < LOW * usual:
            place = len(slots) - number
    if place is None:
        return None
    while slots[place].came >= BACK * slots[place].usual:  # usual hours just before it
        place += 1
    return slots[place].start if is_steady(slots[:place], length) else None


def is_steady(slots: Sequence[Slot], length: int) -> bool:
    """Whether the volume is regular enough to be judged."""
    ratios = []
    for end in range(len(slots), length - 1, -length):
        stretch = slots[end - length : end]
        usual = sum(slot.usual for slot in stretch)
        ratios.append(sum(slot.came for slot in stretch) / usual if usual else 0.0)
    outside = sum(not STEADY[0] <= ratio <= STEADY[1] for ratio in ratios)
    return len(ratios) >= FEWEST_STRETCHES and outside * 10 <= len(ratios)


def is_back(slots: Sequence[Slot], rhythm: Rhythm, *, since: dt.datetime) -> bool:
    """Whether a feed that was low since then is as usual again, by slots that were learned before that."""
    last = slots[-max(1, length_of(rhythm) // 3) :]
    usual = sum(slot.usual for slot in last)
    return bool(last) and last[0].start >= since and sum(slot.came for slot in last) >= BACK * usual


def length_of(rhythm: Rhythm) -> int:
    """The slots in a row that it takes."""
    return math.floor(rhythm.allowed) + 1

"""Conditions asked of past days by everything that is kept of them: facts, usage, segments, pulses and scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from health.past import show_pulses, show_scores
from segments.past_days import PastDays, past_days, words_in
from segments.questions import Reader, named_in

HEALTH = "health."


@contextmanager
def days_of(reader: Reader, rules: Sequence[Any]) -> Iterator[PastDays]:
    """What these conditions need of the past, to be gone through in the order of time; the tables of the session go at
    the end."""
    with past_days(reader, rules, named_in(rules), [show_pulses]) as past:
        if any(word.startswith(HEALTH) for one in [*rules, *past.segments.rules()] for word in words_in(one)):
            past.also = [show_pulses, show_scores]
        yield past


def reads_health(past: PastDays) -> bool:
    """Whether scores are read, by the conditions or by a segment that they ask about."""
    return show_scores in past.also

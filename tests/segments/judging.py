"""Put a drawn world into the database for a moment and ask the engine about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from django.db import transaction

from core.clock import Moment
from segments.questions import Reader
from tests.segments.oracle import members
from tests.segments.storing import store
from tests.segments.worlds import Case, case_of

Engine = Callable[[pytest.MonkeyPatch], None]  # plants a mistake
DRAWS, TOGETHER, RULES = 40, 6, 20  # an engine that agrees with the oracle in so many draws of worlds counts as right

# Mistakes that only a later draw tells, and which: it is tried first. One that has moved costs time, and nothing else.
TELLING = {
    "contains is an unescaped LIKE": 5,
    "the conditions on users are about any user each": 5,
    "other_end": 6,
    "days are 24 hours": 8,
    "the window before is everything before": 8,
    "at most is less than": 9,
    "ends with is contains": 9,
    "weeks begin on Sunday": 9,
    "siblings about other rows share one EXISTS": 10,
    "still_in": 10,
    "a percentage of a missing number is a percentage of nothing": 11,
    "people are times": 11,
    "started again does not ask for an earlier time": 12,
    "a user's date is that of any of their accounts": 15,
    "starts with is an unescaped LIKE": 16,
    "stopped is never in this window": 16,
    "months are 30 days": 17,
}


@contextmanager
def world_in_database(*worlds: dict[str, Any]) -> Iterator[None]:
    """The worlds are there inside the block and gone after it."""
    with transaction.atomic():
        store(*worlds)
        yield
        transaction.set_rollback(True)


def reader_of(world: dict[str, Any]) -> Reader:
    """What rules are read against, at the world's own moment."""
    return Reader.now(Moment(world["now"], world["zone"]), me=world["me"])


def answers(rule: dict[str, Any], reader: Reader) -> set[str]:
    """The ids of the accounts that the compiled rule finds."""
    return set(reader.read(rule, personal=True).accounts().values_list("external_id", flat=True))


def draws_survived(engines: Mapping[str, Engine]) -> dict[str, int | None | Exception]:
    """The draw in which each engine differs; None if it differs in none, and the error if it cannot answer.

    The engines are judged side by side, since drawing and storing the worlds takes longer than most need to be told.
    """
    found: dict[str, int | None | Exception] = {}
    hinted = [(seed, True) for seed in sorted(set(TELLING.values()))]
    for seed, early in [*hinted, *((seed, False) for seed in range(DRAWS))]:
        living = [one for one in engines if one not in found and (not early or TELLING.get(one) == seed)]
        if not living:
            continue
        case = case_of(Random(seed), RULES, worlds=TOGETHER)
        expected = [set().union(*(members(rule, world) for world in case.worlds)) for rule in case.rules]
        with world_in_database(*case.worlds):
            for name in living:
                try:
                    with transaction.atomic(), pytest.MonkeyPatch.context() as patch:
                        engines[name](patch)
                        if not agrees(case, expected):
                            found[name] = seed
                except Exception as error:
                    found[name] = error
    return {name: found.get(name) for name in engines}


def agrees(case: Case, expected: list[set[str]]) -> bool:
    """Whether every rule finds the accounts that it should, in the worlds that are in the database."""
    reader = reader_of(case.world)
    return all(answers(rule, reader) == wanted for rule, wanted in zip(case.rules, expected, strict=True))

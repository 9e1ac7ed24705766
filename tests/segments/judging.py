"""Put a drawn world into the database for a moment and ask the engine about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from django.db import transaction

from core.clock import Moment
from segments.questions import Reader
from tests.segments.oracle import members
from tests.segments.storing import store
from tests.segments.worlds import case_of

DRAWS, TOGETHER, RULES = 40, 6, 20  # an engine that agrees with the oracle in so many draws of worlds counts as right


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


def worlds_survived() -> int | None:
    """How many draws agree before one differs; None if all do."""
    for seed in range(DRAWS):
        case = case_of(Random(seed), RULES, worlds=TOGETHER)
        with world_in_database(*case.worlds):
            reader = reader_of(case.world)
            for rule in case.rules:
                if answers(rule, reader) != set().union(*(members(rule, world) for world in case.worlds)):
                    return seed
    return None

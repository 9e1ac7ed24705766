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

WORLDS = 60  # an engine that agrees with the oracle in so many worlds of twenty rules counts as right


@contextmanager
def world_in_database(world: dict[str, Any]) -> Iterator[None]:
    """The world is there inside the block and gone after it."""
    with transaction.atomic():
        store(world)
        yield
        transaction.set_rollback(True)


def reader_of(world: dict[str, Any]) -> Reader:
    """What rules are read against, at the world's own moment."""
    return Reader.now(Moment(world["now"], world["zone"]), me=world["me"])


def answers(rule: dict[str, Any], reader: Reader) -> set[str]:
    """The ids of the accounts that the compiled rule finds."""
    return set(reader.read(rule, personal=True).accounts().values_list("external_id", flat=True))


def worlds_survived() -> int | None:
    """How many worlds agree before one differs; None if all do."""
    for seed in range(WORLDS):
        case = case_of(Random(seed))
        with world_in_database(case.world):
            reader = reader_of(case.world)
            for rule in case.rules:
                if answers(rule, reader) != members(rule, case.world):
                    return seed
    return None

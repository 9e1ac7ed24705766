"""Put a drawn world into the database for a moment and ask the engine about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from core.clock import Moment
from segments.questions import Reader
from tests.segments.storing import store


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

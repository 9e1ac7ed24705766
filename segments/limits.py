"""How long a question may take that somebody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from core.deadline import TooSlow, time_limit

Answer = TypeVar("Answer")


class PreviewTooSlow(Exception):
    """The question took longer than a preview may; saving it is still possible."""


def in_time(until: float, ask: Callable[[], Answer]) -> Answer | None:
    """The answer to one statement; None if it does not come in time."""
    left = int((until - time.monotonic()) * 1000)
    if left <= 0:
        return None
    try:
        with bounded(left):
            return ask()
    except PreviewTooSlow:
        if time.monotonic() < until:
            raise  # not the time limit: somebody ended it
        return None


@contextmanager
def bounded(milliseconds: int) -> Iterator[None]:
    """Give the statements of a block so much time each; past it the database ends them. Raises PreviewTooSlow."""
    try:
        with time_limit(milliseconds):
            yield
    except TooSlow as error:
        raise PreviewTooSlow from error

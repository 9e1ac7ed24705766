"""Regular expressions, tried before anything is asked with them: PostgreSQL must be able to read them, and in time.

Matching takes time in proportion to the text, but nested repetitions can take for ever to be read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeVar

from django.db import DataError, connection

from core.deadline import TooSlow, time_limit
from core.spans import ValueProblem

LIMIT_MS = 2_000  # for all patterns of a rule together
PROBE = "a1 " * 300
PATTERNED = ("matches", "not_matches")

Place = TypeVar("Place")


def wrong_pattern(patterns: Iterable[tuple[Place, str]]) -> tuple[Place, ValueProblem] | None:
    """The first pattern that cannot be used, by what stands for its place, and why; None if all are sound."""
    end = time.monotonic() + LIMIT_MS / 1000
    for place, pattern in patterns:
        left = max(1, round(1000 * (end - time.monotonic())))
        try:
            with time_limit(left), connection.cursor() as cursor:
                cursor.execute("SELECT %s ~* %s", [PROBE, pattern])
        except DataError as error:
            reason = str(error).splitlines()[0]
            return place, ValueProblem(f"The pattern cannot be read: {reason}.", code="invalid-regex")
        except TooSlow:
            text = "The pattern takes too long. Use fewer repetitions inside repetitions."
            return place, ValueProblem(text, code="invalid-regex")
    return None

"""How many cases a test draws: all on the first database, a third on another, where none of our code differs."""

from __future__ import annotations

import os

ALL = os.environ.get("CSBOX_FEWER_DRAWS") != "1"


def draws(number: int) -> int:
    """So many draws, or a third where CSBOX_FEWER_DRAWS=1 asks for fewer."""
    return number if ALL else max(number // 3, 4)

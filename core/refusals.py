"""What is wrong with something that was written by a person or a program (a rule, a definition), all of it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (a JSON pointer), a stable code, a sentence, and what would do."""

    pointer: str
    code: str
    message: str
    allowed: tuple[str, ...] = ()


class Unusable(ValueError):
    """It cannot be used; `problems` says why, all of it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{one.pointer or '/'}: {one.message}" for one in problems))

    @property
    def first(self) -> str:
        """The sentence of the first problem, where there is room for one only."""
        return self.problems[0].message


def sentence(error: Exception) -> str:
    """What a person is told of something that was refused, in one sentence."""
    return error.first if isinstance(error, Unusable) else str(error)

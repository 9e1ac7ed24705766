"""What an explanation says: of each node of a rule whether it is met, what is, and what was needed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RowOutcome:
    """A user or subscription that was looked at: its name, whether it meets the group, and each condition of it."""

    title: str
    met: bool
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Outcome:
    """One node explained.

    `actual` is the value as people read it ("" where it goes without saying), `missing` that there was none. For a
    group about rows, `of` is how many rows there are, `meeting` how many meet it, `rows` the decisive
    ones: those that meet it, or where more would have to, those that come closest. `needed` is the condition in words.
    `known_at` is when the value was told or worked out, an instant or a day in ISO form, if that is recorded.
    """

    pointer: str
    kind: str
    needed: str
    met: bool
    actual: str = ""
    missing: bool = False
    known_at: str = ""
    match: str = ""
    meeting: int = 0
    of: int = 0
    rows: tuple[RowOutcome, ...] = ()
    outcomes: tuple[Outcome, ...] = field(default=())

    @property
    def away(self) -> int:
        """How many conditions at least would have to turn out otherwise for this node to be met; 0 if it is."""
        if self.met:
            return 0
        distances = [outcome.away for outcome in self.outcomes]
        if self.kind != "group" or not distances:
            return 1
        if self.match == "none":
            return sum(outcome.met for outcome in self.outcomes)
        return sum(distances) if self.match == "all" else min(distances)

    @property
    def met_below(self) -> int:
        """How many of the conditions directly below are met, for "4 of 5 conditions are met"."""
        return sum(outcome.met for outcome in self.outcomes)

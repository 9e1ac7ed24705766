"""From what was found on each day to the alerts that a rule opens and ends: plain arithmetic over sets of accounts.

It is the same as that of `alerts.raising`, against which tests hold it, for a rule that was saved on the first of the
days and of which nobody closes an alert by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from alerts.models import AlertRule
from core.clock import Moment

NEVER, ENTRY = AlertRule.Refire.NEVER, AlertRule.Refire.ENTRY


@dataclass(frozen=True)
class Found:
    """A day's answers, as primary keys of accounts: for whom the condition held, who was clear, who was archived."""

    at: Moment
    members: AbstractSet[int]
    clear: AbstractSet[int] = frozenset()
    archived: AbstractSet[int] = frozenset()


@dataclass(frozen=True)
class Terms:
    """When an alert is opened and ended: times in days, `two` thresholds or one, and whether accounts for which the
    condition holds on the first day count."""

    hold_days: int = 0
    cooldown_days: int = 0
    refire: str = ENTRY
    two: bool = False
    include_existing: bool = False

    def held_for(self, days: int) -> Terms:
        """The same with another hold."""
        return replace(self, hold_days=days)


@dataclass
class Episode:
    """An alert: whose, since when its condition held, when it was opened, when it ended (None: not yet)."""

    account: int
    began: Moment
    opened: Moment
    ended: Moment | None = None


@dataclass
class _Walk:
    """Where the accounts stand after a day."""

    terms: Terms
    stays: dict[int, Moment] = field(default_factory=dict)
    existing: set[int] = field(default_factory=set)
    open: dict[int, Episode] = field(default_factory=dict)
    last_end: dict[int, Moment] = field(default_factory=dict)
    all: list[Episode] = field(default_factory=list)

    def take(self, found: Found, *, first: bool) -> None:
        """One day."""
        for account in self.stays.keys() - found.members:
            del self.stays[account]
            self.existing.discard(account)
        come = found.members - self.stays.keys()
        self.stays.update(dict.fromkeys(come, found.at))
        if first and not self.terms.include_existing:
            self.existing.update(come)
        for account in [one for one in self.open if self.is_over(one, found)]:
            self.last_end[account] = self.open[account].ended = found.at
            del self.open[account]
        for account in sorted(found.members - self.existing - self.open.keys()):
            if self.may_open(account, found.at):
                self.open[account] = Episode(account, self.stays[account], found.at)
                self.all.append(self.open[account])

    def is_over(self, account: int, found: Found) -> bool:
        """Whether an open alert ends."""
        if account in self.stays:
            return False
        return not self.terms.two or account in found.clear or account in found.archived

    def may_open(self, account: int, at: Moment) -> bool:
        """Whether the condition has held long enough, and no alert before forbids another one."""
        began, ended = self.stays[account], self.last_end.get(account)
        if (at.today - began.today).days < self.terms.hold_days:
            return False
        if ended is None:
            return True
        if self.terms.refire == NEVER or ended.now > at.now - dt.timedelta(days=self.terms.cooldown_days):
            return False
        return self.terms.refire != ENTRY or ended.now < began.now


def episodes(days: Sequence[Found], terms: Terms) -> list[Episode]:
    """Every alert of these days, in the order in which they were opened; the first day is that of the saving."""
    walk = _Walk(terms)
    for place, found in enumerate(days):
        walk.take(found, first=place == 0)
    return walk.all

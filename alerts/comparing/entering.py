"""Who came in, and when: the first entry of every account, of a playbook or a segment."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass

from alerts.models import Comparison, Enrolment
from core.clock import Moment
from segments.models import AccountMembership

SEED = 20_260  # what is drawn, and ties, come out the same each time
MOST = 5_000  # accounts that are judged; of more, so many are drawn


@dataclass(frozen=True)
class Entries:
    """`first`: the local day of each account's first entry, by its primary key. `counted`: those of the comparison's
    days that were the account's (or a person's) doing, at most `MOST`; `all` says how many there were."""

    first: dict[int, dt.date]
    counted: dict[int, dt.date]
    all: int

    def had_come(self, day: dt.date) -> set[int]:
        """The accounts that had come in by the end of a day, ever."""
        return {account for account, when in self.first.items() if when <= day}

    def on(self, day: dt.date) -> list[int]:
        """The accounts that are judged and came in on a day."""
        return sorted(account for account, when in self.counted.items() if when == day)


def entries_of(comparison: Comparison, now: Moment) -> Entries:
    """Read who came in. An account that came in because a segment was defined anew did so for no reason of its own: it
    is not judged, and not beside others either, because from then on it is in it."""
    if comparison.playbook_id:
        rows = Enrolment.objects.filter(playbook=comparison.playbook_id).order_by("account_id", "started_at")
        found = [(*row, False) for row in rows.distinct("account_id").values_list("account_id", "started_at")]
    else:
        stays = AccountMembership.objects.filter(segment=comparison.segment_id).order_by("account_id", "entered_at")
        columns = ("account_id", "entered_at", "opened_by__new_definition")
        found = list(stays.distinct("account_id").values_list(*columns))
    first = {account: at.astimezone(now.zone).date() for account, at, _ in found}
    defined = {account for account, _, by_definition in found if by_definition}
    counted = {
        account: day
        for account, day in sorted(first.items())
        if comparison.first_day <= day <= comparison.last_day and account not in defined
    }
    number = len(counted)
    if number > MOST:
        dice = random.Random(SEED)  # noqa: S311  # to be repeated, not to be secret
        counted = {account: counted[account] for account in sorted(dice.sample(sorted(counted), MOST))}
    return Entries(first, counted, number)

"""Starting comparisons: what may be asked, and the days whose end is to be looked at."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.db import transaction

from alerts.comparing.entering import Entries, entries_of
from alerts.comparing.outcomes import HORIZONS
from alerts.models import Comparison, Milestone, Playbook
from core.clock import Moment, moment
from core.intake import BadValue
from core.reports import State, begin_report, close_report
from core.spans import ONE_DAY
from segments.models import Segment

CALIPERS = (Decimal("0.10"), Decimal("0.25"), Decimal("0.50"))
USUAL = CALIPERS[1]
SHORTEST, LONGEST = HORIZONS[0], 366  # days until something can be said, and days of entries
MOST_USES = 10


def newest_entry(now: Moment | None = None) -> dt.date:
    """The last day of entry of which anything can be said: 30 days before yesterday."""
    return (now or moment()).today - ONE_DAY * (SHORTEST + 1)


def start_comparison(
    what: Playbook | Segment,
    *,
    first_day: dt.date,
    milestone: Milestone | None = None,
    among: Segment | None = None,
    caliper: Decimal = USUAL,
    uses: int = 1,
    author: Any = None,
) -> Comparison:
    """Let the accounts that came in from a day on be compared with others. Raises BadValue, and NotNow with too many at
    once."""
    now = moment()
    _check(what, first_day, newest_entry(now), among, caliper, uses)
    who = author if getattr(author, "pk", None) else None
    made = Comparison(
        playbook=what if isinstance(what, Playbook) else None, segment=what if isinstance(what, Segment) else None,
        milestone=milestone, of_milestone=milestone.name if milestone else "", among=among,
        of_segment=among.name if among else "", first_day=first_day, last_day=newest_entry(now), caliper=caliper,
        uses=uses, author=who,
    )  # fmt: skip
    made.days = _days(entries_of(made, now), now.today - ONE_DAY)
    with transaction.atomic():
        same = Comparison.objects.filter(playbook=made.playbook, segment=made.segment, state=State.RUNNING)
        for other in same.select_for_update(of=("self",)):
            close_report(other, State.CANCELLED)
        begin_report(made)
    return made


def _check(
    what: Playbook | Segment, first_day: dt.date, last_day: dt.date, among: Segment | None, caliper: Decimal, uses: int
) -> None:
    if first_day > last_day:
        text = (
            f"What came of an entry is known after {SHORTEST} days. Give {last_day:%d %b %Y} or an earlier first day."
        )
        raise BadValue(text)
    if (last_day - first_day).days >= LONGEST:
        raise BadValue(
            f"At most {LONGEST} days of entries: give {last_day - ONE_DAY * (LONGEST - 1):%d %b %Y} or later."
        )
    for segment in [one for one in (what, among) if isinstance(one, Segment)]:
        if segment.subject != Segment.Subject.ACCOUNT or segment.internal:
            raise BadValue(f"{segment.name} is not a segment of accounts. Accounts are compared.")
    if among is not None and among == what:
        raise BadValue(
            "Everybody who came in is in this segment. Compare among the accounts of another one, or of all."
        )
    if caliper not in CALIPERS:
        raise BadValue(f"The caliper is {', '.join(map(str, CALIPERS[:-1]))} or {CALIPERS[-1]} standard deviations.")
    if not 1 <= uses <= MOST_USES:
        raise BadValue(f"An account is compared with 1 to {MOST_USES} others.")


def _days(entries: Entries, last: dt.date) -> list[dt.date]:
    """The days whose end is looked at: before each entry, and so many days after it where that day is over."""
    came = set(entries.counted.values())
    after = {day + ONE_DAY * number for day in came for number in HORIZONS}
    return sorted({day - ONE_DAY for day in came} | {day for day in after if day <= last})

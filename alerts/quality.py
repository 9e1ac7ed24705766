"""What became of the alerts of each rule, and what that says about the rule. Reads only.

fired      alerts opened within the days that are looked at; the other figures but `open` are of these
open       alerts that are open now, whenever they were opened
judged     those whose outcome somebody said: Fixed, Not fixed, False alarm
precision  the share of the judged ones that were no false alarm
noise      alerts a week for each colleague who got any
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q

from alerts.models import Alert, AlertRule
from core.clock import Moment

DAYS = (30, 90, 365)
USUAL = 90
WEEK = 7
# How many alerts of a rule lasted how many nights, by outcome: of the time in which the condition held without a break,
# which a person who closes an alert does not end. No number while it lasts, or where that time is not known any more.
_LASTED = """
SELECT alert.rule_id, alert.outcome = 'false', alert.outcome <> '',
       (stay.left_at AT TIME ZONE %(zone)s)::date - (stay.entered_at AT TIME ZONE %(zone)s)::date AS nights, count(*)
FROM alerts_alert AS alert LEFT JOIN segments_accountmembership AS stay ON stay.id = alert.membership_id
WHERE alert.opened_at >= %(since)s AND alert.rule_id = ANY(%(rules)s)
GROUP BY 1, 2, 3, 4
"""
# How many alerts came so many whole days after the end of the one before, of the same rule and account.
_AGAIN = """
SELECT rule_id, floor(extract(epoch FROM opened_at - before) / 86400)::int AS days, count(*) FROM (
    SELECT rule_id, opened_at, lag(ended_at) OVER (PARTITION BY rule_id, account_id ORDER BY opened_at, id) AS before
    FROM alerts_alert WHERE rule_id = ANY(%(rules)s)
) AS one
WHERE opened_at >= %(since)s AND before IS NOT NULL
GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Lasted:
    """So many alerts whose condition held for so many nights (None: still, or nobody knows)."""

    number: int
    nights: int | None
    false: bool
    judged: bool


@dataclass
class Quality:
    """The figures of one rule over some days. `again` says how many alerts came so many days after one had ended."""

    rule: AlertRule
    days: int
    since: dt.datetime
    fired: int = 0
    open: int = 0
    cleared: int = 0
    success: int = 0
    failure: int = 0
    false: int = 0
    colleagues: int = 0
    assigned: int = 0
    weeks: float = 1.0
    lasted: list[Lasted] = field(default_factory=list)
    again: dict[int, int] = field(default_factory=dict)

    @property
    def judged(self) -> int:
        """Alerts with an outcome."""
        return self.success + self.failure + self.false

    @property
    def precision(self) -> float | None:
        """The share of the judged ones that were no false alarm; None while nothing is judged."""
        return round(1 - self.false / self.judged, 4) if self.judged else None

    @property
    def percent(self) -> int | None:
        """The precision in whole percent."""
        return None if self.precision is None else round(100 * self.precision)

    @property
    def noise(self) -> float | None:
        """Alerts a week for each colleague who got any; None if nobody did."""
        return round(self.assigned / self.colleagues / self.weeks, 1) if self.colleagues else None


def quality_of(rules: Sequence[AlertRule], now: Moment, days: int = USUAL) -> list[Quality]:
    """The figures of some rules, in their order, in three statements."""
    since = now.now - dt.timedelta(days=days)
    found = {rule.pk: Quality(rule, days, since) for rule in rules}
    _count(found, since, now)
    values: dict[str, Any] = {"since": since, "zone": now.zone.key, "rules": list(found)}
    with connection.cursor() as cursor:
        cursor.execute(_LASTED, values)
        for rule, false, judged, nights, number in cursor.fetchall():
            found[rule].lasted.append(Lasted(number, nights, false, judged))
        cursor.execute(_AGAIN, values)
        for rule, after, number in cursor.fetchall():
            found[rule].again[after] = number
    return list(found.values())


def _count(found: dict[int, Quality], since: dt.datetime, now: Moment) -> None:
    fired = Q(opened_at__gte=since)
    rows = Alert.objects.filter(fired | Q(ended_at=None), rule__in=list(found)).order_by().values("rule")
    counted: Any = rows.annotate(
        fired=Count("pk", filter=fired), open=Count("pk", filter=Q(ended_at=None)),
        cleared=Count("pk", filter=fired & Q(ending=Alert.Ending.CLEARED)),
        **{name: Count("pk", filter=fired & Q(outcome=value)) for name, value in _OUTCOMES.items()},
        assigned=Count("pk", filter=fired & Q(assignee__isnull=False)),
        colleagues=Count("assignee", filter=fired, distinct=True), first=Min("opened_at", filter=fired),
    )  # fmt: skip
    for row in counted:
        one, first = found[row["rule"]], row["first"]
        for name in ("fired", "open", "cleared", "success", "failure", "false", "assigned", "colleagues"):
            setattr(one, name, row[name])
        # A young rule is not quieter because it is young.
        began = max(since, min(one.rule.created_at, first or one.rule.created_at))
        one.weeks = max(1.0, (now.now - began).total_seconds() / 86_400 / WEEK)


_OUTCOMES = {"success": Alert.Outcome.SUCCESS, "failure": Alert.Outcome.FAILURE, "false": Alert.Outcome.FALSE_ALARM}

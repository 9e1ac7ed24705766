"""Since when a milestone had been reached by the accounts of which it held already when csbox first looked.

The condition is asked again of past days, the oldest first; the first day on which it holds is when an account reached
it. One that asks of events only is asked with the events up to each day, any other one with all that was known then
(`alerts.past`). Where it held on the oldest day that anything is known of, the day stays unknown, and is told as “on or
before”.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import F, Min

from accounts.models import Account, AttributeChange, Subscription
from alerts.milestones.redefined import tell_redefined
from alerts.models import AccountMilestone, Milestone
from alerts.past import days_of, reads_health
from core.clock import Moment, moment
from core.deadline import TooSlow, time_limit
from core.ids import Ids, OneOf
from core.locks import xact_lock
from core.refusals import Problem
from core.shadow import shadows
from core.spans import ONE_DAY
from health.models import HealthDay
from segments.past_days import PastDays, words_in
from segments.questions import Reader
from segments.rules.nodes import Group, Happened, Sequence, about_same_row
from segments.rules.tree import RuleError, parse
from usage.models import DailyUsage

log = logging.getLogger(__name__)
BACK_DAYS, LONGEST_SECONDS, A_DAY_MS = 400, 300, 20_000
_HIDDEN = {
    "usage_dailyusage": "SELECT * FROM {real} WHERE day <= %(day)s",
    "usage_event": "SELECT * FROM {real} WHERE at < %(end)s",
    "usage_recentday": "SELECT * FROM {real} WHERE FALSE",  # sums that are kept for the present only
}
_DATE = """
WITH found AS (SELECT * FROM unnest(%(accounts)s::bigint[], %(instants)s::timestamptz[]) AS f (account, at)),
old AS (
    SELECT row.id, row.reached_at, found.account, found.at
    FROM alerts_accountmilestone AS row JOIN found ON found.account = row.account_id
    WHERE row.milestone_id = %(milestone)s AND NOT row.dated AND (row.reached_at >= found.at OR row.lost_at IS NULL)
),
rows AS (
    UPDATE alerts_accountmilestone AS row SET reached_at = old.at, dated = TRUE,
        won_at = CASE WHEN won_at = old.reached_at THEN old.at ELSE won_at END,
        since = CASE WHEN state = 'reached' AND since = old.reached_at THEN old.at ELSE since END
    FROM old WHERE old.id = row.id RETURNING row.account_id
),
told AS (
    UPDATE alerts_milestonechange AS change SET at = old.at, dated = TRUE
    FROM old WHERE change.milestone_id = %(milestone)s AND change.account_id = old.account AND NOT change.dated
      AND change.kind = 'reached' AND change.at = old.reached_at
)
SELECT account_id FROM rows
"""


def date_reached(now: Moment | None = None) -> set[int]:
    """Search the past for every milestone whose newest definition was looked at; the accounts that got their day."""
    found: set[int] = set()
    ready = Milestone.objects.filter(active=True, live_version=F("version")).exclude(searched_version=F("version"))
    for milestone in ready.order_by("position", "pk"):
        present = now or moment()
        undated = AccountMilestone.objects.filter(milestone=milestone, dated=False, reached_at__isnull=False)
        waiting = set(undated.values_list("account_id", flat=True))
        searched = search(milestone, waiting, present) if waiting else Searched()
        with transaction.atomic():
            xact_lock("milestone", milestone.pk)
            if written := _write(milestone, searched.days, present):
                tell_redefined(milestone.key)
                found |= written
            Milestone.objects.filter(pk=milestone.pk).update(
                searched_version=milestone.version, known_from=searched.since
            )
    return found


def is_search_due() -> bool:
    """Whether a milestone was saved, and its accounts were not looked at or its past not searched since, though its
    question is answered."""
    answered = Milestone.objects.filter(
        active=True, watch__error="", watch__held="", watch__requested_rev=F("watch__live_rev"),
        watch__live_version=F("watch__version"),
    )  # fmt: skip
    return answered.exclude(live_version=F("version"), searched_version=F("version")).exists()


def asks_events_only(condition: object, reader: Reader) -> bool:
    """Whether a condition asks of events only, whose past is known to the day."""
    try:
        rule = parse(condition, reader.vocabulary, segments=reader.subjects)
    except RuleError:
        return False
    return all(isinstance(node, Group | Happened | Sequence) for node in about_same_row(rule))


@dataclass(frozen=True)
class Searched:
    """The first day on which a condition held, by account; and the first day that was asked about, None for none."""

    days: dict[int, dt.date] = field(default_factory=dict)
    since: dt.date | None = None


Ask = Callable[[set[int], dt.date], set[int]]  # for which of these accounts it held at the end of a day


def search(milestone: Milestone, accounts: set[int], now: Moment) -> Searched:
    """The first day on which the condition held, of those accounts of which that can be found out.

    An account for which it held on the oldest day that is asked about has none, unless nothing can have been before;
    nor has one for which it held on the very day on which it came into csbox, if it asks of more than events.
    """
    reader = Reader.now(now)
    if asks_events_only(milestone.condition, reader):
        first = DailyUsage.objects.filter(OneOf(F("account_id"), accounts)).aggregate(first=Min("day"))["first"]
        if first is None:
            return Searched()
        oldest = max(first, now.today - dt.timedelta(days=BACK_DAYS))
        return _search(milestone, accounts, now, oldest, lambda left, day: _met_on(milestone, left, day, now), first)
    with all_known(milestone.condition, accounts, reader) as (ask, oldest):
        if ask is None:
            return Searched()
        found = _search(milestone, accounts, now, oldest, ask)
    came = dict(Account.objects.filter(OneOf(F("pk"), set(found.days))).values_list("pk", "created_at"))
    days = {pk: day for pk, day in found.days.items() if came[pk].astimezone(now.zone).date() != day}
    return Searched(days, found.since)


def _search(
    milestone: Milestone, accounts: set[int], now: Moment, oldest: dt.date, ask: Ask, first: dt.date | None = None
) -> Searched:
    """Day by day; `first` is the day before which nothing can have been."""
    found: dict[int, dt.date] = {}
    left, day, until = set(accounts), oldest, time.monotonic() + LONGEST_SECONDS
    while left and day <= now.today and time.monotonic() < until:
        try:
            met = ask(left, day)
        except (TooSlow, RuleError) as error:
            log.warning("past of a milestone not searched", extra={"milestone": milestone.key, "reason": str(error)})
            break
        left -= met
        if day > oldest or oldest == first:
            found |= dict.fromkeys(met, day)
        day += ONE_DAY
    return Searched(found, oldest)


@contextmanager
def all_known(condition: Any, accounts: set[int], reader: Reader) -> Iterator[tuple[Ask | None, dt.date]]:
    """How to ask a condition of past days by all that was known then, and the oldest of them; None if it reads
    something of which nobody can say what it was."""
    with days_of(reader, [condition]) as past:
        oldest = _oldest(past, accounts, reader.moment)
        if set(past.unknown) & words_in(condition):
            yield None, oldest
            return

        def ask(left: set[int], day: dt.date) -> set[int]:
            with past.day(day) as (then, failed), time_limit(A_DAY_MS):
                if set(failed) & words_in(condition):
                    raise RuleError([Problem("/condition", "unknown-past", "A trait of then could not be computed.")])
                ids = Ids(left)
                asked = replace(then, accounts=ids).read(condition).accounts()
                return set(asked.filter(OneOf(F("pk"), ids)).order_by().values_list("pk", flat=True))

        yield ask, oldest


def _oldest(past: PastDays, accounts: set[int], now: Moment) -> dt.date:
    """The first day of which anything is known of these accounts, at most 400 days ago; of scores, where they are read,
    the first one."""
    mine = OneOf(F("account_id"), accounts)
    told = AttributeChange.objects.filter(OneOf(F("object_id"), accounts), subject="account").aggregate(at=Min("at"))
    came = Account.objects.filter(OneOf(F("pk"), accounts)).aggregate(at=Min("created_at"))
    instants = [one["at"].astimezone(now.zone).date() for one in (told, came) if one["at"]]
    begins = Subscription.objects.filter(mine).aggregate(day=Min("starts_on"))["day"]
    used = DailyUsage.objects.filter(mine).aggregate(day=Min("day"))["day"]
    oldest = max(min([*instants, *filter(None, (begins, used))]), now.today - dt.timedelta(days=BACK_DAYS))
    if reads_health(past):
        scored = HealthDay.objects.filter(mine).aggregate(day=Min("day"))["day"]
        oldest = max(oldest, scored or now.today)
    return min(oldest, now.today)


def _met_on(milestone: Milestone, accounts: set[int], day: dt.date, now: Moment) -> set[int]:
    """Those of the accounts for which the condition held at the end of a local day."""
    end = now.start_of(day + ONE_DAY)
    ids, at = Ids(accounts), Moment(end - dt.timedelta(microseconds=1), now.zone)
    with shadows() as others:
        for table, query in _HIDDEN.items():
            others.view(table, query.format(real=others.real(table)), {"day": day, "end": end})
        reader = replace(Reader.now(at), accounts=ids)
        base = Account.objects.filter(OneOf(F("pk"), ids)).order_by()
        try:
            with time_limit(A_DAY_MS):
                return set(reader.read(milestone.condition).accounts(base).values_list("pk", flat=True))
        except EmptyResultSet:
            return set()


def _write(milestone: Milestone, days: dict[int, dt.date], now: Moment) -> set[int]:
    """Give rows, and what was noted of them, the first instant of their day; the accounts of those that had none."""
    accounts = sorted(days)
    values: dict[str, Any] = {
        "milestone": milestone.pk, "accounts": accounts, "instants": [now.start_of(days[pk]) for pk in accounts],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_DATE, values)
        return {account for (account,) in cursor.fetchall()}

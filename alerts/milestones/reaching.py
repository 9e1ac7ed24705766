"""Reaching milestones: the stored members of each milestone's question beside what its accounts have reached, in one
transaction a milestone.

Nothing is evaluated here: a refresh has done that. One statement compares, writes what differs, and notes every change
of a state as a row with its date and whose doing it was; reacting to those rows is another step. What was stored before
decides, so running it again changes nothing, and a worker that is killed leaves nothing half: a stay in the question's
members that nobody looked at while it lasted is found by its interval. A milestone whose question is frozen, held or
not answered yet says nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from accounts.models import Account
from alerts.milestones.redefined import tell_redefined
from alerts.milestones.starting import start_of
from alerts.models import Milestone
from alerts.notifying.milestones import TOLD, tell_changes
from core.clock import Moment, moment
from core.ids import Ids, OneOf
from core.locks import xact_lock
from segments.models import AccountMembership, Segment

MOST_TURNS = 20  # of an account between two runs; the next run does the rest

# Which stay decides: the first one that reaches into the time since the state was last looked at; of an account that
# comes into the target only one that lasts. Stays that ended before the last look at everybody (with a day for
# work that was held up) have had their effect. All of it is joined as sets: a look-up for each account was measured to
# take four times as long as refreshing the segment. FULL JOIN is no nested loop, whatever the statistics say.
_STAYS = """
stays AS MATERIALIZED (
    SELECT account_id, entered_at, left_at, opened_by_id, closed_by_id FROM segments_accountmembership
    WHERE segment_id = %(watch)s AND (left_at IS NULL OR left_at > %(unseen)s) {narrowed}
),
deciding AS (
    SELECT DISTINCT ON (beside.account) beside.account AS of, stays.*
    FROM beside FULL JOIN stays ON stays.account_id = beside.account
    WHERE coalesce(meant AND NOT settled AND entered_at IS NOT NULL AND (reset_at IS NULL OR entered_at > reset_at)
                   AND (left_at IS NULL OR (NOT comes AND left_at > seen_from)), FALSE)
    ORDER BY beside.account, entered_at
)
"""
_STATE = """
CASE
    WHEN settled THEN 'reached'
    WHEN NOT meant THEN CASE WHEN before IN ('pending', 'overdue', 'lost') THEN 'out' ELSE before END
    WHEN before = 'reached' THEN CASE
        WHEN entered_at IS NOT NULL AND left_at IS NULL THEN 'reached'
        WHEN closing.new_definition AND EXISTS (
            SELECT 1 FROM segments_accountmembership AS held
            WHERE held.segment_id = %(watch)s AND held.account_id = account AND held.left_at IS NULL) THEN 'reached'
        ELSE 'lost' END
    WHEN entered_at IS NOT NULL THEN 'reached'
    WHEN won_at IS NOT NULL THEN CASE WHEN %(sticky)s THEN 'reached' ELSE 'lost' END
    WHEN due < %(today)s THEN 'overdue'
    ELSE 'pending'
END
"""
# Whether an account came into the target, or left it, because a segment was changed and not because it changed itself.
_CAME = """
NOT EXISTS (
    SELECT 1 FROM segments_accountmembership AS aim
    LEFT JOIN segments_segmentrefresh AS cause ON cause.id = aim.opened_by_id
    WHERE aim.segment_id = ANY(%(targets)s) AND aim.account_id = account AND aim.left_at IS NULL
      AND cause.new_definition IS NOT TRUE) AND %(aims)s
"""
_WENT = """
coalesce((
    SELECT cause.new_definition FROM segments_accountmembership AS aim
    LEFT JOIN segments_segmentrefresh AS cause ON cause.id = aim.closed_by_id
    WHERE aim.segment_id = ANY(%(targets)s) AND aim.account_id = account AND aim.left_at IS NOT NULL
    ORDER BY aim.left_at DESC LIMIT 1), FALSE)
"""
_REACH = f"""
WITH aimed AS MATERIALIZED ({{aimed}}),
had AS MATERIALIZED (SELECT * FROM alerts_accountmilestone WHERE milestone_id = %(milestone)s {{narrowed}}),
beside AS (
    SELECT coalesce(had.account_id, aimed.id) AS account, aimed.id IS NOT NULL AS meant, had.id IS NULL AS is_new,
           had.aimed IS NOT TRUE AS comes, had.aimed AS was_aimed, had.seen_from,
           coalesce(had.state, '') AS before, had.since, had.reached_at, had.won_at, had.lost_at, had.reset_at,
           coalesce(had.dated, TRUE) AS dated, coalesce(had.by_hand, FALSE) AS by_hand, had.starts_on, had.due_on,
           CASE WHEN aimed.id IS NULL THEN had.starts_on ELSE aimed.start END AS starts,
           CASE WHEN aimed.id IS NULL THEN had.due_on ELSE aimed.start + %(expected)s::int END AS due,
           coalesce(had.state = 'reached' AND (%(sticky)s OR had.by_hand), FALSE) AS settled
    FROM aimed FULL JOIN had ON had.account_id = aimed.id
),
{_STAYS},
judged AS (
    SELECT beside.*, entered_at, left_at, opening.new_definition IS TRUE AS opened_by_definition,
           closing.new_definition IS TRUE AS closed_by_definition, {_STATE} AS after
    FROM beside FULL JOIN deciding ON deciding.of = beside.account
    LEFT JOIN segments_segmentrefresh AS opening ON opening.id = deciding.opened_by_id
    LEFT JOIN segments_segmentrefresh AS closing ON closing.id = deciding.closed_by_id
),
dates AS (
    SELECT judged.*, CASE
        WHEN after = before THEN since
        WHEN after = 'reached' AND entered_at IS NOT NULL THEN greatest(entered_at, lost_at)
        WHEN after = 'lost' AND before = 'reached' THEN greatest(coalesce(left_at, %(now)s), won_at)
        WHEN after = 'overdue' AND NOT comes THEN
            greatest((due + 1)::timestamp AT TIME ZONE %(zone)s, since)
        ELSE greatest(%(now)s, since) END AS at
    FROM judged
    WHERE is_new OR after <> before OR meant <> was_aimed OR starts IS DISTINCT FROM starts_on
       OR due IS DISTINCT FROM due_on
),
different AS MATERIALIZED (
    SELECT dates.*, CASE
        WHEN after = before OR (is_new AND after = 'pending') THEN ''
        WHEN after = 'reached' THEN CASE WHEN won_at IS NULL THEN 'reached' ELSE 'rewon' END
        WHEN after IN ('overdue', 'out') THEN after
        WHEN after = 'lost' AND before = 'reached' THEN 'lost'
        WHEN before = 'overdue' THEN 'in_time' ELSE 'back' END AS kind,
    CASE
        WHEN after = 'reached' AND (entered_at IS NULL OR opened_by_definition) THEN TRUE
        WHEN after = 'out' THEN %(fresh)s OR {_WENT}
        WHEN comes THEN %(fresh)s OR ({_CAME})
        WHEN after = 'lost' THEN closed_by_definition IS TRUE
        WHEN after = 'reached' THEN FALSE
        ELSE %(fresh)s END AS by_definition
    FROM dates
),
written AS (
    INSERT INTO alerts_accountmilestone AS row (milestone_id, account_id, state, since, starts_on, due_on, reached_at,
                                                won_at, lost_at, reset_at, dated, by_hand, aimed, seen_from)
    SELECT %(milestone)s, account, after, at, starts, due,
           CASE WHEN after = 'reached' THEN coalesce(reached_at, at) ELSE reached_at END,
           CASE WHEN after = 'reached' AND before <> 'reached' THEN at ELSE won_at END,
           CASE WHEN after = 'lost' AND before = 'reached' THEN at ELSE lost_at END,
           reset_at, CASE WHEN kind = 'reached' THEN NOT opened_by_definition ELSE dated END, by_hand, meant,
           CASE WHEN comes THEN greatest(%(now)s, seen_from)
                WHEN after <> before AND after IN ('reached', 'lost') THEN at ELSE seen_from END
    FROM different
    ON CONFLICT (account_id, milestone_id) DO UPDATE SET
        state = EXCLUDED.state, since = EXCLUDED.since, starts_on = EXCLUDED.starts_on, due_on = EXCLUDED.due_on,
        reached_at = EXCLUDED.reached_at, won_at = EXCLUDED.won_at, lost_at = EXCLUDED.lost_at, dated = EXCLUDED.dated,
        aimed = EXCLUDED.aimed, seen_from = EXCLUDED.seen_from
    RETURNING 1
),
noted AS (
    INSERT INTO alerts_milestonechange (milestone_id, account_id, kind, before, after, at, noted_at, dated, origin,
                                        version, reason)
    SELECT %(milestone)s, account, kind, before, after, at, %(now)s,
           kind NOT IN ('reached', 'rewon') OR opened_by_definition IS NOT TRUE,
           CASE WHEN by_definition THEN 'definition' ELSE 'rule' END, %(version)s, ''
    FROM different WHERE kind <> ''
    RETURNING id, kind, account_id, origin
)
SELECT ARRAY(SELECT kind FROM noted), ARRAY(SELECT account_id FROM noted),
       CASE WHEN %(fresh)s THEN EXISTS (SELECT 1 FROM written)
            ELSE EXISTS (SELECT 1 FROM noted WHERE origin = 'definition') END,
       ARRAY(SELECT id FROM noted WHERE origin = 'rule' AND kind = ANY(%(told)s))
"""  # noqa: S608  # constants of this module


@dataclass
class Moved:
    """What a run did: changes by kind, the milestones that said nothing, the accounts of which a state changed, and the
    keys of the milestones that say something else by a definition, theirs or one that they depend on."""

    kinds: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    accounts: set[int] = field(default_factory=set)
    redefined: set[str] = field(default_factory=set)


def reach_for(now: Moment | None = None, accounts: Collection[int] | None = None, *, only_new: bool = False) -> Moved:
    """Bring every milestone's accounts (or only these, by primary key) to the state that the stored members say.

    `only_new` leaves out the milestones whose present definition accounts were looked at by already.
    """
    present, done = now or moment(), Moved()
    only = None if accounts is None else Ids.of(accounts)
    chosen = Milestone.objects.filter(active=True).order_by("position", "pk")
    if only_new:
        chosen = chosen.exclude(live_version=F("version"))
    for pk in chosen.values_list("pk", flat=True):
        with transaction.atomic():
            xact_lock("milestone", pk)
            milestone = Milestone.objects.select_related("watch").filter(pk=pk, active=True).first()
            if milestone is not None:
                _reach(milestone, present, only, done)
    return done


def _reach(milestone: Milestone, now: Moment, only: Ids | None, done: Moved) -> None:
    if _unknown(milestone):
        done.silent += 1
        return
    if milestone.looked_at is not None and milestone.looked_at > now.now:
        now = Moment(milestone.looked_at, now.zone)  # a run that was held up does not turn the clock back
    fresh = milestone.live_version != milestone.version
    only = None if fresh else only
    targets = list(milestone.segments.order_by("pk").values_list("pk", flat=True))
    values = {
        "milestone": milestone.pk, "key": milestone.key, "watch": milestone.watch_id, "sticky": milestone.sticky,
        "fresh": fresh, "expected": milestone.expected_days, "now": now.now, "today": now.today,
        "zone": now.zone.key, "version": milestone.version, "targets": targets, "aims": bool(targets),
        "told": list(TOLD), "unseen": (milestone.looked_at or now.now) - dt.timedelta(days=1),
    }  # fmt: skip
    narrowed = only
    for _ in range(MOST_TURNS):
        moved = _compare(aimed_at(milestone, targets, now, narrowed), values, narrowed, done)
        if milestone.sticky or not moved:  # what is reached for good turns no further
            break
        narrowed = Ids(moved)
    if milestone.key in done.redefined:
        tell_redefined(milestone.key)
    if only is None:
        Milestone.objects.filter(pk=milestone.pk).update(live_version=milestone.version, looked_at=now.now)


def _unknown(milestone: Milestone) -> bool:
    """Whether the stored members do not answer the present questions: the condition's, or whom it aims at."""
    asked = [milestone.watch, *milestone.segments.all()]
    return any(one.error or one.held or one.due or one.live_version != one.version for one in asked)


def aimed_at(
    milestone: Milestone, targets: Iterable[int | Segment], now: Moment, only: Ids | None = None
) -> QuerySet[Any]:
    """The accounts that a milestone aims at, with `start`: the day from which expected days are counted."""
    found = Account.objects.live().order_by()
    if only is not None:
        found = found.filter(OneOf(F("pk"), only))
    if targets:
        inside = AccountMembership.objects.filter(
            account=OuterRef("pk"), segment__in=list(targets), left_at__isnull=True
        )
        found = found.filter(Exists(inside))
    return found.annotate(start=start_of(milestone, now))


def _compare(aimed: QuerySet[Any], values: dict[str, Any], only: Ids | None, done: Moved) -> set[int]:
    """Run the statement; the accounts of which a state changed."""
    try:
        sql, params = aimed.values_list("pk", "start").query.sql_with_params()
        sql = f"SELECT id, start::date AS start FROM ({sql}) AS answer (id, start)"  # noqa: S608  # compiled
    except EmptyResultSet:
        sql, params = "SELECT NULL::bigint AS id, NULL::date AS start WHERE FALSE", ()
    named = {f"aimed_{place}": value for place, value in enumerate(params)}
    sql = sql.replace("%%", "%%%%") % tuple(f"%({name})s" for name in named)
    narrowed = "AND account_id IN (SELECT unnest(%(only)s::bigint[]))" if only is not None else ""
    statement = _REACH.format(aimed=sql, narrowed=narrowed)
    with connection.cursor() as cursor:
        cursor.execute(statement, values | named | {"only": only.array if only is not None else None})
        kinds, accounts, by_definition, news = cursor.fetchone()
    if news:
        tell_changes(news)
    done.kinds.update(kinds)
    if by_definition:
        done.redefined.add(values["key"])
    done.accounts.update(accounts)
    return set(accounts)

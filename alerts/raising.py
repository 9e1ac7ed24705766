"""Raising alerts: for each rule, what its stored members say is compared with its alerts, in one transaction a rule.

Nothing is evaluated here: a refresh has done that. An alert is opened for an account that has been a member of the
rule's watch for the days it must hold, and ends when the account has left it (or, with a clear condition, has left it
and is clear). Whatever was stored before decides, so running it again changes nothing, and a worker that is killed
leaves nothing half. A rule whose question is frozen, held or not answered yet says nothing: its alerts stay as they
are (an alert neither opens nor ends from ignorance).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from accounts.assigning import holders_of
from accounts.fields.uses import tell_of_fields
from alerts.messages import filled
from alerts.models import Alert, AlertEntry, AlertRule
from alerts.models.alert import AlertQuerySet
from alerts.notifying.telling import tell_entries
from alerts.recording import Opening, record_ended, record_opened
from core.clock import Moment, moment
from core.locks import xact_lock
from segments.explaining import outcomes_of
from segments.limits import PreviewTooSlow
from segments.models import Segment
from segments.questions import Reader
from segments.rules.outcome import Outcome
from segments.rules.tree import RuleError

log = logging.getLogger(__name__)
EXPLAINED_AT_ONCE = 500
WORSE_BY = 5  # points of the health score that count as worse
OF_ALERTS = ("alerts.open", "alerts.last")  # the fields that alerts give their account

# Who is to get an alert: a member since before a moment (so many local days ago), whose entry was the customer's own
# (not that of a new definition), who has no open alert of the rule, and had none that forbids another one.
_DUE = """
SELECT stay.id, stay.account_id, stay.entered_at, coalesce(stay.opened_by_id = ANY(redefining.refreshes), FALSE)
FROM segments_accountmembership AS stay, (SELECT ARRAY(
    SELECT id FROM segments_segmentrefresh WHERE segment_id = %(watch)s AND new_definition) AS refreshes) AS redefining
WHERE stay.segment_id = %(watch)s AND stay.left_at IS NULL AND stay.entered_at < %(held)s
  AND stay.entered_at <= %(now)s
  AND (%(accounts)s::bigint[] IS NULL OR stay.account_id = ANY(%(accounts)s::bigint[]))
  AND (%(existing)s OR stay.opened_by_id IS NULL OR stay.opened_by_id <> ALL(redefining.refreshes))
  AND NOT EXISTS (
    SELECT 1 FROM alerts_alert AS had
    WHERE had.rule_id = %(rule)s AND had.account_id = stay.account_id AND (
        had.ended_at IS NULL OR %(refire)s = 'never' OR had.ended_at > %(cooled)s
        OR (%(refire)s = 'entry' AND had.ended_at >= stay.entered_at)))
ORDER BY stay.account_id
"""
# Open alerts (of a rule, or of all) whose account has left the watch (and is clear, where that is asked), is archived,
# or is not aimed at now.
_OVER = """
SELECT rule.id, alert.id, alert.account_id,
       CASE WHEN account.archived_at IS NOT NULL THEN 'gone'
            WHEN cause.new_definition THEN 'definition' ELSE 'cleared' END AS ending
FROM alerts_alert AS alert
JOIN alerts_alertrule AS rule ON rule.id = alert.rule_id AND rule.watch_id IS NOT NULL
JOIN accounts_account AS account ON account.id = alert.account_id
LEFT JOIN segments_accountmembership AS stay
    ON stay.segment_id = rule.watch_id AND stay.account_id = alert.account_id AND stay.left_at IS NULL
LEFT JOIN LATERAL (
    SELECT closed_by_id FROM segments_accountmembership AS was
    WHERE was.segment_id = rule.watch_id AND was.account_id = alert.account_id AND was.left_at IS NOT NULL
    ORDER BY was.left_at DESC, was.id DESC LIMIT 1) AS last ON stay.id IS NULL
LEFT JOIN segments_segmentrefresh AS cause ON cause.id = last.closed_by_id
WHERE alert.ended_at IS NULL AND (%(rule)s::bigint IS NULL OR alert.rule_id = %(rule)s) AND stay.id IS NULL
  AND (rule.clear_watch_id IS NULL OR account.archived_at IS NOT NULL OR cause.new_definition OR EXISTS (
    SELECT 1 FROM segments_accountmembership AS clear
    WHERE clear.segment_id = rule.clear_watch_id AND clear.account_id = alert.account_id AND clear.left_at IS NULL))
ORDER BY alert.account_id
"""


@dataclass
class Raised:
    """What a run did: alerts opened, ended by themselves, woken, the rules that said nothing, and the accounts of which
    an alert was opened or ended."""

    opened: int = 0
    ended: int = 0
    woken: int = 0
    silent: int = 0
    accounts: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Due:
    membership: int
    account: int
    began: dt.datetime
    by_definition: bool


@dataclass(frozen=True)
class _Over:
    alert: int
    account: int
    ending: str


def raise_alerts(now: Moment | None = None) -> Raised:
    """Open and end the alerts of every rule by the members that are stored at this moment.

    Whether a rule has anything to do is looked up without its lock, so that one with nothing to do costs a look. What
    is found is looked up again under the lock: another worker may have been quicker.
    """
    present, done = now or moment(), Raised()
    rules = list(_rules())
    over = {rule for rule, _ in _over(None)} if rules else set()
    sleepy = set(_slept_out(present).order_by().values_list("rule", flat=True).distinct()) if rules else set()
    reader: Reader | None = None
    for seen in rules:
        if not _is_answered(seen):
            done.silent += 1
            continue
        due = [one.account for one in _due(seen, present)]
        if not (due or seen.pk in over or seen.pk in sleepy):
            continue
        reader = reader or Reader.now(present)
        with transaction.atomic():
            xact_lock("alert rule", seen.pk)
            rule = _rules().filter(pk=seen.pk).first()
            if rule is not None and _is_answered(rule):
                work = _Work(rule, due, seen.pk in over, seen.pk in sleepy)
                work.do(present, reader, done)
    return done


def _rules() -> QuerySet[AlertRule]:
    asking = AlertRule.objects.filter(watch__isnull=False)
    return asking.select_related("watch", "clear_watch").order_by("pk")


def _is_answered(rule: AlertRule) -> bool:
    return all(one.is_answered for one in (rule.watch, rule.clear_watch) if one is not None)


@dataclass(frozen=True)
class _Work:
    """What a rule seems to have to do: accounts that are due, alerts that are over, alerts that are to wake."""

    rule: AlertRule
    due: Sequence[int]
    ends: bool
    wakes: bool

    def do(self, now: Moment, reader: Reader, done: Raised) -> None:
        """Do it, under the rule's lock."""
        rule = self.rule
        ended = _end(rule, now, reader) if self.ends else []
        opened = _open(rule, self.due, now, reader) if self.due else []
        done.ended, done.opened = done.ended + len(ended), done.opened + len(opened)
        done.accounts.update([one.account for one in ended], [one.account for one in opened])
        if any(one.ending == Alert.Ending.DEFINITION for one in ended) or any(one.by_definition for one in opened):
            tell_of_fields(OF_ALERTS, redefined=True)
        if self.wakes and rule.active:
            done.woken += _wake(rule, now)


def _due(rule: AlertRule, now: Moment, among: Sequence[int] | None = None) -> list[_Due]:
    """Who is to get an alert now, of everybody or among some accounts; nobody if the rule is switched off."""
    if not rule.active:
        return []
    last = now.today - dt.timedelta(days=rule.hold_days)  # the local day on which it must have begun at the latest
    values: dict[str, Any] = {
        "watch": rule.watch_id, "rule": rule.pk, "now": now.now, "held": now.start_of(last + dt.timedelta(days=1)),
        "existing": rule.include_existing, "refire": rule.refire, "accounts": None if among is None else list(among),
        "cooled": now.now - dt.timedelta(days=rule.cooldown_days),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_DUE, values)
        return [_Due(*row) for row in cursor.fetchall()]


def _over(rule: AlertRule | None) -> list[tuple[int, _Over]]:
    """The alerts that are over, of a rule or of all, each after its rule's primary key."""
    with connection.cursor() as cursor:
        cursor.execute(_OVER, {"rule": rule.pk if rule else None})
        return [(pk, _Over(*row)) for pk, *row in cursor.fetchall()]


def _open(rule: AlertRule, accounts: Sequence[int], now: Moment, reader: Reader) -> list[_Due]:
    """Open what is due, with the explanation, message and assignee of this moment."""
    due = _due(rule, now, accounts)
    for part in _parts(due):
        _store(rule, part, now, reader)
    return due


def _store(rule: AlertRule, due: list[_Due], now: Moment, reader: Reader) -> None:
    ids = [one.account for one in due]
    why, said = _explained(rule.watch, ids, reader), filled(rule.message, ids, reader)
    whose = _assignees(rule, ids)
    openings = [
        Opening(
            one.account, one.membership, one.began, said.get(one.account, ""), why.get(one.account, {}),
            whose.get(one.account),
        )
        for one in due
    ]  # fmt: skip
    record_opened(rule, openings, now)


def _explained(watch: Segment | None, accounts: list[int], reader: Reader) -> dict[int, dict[str, Any]]:
    """The explanation of the condition for each account; none where it cannot be had, which stops no alert."""
    if watch is None:
        return {}
    try:
        told = outcomes_of(watch, accounts, reader)
    except (RuleError, PreviewTooSlow) as error:
        log.warning("alert not explained", extra={"segment": watch.key, "reason": str(error).splitlines()[0]})
        return {}
    return {pk: _kept(one) for pk, one in told.items()}


def explained_now(alert: Alert, reader: Reader) -> dict[str, Any]:
    """The explanation of an open alert's condition by what is known now, as `why` is of the moment at which it was
    opened; nothing of one that has ended, and where it cannot be had."""
    if alert.ended_at is not None:
        return {}
    return _explained(alert.rule.watch, [alert.account_id], reader).get(alert.account_id, {})


def _kept(outcome: Outcome) -> dict[str, Any]:
    """An explanation as it is kept: without the rows, which name people who may ask to be forgotten."""
    return vars(outcome) | {"rows": [], "outcomes": [_kept(one) for one in outcome.outcomes]}


def _assignees(rule: AlertRule, accounts: list[int]) -> dict[int, int | None]:
    """Whose each alert is: the part's player, else the next in turn, else the fallback."""
    found: dict[int, int | None] = {}
    if rule.role_id:
        found |= holders_of(rule.role_id, accounts)
    left = [pk for pk in accounts if pk not in found]
    turn = left and list(rule.round_robin.filter(user__is_active=True).order_by("pk").values_list("pk", flat=True))
    if turn and left:
        found |= {pk: turn[(rule.turns + place) % len(turn)] for place, pk in enumerate(left)}
        rule.turns += len(left)
        AlertRule.objects.filter(pk=rule.pk).update(turns=rule.turns)
    return dict.fromkeys(accounts, rule.fallback_id) | found


def _end(rule: AlertRule, now: Moment, reader: Reader) -> list[_Over]:
    """End what is over, with the explanation that proves it."""
    over = [one for _, one in _over(rule)]
    for part in _parts(over):
        proofs = _explained(rule.clear_watch or rule.watch, [one.account for one in part], reader)
        rows = [{"alert": one.alert, "ending": one.ending, "proof": proofs.get(one.account, {})} for one in part]
        record_ended(rule, rows, now)
    return over


def _wake(rule: AlertRule, now: Moment) -> int:
    """Wake alerts whose last day of sleep is over, and those that slept until it got worse."""
    over = list(_slept_out(now).filter(rule=rule).select_related("rule").order_by("pk"))
    ids = [alert.pk for alert in over]
    Alert.objects.filter(pk__in=ids).update(snoozed_until=None, snoozed_till_worse=False, snoozed_score=None)
    entries = (AlertEntry(alert=alert, kind=AlertEntry.Kind.WOKE, at=now.now) for alert in over)
    tell_entries(AlertEntry.objects.bulk_create(entries), now)
    return len(over)


def _slept_out(now: Moment) -> AlertQuerySet:
    worse = Q(snoozed_till_worse=True, account__health__score__lte=F("snoozed_score") - WORSE_BY)
    return Alert.objects.open().filter(Q(snoozed_until__lt=now.today) | worse)


def _parts(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """So many at a time as are explained by one statement."""
    left = iter(rows)
    while part := list(islice(left, EXPLAINED_AT_ONCE)):
        yield part

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
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q

from accounts.assigning import holders_of
from accounts.fields.uses import tell_of_fields
from accounts.models import Account
from alerts.messages import filled
from alerts.models import Alert, AlertEntry, AlertRule
from alerts.notifying.telling import tell_entries
from core.clock import Moment, moment
from core.locks import xact_lock
from segments.explaining import explain_accounts
from segments.models import Segment
from segments.questions import PreviewTooSlow, Reader
from segments.rules.tree import RuleError

log = logging.getLogger(__name__)
EXPLAINED_AT_ONCE = 500
WORSE_BY = 5  # points of the health score that count as worse
OF_ALERTS = ("alerts.open", "alerts.last")  # the fields that alerts give their account

# Who is to get an alert: a member since at least so many local days, whose entry was the customer's own (not that of a
# new definition), who has no open alert of the rule, and had none that forbids another one.
_DUE = """
SELECT stay.id, stay.account_id, stay.entered_at, coalesce(cause.new_definition, FALSE)
FROM segments_accountmembership AS stay
LEFT JOIN segments_segmentrefresh AS cause ON cause.id = stay.opened_by_id
WHERE stay.segment_id = %(watch)s AND stay.left_at IS NULL AND stay.entered_at <= %(now)s
  AND (stay.entered_at AT TIME ZONE %(zone)s)::date <= %(today)s::date - %(hold)s
  AND (%(existing)s OR cause.new_definition IS NOT TRUE)
  AND NOT EXISTS (
    SELECT 1 FROM alerts_alert AS had
    WHERE had.rule_id = %(rule)s AND had.account_id = stay.account_id AND (
        had.ended_at IS NULL OR %(refire)s = 'never' OR had.ended_at > %(cooled)s
        OR (%(refire)s = 'entry' AND had.ended_at >= stay.entered_at)))
ORDER BY stay.account_id
"""
# Open alerts whose account has left the watch (and is clear, where that is asked), is archived, or is not aimed at now.
_OVER = """
SELECT alert.id, alert.account_id,
       CASE WHEN account.archived_at IS NOT NULL THEN 'gone'
            WHEN cause.new_definition THEN 'definition' ELSE 'cleared' END AS ending
FROM alerts_alert AS alert
JOIN accounts_account AS account ON account.id = alert.account_id
LEFT JOIN LATERAL (
    SELECT closed_by_id FROM segments_accountmembership AS was
    WHERE was.segment_id = %(watch)s AND was.account_id = alert.account_id AND was.left_at IS NOT NULL
    ORDER BY was.left_at DESC, was.id DESC LIMIT 1) AS last ON TRUE
LEFT JOIN segments_segmentrefresh AS cause ON cause.id = last.closed_by_id
WHERE alert.rule_id = %(rule)s AND alert.ended_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM segments_accountmembership AS stay
    WHERE stay.segment_id = %(watch)s AND stay.account_id = alert.account_id AND stay.left_at IS NULL)
  AND (%(clear)s::bigint IS NULL OR account.archived_at IS NOT NULL OR cause.new_definition OR EXISTS (
    SELECT 1 FROM segments_accountmembership AS clear
    WHERE clear.segment_id = %(clear)s AND clear.account_id = alert.account_id AND clear.left_at IS NULL))
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


def raise_alerts(now: Moment | None = None) -> Raised:
    """Open and end the alerts of every rule by the members that are stored at this moment."""
    present, done = now or moment(), Raised()
    reader: Reader | None = None
    for pk in AlertRule.objects.order_by("pk").values_list("pk", flat=True):
        reader = reader or Reader.now(present)
        with transaction.atomic():
            xact_lock("alert rule", pk)
            rule = AlertRule.objects.select_related("watch", "clear_watch", "fallback").filter(pk=pk).first()
            if rule is not None and rule.watch is not None:
                _rule(rule, rule.watch, present, reader, done)
    return done


def _rule(rule: AlertRule, watch: Segment, now: Moment, reader: Reader, done: Raised) -> None:
    watches = [one for one in (watch, rule.clear_watch) if one is not None]
    if not all(one.is_answered for one in watches):
        done.silent += 1
        return
    ended = _end(rule, watch, now, reader)
    opened = _open(rule, watch, now, reader) if rule.active else []
    done.ended, done.opened = done.ended + len(ended), done.opened + len(opened)
    done.accounts.update([one for _, one, _ in ended], [one.account for one in opened])
    if any(why == Alert.Ending.DEFINITION for _, _, why in ended) or any(one.by_definition for one in opened):
        tell_of_fields(OF_ALERTS, redefined=True)
    if rule.active:
        done.woken += _wake(rule, now)
    held = Alert.objects.open().filter(rule=rule, account__memberships__in=_stays(watch))
    held.filter(seen_at__lt=now.now - dt.timedelta(hours=20)).update(seen_at=now.now)


def _stays(watch: Segment) -> Any:
    return watch.account_memberships.filter(left_at__isnull=True).values("pk")


def _open(rule: AlertRule, watch: Segment, now: Moment, reader: Reader) -> list[_Due]:
    """Open what is due, with the explanation, message and assignee of this moment."""
    values: dict[str, Any] = {
        "watch": watch.pk, "rule": rule.pk, "now": now.now, "zone": now.zone.key, "today": now.today,
        "hold": rule.hold_days, "existing": rule.include_existing, "refire": rule.refire,
        "cooled": now.now - dt.timedelta(days=rule.cooldown_days),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_DUE, values)
        due = [_Due(*row) for row in cursor.fetchall()]
    for part in _parts(due):
        _store(rule, watch, part, now, reader)
    return due


def _store(rule: AlertRule, watch: Segment, due: list[_Due], now: Moment, reader: Reader) -> None:
    ids = [one.account for one in due]
    why, said = _explained(watch, ids, reader), filled(rule.message, ids, reader)
    whose = _assignees(rule, ids)
    alerts = Alert.objects.bulk_create(
        Alert(
            rule=rule, account_id=one.account, membership_id=one.membership, version=rule.version,
            severity=rule.severity, message=said.get(one.account, ""), why=why.get(one.account, {}),
            began_at=one.began, opened_at=now.now, seen_at=now.now, assignee_id=whose.get(one.account),
        )
        for one in due
    )  # fmt: skip
    _note(alerts, AlertEntry.Kind.OPENED, now)


def _explained(watch: Segment, accounts: list[int], reader: Reader) -> dict[int, dict[str, Any]]:
    """The explanation of the condition for each account; none where it cannot be had, which stops no alert."""
    try:
        with transaction.atomic():
            told = explain_accounts(watch, Account.objects.filter(pk__in=accounts).order_by("pk"), reader)
    except (RuleError, PreviewTooSlow) as error:
        log.warning("alert not explained", extra={"segment": watch.key, "reason": str(error).splitlines()[0]})
        return {}
    return {one.account.pk: _kept(asdict(one.outcome)) for one in told if one.account}


def _kept(outcome: dict[str, Any]) -> dict[str, Any]:
    """An explanation as it is kept: without the rows, which name people who may ask to be forgotten."""
    return outcome | {"rows": [], "outcomes": [_kept(one) for one in outcome["outcomes"]]}


def _assignees(rule: AlertRule, accounts: list[int]) -> dict[int, int | None]:
    """Whose each alert is: the part's player, else the next in turn, else the fallback."""
    found: dict[int, int | None] = {}
    if rule.role_id:
        found |= holders_of(rule.role_id, accounts)
    left = [pk for pk in accounts if pk not in found]
    turn = list(rule.round_robin.filter(user__is_active=True).order_by("pk").values_list("pk", flat=True))
    if turn and left:
        found |= {pk: turn[(rule.turns + place) % len(turn)] for place, pk in enumerate(left)}
        rule.turns += len(left)
        AlertRule.objects.filter(pk=rule.pk).update(turns=rule.turns)
    return dict.fromkeys(accounts, rule.fallback_id) | found


def _end(rule: AlertRule, watch: Segment, now: Moment, reader: Reader) -> list[tuple[int, int, str]]:
    """End what is over, with the explanation that proves it: alerts, their accounts, and why."""
    values = {"watch": watch.pk, "rule": rule.pk, "clear": rule.clear_watch_id}
    with connection.cursor() as cursor:
        cursor.execute(_OVER, values)
        over = cursor.fetchall()
    for part in _parts(over):
        proofs = _explained(rule.clear_watch or watch, [account for _, account, _ in part], reader)
        alerts = list(Alert.objects.filter(pk__in=[pk for pk, _, _ in part]).select_related("rule").order_by("pk"))
        endings = {pk: ending for pk, _, ending in part}
        for alert in alerts:
            alert.ended_at, alert.ending = max(now.now, alert.opened_at), endings[alert.pk]
            alert.proof = proofs.get(alert.account_id, {})
        Alert.objects.bulk_update(alerts, ["ended_at", "ending", "proof"], batch_size=EXPLAINED_AT_ONCE)
        _note(alerts, AlertEntry.Kind.ENDED, now)
    return over


def _wake(rule: AlertRule, now: Moment) -> int:
    """Wake alerts whose last day of sleep is over, and those that slept until it got worse."""
    sleeping = Alert.objects.open().filter(rule=rule)
    worse = Q(snoozed_till_worse=True, account__health__score__lte=F("snoozed_score") - WORSE_BY)
    over = list(sleeping.filter(Q(snoozed_until__lt=now.today) | worse).select_related("rule").order_by("pk"))
    ids = [alert.pk for alert in over]
    Alert.objects.filter(pk__in=ids).update(snoozed_until=None, snoozed_till_worse=False, snoozed_score=None)
    _note(over, AlertEntry.Kind.WOKE, now)
    return len(over)


def _note(alerts: Iterable[Alert], kind: str, now: Moment) -> None:
    tell_entries(AlertEntry.objects.bulk_create(AlertEntry(alert=alert, kind=kind, at=now.now) for alert in alerts))


def _parts(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """So many at a time as are explained by one statement."""
    left = iter(rows)
    while part := list(islice(left, EXPLAINED_AT_ONCE)):
        yield part

"""Writing alerts down as they are opened or end: with what their log says of it, one statement for all of a rule.

The rows travel as one JSON document. An array of documents would be escaped mark by mark, which for explanations costs
more than storing them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from alerts.models import Alert, AlertEntry, AlertRule
from alerts.notifying.telling import is_heard, tell_entries
from core.clock import Moment

_LOGGED = """, logged AS (
    INSERT INTO alerts_alertentry (alert_id, kind, at, text)
    SELECT id, %(kind)s, %(now)s, '' FROM written ORDER BY id RETURNING id, alert_id
)
SELECT logged.id, logged.alert_id, written.account_id
FROM logged JOIN written ON written.id = logged.alert_id ORDER BY 1
"""
_OPENED = """
WITH written AS (
    INSERT INTO alerts_alert (rule_id, account_id, membership_id, version, severity, message, why, began_at, opened_at,
        assignee_id, snoozed_till_worse, snooze_reason, ending, outcome, proof)
    SELECT %(rule)s, one.account, one.membership, %(version)s, %(severity)s, one.message, one.why, one.began, %(now)s,
        one.assignee, FALSE, '', '', '', '{}'
    FROM jsonb_to_recordset(%(rows)s) AS one (
        account bigint, membership bigint, message text, why jsonb, began timestamptz, assignee bigint)
    ORDER BY one.account
    RETURNING id, account_id
)"""
_ENDED = """
WITH written AS (
    UPDATE alerts_alert AS alert
    SET ended_at = greatest(%(now)s, alert.opened_at), ending = one.ending, proof = one.proof
    FROM jsonb_to_recordset(%(rows)s) AS one (alert bigint, ending text, proof jsonb)
    WHERE alert.id = one.alert
    RETURNING alert.id, alert.account_id
)"""


@dataclass(frozen=True)
class Opening:
    """An alert to be opened: about which account, because of which stay, since when, with what and for whom."""

    account: int
    membership: int
    began: dt.datetime
    message: str
    why: Mapping[str, Any]
    assignee: int | None

    @property
    def row(self) -> dict[str, Any]:
        """As it travels to the database."""
        return vars(self) | {"began": self.began.isoformat()}


def record_opened(rule: AlertRule, openings: Sequence[Opening], now: Moment) -> None:
    """Open alerts, and tell whoever is to hear of them."""
    common = {"rule": rule.pk, "version": rule.version, "severity": rule.severity}
    logged = _write(_OPENED, AlertEntry.Kind.OPENED, [one.row for one in openings], now, common)
    if not (any(one.assignee for one in openings) or is_heard(rule.pk)):
        return
    by_account = {one.account: one for one in openings}
    alerts = {
        pk: Alert(
            pk=pk, rule=rule, account_id=account, membership_id=one.membership, version=rule.version,
            severity=rule.severity, message=one.message, why=one.why, began_at=one.began, opened_at=now.now,
            assignee_id=one.assignee,
        )
        for _, pk, account in logged
        for one in (by_account[account],)
    }  # fmt: skip
    _tell(logged, alerts, AlertEntry.Kind.OPENED, now)


def record_ended(rule: AlertRule, rows: Sequence[Mapping[str, Any]], now: Moment) -> None:
    """End alerts (each row has the `alert`, its `ending` and the `proof`), and tell whoever is to hear of it."""
    logged = _write(_ENDED, AlertEntry.Kind.ENDED, rows, now, {})
    alerts = Alert.objects.defer("why").in_bulk([pk for _, pk, _ in logged])
    for alert in alerts.values():
        alert.rule = rule
    _tell(logged, alerts, AlertEntry.Kind.ENDED, now)


def _write(
    statement: str, kind: str, rows: Sequence[Mapping[str, Any]], now: Moment, common: Mapping[str, Any]
) -> list[tuple[int, int, int]]:
    """Run a statement; of each alert the entry in its log, itself, and its account."""
    values: dict[str, Any] = {**common, "rows": Jsonb(list(rows)), "now": now.now, "kind": str(kind)}
    with connection.cursor() as cursor:
        cursor.execute(statement + _LOGGED, values)
        found: list[tuple[int, int, int]] = cursor.fetchall()
    return found


def _tell(logged: Sequence[tuple[int, int, int]], alerts: Mapping[int, Alert], kind: str, now: Moment) -> None:
    entries = [AlertEntry(pk=entry, alert=alerts[pk], kind=str(kind), at=now.now) for entry, pk, _ in logged]
    tell_entries(entries, now)

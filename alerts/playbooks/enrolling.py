"""Who comes in: stored stays in a segment, open alerts, or states of a milestone, beside the enrolments there are.

Nothing is evaluated here, a refresh has done that. One statement inserts who is missing, and constraints refuse what
another worker was quicker with, so it may be repeated and run at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.models import Account
from alerts.models import Enrolment, Playbook, PlaybookVersion
from alerts.playbooks.editing import TASK
from core.clock import Moment, moment
from core.intake import BadValue
from core.jobs import enqueue
from core.locks import xact_lock

_INTO = """
INSERT INTO alerts_enrolment
    (playbook_id, version_id, account_id, {cause}, state, step, due_at, started_at, error)
SELECT %(playbook)s, %(version)s, account.id, {of}, 'running', %(step)s, %(now)s, %(now)s, ''
"""
# Who was in it before comes in again as the playbook says, but never twice for the same stay, alert or change.
_MAY = """
  AND account.archived_at IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM alerts_enrolment AS had
    WHERE had.playbook_id = %(playbook)s AND had.account_id = account.id AND (
        had.state = 'running' OR {same} OR %(again)s = 'never' OR had.ended_at > %(rested)s))
ORDER BY account.id
ON CONFLICT DO NOTHING
RETURNING account_id
"""
# An entry that a new definition of the segment caused is none of the customer's.
_BY_SEGMENT = (
    _INTO.format(cause="membership_id", of="stay.id")
    + """
FROM segments_accountmembership AS stay
JOIN accounts_account AS account ON account.id = stay.account_id
LEFT JOIN segments_segmentrefresh AS cause ON cause.id = stay.opened_by_id
WHERE stay.segment_id = %(segment)s AND stay.left_at IS NULL AND stay.entered_at <= %(now)s
  AND (%(existing)s OR (stay.entered_at >= %(since)s AND cause.new_definition IS NOT TRUE))
"""
    + _MAY.format(same="had.membership_id = stay.id")
)
_BY_ALERT = (
    _INTO.format(cause="alert_id", of="alert.id")
    + """
FROM alerts_alert AS alert
JOIN accounts_account AS account ON account.id = alert.account_id
WHERE alert.rule_id = %(rule)s AND alert.ended_at IS NULL AND alert.opened_at <= %(now)s
  AND (%(existing)s OR alert.opened_at >= %(since)s)
"""
    + _MAY.format(same="had.alert_id = alert.id")
)
# By the change with which an account came into its state. One that the milestone's definition caused is none of the
# customer's.
_STATE = """
FROM alerts_accountmilestone AS progress
JOIN accounts_account AS account ON account.id = progress.account_id
JOIN LATERAL (
    SELECT id, noted_at, origin FROM alerts_milestonechange
    WHERE account_id = progress.account_id AND milestone_id = progress.milestone_id AND after = progress.state
    ORDER BY at DESC, id DESC LIMIT 1
) AS change ON TRUE
WHERE progress.milestone_id = %(milestone)s AND progress.state = %(entry)s AND progress.aimed
  AND progress.since <= %(now)s
  AND (%(existing)s OR (change.noted_at >= %(since)s AND change.origin <> 'definition'))
"""
_BY_MILESTONE = (
    _INTO.format(cause="milestone_change_id", of="change.id")
    + _STATE
    + _MAY.format(same="had.milestone_change_id = change.id")
)
_BY = {
    Playbook.Entry.SEGMENT: _BY_SEGMENT, Playbook.Entry.ALERT: _BY_ALERT, Playbook.Entry.REACHED: _BY_MILESTONE,
    Playbook.Entry.OVERDUE: _BY_MILESTONE,
}  # fmt: skip


def enrol_for(playbook: Playbook, version: PlaybookVersion, first: str, now: Moment) -> list[int]:
    """Bring in every account that the playbook's entry says; which (primary keys). `first` is the first step's key.

    A segment whose stored members do not answer its present rule brings nobody in.
    """
    statement = _BY.get(Playbook.Entry(playbook.entry))
    if statement is None:
        return []
    segment = playbook.segment
    if segment is not None and not segment.is_answered:
        return []
    again = Playbook.Again
    rest = dt.timedelta(days=playbook.again_days if playbook.again == again.AFTER else 0)
    values: dict[str, Any] = {
        "playbook": playbook.pk, "version": version.pk, "step": first, "now": now.now, "since": playbook.since,
        "existing": playbook.include_existing, "again": playbook.again, "rested": now.now - rest,
        "segment": playbook.segment_id, "rule": playbook.rule_id, "milestone": playbook.milestone_id,
        "entry": playbook.entry,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [account for (account,) in cursor.fetchall()]


def enrol_by_hand(
    playbook: Playbook,
    accounts: QuerySet[Account] | Iterable[Account],
    *,
    by: Any = None,
    now: dt.datetime | None = None,
) -> list[int]:
    """Let a person bring accounts in, whether they were in it before or not. Which came in (primary keys): the others
    are in it now. Raises BadValue for a playbook that is switched off."""
    with transaction.atomic():
        xact_lock("playbook", playbook.pk)
        found = Playbook.objects.get(pk=playbook.pk)
        version = found.versions.first()
        if not found.active or version is None:
            raise BadValue(f"{found.name} is switched off. Switch it on first.")
        steps = version.definition["steps"]
        inside = set(found.enrolments.running().values_list("account_id", flat=True))
        new = [one.pk for one in accounts if one.pk not in inside and one.archived_at is None]
        now = now or moment().now
        made = Enrolment.objects.bulk_create(
            (
                Enrolment(
                    playbook=found, version=version, account_id=pk, step=steps[0]["key"], due_at=now, started_at=now,
                    enrolled_by=by if getattr(by, "pk", None) else None,
                )
                for pk in new
            ),
            ignore_conflicts=True,
        )  # fmt: skip
        enqueue(TASK)
    return [one.account_id for one in made]

"""What people do with the progress of accounts: mark a milestone as reached, or reset it; each with its reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import Account
from accounts.touching import touch
from alerts.models import AccountMilestone, Milestone, MilestoneChange
from alerts.models.milestone import State
from alerts.notifying.milestones import tell_changes
from alerts.playbooks.editing import TASK as RUN_PLAYBOOKS
from core.clock import Moment, moment
from core.intake import BadValue, clean_text
from core.jobs import enqueue
from core.locks import xact_lock

FIELDS = ("state", "since", "seen_from", "reached_at", "won_at", "lost_at", "reset_at", "dated", "by_hand")
Kind, Origin = MilestoneChange.Kind, MilestoneChange.Origin


@dataclass(frozen=True)
class Before:
    """How the progress of some accounts was, so that what was done can be undone: by account the changed fields (None:
    there was no row), and the change that was noted."""

    milestone: int
    values: dict[int, dict[str, Any] | None]
    changes: dict[int, int]


def mark_reached(
    milestone: Milestone, accounts: Iterable[Account], *, reason: str, on: dt.date | None = None, by: Any = None
) -> Before:
    """Set a milestone as reached, today or on an earlier day; it stays so, whatever its rule says, until it is reset.
    Accounts that have reached it are left alone. Raises BadValue without a reason, for a day ahead, and for one before
    the account lost it."""
    why, now = _reason(reason), moment()
    if on is not None and on > now.today:
        raise BadValue("The day lies ahead. Choose today or an earlier day.")
    at = now.now if on in (None, now.today) else now.start_of(on)

    def change(row: AccountMilestone) -> str:
        if row.state == State.REACHED:
            return ""
        if row.lost_at is not None and row.lost_at > at:
            raise BadValue(f"{row.account} lost it later than that. Choose a day after it.")
        kind = Kind.REACHED if row.won_at is None else Kind.REWON
        if row.won_at is None:
            row.reached_at, row.dated = at, True
        row.state, row.since, row.won_at, row.by_hand = State.REACHED, at, at, True
        return kind

    return _change(milestone, accounts, change, why, by, now, at)


def reset(milestone: Milestone, accounts: Iterable[Account], *, reason: str, by: Any = None) -> Before:
    """Wait for a milestone anew. What a person had marked is what the rule says again; what the rule had found counts
    only if it begins to hold after this. Raises BadValue without a reason."""
    why, now = _reason(reason), moment()

    def change(row: AccountMilestone) -> str:
        if row.reached_at is None:
            return ""
        late = row.due_on is not None and row.due_on < now.today
        row.state, row.since = State.OVERDUE if late else State.PENDING, now.now
        row.seen_from, row.reset_at = now.now, row.reset_at if row.by_hand else now.now
        row.reached_at = row.won_at = row.lost_at = None
        row.dated, row.by_hand = True, False
        return Kind.RESET

    return _change(milestone, accounts, change, why, by, now, now.now)


def undo(before: Before, *, by: Any = None) -> int:
    """Put back how it was, of the accounts of which nothing happened since; how many."""
    now = moment()
    with transaction.atomic():
        xact_lock("milestone", before.milestone)
        milestone = Milestone.objects.filter(pk=before.milestone).first()
        if milestone is None:
            return 0
        rows = AccountMilestone.objects.filter(milestone=milestone, account__in=before.values)
        newest = dict(
            MilestoneChange.objects.filter(milestone=milestone, account__in=before.values)
            .order_by("account_id", "-pk").distinct("account_id").values_list("account_id", "pk")
        )  # fmt: skip
        back = [row for row in rows if newest.get(row.account_id) == before.changes[row.account_id]]
        for row in back:
            was = before.values[row.account_id]
            after = State.OUT if was is None else was["state"]
            kind = Kind.REACHED if after == State.REACHED else Kind.OUT if was is None else Kind.RESET
            _note(row, kind, after, milestone, now, now.now, "Undone.", by)
            if was is None:
                row.delete()
                continue
            for name, value in was.items():
                setattr(row, name, value)
            row.save(update_fields=FIELDS)
        touch(row.account_id for row in back)
    return len(back)


def _change(
    milestone: Milestone, accounts: Iterable[Account], change: Any, reason: str, by: Any, now: Moment, at: dt.datetime
) -> Before:
    """Change the rows of some accounts, made where there are none, and note what differs."""
    chosen = {account.pk: account for account in accounts}
    done = Before(milestone.pk, {}, {})
    with transaction.atomic():
        xact_lock("milestone", milestone.pk)
        rows = {
            row.account_id: row
            for row in AccountMilestone.objects.filter(milestone=milestone, account__in=chosen).select_related(
                "account"
            )
        }
        for pk, account in sorted(chosen.items()):
            row = rows.get(pk) or AccountMilestone(
                milestone=milestone, account=account, state=State.PENDING, since=now.now, seen_from=now.now
            )
            was, before = {name: getattr(row, name) for name in FIELDS}, row.state if row.pk else ""
            kind = change(row)
            if not kind:
                continue
            done.values[pk] = was if row.pk else None
            done.changes[pk] = _note(row, kind, row.state, milestone, now, at, reason, by, before).pk
            row.save()
        touch(done.values)
        tell_changes(done.changes.values(), by)
        if done.values:
            enqueue(RUN_PLAYBOOKS)  # one of them may begin with this milestone
    return done


def _note(
    row: AccountMilestone, kind: str, after: str, milestone: Milestone, now: Moment, at: dt.datetime, reason: str,
    by: Any, before: str | None = None,
) -> MilestoneChange:  # fmt: skip
    return MilestoneChange.objects.create(
        milestone=milestone, account_id=row.account_id, kind=kind, before=row.state if before is None else before,
        after=after, at=at, noted_at=now.now, origin=Origin.HAND, version=milestone.version, reason=reason,
        by=by if getattr(by, "pk", None) else None,
    )  # fmt: skip


def _reason(reason: str) -> str:
    found = clean_text(reason, 255)
    if not found:
        raise BadValue("Say why: it is kept with the change.")
    return found

"""Telling those who look after an account, and whoever listens, that it reached a milestone, lost it or is late.

What a definition did is told to nobody: that is no change of the customer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.db.models import OuterRef, Subquery
from django.urls import reverse

from accounts.models import Assignment
from alerts.models import AccountMilestone, MilestoneChange, MilestoneNotices
from alerts.notifying.folding import folded
from alerts.notifying.kinds import LOST, OVERDUE, REACHED
from alerts.notifying.listening import Listeners, listeners_of, member_behind
from alerts.notifying.telling import Telling, tell

Kind, Origin = MilestoneChange.Kind, MilestoneChange.Origin
# The kind of notification, what is said of one account, what is said of many.
_WORDS = {
    Kind.REACHED.value: (REACHED.key, "{account} reached {milestone}"),
    Kind.REWON.value: (REACHED.key, "{account} reached {milestone} again"),
    Kind.LOST.value: (LOST.key, "{account} lost {milestone}"),
    Kind.OVERDUE.value: (OVERDUE.key, "{account} is overdue with {milestone}"),
}
_MANY = {REACHED.key: "reached", LOST.key: "lost", OVERDUE.key: "are overdue with"}
TOLD = tuple(_WORDS)


def tell_changes(changes: Collection[int], by: Any = None) -> int:
    """Tell of changes of one milestone (primary keys); how many notices are new. Call it in their transaction."""
    mine = AccountMilestone.objects.filter(milestone=OuterRef("milestone"), account=OuterRef("account"))
    rows = MilestoneChange.objects.filter(pk__in=changes, kind__in=TOLD).exclude(origin=Origin.DEFINITION)
    found: list[Any] = list(
        rows.annotate(due=Subquery(mine.values("due_on"))).order_by("pk").values_list(
            "pk", "kind", "account", "account__name", "milestone", "milestone__name", "at", "reason", "due", named=True
        )
    )  # fmt: skip
    if not found:
        return 0
    carers, also = _carers({row.account for row in found}), listeners_of(
        MilestoneNotices.objects.filter(milestone__in={row.milestone for row in found})
    )  # fmt: skip
    me, tellings = member_behind(by), []
    for row in found:
        listeners = also.get(row.milestone, Listeners())
        people = dict.fromkeys([*carers[row.account], *listeners.members])
        tellings += [_telling(row, by, member=pk) for pk in people if pk != me]
        tellings += [_telling(row, by, channel=one) for one in listeners.channels]
    name = found[0].milestone__name
    return tell(folded(tellings, lambda kind, n: (f"{n:,} accounts {_MANY[kind]} {name}", reverse("milestones"))))


def _carers(accounts: Collection[int]) -> dict[int, list[int]]:
    """Who plays a part for each account today and can log in."""
    parts = Assignment.objects.filter(account__in=accounts, ended_at__isnull=True, member__user__is_active=True)
    found: dict[int, list[int]] = defaultdict(list)
    for account, member in parts.order_by("pk").values_list("account_id", "member_id"):
        found[account].append(member)
    return found


def _telling(row: Any, by: Any, **whom: Any) -> Telling:
    kind, words = _WORDS[row.kind]
    title = words.format(account=row.account__name, milestone=row.milestone__name)
    return Telling(
        kind=kind, what=f"change:{row.pk}", title=title, text=_text(row, by), account=row.account, at=row.at,
        path=f"{reverse('account', args=[row.account])}#milestones", **whom,
    )  # fmt: skip


def _text(row: Any, by: Any) -> str:
    if row.reason:
        return f"By hand, {getattr(by, 'member', None) or by or 'somebody'}: {row.reason}"
    if row.kind == Kind.OVERDUE and row.due:
        return f"It was expected by {row.due.day} {row.due:%b %Y}."
    return ""

"""What a milestone would say of accounts as they are, before it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Account
from alerts.milestones.reaching import aimed_at
from alerts.models import AccountMilestone, Milestone
from alerts.models.milestone import State
from core.clock import Moment
from segments.limits import bounded
from segments.models import Segment
from segments.questions import PREVIEW_LIMIT_MS, Question


@dataclass(frozen=True)
class MilestonePreview:
    """Of the accounts that a milestone would aim at: how many would have reached it, be pending, be overdue; how many
    have no start from which days could be counted; and up to five of those that would be overdue."""

    aimed: int
    reached: int
    pending: int
    overdue: int
    startless: int
    late: list[Account]

    @property
    def share(self) -> int:
        """Reached, in percent."""
        return round(100 * self.reached / self.aimed) if self.aimed else 0


def preview_milestone(
    draft: Milestone, targets: Sequence[Segment], question: Question, accounts: QuerySet[Account], now: Moment
) -> MilestonePreview:
    """Ask the stored data, among some accounts; nothing is written. `draft` is as it would be saved. What accounts have
    reached for good, or were marked with by hand, counts as reached. Raises PreviewTooSlow."""
    aimed: QuerySet[Any] = aimed_at(draft, [one.pk for one in targets], now).filter(
        pk__in=accounts.order_by().values("pk")
    )
    kept = AccountMilestone.objects.filter(milestone=draft.pk, state=State.REACHED)
    if not draft.sticky:
        kept = kept.filter(by_hand=True)
    waiting = aimed.exclude(pk__in=question.accounts(aimed).values("pk"))
    if draft.pk:
        waiting = waiting.exclude(pk__in=kept.values("account"))
    late = Q(pk__in=[])
    if draft.expected_days is not None:
        late = Q(start__lt=now.today - timedelta(days=draft.expected_days))
    with bounded(PREVIEW_LIMIT_MS):
        total, left = aimed.count(), waiting.count()
        overdue = waiting.filter(late)
        number = overdue.count()
        startless = aimed.filter(start__isnull=True).count() if draft.expected_days is not None else 0
        sample = list(overdue.order_by("start", "name_folded", "pk")[:5])
    return MilestonePreview(total, total - left, left - number, number, startless, sample)

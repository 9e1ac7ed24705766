"""The alert rules of the invented company, and what its people did about some of the alerts."""

from __future__ import annotations

import random
from typing import Any

from accounts.models import Account, TeamMember
from alerts import handling
from alerts.models import Alert, AlertRule
from alerts.stock import STOCK, take_stock_rule
from core.clock import moment
from core.spans import ONE_DAY

SEED = 7
SHARE = 3  # of so many alerts one is dealt with
COMMENTS = ("Left a message with the sponsor.", "Call on Thursday.", "Their project lead is on leave until next week.")
FALSE, FIXED, NOT_FIXED = Alert.Outcome.FALSE_ALARM, Alert.Outcome.SUCCESS, Alert.Outcome.FAILURE


def watch(author: Any) -> int:
    """Take the ready-made rules, for accounts as they are too; how many were taken."""
    if AlertRule.objects.exists():
        return 0
    return len([take_stock_rule(stock.key, author=author, include_existing=True) for stock in STOCK])


def answer() -> int:
    """Deal with some of the demo's alerts as a team does: close, snooze, comment; how many."""
    if Account.objects.exclude(external_id__startswith="acc-").exists():
        return 0  # not the invented company
    dice = random.Random(SEED)  # noqa: S311  # to be repeated, not to be secret
    people = {member.pk: member.user for member in TeamMember.objects.select_related("user")}
    done = 0
    for place, alert in enumerate(Alert.objects.open().filter(assignee__isnull=False).order_by("opened_at", "pk")):
        if place % SHARE or alert.entries.count() > 1:
            continue
        done, by = done + 1, people[alert.assignee_id or 0]
        match done % 4:
            case 0:
                until = moment().today + ONE_DAY * dice.randint(2, 9)
                handling.snooze([alert], until=until, reason="Away until then.", by=by)
            case 1:
                handling.comment(alert, dice.choice(COMMENTS), by=by)
            case _:
                handling.close([alert], outcome=dice.choice((FIXED, FIXED, NOT_FIXED, FALSE)), by=by)
    return done

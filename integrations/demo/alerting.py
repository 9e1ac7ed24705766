"""The alert rules of the invented company, what follows from their alerts, and what its people did about some."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from accounts.models import Account, TeamMember
from alerts import handling
from alerts.channels.editing import save_channel
from alerts.consequences import Consequences, NewTask, save_consequences
from alerts.models import Alert, AlertRule, Playbook
from alerts.playbooks.editing import Coming, save_playbook
from alerts.stock import STOCK, take_stock_rule
from core.clock import moment
from core.spans import ONE_DAY
from integrations.demo.questions import condition, every

SEED = 7
SHARE = 3  # of so many alerts one is dealt with
COMMENTS = ("Left a message with the sponsor.", "Call on Thursday.", "Their project lead is on leave until next week.")
SILENT, TRIAL = "Silent account", "Trial about to end"
WIN_BACK: list[dict[str, Any]] = [
    {"key": "call", "kind": "task", "title": "Call {{ account.name }}", "role": "csm",
     "text": "Nobody was seen since {{ account.last_seen_at }}.", "due": {"days": 2, "working": True}},
    {"key": "wait", "kind": "delay", "days": 5},
    {"key": "review", "kind": "task", "title": "Bring {{ account.name }} to the risk review", "role": "account-manager",
     "to": "imani", "due": {"days": 5, "working": True}},
]  # fmt: skip
FALSE, FIXED, NOT_FIXED = Alert.Outcome.FALSE_ALARM, Alert.Outcome.SUCCESS, Alert.Outcome.FAILURE


def watch(author: Any) -> int:
    """Take the ready-made rules, for accounts as they are too; how many were taken."""
    if AlertRule.objects.exists():
        return 0
    return len([take_stock_rule(stock.key, author=author, include_existing=True) for stock in STOCK])


def follow(members: Sequence[TeamMember]) -> int:
    """Say what follows from two of the rules: a playbook, a task, who hears of them; how many playbooks were made. The
    channel is off, so that nothing leaves the demo."""
    rules = {rule.name: rule for rule in AlertRule.objects.filter(name__in=(SILENT, TRIAL))}
    if len(rules) < 2 or Playbook.objects.filter(rule__isnull=False).exists():
        return 0
    author = members[0].user
    channel, _ = save_channel(
        None, name="Customer risks", kind="webhook", address="https://chat.example/hooks/customer-risks", active=False
    )
    back = every(condition("account.active_days_30d", "at_least", 3))
    won_back = save_playbook(
        None, name="Win back", description="For customers that nobody uses any more.",
        definition={"steps": WIN_BACK, "goal": back, "exit": None}, author=author,
        coming=Coming(again=Playbook.Again.AFTER, days=30),
    )  # fmt: skip
    save_consequences(rules[SILENT], Consequences((members[0],), (channel,), (won_back,)), author=author)
    task = NewTask("Ask {{ account.name }} what is missing", 2)
    save_consequences(rules[TRIAL], Consequences(), task=task, author=author)
    return 2


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

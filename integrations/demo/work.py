"""What the invented company's people have to do: two playbooks, and some tasks by hand."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from accounts.models import Account, TeamMember
from alerts.models import Playbook, Task
from alerts.playbooks.editing import Coming, save_playbook
from alerts.work.doing import add_task, finish
from core.clock import Moment
from integrations.demo.company import Customer
from integrations.demo.questions import condition, every
from segments.models import Segment

RENEWAL: list[dict[str, Any]] = [
    {"key": "prepare", "kind": "task", "title": "Prepare the renewal of {{ account.name }}", "role": "csm",
     "text": "MRR {{ account.mrr }}, renewal on {{ account.renews_on }}.", "due": {"days": 9, "working": True}},
    {"key": "wait", "kind": "delay", "days": 5, "at": "09:00"},
    {"key": "healthy", "kind": "branch", "rule": every(condition("account.active_users_30d", "at_least",
     {"percent": 50, "of": "account.licences"})), "otherwise": "review"},
    {"key": "offer", "kind": "task", "title": "Send the offer to {{ account.name }}", "role": "csm",
     "due": {"days": 5, "working": True}, "next": "end"},
    {"key": "review", "kind": "task", "title": "Bring {{ account.name }} to the risk review", "role": "account-manager",
     "to": "imani", "due": {"days": 5, "working": True}},
]  # fmt: skip
ONBOARDING: list[dict[str, Any]] = [
    {"key": "kick-off", "kind": "task", "title": "Kick-off with {{ account.name }}", "role": "onboarding-manager",
     "to": "milena", "due": {"days": 10, "working": True}},
    {"key": "settle", "kind": "delay", "days": 6, "working": True},
    {"key": "train", "kind": "task", "title": "Train the administrators of {{ account.name }}",
     "role": "onboarding-manager", "to": "milena", "due": {"days": 6, "working": True}, "wait": True},
    {"key": "hand-over", "kind": "task", "title": "Hand {{ account.name }} over to the CSM", "role": "csm",
     "due": {"days": 3, "working": True}},
]  # fmt: skip
PLAYBOOKS: list[tuple[str, str, str, list[dict[str, Any]], Any, dict[str, Any]]] = [
    ("Renewal in 90 days", "From the first look to the offer.", "renewal-next-90-days", RENEWAL,
     every(condition("account.renews_on", "more_than_ahead", {"n": 120, "unit": "day"})),
     {"again": Playbook.Again.AFTER, "days": 120}),
    ("Onboarding", "Until the customer is live.", "onboarding", ONBOARDING,
     every(condition("account.stage_type", "is", "live")), {}),
]  # fmt: skip
TASKS = [
    "Ask the sponsor for a reference", "Send the list of open requests", "Introduce the new administrator",
    "Review the licences in use", "Invite to the user group", "Answer the security questionnaire",
]  # fmt: skip


def plan(customers: list[Customer], members: list[TeamMember], dice: random.Random, present: Moment) -> tuple[int, int]:
    """Save the playbooks, for accounts as they are too, and write tasks down; how many of each."""
    author = members[0].user
    segments = {one.key: one for one in Segment.objects.filter(key__in=[row[2] for row in PLAYBOOKS])}
    made = 0
    for name, words, key, steps, goal, again in PLAYBOOKS:
        if key in segments and not Playbook.objects.filter(name=name).exists():
            save_playbook(
                None, name=name, description=words, definition={"steps": steps, "goal": goal, "exit": None},
                coming=Coming(segments[key], existing=True, **again), author=author,
            )  # fmt: skip
            made += 1
    if Task.objects.exists():
        return made, 0
    live = [one for one in customers if one.habit in ("steady", "growing", "falling")]
    accounts = {one.external_id: one for one in Account.objects.filter(external_id__in=[one.id for one in live])}
    csms = [one for one in members if one.access == TeamMember.Access.CSM]
    tasks = []
    for place, customer in enumerate(dice.sample(live, min(len(live), 14))):
        due = present.today + dt.timedelta(days=dice.choice((-4, -1, 0, 0, 1, 3, 8)))
        whose = members[0] if place % 4 == 0 else csms[place % len(csms)]
        title = TASKS[place % len(TASKS)]
        tasks.append(add_task(accounts[customer.id], title, assignee=whose, due_on=due, by=author))
    for task, outcome in zip(tasks[::5], Task.Outcome.values, strict=False):
        finish([task], outcome=outcome, note="They were glad to be asked.", by=author)
    return made, len(tasks)

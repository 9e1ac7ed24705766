"""A trial of the invented company: every other customer gets a quarterly review, chosen by nothing else, and two months
later somebody asks whether it worked."""

from __future__ import annotations

import datetime as dt
from typing import Any

from accounts.models import Account
from alerts.comparing.running import work
from alerts.comparing.starting import CALIPERS, start_comparison
from alerts.models import Comparison, Playbook, Task
from alerts.playbooks.editing import save_playbook
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.work.doing import finish
from core.clock import Moment, moment
from integrations.demo.company import Customer

NAME = "Quarterly review, a trial"
SHORT = [{"key": "review", "kind": "task", "title": "Review of the quarter with {{ account.name }}", "role": "csm"}]
LONGER: list[dict[str, Any]] = [
    SHORT[0] | {"text": "Usage, licences, what comes next.", "due": {"days": 10, "working": True}, "wait": True},
    {"key": "note", "kind": "task", "title": "Write down what {{ account.name }} wants", "role": "csm",
     "due": {"days": 2, "working": True}},
]  # fmt: skip
BEGAN = 62  # days ago
KNOWN = (BEGAN + 1, BEGAN - 30)  # days ago whose scores the comparison reads, besides those of the last two weeks


def try_out(customers: list[Customer], author: Any, present: Moment) -> None:
    """Save the playbook, once changed, and bring in every other customer who was one at the time."""
    if Playbook.objects.filter(name=NAME).exists():
        return
    at = present.now - dt.timedelta(days=BEGAN)
    words = "Every other customer, to see whether it is worth the time."
    first = save_playbook(None, name=NAME, description=words, definition={"steps": SHORT}, author=author)
    made = save_playbook(
        first, name=NAME, description=words, definition={"steps": LONGER}, author=author,
        reason="What they say is to be written down",
    )  # fmt: skip
    then = at.date() - dt.timedelta(days=30)
    theirs = [one.id for one in customers if one.habit in ("steady", "growing", "falling", "low") and one.since <= then]
    chosen = Account.objects.filter(external_id__in=sorted(theirs)[::2])
    enrol_by_hand(made, chosen, by=author, now=at)


def conclude() -> bool:
    """The reviews were held; ask what came of them. False where nothing was tried, or somebody has asked already."""
    playbook = Playbook.objects.filter(name=NAME).first()
    if playbook is None or Comparison.objects.exists():
        return False
    held = Task.objects.open().filter(step_run__enrolment__playbook=playbook).select_related("account")
    finish(list(held), outcome=Task.Outcome.SUCCESS, note="They know what they pay for.", by=playbook.author)
    first = moment().today - dt.timedelta(days=BEGAN)
    work(start_comparison(playbook, first_day=first, caliper=CALIPERS[-1], uses=2, author=playbook.author).pk)
    return True

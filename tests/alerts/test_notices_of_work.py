"""Notices of milestones and tasks, and the cap of a channel: who is told of what, once, and what many become."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail

from accounts.models import Account
from alerts.brief import brief_of
from alerts.channels.editing import save_channel
from alerts.milestones.editing import Expected, save_milestone
from alerts.milestones.marking import mark_reached, undo
from alerts.milestones.reaching import reach_for
from alerts.milestones.tasks import look_at_milestones
from alerts.models import Delivery, MilestoneNotices, Notice, Task
from alerts.notifying.choosing import save_settings
from alerts.notifying.digests import make_digests
from alerts.notifying.folding import MOST, folded
from alerts.notifying.inbox import wake_due
from alerts.notifying.kinds import ALERT, KINDS
from alerts.notifying.sending import send_due
from alerts.notifying.telling import Telling, tell
from alerts.playbooks.editing import save_playbook
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.playbooks.running import run_playbooks
from alerts.work import doing
from core.intake import BadValue
from csbox.pipeline import refresh_everything
from segments.questions import Reader
from tests import factories
from tests.alerts.making import has, made_milestone
from tests.alerts.receiving import Receiver, receiving
from tests.alerts.test_notices import inbox, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]
NOON = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)  # a Wednesday

FEWER = {"match": "all", "rules": [{"field": "account.licences", "op": "at_least", "value": 1}]}


@pytest.fixture(autouse=True)
def _noon(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """Slack on this machine, which may be asked."""
    settings.FETCH_ALLOWED = ["127.0.0.1"]
    with receiving() as found:
        yield found


def test_who_looks_after_an_account_is_told_of_its_milestones_once(time_machine: Any) -> None:
    csm, stranger, listener = person(), person(), person()
    account = factories.account("Harbour", stated_licences=3, customer_since=NOON.date())
    old = factories.account("Old", stated_licences=30)
    for one in (account, old):
        factories.assign(one, csm)
    refresh_everything()
    milestone = made_milestone("Rolled out", sticky=False, expected=Expected(days=2))
    assert inbox(csm) == [], "what a new milestone finds is no change of the customer"
    MilestoneNotices.objects.create(milestone=milestone).members.set([listener])
    time_machine.move_to(NOON + dt.timedelta(days=3), tick=False)
    refresh_everything()
    reach_for()
    has(account, 30)
    time_machine.move_to(NOON + dt.timedelta(days=4), tick=False)
    has(account, 3)
    told = [
        ("milestone_overdue", "Harbour is overdue with Rolled out"),
        ("milestone_reached", "Harbour reached Rolled out"),
        ("milestone_lost", "Harbour lost Rolled out"),
    ]  # fmt: skip
    assert inbox(csm) == inbox(listener) == told and inbox(stranger) == []
    first = Notice.objects.filter(member=csm).order_by("pk")[0]
    assert (first.text, first.path) == ("It was expected by 8 May 2026.", f"/accounts/{account.pk}/#milestones")
    assert set(Delivery.objects.values_list("notice__kind", flat=True)) == {"milestone_lost"}, "unless they choose else"
    save_milestone(milestone, name="Rolled out", condition=FEWER, sticky=False)
    look_at_milestones()
    assert inbox(csm) == told, "nor is what a changed one finds"
    brief = brief_of(Account.objects.all(), NOON + dt.timedelta(hours=1), Reader.now())
    assert [item.what for item in brief.shown[0].items if item.kind == "milestone"] == [
        "Lost: Rolled out", "Reached: Rolled out", "Overdue: Rolled out"
    ]  # fmt: skip


def test_a_milestone_marked_by_hand_is_told_to_the_others_and_its_undo_to_nobody(receiver: Receiver) -> None:
    csm, lead = person(ways={"milestone_reached": "now"}), person()
    account = factories.account("Harbour", stated_licences=3)
    for one, role in ((csm, "csm"), (lead, "account-manager")):
        factories.assign(account, one, role)
    refresh_everything()
    milestone = made_milestone("Rolled out")
    slack, _ = save_channel(None, name="Team", kind="slack", address=receiver.slack)
    MilestoneNotices.objects.create(milestone=milestone).channels.set([slack])
    before = mark_reached(milestone, [account], reason="They told me", by=lead.user)
    undo(before, by=lead.user)
    assert inbox(csm) == [("milestone_reached", "Harbour reached Rolled out")] and inbox(lead) == []
    assert Notice.objects.get(member=csm).text == f"By hand, {lead}: They told me"
    assert send_due() == 2 and mail.outbox[0].to == [csm.user.email]
    assert "Harbour reached Rolled out" in receiver.got[0][1]["text"]


def test_a_task_is_told_to_whom_it_is_given_and_not_to_oneself() -> None:
    me, ann = person(), person()
    account = factories.account("Harbour")
    mine = doing.add_task(account, "Call", assignee=me, due_on=NOON.date(), by=me.user)
    assert inbox(me) == [], "one knows what one wrote down"
    before = doing.assign([mine], ann, by=me.user)
    doing.assign([mine], ann, by=me.user)
    assert inbox(ann) == [("task", f"{me} gave you a task: Call, Harbour")]
    assert Notice.objects.get().text == "Due 6 May 2026." and Notice.objects.get().path == f"/tasks/?task={mine.pk}"
    doing.undo(before)
    doing.edit_task(mine, title="Call them", assignee=ann, by=ann.user)
    done = doing.add_task(account, "Write", by=me.user)
    doing.finish([done], by=me.user)
    doing.edit_task(Task.objects.get(pk=done.pk), assignee=ann, by=me.user)
    assert len(inbox(ann)) == 1, "what one takes oneself, and what is over, is told to nobody"
    assert send_due() == 1 and mail.outbox[0].subject == f"{me} gave you a task: Call, Harbour"


def test_a_playbook_tells_whose_its_tasks_are() -> None:
    csm = person()
    account = factories.account("Harbour", stated_licences=3)
    factories.assign(account, csm)
    refresh_everything()
    steps = [{"key": "call", "kind": "task", "title": "Call {{ account.name }}", "role": "csm", "wait": True}]
    playbook = save_playbook(None, name="Rescue", definition={"steps": steps})
    enrol_by_hand(playbook, [account])
    run_playbooks()
    run_playbooks()
    assert inbox(csm) == [("task", "Playbook Rescue gave you a task: Call Harbour, Harbour")]


def test_tasks_that_are_due_come_in_the_morning_and_late_ones_the_morning_after(time_machine: Any) -> None:
    csm = person(digest_at=dt.time(7), time_zone="Pacific/Auckland", ways={"task_due": "now"})
    account = factories.account("Harbour")
    make_digests()
    for days in (-1, 1, 2, None):
        due = None if days is None else NOON.date() + dt.timedelta(days=days)
        doing.add_task(account, f"In {days}", assignee=csm, due_on=due, by=csm.user)
    doing.finish([doing.add_task(account, "Done", assignee=csm, due_on=NOON.date() + dt.timedelta(days=1))])
    Notice.objects.all().delete()
    # 7:00 of the 7th in Auckland is 19:00 UTC of the 6th.
    time_machine.move_to(NOON + dt.timedelta(hours=6, minutes=59), tick=False)
    assert make_digests() == 0
    time_machine.move_to(NOON + dt.timedelta(hours=7), tick=False)
    assert make_digests() == 1 and make_digests() == 0
    assert inbox(csm) == [("task_due", "Due today: In 1, Harbour")], "the one that was late when it was made is not new"
    assert send_due() == 1
    time_machine.move_to(NOON + dt.timedelta(hours=31), tick=False)
    make_digests()
    assert [title for _, title in inbox(csm)[1:]] == [
        "Overdue: In 1, Harbour", "Due today: In 2, Harbour", "Your day, 8 May: 1 notification"
    ]  # fmt: skip
    time_machine.move_to(NOON + dt.timedelta(days=5), tick=False)
    save_settings(csm, {}, ways={"task_late": "never"})
    make_digests()
    assert len(inbox(csm)) == 4


def test_very_many_at_once_are_one_notice() -> None:
    csm, other = person(), person()
    account = factories.account("Harbour")
    tasks = [doing.add_task(account, f"Task {n}") for n in range(MOST + 1)]
    doing.assign(tasks, csm)
    doing.assign(tasks[:MOST], other)
    assert inbox(csm) == [("task", f"{MOST + 1} tasks were given to you")] and len(inbox(other)) == MOST
    made = [Telling(ALERT.key, str(n), "t", member=csm.pk) for n in range(MOST + 1)]
    assert [one.key for one in folded(made, lambda kind, n: ("m", "/"))] == [f"alert:0:and {MOST} more:member:{csm.pk}"]


def test_beyond_the_cap_of_a_channel_one_message_tells_the_rest_in_the_morning(
    receiver: Receiver, time_machine: Any
) -> None:
    slack, _ = save_channel(None, name="Team", kind="slack", address=receiver.slack, cap=2)
    free, _ = save_channel(None, name="Machine", kind="slack", address=receiver.slack)
    with pytest.raises(BadValue):
        save_channel(slack, name="Team", cap=0)
    save_channel(slack, name="Team")
    tell(Telling(ALERT.key, str(n), f"Number {n}", channel=one) for n in range(55) for one in (slack, free))
    assert send_due() == 57 and Delivery.objects.filter(state="folded").count() == 53
    assert make_digests() == 0 and send_due() == 0, "not before the morning"
    time_machine.move_to(NOON + dt.timedelta(hours=19, minutes=30), tick=False)
    wake_due()
    assert make_digests() == 1 and make_digests() == 0
    assert send_due() == 1
    _, said = receiver.got[-1]
    lines = said["blocks"][0]["text"]["text"].splitlines()
    assert said["text"] == "53 more notifications" and lines[1] == "Number 2" and lines[-1] == "and 3 more"
    tell(Telling(ALERT.key, f"late {n}", "Late", channel=slack) for n in range(3))
    assert send_due() == 2, "a new day has its own two"


def test_every_kind_fits_its_column() -> None:
    assert all(len(key) <= Notice._meta.get_field("kind").max_length for key in KINDS)

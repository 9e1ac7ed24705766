"""Tasks: what is done to them and undone, the days on which they are due, the calendar feed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from icalendar import Calendar

from accounts.models import Account, TeamMember, TouchedAccount
from alerts.models import Task, TaskCalendar
from alerts.work import doing
from alerts.work.calendar import renew_calendar
from alerts.work.days import Span, day_after
from core.clock import moment
from core.intake import BadValue
from core.models import Workspace
from csbox.pipeline import refresh_everything
from segments.editing import delete_segment
from segments.models import AccountMembership
from tests import factories

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)  # a Wednesday


@pytest.fixture
def account(time_machine: Any) -> Account:
    """An account, at noon."""
    time_machine.move_to(NOON, tick=False)
    return factories.account("Harbour")


def day(number: int) -> dt.date:
    """So many days from today."""
    return NOON.date() + dt.timedelta(days=number)


def test_tasks_stand_where_their_day_says(account: Account) -> None:
    for due in (-1, 0, 1, None):
        doing.add_task(account, f"Due {due}", due_on=None if due is None else day(due))
    today = moment().today
    rows = Task.objects.all()
    assert [one.title for one in rows.overdue(today)] == ["Due -1"]
    assert [one.title for one in rows.due_today(today)] == ["Due 0"]
    assert [one.title for one in rows.later(today)] == ["Due 1", "Due None"]


def test_what_is_done_can_be_undone_and_nothing_that_happened_since(account: Account) -> None:
    ann, user = factories.member(), User.objects.create_user("bob")
    first, second = (doing.add_task(account, title, due_on=day(1)) for title in ("  Call \n them ", "Write"))
    assert first.title == "Call them" and TouchedAccount.objects.filter(account=account).count() == 2
    given = doing.assign([first, second], ann)
    later = doing.postpone([first, second], day(3))
    done = doing.finish([first], outcome="success", note="They renew.", by=user)
    assert doing.finish([first]).values == {} and doing.postpone([first], day(4)).values == {}
    first.refresh_from_db()
    assert (first.state, first.outcome, first.note, first.done_by) == ("done", "success", "They renew.", user)
    assert doing.undo(later) == 2 and doing.undo(given) == 2
    first.refresh_from_db()
    assert (first.state, first.due_on, first.assignee) == ("done", day(1), None)
    doing.undo(done)
    assert [one.state for one in Task.objects.open()] == ["open", "open"]
    changed = doing.edit_task(Task.objects.get(pk=second.pk), title="Write to them", assignee=ann)
    doing.skip([second], note="Not needed.")
    doing.undo(changed)
    second.refresh_from_db()
    assert (second.title, second.state, second.assignee) == ("Write", "skipped", None)


def test_what_makes_no_sense_is_refused(account: Account) -> None:
    task = doing.add_task(account, "Call")
    for given in ({"title": " "}, {"title": "x" * 201}, {"due_on": day(2000)}, {"outcome": "success"}):
        with pytest.raises(BadValue):
            doing.edit_task(task, **given)
    with pytest.raises(BadValue, match="passed"):
        doing.postpone([task], day(-1))
    for wrong in ({"title": ""}, {"state": "done"}, {"outcome": "success"}, {"done_at": NOON}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Task.objects.filter(pk=task.pk).update(**wrong)


@pytest.mark.parametrize(
    ("start", "span", "due"),
    [
        (6, Span(0), 6), (6, Span(1), 7), (6, Span(3), 11), (8, Span(1), 11), (9, Span(0), 11), (9, Span(1), 11),
        (6, Span(0, False), 6), (6, Span(3, False), 9), (6, Span(20), 3 + 31),
    ],
)  # fmt: skip
def test_working_days_leave_out_the_weekend(start: int, span: Span, due: int) -> None:
    found = day_after(dt.date(2026, 5, start), span, Workspace())
    assert found == dt.date(2026, 5, 1) + dt.timedelta(days=due - 1)


def test_the_work_week_is_the_workspaces() -> None:
    gulf = Workspace(work_days="SU,MO,TU,WE,TH")
    assert day_after(dt.date(2026, 5, 7), Span(1), gulf) == dt.date(2026, 5, 10)


def test_rules_ask_about_tasks_and_follow_at_once(account: Account) -> None:
    busy = factories.segment("Busy", {"field": "tasks.open", "op": "at_least", "value": 1})
    late = factories.segment(
        "Late", {"field": "tasks.next_due", "op": "more_than_ago", "value": {"n": 1, "unit": "day"}}
    )
    task = doing.add_task(account, "Call", due_on=day(-2))
    refresh_everything()

    def inside() -> set[str]:
        return set(AccountMembership.objects.filter(left_at=None).values_list("segment__name", flat=True))

    assert inside() == {"Busy", "Late"}
    doing.finish([task])
    refresh_everything()
    assert inside() == set()
    delete_segment(busy)
    delete_segment(late)


def test_the_calendar_holds_my_tasks_by_day_at_an_address_that_ends_with_a_new_one(
    account: Account, time_machine: Any
) -> None:
    me, other = factories.member(), factories.member()
    for title, to, due in (("Call; them, now", me, 1), ("Not mine", other, 1), ("Some day", me, None)):
        doing.add_task(account, title, assignee=to, due_on=None if due is None else day(due))
    doing.finish([doing.add_task(account, "Old", assignee=me, due_on=day(-60))])
    time_machine.shift(dt.timedelta(days=31))
    doing.finish([doing.add_task(account, "Lately", assignee=me, due_on=moment().today)])
    secret = renew_calendar(me)
    path = f"/calendar/{secret}.ics"
    answer = Client().get(path)
    assert answer["Content-Type"].startswith("text/calendar")
    events = [one for one in Calendar.from_ical(answer.content).walk("VEVENT")]
    assert [str(one["summary"]) for one in events] == ["Call; them, now (Harbour)", "✓ Lately (Harbour)"]
    assert events[0]["dtstart"].dt == day(1) and events[0]["dtend"].dt == day(2)
    assert not isinstance(events[0]["dtstart"].dt, dt.datetime)
    assert Client().get(path, headers={"If-None-Match": answer["ETag"]}).status_code == 304
    assert secret not in str(TaskCalendar.objects.values())
    again = renew_calendar(me)
    assert Client().get(path).status_code == 404 and Client().get(f"/calendar/{again}.ics").status_code == 200
    User.objects.filter(pk=me.user.pk).update(is_active=False)
    assert Client().get(f"/calendar/{again}.ics").status_code == 404


def test_the_calendar_shows_no_account_that_its_owner_may_not_see(account: Account) -> None:
    me = factories.member(TeamMember.Access.CSM)
    doing.add_task(account, "Call", assignee=me, due_on=day(1))
    factories.assign(account, factories.member())
    Workspace.get()
    Workspace.objects.update(csm_reach=Workspace.Reach.OWN)
    assert b"VEVENT" not in Client().get(f"/calendar/{renew_calendar(me)}.ics").content

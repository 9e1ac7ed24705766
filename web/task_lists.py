"""Lists of tasks as their pages show them: whose, which of them, in which state the address says one is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Q
from django.http import HttpRequest

from accounts.models import Account, TeamMember
from alerts.models import Task
from core.clock import Moment
from web.pages import member_of, page_number

VIEWS = {"": "To do", "overdue": "Overdue", "today": "Due today", "later": "Later", "done": "Done"}
A_PAGE, LAST_PAGE = 50, 200


@dataclass(frozen=True)
class TaskList:
    """What the address asks for: a view, whose tasks (`me`, `team`, `team:ID`, `nobody`, `everybody` or a colleague's
    key), a page. `rows` are all of those that may be seen and are theirs."""

    view: str
    who: str
    page: int
    rows: Any
    today: Any

    @property
    def listed(self) -> Any:
        """The tasks of the view, in its order."""
        rows, today = self.rows, self.today
        if self.view == "done":
            return rows.over()
        ways = {"overdue": rows.overdue, "today": rows.due_today, "later": rows.later}
        found = ways[self.view](today) if self.view else rows.open()
        return found.order_by(F("due_on").asc(nulls_last=True), "pk")

    @property
    def shown(self) -> list[Task]:
        """One page of it, and one task more if there are any."""
        start = (self.page - 1) * A_PAGE
        return list(self.listed.select_related("account", "assignee")[start : start + A_PAGE + 1])

    @property
    def tabs(self) -> list[tuple[str, str, int | None]]:
        """Each view with its name and its number of tasks."""
        late, now = Q(due_on__lt=self.today), Q(due_on=self.today)
        counted = self.rows.open().order_by().aggregate(
            all=Count("pk"), overdue=Count("pk", filter=late), today=Count("pk", filter=now)
        )  # fmt: skip
        numbers = {
            "": counted["all"], "overdue": counted["overdue"], "today": counted["today"],
            "later": counted["all"] - counted["overdue"] - counted["today"],
        }  # fmt: skip
        return [(key, label, numbers.get(key)) for key, label in VIEWS.items()]

    @property
    def query(self) -> str:
        """Whose, for links to another view."""
        return urlencode({"who": self.who})


def seen_tasks(request: HttpRequest) -> Any:
    """Those of the accounts that this person may see."""
    return Task.objects.filter(account__in=Account.objects.visible_to(request.user).order_by())


def task_list(request: HttpRequest, now: Moment) -> TaskList:
    """The list that the address asks for; what it says in vain counts as not said."""
    view, page = request.GET.get("view", ""), request.GET.get("page", "1")
    member = member_of(request)
    who = request.GET.get("who", "") or ("me" if member else "everybody")
    rows = seen_tasks(request)
    if who == "me":
        rows = rows.filter(assignee=member)
    elif who == "team":
        rows = rows.filter(assignee__team=member.team_id if member else None, assignee__isnull=False)
    elif who == "nobody":
        rows = rows.filter(assignee=None)
    elif re.fullmatch(r"team:[0-9]{1,9}", who):
        rows = rows.filter(assignee__team=int(who.removeprefix("team:")))
    elif who != "everybody":
        rows = rows.filter(assignee__key=who.replace("\x00", "")[:80])
    return TaskList(view if view in VIEWS else "", who, page_number(page, LAST_PAGE), rows, now.today)


def colleagues() -> list[TeamMember]:
    """Whom a task can be given to."""
    return list(TeamMember.objects.filter(user__is_active=True).order_by("name"))


def when(task: Task, today: Any) -> str:
    """The heading under which an open task stands."""
    if task.due_on is None:
        return "Without a day"
    return "Overdue" if task.due_on < today else "Due today" if task.due_on == today else "Later"

"""Tasks: what is to do, late and done, with one of them beside the list, and what is done to one or to many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account, TeamMember
from alerts.models import Alert, Task
from alerts.work import doing
from core.clock import Moment, moment
from core.intake import BadValue, clean_date, whole
from web.notices import back_to, notify
from web.pages import may_change_accounts, member_of, page
from web.task_lists import A_PAGE, LAST_PAGE, colleagues, seen_tasks, task_list, when
from web.undo import inverse, keep_inverse
from web.views.explaining import find_typed

MOST = 1_000
SOON = {"tomorrow": 1, "week": 7}


@login_required
@require_GET
def tasks(request: HttpRequest) -> HttpResponse:
    """The tasks of a view, and one of them in full."""
    now = moment()
    listed = task_list(request, now)
    shown = listed.shown
    chosen = _chosen(request, shown)
    member = member_of(request)
    context = {
        "listed": listed,
        "rows": _with_headings(shown[:A_PAGE], now) if not listed.view else [("", one) for one in shown[:A_PAGE]],
        "chosen": chosen,
        "is_chosen": chosen is not None and request.GET.get("task", "") == str(chosen.pk),
        "previous": listed.page - 1,
        "next": listed.page + 1 if len(shown) > A_PAGE and listed.page < LAST_PAGE else 0,
        "member": member,
        "colleagues": colleagues(),
        "outcomes": Task.Outcome.choices,
        "may_change": may_change_accounts(request),
        "here": request.get_full_path(),
        "today": now.today,
    }
    return page(request, "web/tasks/page.html", context)


def _with_headings(rows: list[Task], now: Moment) -> list[tuple[str, Task]]:
    """Each task with the heading that begins at it."""
    found: list[tuple[str, Task]] = []
    last = ""
    for one in rows:
        heading = when(one, now.today)
        found.append(("" if heading == last else heading, one))
        last = heading
    return found


def _chosen(request: HttpRequest, shown: list[Task]) -> Task | None:
    """The one that the address names, else the first of the list."""
    pk = whole(request.GET.get("task"))
    related = ("account", "assignee", "done_when", "alert__rule", "created_by__member", "done_by__member")
    rows = seen_tasks(request).select_related(*related)
    found = rows.filter(pk=pk).first() if pk else None
    return found or (rows.filter(pk=shown[0].pk).first() if shown else None)


@login_required
@require_POST
def task_add(request: HttpRequest) -> HttpResponse:
    """Write a task down: for the account that is given, the one that was typed, or that of an alert."""
    if not may_change_accounts(request):
        raise PermissionDenied
    back = back_to(request, reverse("tasks"))
    try:
        alert = _alert(request)
        made = doing.add_task(
            alert.account if alert else _account(request), request.POST.get("title", ""),
            text=request.POST.get("text", ""), assignee=_colleague(request, request.POST.get("to", "me")),
            due_on=_typed_day(request), alert=alert, by=request.user,
        )  # fmt: skip
    except BadValue as error:
        notify(request, f"No task was added. {error}")
        return HttpResponseRedirect(back)
    token = keep_inverse(request, "task-added", {"task": made.pk}, back=back)
    whose = f" for {made.assignee}" if made.assignee else ""
    notify(request, f"Task added{whose}: {made.title}.", undo=token)
    return HttpResponseRedirect(back)


def _account(request: HttpRequest) -> Account:
    seen = Account.objects.visible_to(request.user)
    found = seen.filter(pk=pk).first() if (pk := whole(request.POST.get("account_id"))) else None
    if found is not None:
        return found
    if not request.POST.get("account", "").strip():
        raise BadValue("Type the name of the account it is for.")
    typed: Account = find_typed(seen, request.POST["account"])
    return typed


def _alert(request: HttpRequest) -> Alert | None:
    seen = Account.objects.visible_to(request.user).order_by()
    rows = Alert.objects.filter(account__in=seen).select_related("account")
    return rows.filter(pk=pk).first() if (pk := whole(request.POST.get("alert_id"))) else None


def _colleague(request: HttpRequest, key: str) -> TeamMember | None:
    if not key:
        return None
    member = member_of(request)
    if key == "me":
        return member
    found = TeamMember.objects.filter(user__is_active=True, key=key.replace("\x00", "")[:80]).first()
    if found is None:
        raise BadValue("There is no such colleague. Choose one of the list.")
    return found


def _typed_day(request: HttpRequest, name: str = "due") -> dt.date | None:
    text = request.POST.get(name, "").strip()
    return clean_date(text) if text else None


@login_required
@require_POST
def tasks_do(request: HttpRequest) -> HttpResponse:
    """Do one thing to the tasks that are ticked (`task`), or tick `one` off, and say so with a way back."""
    if not may_change_accounts(request):
        raise PermissionDenied
    back = back_to(request, reverse("tasks"))
    one = request.POST.get("one", "")
    ids = [pk for text in ([one] if one else request.POST.getlist("task")) if (pk := whole(text))][:MOST]
    chosen = list(seen_tasks(request).filter(pk__in=ids))
    if not chosen:
        notify(request, "No task is chosen. Tick at least one.")
        return HttpResponseRedirect(back)
    try:
        before, said = _WAYS.get("done" if one else request.POST.get("do", ""), _nothing)(request, chosen)
    except BadValue as error:
        notify(request, str(error))
        return HttpResponseRedirect(back)
    number = len(before.values)
    titles = {task.pk: task.title for task in chosen}
    which = titles[next(iter(before.values))] if number == 1 else f"{number:,} tasks"
    token = keep_inverse(request, "tasks", {"values": before.values}, back=back) if number else ""
    notify(request, f"{which}: {said}." if number else "Nothing was changed: it is so already.", undo=token)
    return HttpResponseRedirect(back)


Done = tuple[doing.Before, str]


def _done(request: HttpRequest, chosen: list[Task]) -> Done:
    outcome = request.POST.get("outcome", "")
    if outcome not in ("", *Task.Outcome.values):
        raise BadValue("Choose an outcome of the list.")
    return doing.finish(chosen, outcome=outcome, note=request.POST.get("note", ""), by=request.user), "done"


def _skip(request: HttpRequest, chosen: list[Task]) -> Done:
    return doing.skip(chosen, note=request.POST.get("note", ""), by=request.user), "skipped"


def _reopen(request: HttpRequest, chosen: list[Task]) -> Done:
    return doing.reopen(chosen), "open again"


def _assign(request: HttpRequest, chosen: list[Task]) -> Done:
    to = _colleague(request, request.POST.get("to", ""))
    return doing.assign(chosen, to, by=request.user), f"assigned to {to}" if to else "assigned to nobody"


def _postpone(request: HttpRequest, chosen: list[Task]) -> Done:
    days = SOON.get(request.POST.get("for", ""))
    day = moment().today + dt.timedelta(days=days) if days else _typed_day(request, "until")
    if day is None:
        raise BadValue("Say until when: tomorrow, next week or a day.")
    return doing.postpone(chosen, day), f"due {day.day} {day:%b %Y}"


def _tomorrow(request: HttpRequest, chosen: list[Task]) -> Done:
    return doing.postpone(chosen, moment().today + dt.timedelta(days=1)), "due tomorrow"


def _next_week(request: HttpRequest, chosen: list[Task]) -> Done:
    return doing.postpone(chosen, moment().today + dt.timedelta(days=7)), "due in a week"


def _edit(request: HttpRequest, chosen: list[Task]) -> Done:
    said: dict[str, Any] = {name: request.POST[name] for name in ("title", "text", "note") if name in request.POST}
    if "due" in request.POST:
        said["due_on"] = _typed_day(request)
    return doing.edit_task(chosen[0], **said), "changed"


def _nothing(request: HttpRequest, chosen: list[Task]) -> Done:
    raise BadValue("Nothing was asked for. Press one of the buttons.")


_WAYS: dict[str, Callable[[HttpRequest, list[Task]], Done]] = {
    "done": _done, "skip": _skip, "reopen": _reopen, "assign": _assign, "postpone": _postpone, "tomorrow": _tomorrow,
    "week": _next_week, "edit": _edit,
}  # fmt: skip


@inverse("tasks")
def _put_back(request: HttpRequest, data: dict[str, Any]) -> str:
    number = doing.undo(doing.Before(data["values"]))
    return f"{number:,} task{'' if number == 1 else 's'} put back."


@inverse("task-added")
def _take_away(request: HttpRequest, data: dict[str, Any]) -> str:
    return "Task removed." if doing.remove(Task.objects.filter(pk=data["task"])) else "The task is gone already."

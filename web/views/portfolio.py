"""Portfolio: the accounts that somebody looks after, in figures, and what needs them first."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.models import Account
from alerts.brief import brief_of
from alerts.work.due import tasks_due
from core.api.access import may_manage
from core.deadline import TooSlow
from core.intake import BadValue, clean_date
from core.models import Workspace
from health.book_days import accounts_on, course_of
from health.crossing import poor_crossings
from health.models import Band, HealthConfig
from health.portfolio import (
    PERIODS,
    SHOWN,
    Whose,
    figures_of,
    movers_of,
    read_whose,
    silent_accounts,
    weak_renewals,
)
from health.renewing import renewal_days, weeks_of
from segments.questions import Reader
from web.filters import reader_for
from web.notices import notify
from web.pages import is_part, may_change_accounts, member_of, page
from web.portfolio import ROW_TASKS, asked_for, book_of, books, last_look
from web.portfolio_lists import balance_of, course_view, renewals_of, task_mix, task_rows
from web.portfolio_months import months_of
from web.tabs import is_restricted

PARTS = {
    "movers": "web/portfolio/_movers.html", "changes": "web/portfolio/_changes.html",
    "course": "web/portfolio/_course.html", "renewal-weeks": "web/portfolio/_weeks.html",
}  # fmt: skip
A_PAGE = 100
SINCE = {"look": "Last look", "7": "7 days", "30": "30 days"}


@login_required
@require_GET
def portfolio(request: HttpRequest) -> HttpResponse:
    """The book of `who`, with movers over `days` and changes `since`, and its `course` over 26 weeks where that is
    asked for, `renewals` by week or by month; or one of the parts."""
    me, may_choose = member_of(request), may_manage(request.user)
    whose = _whose(request)
    reader = reader_for(request)
    accounts = whose.accounts(Account.objects.visible_to(request.user))
    target = request.headers.get("HX-Target", "")
    part = target if is_part(request) and target in PARTS else ""
    context: dict[str, Any] = {
        "whose": whose,
        "books": books(me, whose, may_choose and not part),
        "mine": me is not None and whose.member == me,
        "may_change": may_change_accounts(request),
        "row_tasks": ROW_TASKS,
    }
    if part == "course" or (not part and request.GET.get("course") == "1"):
        context |= _course(request, whose, context["books"].chosen, reader)
    if part in ("", "movers"):
        context |= _movers(request, accounts, reader)
    if part in ("", "changes"):
        context |= _changes(request, accounts, reader)
    if part in ("", "renewal-weeks"):
        context |= _renewals(request, accounts, whose, reader)
    if not part:
        context |= _whole(accounts, whose, reader) | _tasks(request, whose, reader)
        context |= {"may_choose": may_choose, "here": request.get_full_path()}
    context["asked"] = asked_for(_shown(context)) if context["may_change"] else {}
    return page(request, "web/portfolio/page.html", context, parts=PARTS)


def _shown(context: dict[str, Any]) -> dict[str, list[int]]:
    """The accounts of the rows that offer a task, by the id of their list."""
    movers, brief, crossings = (context.get(name) for name in ("movers", "brief", "crossings"))
    return {
        "changes": [one.account.pk for one in brief.shown] if brief else [],
        "care": [line.account.pk for line in context.get("renewals", ())],
        "silent": [line.account.pk for line in context.get("silent", ())],
        "poor": [told.change.account_id for told in crossings.joined] if crossings else [],
        "movers": [line.account.pk for line in movers.falls] if movers else [],
    }


@login_required
@require_GET
def portfolio_day(request: HttpRequest) -> HttpResponse:
    """The accounts of a book with the health and the MRR that they had at the end of a `day`; of one `band` or all."""
    whose, today = _whose(request), reader_for(request).moment.today
    try:
        day = min(today, clean_date(request.GET.get("day", "") or today.isoformat()))
    except BadValue:
        notify(request, "That is no day. These are the accounts of today.")
        day = today
    band = request.GET.get("band", "") if request.GET.get("band", "") in Band.values else ""
    bands = [band] if band else list(Band.values)
    found = accounts_on(whose.accounts(Account.objects.visible_to(request.user)), day, bands)
    shown = Paginator(found.select_related("health"), A_PAGE).get_page(request.GET.get("page"))
    context = {
        "whose": whose, "mine": whose.member is not None and whose.member == member_of(request), "day": day,
        "band": band, "bands": Band.choices, "shown": shown, "who": request.GET.get("who", ""),
    }  # fmt: skip
    return page(request, "web/portfolio/day.html", context)


def _whose(request: HttpRequest) -> Whose:
    """The book that the address means; one's own where it means none that one may see, which is said."""
    me = member_of(request)
    try:
        return read_whose(request.GET.get("who", ""), me=me, may_choose=may_manage(request.user))
    except BadValue as problem:
        notify(request, str(problem))
        return Whose(me) if me else Whose()


def _course(request: HttpRequest, whose: Whose, chosen: str, reader: Reader) -> dict[str, Any]:
    try:
        days = course_of(whose, Account.objects.visible_to(request.user), is_restricted(request), reader.moment)
    except TooSlow:
        return {"late": True}
    return {"course": course_view(days, chosen, Workspace.get().currency)}


def _movers(request: HttpRequest, accounts: QuerySet[Account], reader: Reader) -> dict[str, Any]:
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted in map(str, PERIODS) else 30
    return {"movers": movers_of(accounts, days, reader), "periods": PERIODS}


def _changes(request: HttpRequest, accounts: QuerySet[Account], reader: Reader) -> dict[str, Any]:
    now = reader.moment.now
    look = last_look(request, now)
    wanted = request.GET.get("since", "")
    since = wanted if wanted in SINCE else "look"
    if since == "look" and look is None:
        since = "7"
    start = look if since == "look" and look else now - dt.timedelta(days=int(since))
    spans = [(key, label) for key, label in SINCE.items() if key != "look" or look]
    return {"brief": brief_of(accounts, start, reader), "since": since, "spans": spans}


def _renewals(request: HttpRequest, accounts: QuerySet[Account], whose: Whose, reader: Reader) -> dict[str, Any]:
    days, today = renewal_days(accounts, reader), reader.moment.today
    if request.GET.get("renewals") == "month":
        return {"months": months_of(days, whose, today), "renewing_any": bool(days)}
    return {"weeks": renewals_of(weeks_of(days, today), whose, Workspace.get().currency), "renewing_any": bool(days)}


def _whole(accounts: QuerySet[Account], whose: Whose, reader: Reader) -> dict[str, Any]:
    figures = figures_of(accounts, reader)
    if not figures.whole.accounts:
        return {"book": None}
    joined, left = figures.joined_poor.accounts, figures.left_poor.accounts
    return {
        "book": book_of(figures, whose),
        "crossings": poor_crossings(accounts, reader) if joined or left else None,
        "balance": balance_of(joined, left),
        "renewals": weak_renewals(accounts, reader),
        "silent": silent_accounts(accounts, reader),
        "scored": HealthConfig.objects.exists(),
        "shown": SHOWN,
    }


def _tasks(request: HttpRequest, whose: Whose, reader: Reader) -> dict[str, Any]:
    due = tasks_due(whose, Account.objects.visible_to(request.user), reader.moment)
    return {"due": due, "due_rows": task_rows(due, whose), "due_mix": task_mix(due)}

"""Portfolio: the accounts that somebody looks after, in figures, and what needs them first."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.models import Account
from alerts.brief import brief_of
from alerts.work.due import tasks_due
from core.api.access import may_manage
from core.intake import BadValue
from core.models import Workspace
from health.crossing import poor_crossings
from health.models import HealthConfig
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
from health.renewing import renewal_weeks
from segments.questions import Reader
from web.filters import reader_for
from web.notices import notify
from web.pages import is_part, member_of, page
from web.portfolio import book_of, books, last_look
from web.portfolio_lists import balance_of, renewals_of, task_mix, task_rows

PARTS = {"movers": "web/portfolio/_movers.html", "changes": "web/portfolio/_changes.html"}
SINCE = {"look": "Last look", "7": "7 days", "30": "30 days"}


@login_required
@require_GET
def portfolio(request: HttpRequest) -> HttpResponse:
    """The book of `who`, with movers over `days` and changes `since`; or one of the two parts."""
    me, may_choose = member_of(request), may_manage(request.user)
    try:
        whose = read_whose(request.GET.get("who", ""), me=me, may_choose=may_choose)
    except BadValue as problem:
        notify(request, str(problem))
        whose = Whose(me) if me else Whose()
    reader = reader_for(request)
    accounts = whose.accounts(Account.objects.visible_to(request.user))
    part = request.headers.get("HX-Target", "") if is_part(request) else ""
    context: dict[str, Any] = {
        "whose": whose,
        "books": books(me, whose, may_choose and part not in PARTS),
        "mine": me is not None and whose.member == me,
    }
    if part != "changes":
        context |= _movers(request, accounts, reader)
    if part != "movers":
        context |= _changes(request, accounts, reader)
    if part not in PARTS:
        context |= _whole(accounts, whose, reader) | _tasks(request, whose, reader) | {"may_choose": may_choose}
    return page(request, "web/portfolio/page.html", context, parts=PARTS)


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


def _whole(accounts: QuerySet[Account], whose: Whose, reader: Reader) -> dict[str, Any]:
    figures = figures_of(accounts, reader)
    if not figures.whole.accounts:
        return {"book": None}
    weeks = renewal_weeks(accounts, reader) if figures.renewing.accounts else []
    joined, left = figures.joined_poor.accounts, figures.left_poor.accounts
    return {
        "book": book_of(figures, whose),
        "weeks": renewals_of(weeks, whose, Workspace.get().currency),
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

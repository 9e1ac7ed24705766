"""Milestones: the board and its other views, and what people do with the progress of an account."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account, TeamMember
from alerts.milestones import marking
from alerts.milestones.progress import (
    Progress,
    active_milestones,
    board_of,
    card_of,
    progress_of,
    rows_of,
    stalled_accounts,
)  # fmt: skip
from alerts.models import AccountMilestone, Milestone, MilestoneChange
from alerts.models.milestone import State
from core.clock import Moment, moment
from core.intake import BadValue, clean_date, whole
from segments.models import Segment
from web.filters import dropped_notice
from web.milestones import VIEWS, Asked, asked_for
from web.notices import back_to, notify
from web.pages import may_change_accounts, may_edit_segments, page
from web.undo import inverse, keep_inverse

A_PAGE = 50
LOG_SHOWN = 30


@login_required
@require_GET
def milestones(request: HttpRequest) -> HttpResponse:
    """One view of the accounts that the address asks about."""
    asked = asked_for(request)
    accounts = asked.accounts(Account.objects.visible_to(request.user))
    found, now = active_milestones(), moment()
    context: dict[str, Any] = {
        "asked": asked,
        "dropped": dropped_notice(asked.unknown),
        "views": VIEWS.items(),
        "segments": Segment.objects.tabs(),
        "colleagues": TeamMember.objects.filter(user__is_active=True).order_by("name"),
        "milestones": found,
        "may_change": may_change_accounts(request),
        "may_edit": may_edit_segments(request),
        "here": request.get_full_path(),
        "today": now.today,
    }
    if found or asked.view == "setup":
        progress = progress_of(found, accounts)
        context |= {"progress": progress} | _VIEWS[asked.view](asked, accounts, progress, now)
    return page(request, "web/milestones/page.html", context)


def _board(asked: Asked, accounts: QuerySet[Account], progress: list[Progress], now: Moment) -> dict[str, Any]:
    return {"columns": board_of(progress, accounts, now)}


def _table(asked: Asked, accounts: QuerySet[Account], progress: list[Progress], now: Moment) -> dict[str, Any]:
    """Accounts by name with their state in every milestone."""
    found = [one.milestone for one in progress]
    start = (asked.page - 1) * A_PAGE
    concerned = accounts.filter(pk__in=rows_of(found, accounts).exclude(state=State.OUT).values("account"))
    shown = list(concerned.order_by("name_folded", "pk")[start : start + A_PAGE + 1])
    ids = [account.pk for account in shown]
    rows = AccountMilestone.objects.filter(milestone__in=found, account__in=ids).exclude(state=State.OUT)
    cells = {(row.account_id, row.milestone_id): card_of(row, now.today) for row in rows}
    lines = [(account, [cells.get((account.pk, one.pk)) for one in found]) for account in shown[:A_PAGE]]
    return {"lines": lines, "previous": asked.page - 1, "next": asked.page + 1 if len(shown) > A_PAGE else 0}


def _funnel(asked: Asked, accounts: QuerySet[Account], progress: list[Progress], now: Moment) -> dict[str, Any]:
    return {"most": max((one.aimed for one in progress), default=0)}


def _stalled(asked: Asked, accounts: QuerySet[Account], progress: list[Progress], now: Moment) -> dict[str, Any]:
    """The accounts that are stalled, each with the milestones with which it is late."""
    first = (asked.page - 1) * A_PAGE
    shown = stalled_accounts(accounts, now, asked.days, first=first, most=A_PAGE + 1)
    lines = [(one, (now.today - one.late[0].due_on).days if one.late[0].due_on else 0) for one in shown[:A_PAGE]]
    return {"stalled": lines, "previous": asked.page - 1, "next": asked.page + 1 if len(shown) > A_PAGE else 0}


def _setup(asked: Asked, accounts: QuerySet[Account], progress: list[Progress], now: Moment) -> dict[str, Any]:
    """Every milestone in order, those that are off too, with its rule in words."""
    found = Milestone.objects.select_related("watch").prefetch_related("segments", "versions")
    rows = [(one, next(iter(one.versions.all()), None)) for one in found]
    return {"rows": rows}


_VIEWS = {"board": _board, "table": _table, "funnel": _funnel, "stalled": _stalled, "setup": _setup}


def milestones_of(account: Account, now: Moment) -> dict[str, Any]:
    """What the account page shows: the account’s state with each milestone, and what happened, the newest first."""
    rows = AccountMilestone.objects.of_active().filter(account=account).exclude(state=State.OUT)
    cards = [card_of(row, now.today) for row in rows.select_related("milestone")]
    known = {card.row.milestone_id for card in cards}
    log = MilestoneChange.objects.filter(account=account).select_related("milestone", "by__member")
    return {
        "milestone_cards": cards,
        "milestones_reached": sum(1 for card in cards if card.row.state == State.REACHED),
        "milestones_else": [one for one in active_milestones() if one.pk not in known],
        "milestone_log": log.order_by("-at", "-pk")[:LOG_SHOWN],
    }


@login_required
@require_POST
def milestones_do(request: HttpRequest) -> HttpResponse:
    """Mark a milestone of an account as reached, or reset it, and say so with a way back."""
    if not may_change_accounts(request):
        raise PermissionDenied
    back = back_to(request, reverse("milestones"))
    account = get_object_or_404(Account.objects.visible_to(request.user), pk=whole(request.POST.get("account")))
    milestone = get_object_or_404(Milestone, pk=whole(request.POST.get("milestone")), active=True)
    do, reason, on = (request.POST.get(name, "") for name in ("do", "reason", "on"))
    try:
        if do == "reach":
            day = clean_date(on) if on else None
            before = marking.mark_reached(milestone, [account], reason=reason, on=day, by=request.user)
        elif do == "reset":
            before = marking.reset(milestone, [account], reason=reason, by=request.user)
        else:
            raise BadValue("Nothing was asked for. Press one of the buttons.")
    except BadValue as error:
        notify(request, str(error))
        return HttpResponseRedirect(back)
    if not before.values:
        said = "has reached it already" if do == "reach" else "has not reached it, so there is nothing to reset"
        notify(request, f"{account}: {milestone} {said}.")
        return HttpResponseRedirect(back)
    kept = {"milestone": before.milestone, "values": before.values, "changes": before.changes}
    token = keep_inverse(request, "milestones", kept, back=back)
    notify(request, f"{account}: {milestone} {'marked as reached' if do == 'reach' else 'reset'}.", undo=token)
    return HttpResponseRedirect(back)


@inverse("milestones")
def _put_back(request: HttpRequest, data: dict[str, Any]) -> str:
    number = marking.undo(marking.Before(**data), by=request.user)
    return "Put back." if number else "Something happened to it since, so it was left as it is."

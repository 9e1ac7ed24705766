"""Alerts: the inbox with one alert beside it, and what can be done with one or with many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account, TeamMember
from alerts import handling
from alerts.models import Alert, AlertRule
from alerts.models.alert import AlertQuerySet, Severity
from core.clock import moment
from core.intake import BadValue, clean_date
from web.notices import back_to, notify
from web.pages import may_change_accounts, may_edit_segments, member_of, page
from web.undo import inverse, keep_inverse

STATES = {"open": "Open", "snoozed": "Snoozed", "ended": "Closed"}
A_PAGE, LAST_PAGE, MOST = 50, 200, 1_000
ORDER = ("critical", "high", "medium", "low")


@login_required
@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """The alerts of one state, the newest first, and one of them in full."""
    state = request.GET.get("state", "open")
    state = state if state in STATES else "open"
    rows = _chosen(request)
    today = moment().today
    counts = {"open": rows.waiting(today).count(), "snoozed": rows.snoozed(today).count()}
    listed = {"open": rows.waiting(today), "snoozed": rows.snoozed(today)}.get(
        state, rows.filter(ended_at__isnull=False)
    )
    number = _page(request)
    start = (number - 1) * A_PAGE
    shown = list(listed.select_related("account", "rule", "assignee").with_last_held()[start : start + A_PAGE + 1])
    wanted = request.GET.get("alert", "")
    chosen = next((one for one in shown if str(one.pk) == wanted), None) or _one(rows, wanted)
    query = {key: value for key in ("mine", "severity", "type", "account") if (value := request.GET.get(key, ""))}
    only = _account(request)
    context = {
        "states": [(key, label, counts.get(key)) for key, label in STATES.items()],
        "state": state,
        "query": urlencode(query),
        "mine": bool(query.get("mine")),
        "only": only,
        "of_all": urlencode({key: value for key, value in query.items() if key != "account"}),
        "severity": query.get("severity", ""),
        "type": query.get("type", ""),
        "severities": Severity.choices,
        "types": AlertRule.objects.order_by("type").values_list("type", flat=True).distinct(),
        "rows": shown[:A_PAGE],
        "chosen": chosen or (shown[0] if shown else None),
        "is_chosen": chosen is not None,
        "previous": number - 1,
        "next": number + 1 if len(shown) > A_PAGE and number < LAST_PAGE else 0,
        "entries": (chosen or shown[0]).entries.select_related("by__member") if chosen or shown else [],
        "member": member_of(request),
        "colleagues": TeamMember.objects.filter(user__is_active=True).order_by("name"),
        "outcomes": Alert.Outcome.choices,
        "may_change": may_change_accounts(request),
        "rules": AlertRule.objects.count(),
        "may_edit": may_edit_segments(request),
        "here": request.get_full_path(),
    }
    return page(request, "web/alerts/page.html", context)


def _seen(request: HttpRequest) -> Any:
    return Alert.objects.filter(account__in=Account.objects.visible_to(request.user).order_by())


def _chosen(request: HttpRequest) -> Any:
    """Those that may be seen, narrowed as the address says."""
    rows = _seen(request)
    if request.GET.get("account"):
        rows = rows.filter(account=_account(request))
    if request.GET.get("mine"):
        rows = rows.filter(assignee=member_of(request))
    if (severity := request.GET.get("severity", "")) in Severity.values:
        rows = rows.filter(severity=severity)
    if kind := request.GET.get("type", "").replace("\x00", ""):
        rows = rows.filter(rule__type=kind[:40])
    return rows


def _account(request: HttpRequest) -> Account | None:
    """The only account whose alerts are asked for; None for one that is not there or may not be seen."""
    pk = request.GET.get("account", "")
    if not (pk.isascii() and pk.isdigit() and len(pk) < 19):
        return None
    return Account.objects.visible_to(request.user).filter(pk=pk).first()


def _one(rows: AlertQuerySet, pk: str) -> Alert | None:
    if not (pk.isascii() and pk.isdigit() and len(pk) < 19):
        return None
    return rows.select_related("account", "rule", "assignee").with_last_held().filter(pk=pk).first()


def _page(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return min(LAST_PAGE, max(1, int(text))) if text.isascii() and text.isdigit() and len(text) < 6 else 1


@login_required
@require_POST
def alerts_do(request: HttpRequest) -> HttpResponse:
    """Do one thing to the alerts that are ticked (or to the one that is open), and say so with a way back."""
    if not may_change_accounts(request):
        raise PermissionDenied
    back = back_to(request, reverse("alerts"))
    ids = [int(pk) for pk in request.POST.getlist("alert") if pk.isascii() and pk.isdigit() and len(pk) < 19][:MOST]
    chosen = list(_seen(request).filter(pk__in=ids).select_related("account"))
    if not chosen:
        notify(request, "No alert is chosen. Tick at least one.")
        return HttpResponseRedirect(back)
    try:
        before, said = _WAYS.get(request.POST.get("do", ""), _nothing)(request, chosen)
    except BadValue as error:
        notify(request, str(error))
        return HttpResponseRedirect(back)
    number = len(before.values)
    which = chosen[0].account.name if number == 1 else f"{number:,} alerts"
    kept = {"kind": before.kind, "values": before.values}
    token = keep_inverse(request, "alerts", kept, back=back) if number and before.kind != "outcome" else ""
    notify(request, f"{which}: {said}." if number else "Nothing was changed: they have ended already.", undo=token)
    return HttpResponseRedirect(back)


Done = tuple[handling.Before, str]


def _assign(request: HttpRequest, chosen: list[Alert]) -> Done:
    key = request.POST.get("to", "")
    to = member_of(request) if key == "me" else TeamMember.objects.filter(user__is_active=True, key=key).first()
    if key and to is None:
        raise BadValue("There is no such colleague. Choose one of the list.")
    return handling.assign(chosen, to, by=request.user), f"assigned to {to}" if to else "assigned to nobody"


def _snooze(request: HttpRequest, chosen: list[Alert]) -> Done:
    until, today = request.POST.get("until", ""), moment().today
    days = {"tomorrow": 1, "week": 7}.get(request.POST.get("for", ""))
    worse = request.POST.get("for") == "worse"
    day = today + dt.timedelta(days=days) if days else clean_date(until) if until and not worse else None
    reason = request.POST.get("reason", "")
    before = handling.snooze(chosen, until=day, till_worse=worse, reason=reason, by=request.user)
    return before, f"snoozed until {day.day} {day:%b %Y}" if day else "snoozed until health is worse"


def _wake(request: HttpRequest, chosen: list[Alert]) -> Done:
    return handling.wake(chosen, by=request.user), "woken"


def _close(request: HttpRequest, chosen: list[Alert]) -> Done:
    outcome, reason = request.POST.get("outcome", ""), request.POST.get("reason", "")
    if outcome not in ("", *Alert.Outcome.values):
        raise BadValue("Choose an outcome of the list.")
    return handling.close(chosen, outcome=outcome, reason=reason, by=request.user), "closed"


def _comment(request: HttpRequest, chosen: list[Alert]) -> Done:
    for alert in chosen:
        handling.comment(alert, request.POST.get("text", ""), by=request.user)
    return handling.Before("outcome", {alert.pk: {} for alert in chosen}), "comment added"


def _nothing(request: HttpRequest, chosen: list[Alert]) -> Done:
    raise BadValue("Nothing was asked for. Press one of the buttons.")


_WAYS: dict[str, Callable[[HttpRequest, list[Alert]], Done]] = {
    "assign": _assign, "snooze": _snooze, "wake": _wake, "close": _close, "comment": _comment,
}  # fmt: skip


@inverse("alerts")
def _put_back(request: HttpRequest, data: dict[str, Any]) -> str:
    number = handling.undo(handling.Before(data["kind"], data["values"]), by=request.user)
    return f"{number:,} alert{'' if number == 1 else 's'} put back."

"""The alerts inbox: the list of one state with one of them in full, and what is done to those that are ticked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Max, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account, TeamMember
from alerts import handling
from alerts.models import Alert, AlertRule, Playbook
from alerts.models.alert import AlertQuerySet, Severity
from alerts.playbooks.enrolling import enrol_by_hand
from alerts.raising import explained_now
from alerts.reasons import say_the_same
from core.clock import moment
from core.intake import BadValue, clean_date, whole
from web.alert_inbox import narrowed, of_group, only_account, playable, rows_of, whole_alerts
from web.filters import reader_for
from web.notices import back_to, notify
from web.pages import (
    may_change_accounts,
    may_edit_segments,
    member_of,
    moment_of,
    page,
    page_number,
    part,
    workspace_of,
)
from web.undo import inverse, keep_inverse, kept_values

STATES = {"open": "Open", "snoozed": "Snoozed", "ended": "Closed"}
FILTERS = ("mine", "severity", "type", "account", "rule", "on")
LAST_PAGE, MOST = 200, 1_000


@login_required
@require_GET
def alerts(request: HttpRequest) -> HttpResponse:
    """The alerts of one state, the newest first, and one of them in full; for the list that asks (`after`), only how
    many were opened since."""
    state = _state(request.GET)
    rows, only = _chosen(request, request.GET)
    query = urlencode({key: value for key in FILTERS if (value := request.GET.get(key, ""))})
    waiting = rows.waiting(_today(request))
    if request.GET.get("after") and request.headers.get("HX-Target") == "new-alerts":
        after, told = (whole(request.GET.get(name)) or 0 for name in ("after", "told"))
        count = {"number": waiting.filter(pk__gt=after).count(), "told": told}
        return part(request, "web/alerts/_new.html", count | {"after": after, "query": query})
    # Read before the list, so that an alert that is opened meanwhile is told of twice rather than never.
    newest = Alert.objects.aggregate(newest=Max("pk"))["newest"] or 0 if state == "open" else None
    listed = _in_state(request, rows, state)
    number = page_number(request.GET.get("page"), LAST_PAGE)
    apart = state == "ended" or bool(request.GET.get("rule"))
    shown, more = rows_of(listed, workspace_of(request).zone, number, apart=apart)
    wanted = request.GET.get("alert", "")
    chosen = _one(rows, wanted)
    opened = chosen or (shown[0].alert if shown else None)
    counts = {"open": waiting.count(), "snoozed": rows.snoozed(_today(request)).count()}
    now = explained_now(opened, reader_for(request)) if opened else {}
    context = {
        "states": [(key, label, counts.get(key)) for key, label in STATES.items()], "state": state, "query": query,
        "mine": bool(request.GET.get("mine")), "severity": request.GET.get("severity", ""),
        "type": request.GET.get("type", ""), "severities": Severity.choices,
        "types": AlertRule.objects.order_by("type").values_list("type", flat=True).distinct(),
        "only": only, "of_all": urlencode({key: request.GET[key] for key in FILTERS[:3] if request.GET.get(key)}),
        "rows": shown, "in_all": listed.count() if state == "ended" else counts[state],
        "chosen": opened, "is_chosen": chosen is not None, "previous": number - 1,
        "next": number + 1 if more and number < LAST_PAGE else 0,
        "entries": opened.entries.select_related("by__member") if opened else [],
        "now": now if opened and not say_the_same(opened.why, now) else {},
        "playbooks": playable(opened) if opened else [],
        "member": member_of(request), "colleagues": TeamMember.objects.filter(user__is_active=True).order_by("name"),
        "may_change": may_change_accounts(request), "may_edit": may_edit_segments(request),
        "rules": AlertRule.objects.count(), "here": request.get_full_path(), "page_number": number,
        # What was done to an alert takes it out of the list: one comes back to the list, not to the alert.
        "back": f"{reverse('alerts')}?{urlencode({'state': state, 'page': number})}{'&' if query else ''}{query}",
        "is_apart": chosen is not None and chosen.pk not in {one.pk for row in shown for one in row.alerts},
        "kept": [(name, value) for name in FILTERS[3:] if (value := request.GET.get(name, ""))],
        "after": newest,
    }  # fmt: skip
    answer = page(request, "web/alerts/page.html", context, parts={"inbox": "web/alerts/_inbox.html"})
    if request.headers.get("HX-Target") == "inbox":  # a filter was changed: its address has what is set, and no more
        answer["HX-Push-Url"] = f"{reverse('alerts')}?state={state}{'&' if query else ''}{query}"
    return answer


def _state(data: QueryDict) -> str:
    return data.get("state", "") if data.get("state") in STATES else "open"


def _today(request: HttpRequest) -> dt.date:
    return moment_of(workspace_of(request)).today


def _in_state(request: HttpRequest, rows: AlertQuerySet, state: str) -> AlertQuerySet:
    today = _today(request)
    if state == "ended":
        return rows.filter(ended_at__isnull=False)
    return rows.snoozed(today) if state == "snoozed" else rows.waiting(today)


def _seen(request: HttpRequest) -> Any:
    return Alert.objects.filter(account__in=Account.objects.visible_to(request.user).order_by())


def _chosen(request: HttpRequest, data: QueryDict) -> tuple[Any, str]:
    """Those that may be seen, narrowed as an address says, and what they are narrowed to besides the plain filters."""
    rows, only = _seen(request), ""
    if of := data.get("account"):
        account = only_account(of, Account.objects.visible_to(request.user))
        rows, only = rows.filter(account=account), account.name if account else ""
    if data.get("mine"):
        rows = rows.filter(assignee=member_of(request))
    if (severity := data.get("severity", "")) in Severity.values:
        rows = rows.filter(severity=severity)
    if kind := data.get("type", "").replace("\x00", ""):
        rows = rows.filter(rule__type=kind[:40])
    rows, of_rule = narrowed(rows, data.get("rule", ""), data.get("on", ""), workspace_of(request).zone)
    return rows, ", ".join(filter(None, [only, of_rule]))


def _one(rows: AlertQuerySet, pk: str) -> Alert | None:
    return whole_alerts(rows).filter(pk=whole(pk)).first()


@login_required
@require_POST
def alerts_do(request: HttpRequest) -> HttpResponse:
    """Do one thing to the alerts that are ticked (or to the one that is open), and say so with a way back."""
    if not may_change_accounts(request):
        raise PermissionDenied
    back = back_to(request, reverse("alerts"))
    try:
        ticked = _ticked(request)
        chosen = ticked[:MOST]
        if not chosen:
            raise BadValue("No alert is chosen. Tick at least one.")
        do, _, choice = request.POST.get("do", "").partition(":")
        before, said = _WAYS.get(do, _nothing)(request, chosen, choice)
    except BadValue as error:
        notify(request, str(error))
        return HttpResponseRedirect(back)
    number = len(before.values)
    which = chosen[0].account.name if number == 1 else f"{number:,} alerts"
    kept = {"kind": before.kind, "values": before.values}
    token = keep_inverse(request, "alerts", kept, back=back) if number and before.kind != SAID else ""
    ask = "outcome" if do == "close" and not (choice or request.POST.get("outcome")) else ""
    more = f" That was the newest {MOST:,} of them; press it again for the next." if len(ticked) > MOST else ""
    text = f"{which}: {said}.{more}" if number else "Nothing was changed."
    notify(request, text, undo=token, ask=ask if token else "")
    return HttpResponseRedirect(back)


def _ticked(request: HttpRequest) -> list[Alert]:
    """The alerts that are ticked, one by one or as groups; all of the list, with `scope` and its address; or those that
    were closed by what a notice told of. One more than are dealt with at once, if there are more."""
    data, seen = request.POST, _seen(request)
    if data.get("closed"):
        told_of = kept_values(request, data["closed"], "alerts").get("values", {})
        chosen = seen.filter(pk__in=list(told_of))
    elif data.get("scope") == "filter":
        asked = QueryDict(data.get("query", ""))
        chosen = _in_state(request, _chosen(request, asked)[0], _state(asked))
    else:
        which = Q(pk__in=[pk for text in data.getlist("alert") if (pk := whole(text))][:MOST])
        groups = data.getlist("group")
        if groups:
            asked, meant = QueryDict(data.get("query", "")), Q(pk__in=[])
            for key in groups:
                meant |= of_group(key, workspace_of(request).zone)
            listed = _in_state(request, _chosen(request, asked)[0], _state(asked))
            which |= Q(pk__in=listed.filter(meant).order_by().values("pk"))
        chosen = seen.filter(which)
    return list(chosen.select_related("account").order_by("-opened_at", "-pk")[: MOST + 1])


Done = tuple[handling.Before, str]
SAID = "said"  # nothing to take back


def _assign(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    key = choice or request.POST.get("to", "")
    to = member_of(request) if key == "me" else TeamMember.objects.filter(user__is_active=True, key=key).first()
    if key not in ("", "nobody") and to is None:
        raise BadValue("There is no such colleague. Choose one of the list.")
    return handling.assign(chosen, to, by=request.user), f"assigned to {to}" if to else "assigned to nobody"


def _snooze(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    how, until, today = choice or request.POST.get("for", ""), request.POST.get("until", ""), moment().today
    days = {"tomorrow": 1, "week": 7}.get(how)
    worse = how == "worse"
    day = today + dt.timedelta(days=days) if days else clean_date(until) if until and not worse else None
    reason = request.POST.get("reason", "")
    before = handling.snooze(chosen, until=day, till_worse=worse, reason=reason, by=request.user)
    return before, f"snoozed until {day.day} {day:%b %Y}" if day else "snoozed until health is worse"


def _wake(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    return handling.wake(chosen, by=request.user), "woken"


def _close(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    outcome, reason = _outcome(choice or request.POST.get("outcome", "")), request.POST.get("reason", "")
    return handling.close(chosen, outcome=outcome, reason=reason, by=request.user), "closed"


def _say(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    outcome = _outcome(choice)
    if not outcome:
        raise BadValue("Choose an outcome of the list.")
    return handling.say_outcome(chosen, outcome, by=request.user), Alert.Outcome(outcome).label.lower()


def _outcome(text: str) -> str:
    if text not in ("", *Alert.Outcome.values):
        raise BadValue("Choose an outcome of the list.")
    return text


def _comment(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    for alert in chosen:
        handling.comment(alert, request.POST.get("text", ""), by=request.user)
    return handling.Before(SAID, {alert.pk: {} for alert in chosen}), "comment added"


def _start(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    found = Playbook.objects.filter(pk=whole(choice) or 0).first()
    if found is None:
        raise BadValue("There is no such playbook any more.")
    came = enrol_by_hand(found, {one.account_id: one.account for one in chosen}.values(), by=request.user)
    values: dict[int, dict[str, Any]] = {one.pk: {} for one in chosen if one.account_id in came}
    return handling.Before(SAID, values), f"in {found.name} now"


def _nothing(request: HttpRequest, chosen: list[Alert], choice: str) -> Done:
    raise BadValue("Nothing was asked for. Press one of the buttons.")


_WAYS: dict[str, Callable[[HttpRequest, list[Alert], str], Done]] = {
    "assign": _assign, "snooze": _snooze, "wake": _wake, "close": _close, "comment": _comment, "outcome": _say,
    "start": _start,
}  # fmt: skip


@inverse("alerts")
def _put_back(request: HttpRequest, data: dict[str, Any]) -> str:
    number = handling.undo(handling.Before(data["kind"], data["values"]), by=request.user)
    return f"{number:,} alert{'' if number == 1 else 's'} put back."

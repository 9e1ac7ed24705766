"""Notifications: the inbox of whoever looks, and what they want to be told, how and when."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import TeamMember
from alerts.channels.editing import save_channel
from alerts.models import AlertRule, NoticeChannel, NoticeSettings, RuleChoice
from alerts.models.notice import Via, Way
from alerts.notifying.choosing import save_settings, settings_of
from alerts.notifying.inbox import inbox_of, mark
from alerts.notifying.kinds import KINDS
from core.intake import BadValue, fold, whole
from segments.holding.telling import mail_is_set_up
from web.notices import back_to, notify
from web.pages import member_of, page
from web.undo import inverse, keep_inverse

A_PAGE, MOST = 30, 500
SHOWN = {"unread": "Unread", "": "All"}
PARTS = {"notice-list": "web/notifications/_list.html"}


@login_required
@require_GET
def notifications(request: HttpRequest) -> HttpResponse:
    """The inbox, the newest first: all or unread, of one kind or all, in pages below a row."""
    member = member_of(request)
    show = "unread" if request.GET.get("show") == "unread" else ""
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    mine = inbox_of(member)
    rows = mine.unread() if show else mine
    rows = rows.filter(kind=kind) if kind else rows
    before = whole(request.GET.get("before"))
    rows = rows.filter(pk__lt=before) if before else rows
    found = list(rows.select_related("account")[: A_PAGE + 1])
    context = {
        "member": member,
        "rows": [(notice, KINDS[notice.kind].icon if notice.kind in KINDS else "bell") for notice in found[:A_PAGE]],
        "show": show,
        "kind": kind,
        "shows": SHOWN.items(),
        "kinds": [(one.key, one.label) for one in KINDS.values()],
        "unread": mine.unread().count(),
        "before": before,
        "next": found[A_PAGE - 1].pk if len(found) > A_PAGE else 0,
        "query": urlencode({key: value for key, value in (("show", show), ("kind", kind)) if value}),
        "here": request.get_full_path(),
    }
    return page(request, "web/notifications/page.html", context, parts=PARTS)


@login_required
@require_POST
def notifications_mark(request: HttpRequest) -> HttpResponse:
    """Mark the ticked ones, one, or all as read or unread; opening one from the list goes to its page."""
    rows = inbox_of(member_of(request))
    back = back_to(request, reverse("notifications"))
    if go := whole(request.POST.get("go")):
        notice = get_object_or_404(rows, pk=go)
        mark(rows, read=True, ids=[notice.pk])
        return HttpResponseRedirect(notice.path or back)
    do = request.POST.get("do", "")
    read = do in ("read", "all")
    chosen = rows.unread() if do == "all" else rows.filter(pk__in=_ticked(request)).filter(read_at__isnull=read)
    ids = list(chosen.order_by("-pk").values_list("pk", flat=True)[:MOST])
    if do not in ("read", "unread", "all") or not ids:
        notify(request, "Nothing was changed. Tick a notification first.")
        return HttpResponseRedirect(back)
    mark(rows, read=read, ids=ids)
    token = keep_inverse(request, "notices", {"ids": ids, "read": not read}, back=back)
    number = f"{len(ids):,} notification{'' if len(ids) == 1 else 's'}"
    notify(request, f"{number} marked as {'read' if read else 'unread'}.", undo=token)
    return HttpResponseRedirect(back)


@inverse("notices")
def _mark_back(request: HttpRequest, data: dict[str, Any]) -> str:
    number = mark(inbox_of(member_of(request)), read=data["read"], ids=data["ids"])
    return f"{number:,} notification{'' if number == 1 else 's'} put back."


def _ticked(request: HttpRequest) -> list[int]:
    return [number for text in request.POST.getlist("notice")[:MOST] if (number := whole(text))]


@login_required
@require_http_methods(["GET", "POST"])
def notification_settings(request: HttpRequest) -> HttpResponse:
    """What one is told, how and when; saved as a whole."""
    member = member_of(request)
    if member is None:
        raise PermissionDenied
    if request.method == "POST":
        try:
            _save(request, member)
        except BadValue as problem:
            notify(request, str(problem))
            return _settings_page(request, member, status=422)
        notify(request, "Notification settings saved.")
        return HttpResponseRedirect(reverse("notification_settings"))
    return _settings_page(request, member)


def _save(request: HttpRequest, member: TeamMember) -> NoticeSettings:
    data = request.POST
    ways = {kind: data[f"way-{kind}"] for kind, one in KINDS.items() if one.choosable and f"way-{kind}" in data}
    rules = {
        whole(name.removeprefix("rule-")) or 0: str(value) for name, value in data.items() if name.startswith("rule-")
    }  # fmt: skip
    values = {
        "by_email": "by_email" in data, "digest": "digest" in data, "weekly": "weekly" in data,
        "time_zone": data.get("time_zone", "").replace("\x00", "").strip()[:64],
        "quiet_from": _time(data.get("quiet_from", "")), "quiet_to": _time(data.get("quiet_to", "")),
        "digest_at": _time(data.get("digest_at", "")) or dt.time(7, 30),
        "cap": whole(data.get("cap", "20"), 99_999) or 0,
    }  # fmt: skip
    return save_settings(member, values, ways=ways, rules=rules)


def _time(text: str) -> dt.time | None:
    if not text:
        return None
    try:
        return dt.time.fromisoformat(text[:8]).replace(tzinfo=None)
    except ValueError as error:
        raise BadValue("A time of day looks like 07:30.") from error


def _settings_page(request: HttpRequest, member: TeamMember, *, status: int = 200, secret: str = "") -> HttpResponse:
    settings = settings_of(member)
    choices = dict(RuleChoice.objects.filter(member=member).values_list("rule", "way"))
    context = {
        "settings": settings,
        "ways": Way.choices,
        "kinds": [(one, settings.ways.get(one.key, one.way.value)) for one in KINDS.values() if one.choosable],
        "rules": [(rule, choices.get(rule.pk, "")) for rule in AlertRule.objects.filter(active=True)[:MOST]],
        "channels": NoticeChannel.objects.filter(member=member),
        "vias": [one for one in Via.choices if one[0] != Via.EMAIL],
        "mail": mail_is_set_up(),
        "email": member.user.email,
        "secret": secret,
    }
    return page(request, "web/notifications/settings.html", context, status=status)


@login_required
@require_POST
def notification_channel(request: HttpRequest) -> HttpResponse:
    """Add a channel of one's own, or take one away."""
    member = member_of(request)
    if member is None:
        raise PermissionDenied
    back = HttpResponseRedirect(reverse("notification_settings") + "#channels")
    if gone := whole(request.POST.get("delete")):
        mine: QuerySet[NoticeChannel] = NoticeChannel.objects.filter(member=member, pk=gone)
        notify(request, "Channel deleted." if mine.delete()[0] else "The channel was deleted already.")
        return back
    try:
        channel, secret = save_channel(
            None, name=request.POST.get("name", ""), kind=request.POST.get("kind", ""),
            address=request.POST.get("address", ""), member=member,
        )  # fmt: skip
    except BadValue as problem:
        notify(request, str(problem))
        return back
    notify(request, f"Channel {channel.name} added.")
    return _settings_page(request, member, secret=secret) if secret else back


@login_required
@require_GET
def colleague_names(request: HttpRequest) -> JsonResponse:
    """Active colleagues of whose name a word begins with what is typed after an @, or whose key does: at most eight."""
    typed = fold(request.GET.get("q", "")[:80].replace("\x00", ""))
    found = []
    for key, name in TeamMember.objects.filter(user__is_active=True).order_by("name").values_list("key", "name"):
        words = [key, *fold(name).split()]
        if any(word.startswith(typed) for word in words) or fold(name).startswith(typed):
            found.append({"key": key, "name": name})
    response = JsonResponse({"colleagues": found[:8]})
    response["Cache-Control"] = "no-store"
    return response

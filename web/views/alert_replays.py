"""How far a replay of an alert rule is, and ending one."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from alerts.models import AlertReplay
from core.reports import cancel_report
from core.working import NotNow
from web.alert_replay_view import replay_view
from web.notices import notify
from web.pages import is_part, part
from web.views.segments import editors_only


def _mine(request: HttpRequest, pk: int) -> AlertReplay:
    return get_object_or_404(AlertReplay.objects.select_related("rule"), pk=pk, author=request.user.pk)


def _editor(replay: AlertReplay) -> str:
    """The editor with the replay beside it; what was typed there since is only in the editor that is open."""
    rule = replay.rule
    place = reverse("alert_rule", args=[rule.pk]) if rule and not rule.deleted_at else reverse("alert_rule_new")
    return f"{place}?replay={replay.pk}"


@login_required
@require_GET
def alert_replay(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is, or what it found, for a page that looks every second while it runs."""
    editors_only(request)
    replay = _mine(request, pk)
    if not is_part(request):
        return HttpResponseRedirect(_editor(replay))
    return part(request, "web/alerts/_replay.html", {"replay": replay_view(replay, None, None, request.user)})


@login_required
@require_POST
def alert_replay_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop after the day in hand."""
    editors_only(request)
    replay = _mine(request, pk)
    try:
        cancel_report(replay)
    except NotNow as error:
        notify(request, str(error))
    if not is_part(request):
        return HttpResponseRedirect(_editor(replay))
    replay.refresh_from_db()
    return part(request, "web/alerts/_replay.html", {"replay": replay_view(replay, None, None, request.user)})

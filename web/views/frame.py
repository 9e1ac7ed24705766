"""What belongs to every page: the start, log-in, preferences, undo, jumping about."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account
from core.intake import BadValue, clean_text, fold, unaccented
from segments.models import Segment
from web.notices import back_to, notify
from web.pages import page
from web.preferences import DENSITIES, THEMES, read_preferences, write_preferences
from web.undo import UndoGone, undo

FOUND = 8


class LogIn(LoginView):
    """The log-in page; whoever is logged in already goes on."""

    redirect_authenticated_user = True


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The first page after the log-in."""
    return redirect("accounts")


@login_required
@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Change theme, row density or single-key shortcuts, and come back."""
    now = read_preferences(request)
    changes: dict[str, Any] = {}
    theme = request.POST.get("theme")
    if theme == "next":
        theme = THEMES[(THEMES.index(now.theme) + 1) % len(THEMES)]
    if theme in THEMES:
        changes["theme"] = theme
    if request.POST.get("density") in DENSITIES:
        changes["density"] = request.POST["density"]
    if request.POST.get("shortcuts") in ("on", "off"):
        changes["shortcuts"] = request.POST["shortcuts"] == "on"
    write_preferences(request, **changes)
    return HttpResponseRedirect(back_to(request, reverse("home")))


@login_required
@require_POST
def undo_action(request: HttpRequest, token: str) -> HttpResponse:
    """Press Undo: the inverse of what was just done, once."""
    try:
        done = undo(request, token)
    except UndoGone:
        notify(request, "This can no longer be undone.")
        return HttpResponseRedirect(back_to(request, request.headers.get("Referer") or reverse("home")))
    notify(request, done.text)
    return HttpResponseRedirect(done.back)


@login_required
@require_GET
def jump(request: HttpRequest) -> HttpResponse:
    """Accounts, segments and pages whose name holds the text; those that begin with it first."""
    try:
        text = clean_text(request.GET.get("q", ""), 200)
    except BadValue:
        text = ""
    wanted = fold(text)
    seen = Account.objects.visible_to(request.user)
    pages = [
        ("Portfolio", reverse("portfolio")),
        ("Accounts 360", reverse("accounts")),
        ("Subscription 360", reverse("subscriptions")),
        ("Users", reverse("users")),
        ("Segments", reverse("segments")),
        ("Milestones", reverse("milestones")),
    ]
    held = seen.filter(name_folded__contains=wanted).order_by("name_folded")
    starts = list(held.filter(name_folded__startswith=unaccented(wanted))[:FOUND]) if wanted else []
    if wanted and len(starts) < FOUND:
        starts += held.exclude(pk__in=[item.pk for item in starts])[: FOUND - len(starts)]
    context = {
        "q": text,
        "accounts": starts,
        "segments": Segment.objects.filter(name_folded__contains=wanted, active=True).in_tab_order()[:FOUND]
        if wanted
        else [],
        "pages": [(name, url) for name, url in pages if wanted in name.casefold()],
    }
    return page(request, "web/jump.html", context, parts={"jump-results": "web/_jump_results.html"})

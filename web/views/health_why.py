"""Why an account has its health: in a drawer beside the list (`peek` in the list's address), or as a page."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.models import Account
from core.intake import whole
from segments.questions import Reader
from web.filters import reader_for
from web.health_card import HealthWhy, health_why
from web.pages import is_part, page


@login_required
@require_GET
def account_why(request: HttpRequest, pk: int) -> HttpResponse:
    """Every dimension with its measures, values and limits; in a list the address says whose drawer is open."""
    account = get_object_or_404(Account.objects.visible_to(request.user), pk=pk)
    context = {"account": account, "health": health_why(account, reader_for(request))}
    answer = page(request, "web/health/why.html", context, parts={"why": "web/health/_why.html"})
    if is_part(request) and (found := _list_with(request, account.pk)):
        address, open_already = found
        answer["HX-Replace-Url" if open_already else "HX-Push-Url"] = address
    return answer


def peeked(request: HttpRequest, reader: Reader) -> tuple[Account, HealthWhy] | None:
    """The account whose drawer the list's address says is open, if this person may see it. Parts of a list leave the
    drawer alone."""
    asked = whole(request.GET.get("peek"))
    if is_part(request) or asked is None:
        return None
    account = Account.objects.visible_to(request.user).filter(pk=asked).first()
    return (account, health_why(account, reader)) if account else None


def _list_with(request: HttpRequest, pk: int) -> tuple[str, bool] | None:
    """The address of the list that asks, with this account's drawer open, and whether one was open already."""
    here = urlsplit(request.headers.get("HX-Current-URL", ""))
    if here.path != reverse("accounts"):
        return None
    pairs = parse_qsl(here.query)
    kept = [(name, value) for name, value in pairs if name != "peek"]
    return f"{here.path}?{urlencode([*kept, ('peek', str(pk))])}", len(kept) < len(pairs)

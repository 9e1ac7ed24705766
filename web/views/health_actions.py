"""What a colleague says of an account's health: a band by hand, and the pulse."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.models import Account
from core.intake import BadValue, clean_date, whole
from health.editing import end_override, override_health, take_pulse
from web.notices import notify
from web.pages import may_change_accounts


def _account(request: HttpRequest, pk: int) -> Account:
    if not may_change_accounts(request):
        raise PermissionDenied
    return get_object_or_404(Account.objects.visible_to(request.user), pk=pk)


def _back(account: Account) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('account', args=[account.pk])}#health")


@login_required
@require_POST
def account_override(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the band by hand, or (`end`) leave it to the score again."""
    account = _account(request, pk)
    if request.POST.get("end"):
        end_override(account)
        notify(request, f"The health of {account.name} is what its score says.")
        return _back(account)
    until = request.POST.get("until", "")
    try:
        override_health(
            account,
            band=request.POST.get("band", ""),
            reason=request.POST.get("reason", ""),
            until=clean_date(until) if until else None,
            author=request.user,
        )
    except BadValue as error:
        notify(request, f"Health was not set. {error}")
    else:
        notify(request, f"Health of {account.name} set by hand.")
    return _back(account)


@login_required
@require_POST
def account_pulse(request: HttpRequest, pk: int) -> HttpResponse:
    """Note how the account feels."""
    account = _account(request, pk)
    try:
        take_pulse(
            account, whole(request.POST.get("value")) or 0, note=request.POST.get("note", ""), author=request.user
        )
    except BadValue as error:
        notify(request, f"The pulse was not noted. {error}")
    else:
        notify(request, f"Pulse of {account.name} noted.")
    return _back(account)

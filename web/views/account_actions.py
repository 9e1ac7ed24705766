"""What is done to many accounts at once: assigning."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.assigning import assign, give_back
from accounts.models import Account, TeamMember
from core.intake import whole
from web.liststate import COUNT_CAP
from web.notices import back_to, notify
from web.pages import may_change_accounts
from web.undo import inverse, keep_inverse
from web.views.accounts import list_of

CSM = "csm"


@login_required
@require_POST
def accounts_assign(request: HttpRequest) -> HttpResponse:
    """Make a colleague the CSM of the ticked accounts, or (`scope=filter`) of all accounts of the list."""
    if not may_change_accounts(request):
        raise PermissionDenied
    back = back_to(request, reverse("accounts"))
    member = get_object_or_404(TeamMember, key=request.POST.get("member", ""))
    changed = assign(_chosen(request, back), member, CSM)
    if not changed:
        notify(request, f"No account changed: none was selected that {member.name} did not already have.")
        return HttpResponseRedirect(back)
    token = keep_inverse(request, "assign", {"changes": changed, "role": CSM}, back=back)
    number = f"{len(changed):,} account{'' if len(changed) == 1 else 's'}"
    notify(request, f"Assigned {number} to {member.name}.", undo=token)
    return HttpResponseRedirect(back)


def _chosen(request: HttpRequest, back: str) -> list[int]:
    """The ids that a bulk action means, among those this person may see."""
    seen = Account.objects.visible_to(request.user)
    if request.POST.get("scope") == "filter":
        query = QueryDict(back.partition("?")[2])
        return list(list_of(request, query, reverse("accounts")).accounts.values_list("pk", flat=True)[:COUNT_CAP])
    ids = [pk for text in request.POST.getlist("account") if (pk := whole(text))]
    return list(seen.filter(pk__in=ids).values_list("pk", flat=True))


@inverse("assign")
def _unassign(request: HttpRequest, data: dict[str, Any]) -> str:
    number = give_back(data["changes"], data["role"])
    return f"{number:,} account{'' if number == 1 else 's'} given back."

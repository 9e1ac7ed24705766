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
from web.liststate import COUNT_CAP
from web.notices import back_to, notify
from web.pages import may_change_accounts
from web.undo import inverse, keep_inverse
from web.views.accounts import list_of, ticked

CSM = "csm"


@login_required
@require_POST
def accounts_assign(request: HttpRequest) -> HttpResponse:
    """Make a colleague the CSM of the ticked accounts, or (`scope=filter`) of all accounts of the list."""
    if not may_change_accounts(request):
        raise PermissionDenied
    back = back_to(request, reverse("accounts"))
    member = get_object_or_404(TeamMember, key=request.POST.get("member", "").replace("\x00", ""))
    chosen, more = _chosen(request, back)
    changed = assign(chosen, member, CSM)
    if not changed:
        notify(request, f"No account changed: none was selected that {member.name} did not already have.")
        return HttpResponseRedirect(back)
    token = keep_inverse(request, "assign", {"changes": changed, "role": CSM}, back=back)
    number = f"{len(changed):,} account{'' if len(changed) == 1 else 's'}"
    only = f" Only the first {COUNT_CAP:,} of the list were looked at." if more else ""
    notify(request, f"Assigned {number} to {member.name}.{only}", undo=token)
    return HttpResponseRedirect(back)


def _chosen(request: HttpRequest, back: str) -> tuple[list[int], bool]:
    """The ids that a bulk action means, among those this person may see, and whether the list has more than are done
    at once."""
    if request.POST.get("scope") == "filter":
        listed = list_of(request, QueryDict(back.partition("?")[2])).accounts
        ids = list(listed.values_list("pk", flat=True)[: COUNT_CAP + 1])
        return ids[:COUNT_CAP], len(ids) > COUNT_CAP
    seen = Account.objects.visible_to(request.user)
    return list(seen.filter(pk__in=ticked(request.POST)).values_list("pk", flat=True)), False


@inverse("assign")
def _unassign(request: HttpRequest, data: dict[str, Any]) -> str:
    number = give_back(data["changes"], data["role"])
    return f"{number:,} account{'' if number == 1 else 's'} given back."

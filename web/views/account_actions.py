"""What is done to many accounts at once, and how the list looks: assigning, columns."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.assigning import assign, give_back
from accounts.fields import vocabulary
from accounts.models import Account, TeamMember
from web.columns import all_columns, chosen_columns
from web.liststate import COUNT_CAP, state_of
from web.notices import back_to, notify
from web.pages import may_change_accounts, page
from web.preferences import MAX_COLUMNS, read_preferences, write_preferences
from web.undo import inverse, keep_inverse
from web.views.accounts import column_groups, list_of

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
    ids = [int(pk) for pk in request.POST.getlist("account") if pk.isascii() and pk.isdigit() and len(pk) < 19]
    return list(seen.filter(pk__in=ids).values_list("pk", flat=True))


@inverse("assign")
def _unassign(request: HttpRequest, data: dict[str, Any]) -> str:
    number = give_back(data["changes"], data["role"])
    return f"{number:,} account{'' if number == 1 else 's'} given back."


@login_required
@require_http_methods(["GET", "POST"])
def accounts_columns(request: HttpRequest) -> HttpResponse:
    """Choose the columns; kept with the person, not in the address."""
    available = all_columns(vocabulary())
    back = back_to(request, reverse("accounts"))
    kept = read_preferences(request).columns
    if request.method == "POST":
        chosen = [key for key in dict.fromkeys(request.POST.getlist("col")) if key in available]
        if request.POST.get("reset") or not chosen:
            kept.pop("accounts", None)
            notify(request, "Standard columns shown.")
        else:
            kept["accounts"] = chosen[:MAX_COLUMNS]
            more = f" At most {MAX_COLUMNS} fit." if len(chosen) > MAX_COLUMNS else ""
            notify(request, f"{len(kept['accounts'])} columns shown.{more}")
        write_preferences(request, columns=kept)
        path, _, query = back.partition("?")
        state, _ = state_of(QueryDict(query), path)
        return HttpResponseRedirect(state.but(cols=None, page=state.page).url if path == reverse("accounts") else back)
    columns = chosen_columns(available, kept.get("accounts"))
    state, _ = state_of(QueryDict(back.partition("?")[2]), reverse("accounts"))
    context = {"columns": columns, "groups": column_groups(available, columns), "state": state}
    return page(request, "web/accounts/columns.html", context)

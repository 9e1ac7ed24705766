"""The recipients of a segment: whom one would write to, on screen and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from accounts.models import Account
from core.download import csv_response
from core.intake import fold
from segments.models import Segment
from segments.recipients import people_of, relationships_of, roles_of
from web.pages import page

SHOWN = 200


@login_required
@require_GET
def segment_recipients(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Users of the members, with the ticked `roles` (any if none), one row per person or per relationship (`one`)."""
    segment = get_object_or_404(Segment, pk=pk)
    seen = Account.objects.visible_to(request.user)
    roles = [role for role in request.GET.getlist("roles") if role][:50]
    by_person = request.GET.get("one") != "relationship"
    rows = _people(segment, seen, roles) if by_person else _relationships(segment, seen, roles)
    if request.GET.get("export") == "csv":
        head = ["user", "name", "email", "accounts" if by_person else "account", "roles" if by_person else "role"]
        return csv_response(f"recipients-{segment.key}", head, ([*row[:3], row[4], row[5]] for row in rows))
    total = (people_of if by_person else relationships_of)(segment, seen, roles).order_by().count()
    query = request.GET.copy()
    query["export"] = "csv"
    chosen = {fold(role) for role in roles}
    context = {
        "segment": segment,
        "rows": [row for row, _ in zip(rows, range(SHOWN), strict=False)],
        "total": total,
        "roles": [(found["role"], found["n"], fold(found["role"]) in chosen) for found in roles_of(segment, seen)],
        "by_person": by_person,
        "csv": query.urlencode(),
    }
    return page(request, "web/segments/recipients.html", context)


def _people(segment: Segment, seen: Any, roles: list[str]) -> Iterator[list[Any]]:
    """Id, name, e-mail, names of accounts, their ids, roles."""
    for person in people_of(segment, seen, roles).order_by("name_folded", "pk").iterator(chunk_size=2_000):
        named = list(dict.fromkeys(role for role in person.in_roles if role))
        yield [person.external_id, person.name, person.email, person.account_names, person.in_accounts, named]


def _relationships(segment: Segment, seen: Any, roles: list[str]) -> Iterator[list[Any]]:
    """The same for one account each."""
    found = relationships_of(segment, seen, roles).order_by("account__name_folded", "user__name_folded", "pk")
    for one in found.iterator(chunk_size=2_000):
        user, account = one.user, one.account
        yield [user.external_id, user.name, user.email, [account.name], [account.external_id], [one.role]]

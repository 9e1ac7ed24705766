"""Recipients of a segment: the users of its accounts (or its users), all of them or those with given roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from accounts.fields import Subject
from accounts.models import Account, EndUser, Relationship
from core.intake import fold
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import RuleError
from segments.subjects import members_of

ROLE = "folded__role"  # roles are compared as every text is: without case and outer blanks
MOST_ROLES = 50


def relationships_of(segment: Segment, seen: QuerySet[Account], roles: Sequence[str] = ()) -> QuerySet[Relationship]:
    """The open relationships of the present members that can be seen, one row each; no `roles` means any role.

    Of a user in a segment of users they are those that match its rule; all of them if none does, as of a user who was
    pinned in or whose data changed a moment ago.
    """
    members = members_of(segment)
    found = Relationship.objects.open().filter(**{f"{members.column}__in": members.inside(segment)})
    if members.subject is Subject.USER:
        found = found.filter(_matching(segment))
    found = found.filter(account__in=seen.order_by().values("pk"))
    if roles:
        found = found.filter(**{f"{ROLE}__in": [fold(role) for role in roles]})
    return found.select_related("user", "account")


def _matching(segment: Segment) -> Q:
    try:
        matching = Reader.now().read(segment.rule, subject=segment.subject).matching().order_by()
    except RuleError:
        return Q()
    return Q(pk__in=matching.values("pk")) | ~Q(user__in=matching.values("user_id"))


def people_of(segment: Segment, seen: QuerySet[Account], roles: Sequence[str] = ()) -> QuerySet[Any]:
    """Each person once, with the members of the segment that they belong to: `in_accounts` (ids), `account_names` and
    `in_roles`, in the order of the relationships."""
    theirs = relationships_of(segment, seen, roles).select_related(None).filter(user=OuterRef("pk")).order_by("pk")
    return EndUser.objects.filter(Exists(theirs)).annotate(
        in_accounts=ArraySubquery(theirs.values("account__external_id")),
        account_names=ArraySubquery(theirs.values("account__name")),
        in_roles=ArraySubquery(theirs.values("role")),
    )


def roles_of(segment: Segment, seen: QuerySet[Account]) -> list[dict[str, Any]]:
    """The roles there are among the users of the members, the most frequent first: `role` and `n` relationships."""
    found = relationships_of(segment, seen).select_related(None).exclude(role="").order_by()
    return list(found.values(ROLE).annotate(role=Max("role"), n=Count("pk")).order_by("-n", "role")[:MOST_ROLES])

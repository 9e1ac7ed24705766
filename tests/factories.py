"""The smallest rows that the database accepts, for tests that need some; each may be told more."""

from __future__ import annotations

import itertools
from typing import Any

from django.contrib.auth.models import User

from accounts.models import Account, Assignment, EndUser, Relationship, Subscription, Team, TeamMember
from segments.editing import save_segment
from segments.models import Segment
from segments.refresh import refresh_due

_number = itertools.count(1)


def account(name: str = "", **values: Any) -> Account:
    """A live account."""
    n = next(_number)
    return Account.objects.create(
        external_id=values.pop("external_id", f"acct-{n}"), name=name or f"Account {n}", **values
    )


def end_user(name: str = "", **values: Any) -> EndUser:
    """A user of nobody's."""
    n = next(_number)
    return EndUser.objects.create(
        external_id=values.pop("external_id", f"user-{n}"), name=name or f"User {n}", **values
    )


def relationship(of: Account, user: EndUser | None = None, role: str = "", **values: Any) -> Relationship:
    """A user's open relationship to an account."""
    return Relationship.objects.create(account=of, user=user or end_user(), role=role, **values)


def subscription(of: Account, **values: Any) -> Subscription:
    """An active subscription."""
    defaults = {"status_id": "active", "currency": "USD", "external_id": f"sub-{next(_number)}"}
    return Subscription.objects.create(account=of, **defaults | values)


def member(access: str = TeamMember.Access.CSM, team: Team | None = None, **values: Any) -> TeamMember:
    """A colleague with a log-in."""
    n = next(_number)
    user = User.objects.create_user(f"member{n}", password=values.pop("password", None))
    return TeamMember.objects.create(
        user=user, key=f"member{n}", name=f"Member {n}", access=access, team=team, **values
    )


def assign(of: Account, to: TeamMember, role: str = "csm") -> Assignment:
    """A colleague's part in an account."""
    return Assignment.objects.create(account=of, member=to, role_id=role)


def rule(*conditions: dict[str, Any], match: str = "all") -> dict[str, Any]:
    """A root group."""
    return {"match": match, "rules": list(conditions)}


def segment(name: str, *conditions: dict[str, Any], refreshed: bool = True, **values: Any) -> Segment:
    """A saved segment with its members up to date."""
    found = save_segment(None, name=name, rule=rule(*conditions), **values)
    if refreshed:
        refresh_due()
        found.refresh_from_db()
    return found

"""Whether anything about a customer was recorded in a time: else only the clock can have moved what is known."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet

from accounts.fields import Subject
from accounts.models import Assignment, AttributeChange, Relationship, Subscription
from usage.models import Event

# What may be found late: an event that arrived now may have happened up to so many days before.
LATE_DAYS = 31
Owners = dict[str, dict[int, set[int]]]


def recorded_between(subject: Subject, members: Collection[int], after: dt.datetime, until: dt.datetime) -> set[int]:
    """Those of some accounts, or users (primary keys), about which anything was recorded in a time: a value, an event,
    a user or a subscription of the account, a change of the team. Of a user that is also what was recorded of their
    accounts."""

    def since(*columns: str) -> Q:
        return reduce(or_, (Q(**{f"{column}__gt": after, f"{column}__lte": until}) for column in columns))

    whose = owners(subject, members)
    found: set[int] = set()
    for kind in ("account", "user", "relationship"):
        mine = whose.get(kind, {})
        told = AttributeChange.objects.filter(since("recorded_at"), subject=kind, object_id__in=mine)
        for pk in told.order_by().values_list("object_id", flat=True).distinct():
            found |= mine[pk]
    rows: list[tuple[str, QuerySet[Any]]] = [
        ("account", Subscription.objects.filter(since("updated_at"))),
        ("account", Assignment.objects.filter(since("started_at", "ended_at"))),
    ]
    happened = Event.objects.filter(since("received_at"), at__gt=after - dt.timedelta(days=LATE_DAYS))
    belong = Relationship.objects.filter(since("updated_at", "user__updated_at"))
    for owner, queried in [(str(subject), happened), (str(subject), belong), *rows]:
        wanted = queried.filter(**{f"{owner}_id__in": whose[owner]}).order_by()
        for pk in wanted.values_list(f"{owner}_id", flat=True).distinct():
            found |= whose[owner][pk]
    return found


def owners(subject: Subject, members: Collection[int], *, with_users: bool = False) -> Owners:
    """What has the values that count: by kind, its ids with the members that each counts for. `with_users`: of
    accounts, their users too."""
    if subject is Subject.ACCOUNT:
        people: dict[int, set[int]] = defaultdict(set)
        theirs = Relationship.objects.filter(account_id__in=members) if with_users else Relationship.objects.none()
        for user, account in theirs.values_list("user_id", "account_id"):
            people[user].add(account)
        return {"account": {member: {member} for member in members}} | ({"user": people} if with_users else {})
    found: Owners = {"user": {member: {member} for member in members}}
    accounts: dict[int, set[int]] = defaultdict(set)
    places = Relationship.objects.filter(user_id__in=members).values_list("pk", "account_id", "user_id")
    found["relationship"] = {}
    for pk, account, user in places:
        found["relationship"][pk] = {user}
        accounts[account].add(user)
    return found | {"account": dict(accounts)}

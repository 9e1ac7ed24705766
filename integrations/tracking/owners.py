"""Whom an anonymous id means at an instant: who was seen with it last before; before all of them, the first one.

Per user only the first sight counts, so that the answer does not depend on the order of messages or on how many there
were. Somebody who comes back to a shared computer is taken for the one who came to it last.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping

from integrations.models import Identity, VisitorLink

Sights = dict[str, dt.datetime]  # the first sight of each user, by external id
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def owner_at(sights: Mapping[str, dt.datetime], at: dt.datetime) -> str:
    """The user (an external id) at the instant; "" if there is none at all."""
    before = [(first, user) for user, first in sights.items() if first <= at]
    if before:
        return max(before)[1]
    return min(((first, user) for user, first in sights.items()), default=(at, ""))[1]


def together(one: Mapping[str, dt.datetime], other: Mapping[str, dt.datetime]) -> Sights:
    """The first sights of both."""
    return {user: min(side[user] for side in (one, other) if user in side) for user in one.keys() | other.keys()}


def sights_of(rows: Iterable[Identity]) -> dict[str, Sights]:
    """The first sights of each of these identities (with their users selected) that has a user, by its name."""
    linked = {row.pk: row for row in rows if row.user is not None}
    found: dict[str, Sights] = defaultdict(dict)
    if not linked:
        return found
    links = VisitorLink.objects.filter(identity__in=linked).order_by()
    for number, user, at in links.values_list("identity", "user__external_id", "at"):
        found[linked[number].name][user] = at
    for row in linked.values():
        if row.name not in found and row.user is not None:
            found[row.name] = {row.user.external_id: row.linked_at or _NEVER}
    return found

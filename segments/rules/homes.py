"""Whose the events of a condition are: the paths that lead from an event to its account, and to its user there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F

from accounts.fields import Owner

_OF_PERSONS = (Owner.USER, Owner.RELATIONSHIP)


@dataclass(frozen=True)
class Home:
    """`account` leads from an event to the account for which it counts ("" if it needs none), `place` to its user in
    one account (a row of the view that rules about users are asked of), where a date of theirs is needed."""

    account: str
    place: str = ""

    def context(self) -> dict[str, Any]:
        """That an event is of an account; or, anywhere, that its user belongs to one now.

        To be given to the same `filter` as all else about that account: a second one would join the user's
        relationships a second time, and so speak of another account.
        """
        known: dict[str, Any] = {"account__isnull": False}
        if self.place:
            here = {f"{self.place}__account": F("account")} if self.account else {f"{self.place}__isnull": False}
            return known | here
        belongs = {"user__relationships__ended_at__isnull": True, "user__relationships__isnull": False}
        return known | belongs if self == ANYWHERE else known

    def prefix(self, owner: Owner) -> str:
        """What leads from an event to the columns of an owner."""
        if owner not in _OF_PERSONS:
            return f"{self.account}__"
        return f"{self.place}__user__" if owner is Owner.USER else f"{self.place}__"


OWN, ANYWHERE, BY_USER = Home("account"), Home("user__relationships__account"), Home("")
OWN_PLACE, ANY_PLACE = Home("account", "user__places"), Home("", "user__places")


def home_of(*, anywhere: bool, by_user: bool, since: Owner | None) -> Home:
    """Whose the events are: of the account, of an account that a user of theirs belongs to, or only the user's.

    What one user did anywhere needs no account, unless the window begins (`since`) with a date of it.
    """
    if since in _OF_PERSONS:
        return ANY_PLACE if anywhere else OWN_PLACE
    if not anywhere:
        return OWN
    return BY_USER if by_user and since is None else ANYWHERE

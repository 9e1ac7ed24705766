"""Of whom something changed: those that a refresh after new data looks at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import F

from accounts.fields import Subject
from accounts.models import Relationship
from core.ids import Ids, OneOf
from segments.models import Segment
from usage.models import UserActivity


@dataclass
class Changed:
    """Of whom something changed, so that a refresh need look at nobody else. Who joins or leaves a segment is added,
    because other segments may ask about it: a user's accounts with the user, an account's users with the account.

    `everybody`: so many that segments look at all the same, which is quicker than finding each of them.
    """

    accounts: set[int]
    users: set[int]
    about_users: bool = True  # False while no segment is about users: then nobody asks for them
    listed: dict[Subject, Ids] = field(default_factory=dict)
    placed: tuple[Ids, Ids] = (Ids(), Ids())  # users, and their accounts
    everybody: bool = False

    @classmethod
    def of(cls, accounts: Collection[int], users: Collection[int] = (), *, everybody: bool = False) -> Changed:
        """These accounts with everybody who ever had to do with them; these users with their accounts."""
        found = cls(set(accounts), set(users), listed={Subject.ACCOUNT: Ids.of(accounts)}, everybody=everybody)
        # A segment that is made meanwhile is refreshed for everybody, so it needs nobody from here.
        found.about_users = not everybody and Segment.everything.filter(subject=Subject.USER).exists()
        if found.about_users:
            theirs = OneOf(F("account_id"), found.ids(Subject.ACCOUNT))
            for model in (Relationship, UserActivity):
                found.users.update(model.objects.filter(theirs).values_list("user_id", flat=True))
        found.follow(Subject.USER, users)
        return found

    def ids(self, subject: Subject) -> Ids:
        """The members of a kind to look at."""
        found = self.accounts if subject is Subject.ACCOUNT else self.users
        if len(self.listed.get(subject, ())) != len(found):  # they only ever grow
            self.listed[subject] = Ids(found)
        return self.listed.get(subject, Ids())

    def places(self) -> Ids:
        """The accounts of the users to look at."""
        users = self.ids(Subject.USER)
        if users is not self.placed[0]:
            theirs = Relationship.objects.open().filter(OneOf(F("user_id"), users)).order_by()
            self.placed = users, Ids(theirs.values_list("account_id", flat=True).distinct())
        return self.placed[1]

    def follow(self, subject: Subject, moved: Collection[int]) -> None:
        """Add those whom the others may be asked about."""
        between = Relationship.objects.open().order_by()
        if moved and subject is Subject.USER:
            self.accounts.update(between.filter(OneOf(F("user_id"), moved)).values_list("account_id", flat=True))
            self.users.update(moved)
        elif moved and self.about_users:
            self.users.update(between.filter(OneOf(F("account_id"), moved)).values_list("user_id", flat=True))

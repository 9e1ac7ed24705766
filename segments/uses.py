"""What uses a segment, so that nothing is deleted or switched off under it.

Apps above (health, alerts, integrations) declare how to find their own uses; segments themselves use each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from segments.models import Segment
from segments.questions import users_of_segment


@dataclass(frozen=True)
class Use:
    """One thing that uses a segment: what it is, its name, its id."""

    kind: str
    name: str
    pk: int


@dataclass(frozen=True)
class Consequence:
    """What follows for an account that leaves a segment, as words behind a number of one and of many; `accounts` yields
    the ids of those for which it would."""

    one: str
    many: str
    accounts: QuerySet[Any]

    def words(self, number: int) -> str:
        """ "2 open alerts end"."""
        return f"{number:,} {self.one if number == 1 else self.many}"


class SegmentInUse(Exception):
    """The segment cannot go while it is used; `users` says by what."""

    def __init__(self, segment: Segment, users: list[Use]) -> None:
        self.segment, self.users = segment, users
        listed = ", ".join(f"{use.kind} “{use.name}”" for use in users)
        super().__init__(f"{segment.name} is used by {listed}. Remove it there first.")


Finder = Callable[[Collection[Segment]], Iterable[tuple[Segment, Use]]]
_finders: list[Finder] = []
Foresight = Callable[[Collection[Segment]], Iterable[tuple[Segment, Consequence]]]
_foresights: list[Foresight] = []
Follower = Callable[[Segment, bool], None]
_followers: list[Follower] = []


def find_uses_with(finder: Finder) -> Finder:
    """Declare a function that yields the uses of some segments in an app above, with the segment of each. It takes as
    many statements for many segments as for one."""
    _finders.append(finder)
    return finder


def uses_of(segment: Segment) -> list[Use]:
    """Everything that uses a segment, other segments first; what asks by an internal one speaks for itself."""
    public = [user for user in users_of_segment(segment.key) if user.pk != segment.pk and not user.internal]
    own = [Use("segment", user.name, user.pk) for user in public]
    return own + uses_above([segment])[segment.pk]


def uses_above(segments: Collection[Segment]) -> dict[int, list[Use]]:
    """What uses segments in the apps above, by the id of the segment."""
    found: dict[int, list[Use]] = defaultdict(list)
    for finder in _finders if segments else ():
        for segment, use in finder(segments):
            found[segment.pk].append(use)
    return found


def foresee_with(foresight: Foresight) -> Foresight:
    """Declare a function that yields what follows, in an app above, for accounts that leave some segments. It takes as
    many statements for many segments as for one."""
    _foresights.append(foresight)
    return foresight


def consequences_of(segments: Collection[Segment]) -> dict[int, list[Consequence]]:
    """What follows for accounts that leave segments, by the id of the segment."""
    found: dict[int, list[Consequence]] = defaultdict(list)
    for foresight in _foresights if segments else ():
        for segment, consequence in foresight(segments):
            found[segment.pk].append(consequence)
    return found


def follow_moves_with(follower: Follower) -> Follower:
    """Declare a function of an app above that is told of a segment whose members moved because somebody asked for its
    refresh (a save, mostly), and whether a new definition moved them, within that transaction. What follows new data
    and the clock is the pipeline's."""
    _followers.append(follower)
    return follower


def tell_of_moves(segment: Segment, *, redefined: bool) -> None:
    """Tell everybody who declared so."""
    for follower in _followers:
        follower(segment, redefined)

"""The worlds of accounts seen by their people: persons in no, one and several accounts, and rules about them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from tests.segments.stays import SEGMENTS, USER_SEGMENTS
from tests.segments.worlds import Case, Rules, case_of

PERSONS = 3


def user_case_of(dice: Random, rules: int = 20, accounts: int = 4) -> Case:
    """A world of a few accounts; some persons lose all their relationships, or all but one, before the rules come."""
    case = case_of(dice, rules, accounts, maker=UserRules)
    world = case.world
    for account in world["accounts"]:
        account["archived"] = dice.choice([False] * 7 + [True])
    for person in range(PERSONS):
        _thin_out(dice, world, person, dice.choice(["as drawn"] * 5 + ["none", "ended", "one", "archived"]))
    # What is known of a person who is in no account is what the database has: the last row that was drawn.
    persons: list[dict[str, Any]] = [{} for _ in range(PERSONS)]
    for account in world["accounts"]:
        for user in account["users"]:
            known = {key: value for key, value in user["values"].items() if key.startswith("user.")}
            persons[user["person"]] = known
    for known in persons:
        known.pop("user.last_seen_at", None)  # is of a person in an account
    world["persons"] = persons
    return case


def _thin_out(dice: Random, world: dict[str, Any], person: int, how: str) -> None:
    mine = [(a, user) for a in world["accounts"] for user in a["users"] if user["person"] == person]
    kept = dice.choice(mine)[1] if mine else None
    for account, user in mine:
        if how == "none" or (how == "one" and user is not kept):
            account["users"] = [one for one in account["users"] if one is not user]
        elif how == "ended":
            user["ended"] = True
        elif how == "archived" and not user["ended"]:
            account["archived"] = True


class UserRules(Rules):
    """Draws rules about users: no groups of users, and segments of both kinds."""

    about_users = True

    def node(self, depth: int, inside: str | None) -> dict[str, Any]:
        """Any node but a group about users, which has no place in such a rule."""
        while True:
            found = super().node(depth, inside)
            if "users" not in found:
                return found

    def segment(self, keys: Sequence[str] = (*SEGMENTS, *USER_SEGMENTS, *USER_SEGMENTS)) -> dict[str, Any]:
        """Membership of a segment of accounts or of users."""
        return super().segment(keys)

"""The judge of rules about users, written like `oracle` from the rules page of the design; no part of the application.

A rule about users is asked of each person in each of their accounts: of every relationship that has not ended and whose
account is not archived. A person who has none at all is asked about once, with nothing known of account and
relationship; one whose every account is archived is gone with them. A world's "persons" are the values of each person,
and "user_memberships" their stays in segments of users.
"""

from __future__ import annotations

from typing import Any

from tests.segments import event_oracle, oracle
from tests.segments.stays import USER_SEGMENTS

Node, World, Row = dict[str, Any], dict[str, Any], dict[str, Any]
NO_ACCOUNT: dict[str, Any] = {
    "id": None, "archived": False, "values": {}, "subscriptions": [], "users": [], "team": [], "memberships": [],
    "events": [],
}  # fmt: skip


def user_members(rule: Node, world: World) -> set[int]:
    """The numbers of the persons for whom the rule holds in at least one of their places."""
    return {person for person in range(len(world["persons"])) if matching_places(rule, person, world)}


def matching_places(rule: Node, person: int, world: World) -> list[str | None]:
    """The ids of the accounts in which the rule holds for a person; None stands for no account."""
    found = places(person, world)
    return [account["id"] for account, row in found if not rule["rules"] or holds(rule, account, row, person, world)]


def places(person: int, world: World) -> list[tuple[dict[str, Any], Row]]:
    """A person's accounts with the values of person and relationship there."""
    open_ones = [
        (account, user["values"])
        for account in world["accounts"]
        for user in account["users"]
        if user["person"] == person and not user["ended"]
    ]
    if not open_ones:
        return [(NO_ACCOUNT, world["persons"][person])]
    return [(account, world["persons"][person] | values) for account, values in open_ones if not account["archived"]]


def holds(node: Node, account: dict[str, Any], row: Row, person: int, world: World) -> bool:
    """Whether a node holds for a person in an account."""
    if "match" in node:
        answers = [holds(child, account, row, person, world) for child in node["rules"]]
        return {"all": all(answers), "any": any(answers), "none": not any(answers)}[node["match"]]
    if "subscriptions" in node:
        return oracle.holds(node, account, None, world)
    if "event" in node or "sequence" in node:
        return happened(node, account, row, person, world)
    if node["op"] in oracle.TWINS:
        return not holds(node | {"op": oracle.TWINS[node["op"]]}, account, row, person, world)
    if "segment" in node:
        stays = world["user_memberships"][person] if node["segment"] in USER_SEGMENTS else account["memberships"]
        return oracle.in_segment(node, stays, world)
    owner = node["field"].split(".")[0]
    if owner in ("user", "relationship"):
        return oracle.compare(node, row, world)
    if owner == "account":
        return oracle.compare(node, account["values"], world)
    return any(oracle.compare(node, one, world) for one in oracle.rows_of(account, owner))


def happened(node: Node, account: dict[str, Any], row: Row, person: int, world: World) -> bool:
    """What the person did in the account in hand, or anywhere if the node says so.

    The judge of events looks for "anywhere" among an account's present people; the person in hand is one, also one of
    no account, unless the window begins with a date of the account, which then is not known.
    """
    if node.get("anywhere"):
        account = account | {"users": [{"person": person, "ended": False, "values": {}}]}
    return event_oracle.event_holds(node, account, row | {"#person": person}, world)

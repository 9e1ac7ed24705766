"""Small worlds and rules about them, drawn so that they are likely to disagree where an engine is wrong.

Values that are independent of each other never meet, and an engine that is wrong passes thousands of such cases. So an
example picks a few fields, gives each a family of close neighbours (wildcards, case, boundaries, edges of days), and
draws the data and the rules' values from the same families.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.segments import families
from tests.segments.event_worlds import EventPool, dice_of
from tests.segments.families import ABSENT, Pool
from tests.segments.oracle import fold
from tests.segments.stays import SEGMENTS, USER_SEGMENTS, drawn_stays

KINDS = ("text", "number", "money", "percent", "boolean", "date", "datetime", "choice", "list", "link")
PEOPLE = [("ann", "Ann Berg"), ("bo", "Bo Çelik"), ("Cy-X", "Cy Xu")]
TEAMS = {"ann": "Nordic", "bo": "Straße", "Cy-X": ""}
STAGES = [
    ("trial", "Trial", "trial"),
    ("live", "Live", "live"),
    ("Late-Live", "Late", "live"),
    ("cancelled", "Lost", "cancelled"),
]
STATUSES = [
    ("active", "Active", "active"),
    ("Trial-2", "Second trial", "future"),
    ("suspended", "Suspended", "suspended"),
]
LEVELS = [("strategic", "Strategic"), ("Tier-2", "Tier two")]
CHOICES = ["Gold", "Straße", "ÎLE"]
PERIODS = [("monthly", "Monthly"), ("yearly", "Yearly")]
TYPES = [("trial", "Trial"), ("onboarding", "Onboarding"), ("live", "Live"), ("cancelled", "Cancelled")]
STATUS_TYPES = [("active", "Active"), ("cancelled", "Cancelled"), ("future", "Future"), ("suspended", "Suspended")]
RATES = {"USD": Decimal(1), "EUR": Decimal("1.08"), "JPY": Decimal("0.0066")}
ROLES = {"csm": "csm", "account-manager": "account_manager"}

COLUMNS: dict[str, str] = {
    "account.name": "text",
    "account.domain": "text",
    "account.industry": "text",
    "account.churn_reason": "text",
    "account.stage": "choice",
    "account.stage_type": "choice",
    "account.level": "choice",
    "account.mrr": "money",
    "account.licences": "number",
    "account.renews_on": "date",
    "account.customer_since": "date",
    "account.last_touchpoint_at": "datetime",
    "account.active_users_30d": "number",
    "account.events_30d": "number",
    "account.last_seen_at": "datetime",
    "user.name": "text",
    "user.email": "text",
    "user.title": "text",
    "user.first_seen_at": "datetime",
    "user.last_seen_at": "datetime",
    "relationship.role": "text",
    "relationship.started_at": "datetime",
    "subscription.plan": "text",
    "subscription.status": "choice",
    "subscription.status_type": "choice",
    "subscription.mrr": "money",
    "subscription.licences": "number",
    "subscription.billing_period": "choice",
    "subscription.starts_on": "date",
    "subscription.renews_on": "date",
    "subscription.auto_renew": "boolean",
    "team.csm": "person",
    "team.account_manager": "person",
    "team.csm_team": "choice",
}
CUSTOM = {f"{o}.custom.c_{kind}": kind for o in ("account", "user", "relationship", "subscription") for kind in KINDS}
FIELDS = COLUMNS | CUSTOM
NUMERIC = ("number", "money", "percent")
PAIRS: dict[str, list[tuple[str, str]]] = {
    "account.stage": [(key, label) for key, label, _ in STAGES],
    "account.stage_type": TYPES,
    "account.level": LEVELS,
    "subscription.status": [(key, label) for key, label, _ in STATUSES],
    "subscription.status_type": STATUS_TYPES,
    "subscription.billing_period": PERIODS,
    "team.csm": PEOPLE,
    "team.account_manager": PEOPLE,
    "team.csm_team": [(fold(team), team) for team in TEAMS.values() if team],
} | {key: [(fold(one), one) for one in CHOICES] for key, kind in CUSTOM.items() if kind == "choice"}
MOMENTS = [
    ("America/New_York", "2026-03-10T03:30:00+00:00"),
    ("America/New_York", "2026-11-02T04:30:00+00:00"),
    ("Europe/Oslo", "2028-02-29T23:30:00+00:00"),
    ("Asia/Kolkata", "2026-03-31T18:45:00+00:00"),
    ("Australia/Lord_Howe", "2027-04-04T12:00:00+00:00"),
    ("America/Sao_Paulo", "2018-11-05T01:00:00+00:00"),
    ("Pacific/Apia", "2012-01-02T09:00:00+00:00"),
    ("Africa/Cairo", "2026-04-25T22:30:00+00:00"),
    ("UTC", "2026-12-31T23:59:59.999999+00:00"),
    ("UTC", "2027-01-03T00:00:00+00:00"),
]


@dataclass(frozen=True)
class Case:
    """Worlds of one moment for the oracle and the database, each with accounts and people of its own, and rules about
    any of them."""

    worlds: list[dict[str, Any]]
    rules: list[dict[str, Any]]

    @property
    def world(self) -> dict[str, Any]:
        """The first world, and the only one unless more were asked for."""
        return self.worlds[0]


def cases(rules: int = 20, accounts: int = 6, depth: int = 5, worlds: int = 1) -> st.SearchStrategy[Case]:
    """Worlds with rules. One seed per example and even odds from there on: the library's own search repeats itself too
    much for rare operators to be met."""
    return st.randoms(use_true_random=True).map(lambda dice: case_of(dice, rules, accounts, depth, worlds))


def case_of(
    dice: Random,
    rules: int = 20,
    accounts: int = 6,
    depth: int = 5,
    worlds: int = 1,
    maker: Callable[..., Rules] | None = None,
) -> Case:
    """Worlds of a few accounts with rules about a handful of fields in focus."""
    zone_name, now_text = dice.choice(MOMENTS)
    zone, now = zoneinfo.ZoneInfo(zone_name), dt.datetime.fromisoformat(now_text)
    focus = _focus(dice)
    pools = {key: families.pool(dice, FIELDS[key], key, now, zone, PAIRS.get(key, [])) for key in focus}
    stays = families.pool(dice, "datetime", "segment", now, zone, [])
    happens = EventPool(dice, now, zone)
    same = {"now": now, "zone": zone, "rates": RATES, "kinds": FIELDS, "choices": PAIRS, "me": "bo"}
    made = []
    for name in ("", *(f"w{number}" for number in range(1, worlds))):
        people = [_values(dice, pools, "user.") for _ in range(3)]
        found = [_account(dice, n, pools, people, stays) | {"events": happens.events()} for n in range(accounts)]
        for account in found:
            account["id"] = f"{name}{account['id']}"
            account["values"] |= happens.since(account["values"]) if "account.customer_since" not in pools else {}
        happens.give_dates(found, pools)
        own = dice_of([name, stays.values])  # as in Rules.of
        of_people = [drawn_stays(own, stays, USER_SEGMENTS) for _ in people]
        made.append(same | {"name": name, "accounts": found, "user_memberships": of_people})
    rules_of = (maker or Rules)(dice, pools, stays, depth, happens)
    return Case(made, [rules_of.root() for _ in range(rules)])


def _focus(dice: Random) -> list[str]:
    """Two fields of accounts and one of each kind of row, by kind first so that no kind is rare."""
    found = []
    for owner in ("account.", "account.", "user.", "relationship.", "subscription.", "team."):
        kinds = sorted({kind for key, kind in FIELDS.items() if key.startswith(owner)})
        kinds += [kind for kind in ("text", "datetime") if kind in kinds]  # which have most ways to be wrong
        kind = dice.choice(kinds)
        found.append(dice.choice([key for key, own in FIELDS.items() if key.startswith(owner) and own == kind]))
    if FIELDS[found[0]] in NUMERIC:  # something to take a percentage of
        found.append(dice.choice([k for k, kind in FIELDS.items() if k.startswith("account.") and kind in NUMERIC]))
    return sorted(set(found))


def _values(dice: Random, pools: dict[str, Pool], prefix: str) -> dict[str, Any]:
    found = {key: dice.choice(pool.values) for key, pool in pools.items() if key.startswith(prefix)}
    for key in found.keys() & {"account.active_users_30d", "account.events_30d"}:
        found[key] = 0 if found[key] in (None, ABSENT) else found[key]  # nothing was ever heard of it
    return {key: value for key, value in found.items() if value is not ABSENT}


def _account(
    dice: Random, number: int, pools: dict[str, Pool], people: list[dict[str, Any]], stays: Pool
) -> dict[str, Any]:
    users = []
    for person, values in enumerate(people):
        for ended in {"none": [], "open": [False], "ended": [True], "both": [True, False]}[
            dice.choice(["none", "open", "open", "ended", "both"])
        ]:
            own = _values(dice, pools, "relationship.")
            if own.get("relationship.started_at", ABSENT) is None or "relationship.started_at" not in own:
                own["relationship.started_at"] = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)
            users.append({"person": person, "ended": ended, "values": values | own})
    for person in range(len(people)):  # last seen is one per user and account, whatever became of the relationship
        own_rows = [user for user in users if user["person"] == person]
        for user in own_rows[1:]:
            user["values"]["user.last_seen_at"] = own_rows[0]["values"].get("user.last_seen_at")
    values = _values(dice, pools, "account.")
    subscriptions = [_values(dice, pools, "subscription.") for _ in range(dice.choice([0, 1, 1, 2]))]
    for row, kinds, key in [
        (values, STAGES, "account.stage"),
        *((s, STATUSES, "subscription.status") for s in subscriptions),
    ]:
        _derive(row, kinds, key)
    return {
        "id": f"a{number}",
        "archived": number == 5 and dice.choice([True, False]),
        "values": values,
        "users": users,
        "subscriptions": subscriptions,
        "team": _team(dice),
        "memberships": drawn_stays(dice, stays),
    }


def _derive(row: dict[str, Any], terms: list[tuple[str, str, str]], key: str) -> None:
    """A stage and its type (a status and its type) are one column; a subscription always has a status."""
    if key == "subscription.status" and row.get(key) is None:
        row[key] = next((k for k, _, kind in terms if kind == row.get(f"{key}_type")), "active")
    elif row.get(key) is None and row.get(f"{key}_type"):
        row[key] = next((k for k, _, kind in terms if kind == row[f"{key}_type"]), None)
    row[f"{key}_type"] = next((kind for k, _, kind in terms if k == row.get(key)), None)


def _team(dice: Random) -> list[dict[str, Any]]:
    found = []
    for role, key in ROLES.items():
        who, ended = dice.choice([("ann", False), ("bo", False), ("Cy-X", False), ("bo", True), (None, False)])
        if who:
            values = {f"team.{key}": who, f"team.{key}_team": TEAMS[who]}
            found.append({"role": role, "member": who, "ended": ended, "values": values})
    return found


class Rules:
    """Draws rule trees over the fields in focus."""

    about_users = False

    def __init__(
        self, dice: Random, pools: dict[str, Pool], stays: Pool, depth: int = 5, happens: EventPool | None = None
    ) -> None:
        self.dice, self.pools, self.stays, self.depth, self.happens = dice, pools, stays, depth, happens

    def pick(self, options: Any) -> Any:
        """One of the options."""
        return self.dice.choice(options)

    def root(self) -> dict[str, Any]:
        """A whole rule; the empty one now and then."""
        if self.pick(range(40)) == 39:
            return {"match": self.pick(["all", "any", "none"]), "rules": []}
        return self.group(1, None)

    def group(self, depth: int, inside: str | None) -> dict[str, Any]:
        """A group of one to three nodes."""
        count = self.pick([1, 1, 2, 2, 3])
        match = self.pick(["all", "any", "none"])
        if (
            inside is None and self.pick(range(4)) == 0
        ):  # siblings about the same rows, which an engine may merge wrongly
            owner = self.pick([("user.", "relationship."), "subscription.", "team.", "account."])
            return {"match": match, "rules": [self.leaf(owner) for _ in range(count)]}
        return {"match": match, "rules": [self.node(depth + 1, inside) for _ in range(count)]}

    def node(self, depth: int, inside: str | None) -> dict[str, Any]:
        """Any node that may stand here."""
        options = ["leaf"] * 6 + ["group"] * 2 * (depth < self.depth)
        options += ["users", "users", "subscriptions", "segment"] * (inside is None and depth < self.depth)
        options += ["event"] * 3 * (self.happens is not None and inside in (None, "users") and depth <= self.depth)
        what = self.pick(options)
        if what == "event" and self.happens is not None:
            of_a_user = inside == "users" or self.about_users
            return self.happens.of_a_user(self.pools) if of_a_user else self.happens.node()
        if what == "leaf":
            return self.leaf({None: "", "users": ("user.", "relationship."), "subscriptions": "subscription."}[inside])
        if what == "group":
            return self.group(depth, inside)
        return self.segment() if what == "segment" else self.rows(what, depth)

    def rows(self, what: str, depth: int) -> dict[str, Any]:
        """A quantified node."""
        counted = [{"at_least": 1}, {"at_least": 2}, {"at_least_percent": 50}, {"at_least_percent": 66.5}]
        quantifier = self.pick(["any", "all", "none", *(counted if what == "users" else [])])
        node = {what: quantifier, "where": self.group(depth + 1, what)}
        if what == "users":
            node |= self.of(node, depth)
            node["where"]["rules"] += self.of_people(node)
        return node

    def of_people(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        """For one node in four a segment of users that they are to be in, drawn with dice of its own, too."""
        own = dice_of([node])
        if own.random() > 1 / 4:
            return []
        with self.thrown_with(own):
            return [Rules.segment(self, USER_SEGMENTS)]

    def of(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        """Which users are looked at, for one node in three, now and then by what they did. It is drawn with dice of its
        own, so that the worlds and rules which the hints of the mutants were found in stay the same."""
        own = dice_of(node)
        if own.random() > 1 / 3:
            return {}
        with self.thrown_with(own):
            rules = [self.leaf(("user.", "relationship.")) for _ in range(self.pick([1, 1, 2]))]
            match = self.pick(["all", "any", "none"])
            if self.happens is not None and depth + 2 <= self.depth and self.pick(range(3)) == 0:
                rules[-1] = self.happens.of_a_user(self.pools)
            return {"of": {"match": match, "rules": rules}}

    @contextmanager
    def thrown_with(self, own: Random) -> Iterator[None]:
        """Everything is drawn with other dice."""
        before, self.dice = self.dice, own
        if self.happens is not None:
            self.happens.dice = own
        try:
            yield
        finally:
            self.dice = before
            if self.happens is not None:
                self.happens.dice = before

    def segment(self, keys: Sequence[str] = SEGMENTS) -> dict[str, Any]:
        """Membership of one of these segments."""
        node = {"segment": self.pick(keys), "op": self.pick(["in", "not_in", "entered", "left"])}
        return node | ({"value": self.stays.span(self.dice)} if node["op"] in ("entered", "left") else {})

    def leaf(self, owners: str | tuple[str, ...] = "") -> dict[str, Any]:
        """A field in focus (of an owner) with an operator and a value that fit."""
        field = self.pick([key for key in self.pools if key.startswith(owners)])
        pool = self.pools[field]
        op = self.pick(families.OPERATORS[FIELDS[field]])
        node: dict[str, Any] = {"field": field, "op": op}
        owner = field.split(".")[0]
        others = [k for k in self.pools if k.split(".")[0] == owner and FIELDS[k] in NUMERIC]
        value = pool.operand(self.dice, op, others)
        return node if value is None else node | {"value": value}

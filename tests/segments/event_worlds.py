"""Events of small worlds and conditions on them, drawn so that they lie at the edges of each other's windows."""

from __future__ import annotations

import datetime as dt
import json
from random import Random
from typing import Any

from tests.segments.families import Pool
from tests.segments.oracle import moved

EVENTS = ("Ev A", "Ev % B")
PROPERTIES = ("num", "words", "odd key's", "mixed")
SINCE = ("account.customer_since", "account.last_seen_at", "account.renews_on")
OF_PERSONS = ("user.custom.c_date", "user.last_seen_at", "relationship.custom.c_datetime")
SPANS = [
    (1, "day"),
    (2, "day"),
    (7, "day"),
    (30, "day"),
    (1, "week"),
    (2, "week"),
    (1, "month"),
    (1, "year"),
    (24, "hour"),
    (5, "hour"),
]
COUNTED = ["at_least", "at_least", "more_than", "at_most", "less_than", "exactly", "between"]
OPERATORS = [*COUNTED * 2, "never", "never", "increased_by", "decreased_by", "first_time_in", "stopped", "restarted"]
LAST = ("increased_by", "decreased_by", "stopped", "restarted")  # they look at the time before the window, too
FILTERS = [
    "is",
    "is_not",
    "any_of",
    "none_of",
    "contains",
    "starts_with",
    "is_true",
    "is_false",
    "is_set",
    "is_not_set",
]
FILTERS += ["not_contains", "ends_with", "matches", "not_matches"]
NUMERIC = ["equals", "not_equals", "at_least", "more_than", "at_most", "less_than"]
FILTERS += [*NUMERIC, "between", "not_between"]
TEXTS = ["a_b", "A_B ", "axb", "\u00e9", "e\u0301", "5", " ", ""]
NUMBERS = [-1, 0, 1, 1.0, 2, 2.5, 100]
TICK = dt.timedelta(microseconds=1)


def dice_of(node: Any) -> Random:
    """Dice that always fall alike for one node."""
    return Random(json.dumps(node, sort_keys=True, default=str))


class EventPool:
    """The instants and windows of one example."""

    def __init__(self, dice: Random, now: dt.datetime, zone: dt.tzinfo) -> None:
        self.dice, self.zone = dice, zone
        self.spans = [dice.choice(SPANS) for _ in range(2)]
        today = now.astimezone(zone).date()
        instants = {now, now + TICK, now - TICK}
        for n, unit in self.spans:
            for times in (1, 2):
                if unit == "hour":
                    edge = now - dt.timedelta(hours=n * times)
                else:
                    day = moved(today, {"n": n * times, "unit": unit}, -1) + dt.timedelta(days=dice.choice([0, 1]))
                    edge = dt.datetime.combine(day, dt.time(), tzinfo=zone).astimezone(dt.UTC)
                instants |= {edge - TICK, edge, edge + dt.timedelta(hours=2)}
        self.instants = sorted(instants)

    def pick(self, options: Any) -> Any:
        """One of the options."""
        return self.dice.choice(options)

    def since(self, values: dict[str, Any]) -> dict[str, Any]:
        """A day for the windows since a date, where the world has none of its own."""
        day = self.pick(self.instants).astimezone(self.zone).date()
        return {} if "account.customer_since" in values or self.pick(range(3)) == 0 else {"account.customer_since": day}

    def give_dates(self, accounts: list[dict[str, Any]], pools: dict[str, Pool]) -> None:
        """Dates of the users, and of each in an account, with which windows begin, where the world has none of its own.

        Drawn with dice of their own, so that the worlds in which the mutants are caught stay the same.
        """
        own, (custom, seen, joined) = dice_of([self.spans, str(self.zone)]), OF_PERSONS
        born = [own.choice([None, *self.instants]) for _ in range(3)]
        for account in accounts:
            last = [own.choice([None, *self.instants]) for _ in range(3)]
            for user in account["users"]:
                day = born[user["person"]]
                told = {custom: day and day.astimezone(self.zone).date(), seen: last[user["person"]]}
                told[joined] = own.choice([None, *self.instants])
                user["values"] |= {key: value for key, value in told.items() if key not in pools}

    def of_a_user(self, pools: dict[str, Pool]) -> dict[str, Any]:
        """A condition about one user; of the windows that may, every second begins with one of their dates."""
        node = self.node()
        own = dice_of(node)
        if node["op"] in LAST or own.random() > 1 / 2:
            return node
        theirs = [key for key in pools if key.startswith(("user.", "relationship.")) and pools[key].kind[:4] == "date"]
        return node | {"window": {"since": own.choice([*theirs, *OF_PERSONS])}}

    def events(self) -> list[dict[str, Any]]:
        """What happened in one account."""
        return [self.event() for _ in range(self.pick([0, 1, 2, 4, 6]))]

    def event(self) -> dict[str, Any]:
        """One event; its properties may be of any type, or not there."""
        values = [*NUMBERS, *TEXTS, True, False, None]
        properties: dict[str, Any] = {"num": self.pick([*NUMBERS, "1", None]), "mixed": self.pick(values)}
        if self.pick([True, False]):
            properties["words"] = self.pick(TEXTS)
        if self.pick([True, False]):
            properties["odd key's"] = self.pick([True, False, "true", 1])
        who = self.pick([None, 0, 0, 1, 2])
        return {"event": self.pick(EVENTS), "at": self.pick(self.instants), "person": who, "properties": properties}

    def node(self) -> dict[str, Any]:
        """A condition on an event, or on two."""
        if self.pick(range(6)) == 0:
            return self.sequence()
        op = self.pick(OPERATORS)
        node: dict[str, Any] = {"event": self.pick(EVENTS), "op": op, "window": self.window(op)}
        if op in COUNTED or op.endswith("creased_by"):
            measures: list[Any] = [
                "count",
                "count",
                "users",
                "days",
                {"distinct": f"properties.{self.pick(PROPERTIES)}"},
            ]
            measures += [{name: "properties.num"} for name in ("sum", "avg", "min", "max")]
            node["measure"] = self.pick(measures)
            node["value"] = self.value(op)
        if self.pick(range(3)) == 0:
            node["where"] = self.where()
        if self.pick(range(4)) == 0:
            node["anywhere"] = True
        return node

    def value(self, op: str) -> Any:
        """The operand of a comparison."""
        if op.endswith("creased_by"):
            return {"percent": self.pick([50, 100, 33.3, *([150] if op == "increased_by" else [])])}
        return (
            sorted([self.pick([0, 1, 2]), self.pick([0, 1, 3])]) if op == "between" else self.pick([0, 1, 1, 2, 2.5, 3])
        )

    def window(self, op: str = "") -> Any:
        """A window that the operator allows."""
        n, unit = self.pick(self.spans)
        last = {"last": n, "unit": unit}
        if op in LAST:
            return last
        between = {"between": sorted([n, self.pick([0, n, 2 * n])], reverse=True), "unit": unit}
        return self.pick(
            [last, last, between, {"since": self.pick(SINCE)}, *(["ever"] if op != "first_time_in" else [])]
        )

    def where(self) -> dict[str, Any]:
        """A filter by properties."""
        return {
            "match": self.pick(["all", "any", "none"]),
            "rules": [self.filter() for _ in range(self.pick([1, 1, 2]))],
        }

    def filter(self) -> dict[str, Any]:
        """A condition on a property."""
        op = self.pick(FILTERS)
        node = {"field": f"event.properties.{self.pick(PROPERTIES)}", "op": op}
        if op.startswith("is_") and op != "is_not":
            return node
        if op in ("any_of", "none_of"):
            return node | {"value": self.pick([["A_b", "5"], [1, 2.5], [0]])}
        if op in ("between", "not_between"):
            return node | {"value": [0, self.pick([1, 2])]}
        return node | {"value": self.pick([0, 1, 2.5]) if op in NUMERIC else self.pick(["a_b", "\u00c9", "5", "a"])}

    def sequence(self) -> dict[str, Any]:
        """One event after another."""
        steps = [
            {"event": self.pick(EVENTS)} | ({"where": self.where()} if self.pick(range(3)) == 0 else {})
            for _ in range(2)
        ]
        n, unit = self.pick([(1, "hour"), (2, "hour"), (1, "day"), (7, "day"), (1, "week")])
        anywhere = {"anywhere": True} if self.pick(range(3)) == 0 else {}
        return anywhere | {
            "sequence": steps,
            "op": self.pick(["then", "not_then"]),
            "within": {"n": n, "unit": unit},
            "window": self.window(),
        }

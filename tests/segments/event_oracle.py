"""The judge of conditions on events, in plain Python from the rules page of the design; no part of the application.

An account of the world also has "events": [{"event": str, "at": datetime, "person": number or None, "properties": {}}],
in the context of that account; each of its users has a "person".
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.segments import oracle

DAY = dt.timedelta(days=1)
World, Account, Node, Values = dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]


def event_holds(node: Node, account: Account, row: Values | None, world: World) -> bool:
    """An event or a sequence, of an account or (with the row of a user) of one person in it."""
    person, by_user = (row or {}).get("#person"), row is not None
    values = account["values"] | (row or {})
    if "sequence" in node:
        return followed(node, in_scope(node, account, person, by_user, world), values, world)
    found = chosen(node, in_scope(node, account, person, by_user, world))
    window = node.get("window", "ever")
    inside = [one for one in found if in_window(one["at"], window, values, world)]
    op = node["op"]
    if op == "never":
        return not inside
    if op == "first_time_in":
        return bool(inside) and not any(is_earlier(one["at"], window, values, world) for one in found)
    measure = node.get("measure", "count")
    if "last" not in window or op not in ("stopped", "restarted", "increased_by", "decreased_by"):
        return compare(op, measured(inside, measure, world), node.get("value"))
    before = [one for one in found if is_before(one["at"], window, world)]
    if op == "stopped":
        return bool(before) and not inside
    if op == "restarted":
        older = [one for one in found if is_earlier(one["at"], window, values, world) and one not in before]
        return bool(inside) and not before and bool(older)
    now, then = measured(inside, measure, world), measured(before, measure, world)
    if now is None or then is None or then <= 0:
        return False
    change = (now - then) if op == "increased_by" else (then - now)
    return change * 100 >= oracle.exact(node["value"]["percent"]) * then


def in_scope(node: Node, account: Account, person: int | None, by_user: bool, world: World) -> list[Any]:
    """The events of the account, or those of its people in any account; of one person only if one is in hand."""
    events = account["events"]
    if node.get("anywhere"):
        people = {user["person"] for user in account["users"] if not user["ended"]}
        events = [one for other in world["accounts"] for one in other["events"] if one["person"] in people]
    return [one for one in events if one["person"] == person] if by_user else events


def chosen(node: Node, events: list[Any]) -> list[Any]:
    """Those of the name whose properties fit."""
    where = node.get("where")
    return [
        one for one in events if one["event"] == node["event"] and (where is None or fits(where, one["properties"]))
    ]


def fits(node: Node, properties: dict[str, Any]) -> bool:
    """A filter by properties; a property of another type than the comparison means counts as missing."""
    if "match" in node:
        answers = [fits(child, properties) for child in node["rules"]]
        return {"all": all(answers), "any": any(answers), "none": not any(answers)}[node["match"]]
    op, wanted = node["op"], node.get("value")
    if op in oracle.TWINS:
        return not fits(node | {"op": oracle.TWINS[op]}, properties)
    value = properties.get(node["field"].removeprefix("event.properties."))
    if op == "is_set":
        return oracle.fold(value) != "" if isinstance(value, str) else value is not None
    if op in ("is_true", "is_false"):
        return value is (op == "is_true")
    numeric = op in ("equals", "at_least", "more_than", "at_most", "less_than", "between")
    if numeric or (op == "any_of" and not isinstance(wanted[0], str)):
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain and oracle.number(op, oracle.exact(value), wanted, {}, {})
    return isinstance(value, str) and oracle.fold(value) != "" and oracle.text(op, oracle.fold(value), wanted)


def measured(events: list[Any], measure: Any, world: World) -> Decimal | None:
    """How often, by how many, on how many days; or an aggregate of a property."""
    if measure == "count":
        return Decimal(len(events))
    if measure == "users":
        return Decimal(len({one["person"] for one in events} - {None}))
    if measure == "days":
        return Decimal(len({one["at"].astimezone(world["zone"]).date() for one in events}))
    name, key = next(iter(measure.items()))
    values = [one["properties"].get(key.removeprefix("properties.")) for one in events]
    if name == "distinct":
        return Decimal(len({told_apart(value) for value in values} - {None}))
    numbers = [oracle.exact(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if name == "sum":
        return sum(numbers, Decimal(0))
    if not numbers:
        return None
    return {"avg": sum(numbers) / len(numbers), "min": min(numbers), "max": max(numbers)}[name]


def told_apart(value: Any) -> Any:
    """Texts by their fold, numbers by what they are worth."""
    if value is None or (isinstance(value, str) and not oracle.fold(value)):
        return None
    return ("text", oracle.fold(value)) if isinstance(value, str) else (type(value) is bool, value)


def compare(op: str, value: Decimal | None, wanted: Any) -> bool:
    """A measure that is not known compares with nothing."""
    if value is None:
        return False
    return oracle.number("equals" if op == "exactly" else op, value, wanted, {}, {})


def edges(window: Any, values: Values, world: World) -> tuple[dt.date | None, dt.date | None]:
    """First and last day of a window of days."""
    today = world["now"].astimezone(world["zone"]).date()
    if window == "ever":
        return dt.date.min, dt.date.max
    if "since" in window:
        value = oracle.value_of(window["since"], values, world)
        first = value.astimezone(world["zone"]).date() if isinstance(value, dt.datetime) else value
        return first, today
    if "last" in window:
        return oracle.moved(today, {"n": window["last"], "unit": window["unit"]}, -1) + DAY, today
    far, near = (oracle.moved(today, {"n": n, "unit": window["unit"]}, -1) for n in window["between"])
    return far, near


def ages(window: Any) -> tuple[int, int]:
    """The two ages of a window."""
    far, near = window.get("between", [window.get("last"), 0])
    return far, near


def in_window(at: dt.datetime, window: Any, values: Values, world: World) -> bool:
    """Whole local days; hours are exact."""
    if isinstance(window, dict) and window.get("unit") == "hour":
        far, near = ages(window)
        return bool(world["now"] - dt.timedelta(hours=far) <= at <= world["now"] - dt.timedelta(hours=near))
    first, last = edges(window, values, world)
    return first is not None and last is not None and first <= at.astimezone(world["zone"]).date() <= last


def is_before(at: dt.datetime, window: Any, world: World) -> bool:
    """In the window of the same length just before."""
    if window["unit"] == "hour":
        start = world["now"] - dt.timedelta(hours=window["last"])
        return bool(start - dt.timedelta(hours=window["last"]) <= at < start)
    first, last = edges(window, {}, world)
    assert first is not None and last is not None
    return first - (last - first + DAY) <= at.astimezone(world["zone"]).date() < first


def is_earlier(at: dt.datetime, window: Any, values: Values, world: World) -> bool:
    """At any time before the window begins."""
    if window.get("unit") == "hour":
        return bool(at < world["now"] - dt.timedelta(hours=ages(window)[0]))
    first, _ = edges(window, values, world)
    return first is not None and at.astimezone(world["zone"]).date() < first


def followed(node: Node, events: list[Any], values: Values, world: World) -> bool:
    """A first event in the window with the second after it in time; "not then" waits until the time is up."""
    one, two = (chosen(step, events) for step in node["sequence"])
    within = dt.timedelta(**{node["within"]["unit"] + "s": node["within"]["n"]})
    for first in one:
        if not in_window(first["at"], node.get("window", "ever"), values, world):
            continue
        after = any(first["at"] < second["at"] <= first["at"] + within for second in two)
        if node["op"] == "then" and after:
            return True
        if node["op"] == "not_then" and not after and first["at"] + within <= world["now"]:
            return True
    return False

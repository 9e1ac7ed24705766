"""Conditions on events in the rule builder's form: inputs into a node and back, before the parser judges them.

An event's inputs are `event`, `op`, `value` (or `low` and `high`), `measure` and `of`, `window` with `n`, `unit`,
`far`, `near` or `since`, and `anywhere`; its property filters are the nodes below, under `filter` (all, any or none).
Two events after each other have `second`, `within`, `within_unit` and `anywhere`; their own filters travel as they are.
"""

from __future__ import annotations

import json
from typing import Any

from accounts.fields.operators import OPERATORS, Shape
from accounts.fields.properties import kind_meant, property_operators
from segments.form_values import READ_SHAPE, Entry, read_typed_number
from segments.rules.event_reader import PREFIX
from segments.rules.events import COUNTS, EVENT_OPERATORS, PROPERTIES, SEQUENCE_OPERATORS

Tree = dict[str, Any]
EVENT_FIELD = "event:"
PROPERTY_FIELD = PREFIX + PROPERTIES
MONTH = {"last": 30, "unit": "day"}


def new_event(key: str) -> Tree:
    """A condition on the event that a picker's key names: at least once in the last 30 days."""
    return {"event": another_event(key), "op": "at_least", "value": 1, "measure": "count", "window": dict(MONTH)}


def another_event(key: str) -> str:
    """The event's name out of a picker's key."""
    return key.removeprefix(EVENT_FIELD)


def without_empty_filter(node: Tree) -> Tree:
    """An event without a filter that has nothing in it."""
    where = node.get("where")
    empty = isinstance(where, dict) and not where.get("rules")
    return {key: value for key, value in node.items() if key != "where"} if empty else node


def read_event(entry: Entry, filters: list[Tree]) -> Tree:
    """The node that the inputs of an event say."""
    op = entry.one("op")
    where: Tree = {"where": {"match": entry.one("filter") or "all", "rules": filters}} if filters else {}
    if op in SEQUENCE_OPERATORS:
        return _sequence(entry, op, where)
    known = EVENT_OPERATORS.get(op) or EVENT_OPERATORS["at_least"]
    node: Tree = {"event": entry.one("event"), "op": known.key}
    if known.shape == "range":
        node["value"] = [read_typed_number(entry.one("low")), read_typed_number(entry.one("high"))]
    elif known.shape != "none":
        number = read_typed_number(entry.one("value") or entry.one("low"))
        node["value"] = {"percent": number} if known.shape == "percent" else number
    if known.measured:
        node["measure"] = _measure(entry)
    node["window"] = _window(entry)
    if known.needs == "last" and "last" not in node["window"]:
        node["window"] = dict(MONTH)
    if known.needs == "start" and node["window"] == "ever":
        node["window"] = dict(MONTH)
    if not where and "first_filter" in entry.values:
        where = _kept(entry, "first_filter")
    return node | where | _anywhere(entry)


def _anywhere(entry: Entry) -> Tree:
    return {"anywhere": True} if entry.one("anywhere") else {}


def _measure(entry: Entry) -> Any:
    name = entry.one("measure") or "count"
    return name if name in COUNTS else {name: PROPERTIES + entry.one("of")}


def _window(entry: Entry) -> Any:
    kind, unit = entry.one("window") or "last", entry.one("unit") or "day"
    if kind == "between":
        far, near = entry.one("far") or entry.one("n") or "60", entry.one("near") or "0"
        return {"between": [read_typed_number(far), read_typed_number(near)], "unit": unit}
    if kind == "since":
        return {"since": entry.one("since") or "account.first_seen_at"}
    return (
        "ever"
        if kind == "ever"
        else {"last": read_typed_number(entry.one("n") or entry.one("far") or "30"), "unit": unit}
    )


def _sequence(entry: Entry, op: str, where: Tree) -> Tree:
    first: Tree = {"event": entry.one("event")} | (where or _kept(entry, "first_filter"))
    second: Tree = {"event": entry.one("second")} | _kept(entry, "second_filter")
    within = {"n": read_typed_number(entry.one("within") or "7"), "unit": entry.one("within_unit") or "day"}
    return {"sequence": [first, second], "op": op, "within": within, "window": _window(entry)} | _anywhere(entry)


def _kept(entry: Entry, name: str) -> Tree:
    """A filter that this form does not show row by row, as it came."""
    try:
        found = json.loads(entry.one(name) or "null")
    except (ValueError, RecursionError):
        found = None
    return {"where": found} if isinstance(found, dict) else {}


def read_property_row(entry: Entry) -> Tree:
    """A condition on a property; several values are numbers if the property's are."""
    op = entry.one("op")
    if op not in {item.key for item in property_operators()}:
        op = "is"
    known = OPERATORS[op]
    kind = kind_meant(known, [0] if entry.one("kind") == "number" else None)
    shape = known.shape(kind)
    value = READ_SHAPE[Shape.TEXTS if shape is Shape.CHOICES else shape](entry)
    node: Tree = {"field": PROPERTY_FIELD + entry.one("property"), "op": op}
    return node if value is None else node | {"value": value}

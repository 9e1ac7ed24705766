"""The judge of the rule engine: what a rule means, in plain Python over plain dicts.

Written from the rules page of the design alone. It knows neither Django nor the application, and is slow and simple on
purpose. A world is

    {"now": datetime, "zone": tzinfo, "rates": {currency: Decimal}, "kinds": {field: kind},
     "choices": {field: [(value, label)]}, "me": person's key, "accounts": [account, ...],
     "user_memberships": [the stays of each person in segments of users, as an account's "memberships"]}

    account = {"id": str, "archived": bool, "values": {field: value}, "subscriptions": [{field: value}],
               "users": [{"ended": bool, "values": {field: value}}], "team": likewise,
               "memberships": [{"segment": key, "entered": datetime, "left": datetime or None}]}

A value that is not known has no key, or is None, or is an empty text or list; a value of another type than the field's
counts as not known either. Custom money is {"amount": …, "currency": …}.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import unicodedata
from decimal import Decimal
from operator import eq, ge, gt, le, lt
from typing import Any

from tests.segments import event_oracle

TWINS = {
    "is_not": "is",
    "none_of": "any_of",
    "not_contains": "contains",
    "not_matches": "matches",
    "not_equals": "equals",
    "not_between": "between",
    "includes_none": "includes_any",
    "is_not_set": "is_set",
    "is_unassigned": "is_set",
    "not_in": "in",
}
NUMBERS = ("number", "money", "percent")


def members(rule: dict[str, Any], world: dict[str, Any]) -> set[str]:
    """The ids of the accounts for which the rule holds; archived accounts are no customers at all."""
    return {
        a["id"] for a in world["accounts"] if not a["archived"] and (not rule["rules"] or holds(rule, a, None, world))
    }


def holds(node: dict[str, Any], account: dict[str, Any], row: dict[str, Any] | None, world: dict[str, Any]) -> bool:
    """Whether a node holds for an account, or for one row of it when `row` is given."""
    if "match" in node:
        answers = [holds(child, account, row, world) for child in node["rules"]]
        return {"all": all(answers), "any": any(answers), "none": not any(answers)}[node["match"]]
    if "users" in node or "subscriptions" in node:
        kind = "users" if "users" in node else "subscriptions"
        rows = rows_of(account, "user" if kind == "users" else "subscription")
        if "of" in node:
            rows = [one for one in rows if holds(node["of"], account, one, world)]
        return quantified(node[kind], [holds(node["where"], account, one, world) for one in rows])
    if "event" in node or "sequence" in node:
        return event_oracle.event_holds(node, account, row, world)
    if node["op"] in TWINS:
        return not holds(node | {"op": TWINS[node["op"]]}, account, row, world)
    if "segment" in node:
        # Whoever asks of one user asks for a segment of users, to which a person belongs wherever they are.
        stays = account["memberships"] if row is None else world["user_memberships"][row["#person"]]
        return in_segment(node, stays, world)
    rows = [row] if row is not None else rows_of(account, node["field"].split(".")[0])
    return any(compare(node, one, world) for one in rows)


def rows_of(account: dict[str, Any], owner: str) -> list[dict[str, Any]]:
    """The rows that a field of this owner is about; a relationship or an assignment that has ended is none."""
    if owner == "account":
        return [account["values"]]
    if owner == "subscription":
        return list(account["subscriptions"])
    people = [one for one in account["team" if owner == "team" else "users"] if not one["ended"]]
    return [one["values"] | {"#person": one.get("person")} for one in people]


def quantified(wanted: Any, answers: list[bool]) -> bool:
    """How many rows must meet the conditions; "all" needs at least one row."""
    if wanted == "all":
        return bool(answers) and all(answers)
    if wanted in ("any", "none"):
        return any(answers) is (wanted == "any")
    if "at_least" in wanted:
        return sum(answers) >= wanted["at_least"]
    return bool(answers) and 100 * sum(answers) >= exact(wanted["at_least_percent"]) * len(answers)


def in_segment(node: dict[str, Any], known: list[dict[str, Any]], world: dict[str, Any]) -> bool:
    """By the stays that are known of an account or a person: in a segment now, or entered or left it within a span."""
    stays = [one for one in known if one["segment"] == node["segment"]]
    if node["op"] == "in":
        return any(one["left"] is None for one in stays)
    ends = [one["entered" if node["op"] == "entered" else "left"] for one in stays]
    return any(end is not None and in_time("within_last", "datetime", end, node["value"], world) for end in ends)


def fold(text: str) -> str:
    """Texts are alike without regard to case, outer blanks and the way accents are written."""
    composed = unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFC", composed.strip().casefold())


def exact(number: Any) -> Decimal:
    """A decimal, from any plain number."""
    return number if isinstance(number, Decimal) else Decimal(str(number))


def value_of(field: str, row: dict[str, Any], world: dict[str, Any]) -> Any:
    """A field's value in comparable form; None if it is not known."""
    kind, found = world["kinds"][field], row.get(field)
    if kind == "money" and ".custom." in field:
        found = found if isinstance(found, dict) else {}
        amount, rate = found.get("amount"), world["rates"].get(found.get("currency"))
        plain = isinstance(amount, int | float | Decimal) and not isinstance(amount, bool)
        return exact(amount) * rate if plain and rate is not None else None
    if kind in NUMBERS:
        return exact(found) if isinstance(found, int | float | Decimal) and not isinstance(found, bool) else None
    if kind == "list":
        return [fold(one) for one in found] if isinstance(found, list) and found else None
    if kind == "boolean":
        return found if isinstance(found, bool) else None
    if kind in ("date", "datetime"):
        return found if type(found) is (dt.date if kind == "date" else dt.datetime) else None
    return (fold(found) or None) if isinstance(found, str) else None


def compare(node: dict[str, Any], row: dict[str, Any], world: dict[str, Any]) -> bool:
    """A positive operator on one value; false where the value is not known."""
    field, op, wanted = node["field"], node["op"], node.get("value")
    kind, value = world["kinds"][field], value_of(field, row, world)
    if value is None or op == "is_set":
        return value is not None
    if kind == "boolean":
        return value is (op == "is_true")
    if kind in ("date", "datetime"):
        return in_time(op, kind, value, wanted, world)
    if kind in NUMBERS:
        return number(op, value, wanted, row, world)
    if kind == "list":
        items = [fold(one) in value for one in wanted]
        return any(items) if op == "includes_any" else all(items)
    if op == "is_me":
        return value == fold(world["me"])
    if kind in ("choice", "person"):
        labels = {fold(label): key for key, label in world["choices"][field]} | {
            fold(k): k for k, _ in world["choices"][field]
        }
        wanted = [labels[fold(one)] for one in wanted] if op == "any_of" else labels[fold(wanted)]
    return text(op, value, wanted)


def text(op: str, value: str, wanted: Any) -> bool:
    """Texts; no character of the wanted text is special, except in a pattern."""
    if op == "any_of":
        return value in [fold(one) for one in wanted]
    if op == "matches":
        return re.search(wanted, value, re.IGNORECASE | re.DOTALL) is not None
    part = fold(wanted)
    ends = {"starts_with": value.startswith(part), "ends_with": value.endswith(part)}
    return ({"is": value == part, "contains": part in value} | ends)[op]


def number(op: str, value: Decimal, wanted: Any, row: dict[str, Any], world: dict[str, Any]) -> bool:
    """Numbers; the operand may be so many percent of another field of the same row."""
    if op == "any_of":
        return value in [exact(one) for one in wanted]
    if op == "between":
        return exact(wanted[0]) <= value <= exact(wanted[1])
    if isinstance(wanted, dict):
        whole = value_of(wanted["of"], row, world)
        if whole is None:
            return False
        target = whole * exact(wanted["percent"]) / 100
    else:
        target = exact(wanted)
    return bool({"equals": eq, "at_least": ge, "more_than": gt, "at_most": le, "less_than": lt}[op](value, target))


def in_time(op: str, kind: str, value: Any, wanted: Any, world: dict[str, Any]) -> bool:
    """Dates by their day, instants by their day in the zone of the company; hours are exact."""
    now = world["now"]
    if isinstance(wanted, dict) and wanted["unit"] == "hour":
        span = dt.timedelta(hours=wanted["n"])
        return between_spans(op, value, now, now - span, now + span)
    today = now.astimezone(world["zone"]).date()
    day = value.astimezone(world["zone"]).date() if kind == "datetime" else value
    if isinstance(wanted, dict):
        return between_spans(op, day, today, moved(today, wanted, -1), moved(today, wanted, 1))
    if op == "between":
        return wanted[0] <= day.isoformat() <= wanted[1]
    if wanted is not None:
        way = {"on": eq, "before": lt, "after": gt, "on_or_before": le, "on_or_after": ge}[op]
        return bool(way(day, dt.date.fromisoformat(wanted)))
    when, unit = op.split("_")
    return numbered(day, unit) - numbered(today, unit) == {"last": -1, "this": 0, "next": 1}[when]


def between_spans(op: str, value: Any, present: Any, back: Any, ahead: Any) -> bool:
    """Relative conditions never overlap and leave no gap."""
    near = {"within_last": back <= value <= present, "within_next": present <= value <= ahead}
    return bool((near | {"more_than_ago": value < back, "more_than_ahead": value > ahead})[op])


def moved(day: dt.date, span: dict[str, Any], sign: int) -> dt.date:
    """A day so far away; months clamp to their last day."""
    if span["unit"] in ("day", "week"):
        return day + sign * dt.timedelta(days=span["n"] * (7 if span["unit"] == "week" else 1))
    months = day.year * 12 + day.month - 1 + sign * span["n"] * (12 if span["unit"] == "year" else 1)
    year, month = divmod(months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def numbered(day: dt.date, unit: str) -> int:
    """The weeks (from Monday), months, quarters or years counted through, so that neighbours differ by one."""
    months = day.year * 12 + day.month - 1
    return {"week": (day.toordinal() - 1) // 7, "month": months, "quarter": months // 3, "year": day.year}[unit]

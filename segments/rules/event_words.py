"""Conditions on events in plain English, and what an account did beside them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from accounts.fields.values import Between
from accounts.fields.windows import window_words
from segments.rules.events import Measure
from segments.rules.nodes import Group, Happened, Sequence
from segments.rules.sequences import FOLLOWED, OPEN, ORDER, span_of

_OF = {"sum": "total", "avg": "average", "min": "smallest", "max": "largest"}


def plain(value: Any) -> str:
    """A number grouped by thousands, at most two decimals of what was computed."""
    number = Decimal(str(value))
    text = f"{number:,f}" if number == number.to_integral_value() or abs(number) < 1 else f"{number:,.2f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\u2212")


def _amount(value: Any) -> str:
    return f"{value:,f}" if isinstance(value, Decimal) else f"{value.low:,f} and {value.high:,f}"


def happened_words(node: Happened, filter_words: str) -> str:
    """ "Report Exported (pages is at least 10) at least 3 times in the last 30 days, in any account"."""
    name = f"{node.event}{filter_words}"
    when = window_words(node.window) + (", in any account" if node.anywhere else "")
    if node.op.key == "never":
        return f"{name} never happened" if when == "ever" else f"{name} never happened {when}"
    if node.op.key in ("stopped", "restarted"):
        return f"{name} {node.op.words} {when}"
    if node.op.key == "first_time_in":
        return f"{name} for the first time {when}"
    if node.op.shape == "percent":
        assert isinstance(node.value, Decimal)
        return f"{_noun(node.measure)}{name} {node.op.words} {_amount(node.value)}% {when} against the time before"
    assert isinstance(node.value, Decimal | Between)
    amount = f"{node.op.words} {_amount(node.value)}"
    one = node.value == 1
    if node.measure.name == "count":
        return f"{name} {amount} time{'' if one else 's'} {when}"
    if node.measure.name == "users":
        return f"{name} by {amount} user{'' if one else 's'} {when}"
    if node.measure.name == "days":
        return f"{name} on {amount} day{'' if one else 's'} {when}"
    if node.measure.name == "distinct":
        return f"{name} with {amount} different value{'' if one else 's'} of {node.measure.of} {when}"
    return f"{_noun(node.measure)}{name} {amount} {when}"


def _noun(measure: Measure) -> str:
    """What is measured, before the event's name; a plain count goes without saying."""
    if measure.name in _OF:
        return f"{_OF[measure.name]} {measure.of} of "
    return {"users": "users of ", "days": "days with ", "distinct": f"different values of {measure.of} of "}.get(
        measure.name, ""
    )


def sequence_words(node: Sequence, first: str, second: str) -> str:
    """ "Trial Started and then Plan Chosen within 7 days, in the last 30 days, in any account"."""
    when = window_words(node.window)
    after = ("" if when == "ever" else f", {when}") + (", in any account" if node.anywhere else "")
    return f"{node.first.event}{first} {node.op.words} {node.second.event}{second} within {node.within}{after}"


def told_words(node: Happened, told: dict[str, Any] | None, zone: dt.tzinfo) -> str:
    """What an account did: "2 times, last on 3 Nov 2026; 5 in the time before"."""
    value = (told or {}).get("value")
    if value is None:
        said = "not known" if node.measure.of_nothing is None else _said(node.measure, Decimal(0))
    else:
        said = _said(node.measure, Decimal(str(value)))
    last, before = (told or {}).get("last"), (told or {}).get("before")
    if last:
        said += f", last on {_day(last, zone)}"
    compared = node.op.needs == "last" and node.op.key != "first_time_in"
    return f"{said}; {plain(before or 0)} in the time before" if compared else said


def traced_words(node: Sequence, told: dict[str, Any] | None, zone: dt.tzinfo) -> str:
    """How far a sequence got: "1 of 2 steps: Trial Started on 3 Nov 2026 at 10:02, Plan Chosen only on …"."""
    first, second, then = node.first.event, node.second.event, node.op.key == "then"
    if told is None:
        when = window_words(node.window)
        return f"{'0 of 2 steps: ' if then else ''}no {first}{'' if when == 'ever' else f' {when}'}"
    state = ORDER[node.op.key][told["place"]]
    steps = f"{2 if state == FOLLOWED else 1} of 2 steps: " if then else ""
    next_one = _instant(told["second"], zone) if told["second"] else ""
    if state == FOLLOWED:
        after = f"{second} on {next_one}"
    elif state == OPEN:
        until = dt.datetime.fromisoformat(told["first"]) + span_of(node)
        after = f"no {second} yet, time until {_instant(until.isoformat(), zone)}"
    else:
        after = f"{second} only on {next_one}" if next_one else f"no {second} after it"
    return f"{steps}{first} on {_instant(told['first'], zone)}, {after}"


def _instant(value: str, zone: dt.tzinfo) -> str:
    return f"{_day(value, zone)} at {dt.datetime.fromisoformat(value).astimezone(zone):%H:%M}"


def _said(measure: Measure, value: Decimal) -> str:
    number, s = plain(value), "" if value == 1 else "s"
    if measure.name == "count":
        return f"{number} time{s}"
    if measure.name in ("users", "days"):
        return f"{number} {measure.name.removesuffix('s')}{s}"
    if measure.name == "distinct":
        return f"{number} different value{s} of {measure.of}"
    return f"{_OF[measure.name]} {measure.of} {number}"


def _day(value: Any, zone: dt.tzinfo) -> str:
    found: dt.date = dt.datetime.fromisoformat(value).astimezone(zone) if "T" in value else dt.date.fromisoformat(value)
    return f"{found.day} {found:%b %Y}"


def filters_of(node: Happened | Sequence) -> list[Group | None]:
    """The property filters of a node, in the order of its events."""
    return [node.where] if isinstance(node, Happened) else [node.first.where, node.second.where]

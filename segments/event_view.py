"""A condition on events as the builder shows it: the choices of its controls and what they hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.fields import Choice, Owner, Vocabulary
from accounts.fields.windows import WINDOW_UNITS, dates_of
from segments.rule_controls import plain
from segments.rules.event_reader import WITHIN_UNITS
from segments.rules.events import COUNTS, EVENT_OPERATORS, OF_PROPERTY, SEQUENCE_OPERATORS

Tree = dict[str, Any]
MEASURES = [
    ("count", "times"), ("users", "users"), ("days", "days"), ("sum", "total of"), ("avg", "average of"),
    ("min", "smallest"), ("max", "largest"), ("distinct", "different values of"),
]  # fmt: skip
WHOSE = {Owner.ACCOUNT: "Account", Owner.USER: "User", Owner.RELATIONSHIP: "User in the account"}
WINDOWS = [("last", "in the last"), ("between", "between"), ("since", "since"), ("ever", "ever")]


@dataclass
class EventView:
    """The controls of one event. `shape` is that of the value; `first_filter` and `second_filter` are kept as JSON.
    `sinces` are the dates that a window may begin with, by whose they are."""

    name: str
    shape: str = "none"
    value: str = ""
    low: str = ""
    high: str = ""
    measures: list[tuple[str, str]] = field(default_factory=list)
    measure: str = ""
    of: str = ""
    needs_of: bool = False
    windows: list[tuple[str, str]] = field(default_factory=list)
    window: str = "last"
    n: str = ""
    far: str = ""
    near: str = ""
    unit: str = "day"
    units: tuple[str, ...] = WINDOW_UNITS
    since: str = ""
    sinces: list[tuple[str, list[Choice]]] = field(default_factory=list)
    anywhere: bool = False
    filter: str = "all"
    sequence: bool = False
    second: str = ""
    names: list[str] = field(default_factory=list)
    within: str = ""
    within_unit: str = "day"
    within_units: tuple[str, ...] = WITHIN_UNITS
    first_filter: str = ""
    second_filter: str = ""
    properties: list[str] = field(default_factory=list)


def operators() -> list[tuple[str, str]]:
    """What can be asked of an event, for a menu."""
    return [(op.key, op.words) for op in (*EVENT_OPERATORS.values(), *SEQUENCE_OPERATORS.values())]


def event_view(tree: Tree, vocabulary: Vocabulary, owners: Sequence[Owner]) -> EventView:
    """The controls of an event node, whatever may be wrong with it; a window may begin with a date of the owners."""
    steps = _steps(tree)
    view = EventView(str(steps[0].get("event") or ""), names=sorted(vocabulary.event_names))
    view.properties = sorted(vocabulary.event_properties.get(view.name, {}))
    _fill_window(view, tree.get("window"), vocabulary, owners)
    view.anywhere = tree.get("anywhere") is True
    if "sequence" in tree:
        _fill_sequence(view, tree, steps)
        return view
    op = EVENT_OPERATORS.get(str(tree.get("op")))
    view.shape, value = op.shape if op else "none", tree.get("value")
    if view.shape == "range":
        ends = value if isinstance(value, list) and len(value) == 2 else [None, None]
        view.low, view.high = plain(ends[0]), plain(ends[1])
    else:
        view.value = plain(value.get("percent") if isinstance(value, dict) else value)
    if op and op.measured:
        _fill_measure(view, tree.get("measure", "count"))
    if op and op.needs:
        view.windows = [item for item in WINDOWS if item[0] == "last" or (op.needs == "start" and item[0] != "ever")]
    where = tree.get("where")
    view.filter = str(where.get("match", "all")) if isinstance(where, dict) else "all"
    if isinstance(where, dict) and not is_flat(where):
        view.first_filter = json.dumps(where)
    return view


def is_flat(where: Tree) -> bool:
    """True if a filter is a plain list of comparisons, which are shown row by row; others are told in words."""
    rules = where.get("rules")
    return isinstance(rules, list) and all(isinstance(rule, dict) and "field" in rule for rule in rules)


def _steps(tree: Tree) -> list[Tree]:
    """The event, or the two events, of a node."""
    steps = tree.get("sequence")
    if not isinstance(steps, list):
        return [tree]
    found = [step if isinstance(step, dict) else {} for step in steps[:2]]
    return [*found, *[{}] * (2 - len(found))]


def _fill_measure(view: EventView, measure: Any) -> None:
    view.measures = MEASURES
    if isinstance(measure, dict) and len(measure) == 1:
        view.measure, of = next(iter(measure.items()))
        view.of = str(of).removeprefix("properties.")
    else:
        view.measure = measure if measure in COUNTS else "count"
    view.needs_of = view.measure in OF_PROPERTY


def _fill_window(view: EventView, window: Any, vocabulary: Vocabulary, owners: Sequence[Owner]) -> None:
    view.windows = WINDOWS
    said = window if isinstance(window, dict) else {}
    view.window = next((kind for kind, _ in WINDOWS if kind in said), "ever")
    view.unit = str(said.get("unit") or "day")
    view.n = plain(said.get("last"))
    ends = said.get("between")
    if isinstance(ends, list) and len(ends) == 2:
        view.far, view.near = plain(ends[0]), plain(ends[1])
    view.since = str(said.get("since") or "")
    if view.window == "since":
        view.sinces = [
            (
                WHOSE[own],
                sorted((Choice(key, vocabulary[key].label) for key in dates_of(vocabulary, [own])), key=_label),
            )
            for own in owners
        ]
        if not any(choice.value == view.since for _, choices in view.sinces for choice in choices):
            known = vocabulary.get(view.since)  # kept as it stands, so that nothing is lost unseen
            view.sinces.append(("Does not fit here", [Choice(view.since, known.label if known else view.since)]))


def _label(choice: Choice) -> str:
    return choice.label.lower()


def _fill_sequence(view: EventView, tree: Tree, steps: list[Tree]) -> None:
    view.sequence, view.second = True, str(steps[1].get("event") or "")
    within = tree.get("within") if isinstance(tree.get("within"), dict) else {}
    assert isinstance(within, dict)
    view.within, view.within_unit = plain(within.get("n")), str(within.get("unit") or "day")
    filters = [json.dumps(step["where"]) if isinstance(step.get("where"), dict) else "" for step in steps]
    view.first_filter, view.second_filter = filters[0], filters[1]

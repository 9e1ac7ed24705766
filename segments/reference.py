"""The rules reference of the manual, made from the field registry and the operator tables, so that it stays true."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from accounts.fields import Category, Field, Kind, declared
from accounts.fields.operators import OPERATORS, Operator, Shape
from accounts.fields.properties import kind_meant, property_operators
from accounts.fields.windows import WINDOW_UNITS
from segments.rules.events import COUNTS, EVENT_OPERATORS, OF_PROPERTY, SEQUENCE_OPERATORS
from segments.rules.operators import SEGMENT_OPERATORS
from segments.rules.tree import COUNTED, MATCHES, MAX_BYTES, MAX_CONDITIONS, MAX_DEPTH, QUANTIFIERS

PLACE = Path(__file__).resolve().parent.parent / "docs" / "rules.md"

# What is written beside an operator, with an example that the parser takes.
SHAPES: dict[Shape, tuple[str, Any]] = {
    Shape.NONE: ("nothing", None),
    Shape.TEXT: ("a text", "growth"),
    Shape.TEXTS: ("a list of texts", ["growth", "scale"]),
    Shape.PATTERN: ("a regular expression", "^acme"),
    Shape.NUMBER: ("a number, or a share of another number", 500),
    Shape.NUMBERS: ("a list of numbers", [1, 2]),
    Shape.RANGE: ("two numbers", [10, 20]),
    Shape.DATE: ("a date", "2026-11-22"),
    Shape.DATES: ("two dates", ["2026-01-01", "2026-12-31"]),
    Shape.SPAN: ("a length of time", {"n": 30, "unit": "day"}),
    Shape.CHOICE: ("one of the field's values", "live"),
    Shape.CHOICES: ("a list of the field's values", ["live", "onboarding"]),
}
SHARE = {"percent": 70, "of": "account.licences"}
_EVENT_VALUES = {"none": "nothing", "number": "a number", "range": "two numbers", "percent": '`{"percent": 50}`'}

_HEAD = """# Rules: reference

This page is written by `manage.py rules_reference --write` from the fields and operators that the program has. Change
those, not this page. What a condition means stands in [concepts.md](concepts.md), and conditions on events in
[events.md](events.md).

A rule is JSON. Its root is a group: `{"match": "all", "rules": [ … ]}` with MATCHES. A group without
rules is every account, and only the root may be one. At most LEVELS levels, CONDITIONS conditions and BYTES bytes are
kept.

| node | form |
|---|---|
| group | `{"match": "all", "rules": [node, …]}` |
| comparison | `{"field": "account.mrr", "op": "at_least", "value": 500}` |
| users | `{"users": quantifier, "where": group}`; `"of": group` says of which users |
| subscriptions | `{"subscriptions": quantifier, "where": group}` |
| segment | `{"segment": "key", "op": "in"}` |
| event | `{"event": "name", "op": "at_least", "value": 3, "window": {"last": 30, "unit": "day"}}` |
| sequence | `{"sequence": [{"event": "A"}, {"event": "B"}], "op": "then", "within": {"n": 7, "unit": "day"}}` |
"""


def _head() -> str:
    tokens = {"MATCHES": _listed(MATCHES), "LEVELS": str(MAX_DEPTH), "CONDITIONS": str(MAX_CONDITIONS)}
    text = _HEAD
    for token, value in (tokens | {"BYTES": f"{MAX_BYTES:,}"}).items():
        text = text.replace(token, value)
    return text


def reference() -> str:
    """The whole page."""
    counted = [json.dumps({name: 2}) for name in COUNTED]
    parts = [
        _head(),
        f"A quantifier is {_listed(QUANTIFIERS)}; for users also {_listed(counted)}.",
        "\n## Operators\n",
        *_operators(),
        "\n## Operators of segments\n",
        *_table(("op", "words", "value"), _segment_rows()),
        "\n## Operators of events\n",
        *_table(("op", "words", "value"), _event_rows()),
        f"\nA measure is {_listed(COUNTS)}, or of a property {_listed(OF_PROPERTY)}, as in",
        '`{"sum": "properties.pages"}`. The units of a window are ' + _listed(WINDOW_UNITS) + ".",
        'A window `{"since": date}` begins with a date of the account; inside a group about users and in a rule about',
        "users also with one of the user or of the user in the account.",
        "\n## Properties of events\n",
        "In the `where` of an event, and in that of a trait, a property is compared with:",
        "",
        *_table(("op", "words", "value"), _property_rows()),
        "\nA property has the type that its sender gave it; to a comparison with another type it is missing.",
        "Lists of numbers may stand beside `any_of` and `none_of`, too.",
        "\n## Fields\n",
        "Beside these, each custom attribute is a field (`account.custom.key`, `user.custom.key` and so on), each",
        "computed trait, and each role in the team (`team.csm`, `team.csm_team`). `/api/v1/fields/` lists those of a",
        "workspace.",
        *_fields(),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def example(operator: Operator, kind: Kind) -> Any:
    """A value that fits an operator and a kind of field."""
    return SHAPES[operator.shape(kind)][1]


def _operators() -> Iterator[str]:
    yield "The value beside each, by the kind of the field:"
    for kind in Kind:
        fitting = [operator for operator in OPERATORS.values() if kind in operator.shapes]
        yield f"\n### {kind.value}\n"
        yield from _table(
            ("op", "words", "value", "example", "opposite of"),
            (
                (
                    f"`{operator.key}`",
                    operator.words,
                    SHAPES[operator.shape(kind)][0],
                    _written(example(operator, kind)),
                    f"`{operator.negates}`" if operator.negates else "",
                )
                for operator in fitting
            ),
        )
    yield f"\nA share of another number of the same row is written `{json.dumps(SHARE)}`. An opposite is true exactly"
    yield "where the other is false, so also where the value is missing."


def _segment_rows() -> Iterator[tuple[str, ...]]:
    for operator in SEGMENT_OPERATORS.values():
        yield f"`{operator.key}`", operator.words, _written(SHAPES[Shape.SPAN][1]) if operator.span else "nothing"


def _event_rows() -> Iterator[tuple[str, ...]]:
    for operator in (*EVENT_OPERATORS.values(), *SEQUENCE_OPERATORS.values()):
        value = _EVENT_VALUES[operator.shape]
        yield f"`{operator.key}`", operator.words, "`within`" if operator.key in SEQUENCE_OPERATORS else value


def _property_rows() -> Iterator[tuple[str, ...]]:
    for operator in property_operators():
        kind = kind_meant(operator, None)
        value = SHAPES[operator.shape(kind)]
        yield f"`{operator.key}`", operator.words, value[0] if value[1] is None else _written(value[1])


def _fields() -> Iterator[str]:
    by_category: dict[Category, list[Field]] = {}
    for item in declared():
        by_category.setdefault(item.category, []).append(item)
    for category in Category:
        found = sorted(by_category.get(category, ()), key=lambda item: item.key)
        if found:
            yield f"\n### {category.value}\n"
            rows = ((f"`{item.key}`", item.label, item.kind.value, item.description) for item in found)
            yield from _table(("field", "label", "kind", "about"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _written(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


def _listed(words: Iterable[str]) -> str:
    *first, last = (f"`{word}`" for word in words)
    return f"{', '.join(first)} or {last}" if first else last

"""Conditions on the properties of an event, and reading one of them, as SQL on the row `e` of `usage_event`.

Texts are compared by their folds, which the event store keeps beside them. A comparison with a missing property is
false, and a negative one is the exact complement of its positive twin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.intake import fold
from usage.traits.reading import Reading

Sql = tuple[str, list[Any]]

_NUMBER = (
    "(CASE WHEN jsonb_typeof(e.properties -> %s) = 'number' AND abs((e.properties ->> %s)::numeric) < 1e20"
    " THEN (e.properties ->> %s)::numeric END)"
)
_TEXT = (
    "(CASE WHEN jsonb_typeof(e.properties -> %s) IN ('string', 'number', 'boolean')"
    " THEN nullif(btrim(left(e.properties ->> %s, 255)), '') END)"
)
_FOLD = "(e.folded ->> %s)"
_KNOWN = (
    "(CASE WHEN jsonb_typeof(e.properties -> %s) = 'string' THEN nullif(e.folded ->> %s, '')"
    " ELSE nullif(e.properties -> %s, 'null'::jsonb)::text END IS NOT NULL)"
)


def number_of(name: str) -> Sql:
    """A property as a number; NULL if it is something else or beyond 20 digits."""
    return _NUMBER, [name] * 3


def text_of(name: str) -> Sql:
    """A property as a text of at most 255 characters; NULL if it is empty, a list or an object."""
    return _TEXT, [name] * 2


@dataclass(frozen=True)
class Comparison:
    """One comparison of a property. `shape` is text, texts, number or none; `negates` names the positive twin."""

    key: str
    words: str
    shape: str
    sql: Callable[[str, Any], Sql] | None = None
    negates: str = ""


def _with(left: Callable[[str], Sql], rest: str) -> Callable[[str, Any], Sql]:
    def made(name: str, value: Any) -> Sql:
        sql, params = left(name)
        return f"{sql} {rest}", [*params, value]

    return made


def _folded(name: str) -> Sql:
    return _FOLD, [name]


def _contains(name: str, value: Any) -> Sql:
    return f"strpos({_FOLD}, %s) > 0", [name, value]


def _boolean(wanted: str) -> Callable[[str, Any], Sql]:
    return lambda name, _: ("(e.properties -> %s) = %s::jsonb", [name, wanted])


def _is_set(name: str, _: Any) -> Sql:
    return _KNOWN, [name] * 3


COMPARISONS: Mapping[str, Comparison] = {
    item.key: item
    for item in (
        Comparison("is", "is", "text", _with(_folded, "= %s")),
        Comparison("is_not", "is not", "text", negates="is"),
        Comparison("any_of", "is any of", "texts", _with(_folded, "= ANY(%s)")),
        Comparison("none_of", "is none of", "texts", negates="any_of"),
        Comparison("contains", "contains", "text", _contains),
        Comparison("not_contains", "does not contain", "text", negates="contains"),
        Comparison("equals", "is equal to", "number", _with(number_of, "= %s")),
        Comparison("not_equals", "is not equal to", "number", negates="equals"),
        Comparison("at_least", "is at least", "number", _with(number_of, ">= %s")),
        Comparison("at_most", "is at most", "number", _with(number_of, "<= %s")),
        Comparison("more_than", "is more than", "number", _with(number_of, "> %s")),
        Comparison("less_than", "is less than", "number", _with(number_of, "< %s")),
        Comparison("is_true", "is yes", "none", _boolean("true")),
        Comparison("is_false", "is no", "none", _boolean("false")),
        Comparison("is_set", "has a value", "none", _is_set),
        Comparison("is_not_set", "has no value", "none", negates="is_set"),
    )
}
MOST_CONDITIONS = 10


@dataclass(frozen=True)
class PropertyCondition:
    """A property compared with a value."""

    name: str
    op: Comparison
    value: Any

    def sql(self) -> Sql:
        """The condition on the event `e`."""
        positive = COMPARISONS[self.op.negates or self.op.key]
        assert positive.sql is not None
        wanted = self.value
        if self.op.shape == "text":
            wanted = fold(wanted)
        elif self.op.shape == "texts":
            wanted = [fold(item) for item in wanted]
        sql, params = positive.sql(self.name, wanted)
        return (f"(({sql}) IS NOT TRUE)" if self.op.negates else f"({sql})"), params

    @property
    def words(self) -> str:
        """The condition in a sentence."""
        if self.op.shape == "none":
            return f"{self.name} {self.op.words}"
        items = self.value if isinstance(self.value, tuple) else (self.value,)
        listed = " or ".join(f"“{item}”" if isinstance(item, str) else f"{item:,}" for item in items)
        return f"{self.name} {self.op.words} {listed}"


def read_conditions(reading: Reading) -> tuple[PropertyCondition, ...]:
    """The `where` of a definition: [{"property": "plan", "op": "is", "value": "pro"}], all of which must hold."""
    data = reading.raw("where")
    if data is None:
        return ()
    if not isinstance(data, list) or len(data) > MOST_CONDITIONS:
        reading.fail("/where", "invalid-value", f"Expected a list of at most {MOST_CONDITIONS} conditions.")
        return ()
    return tuple(found for i, item in enumerate(data) if (found := _condition(reading, item, f"/where/{i}")))


def _condition(reading: Reading, data: Any, pointer: str) -> PropertyCondition | None:
    if not isinstance(data, Mapping) or not {"property", "op"} <= set(data) <= {"property", "op", "value"}:
        reading.fail(pointer, "invalid-value", "Expected {“property”: …, “op”: …, “value”: …}.")
        return None
    op = COMPARISONS.get(data["op"]) if isinstance(data["op"], str) else None
    if op is None:
        listed = ", ".join(COMPARISONS)
        reading.fail(f"{pointer}/op", "unknown-operator", f"Use one of {listed}.", COMPARISONS)
        return None
    name, value = reading.item(data["property"], f"{pointer}/property"), data.get("value")
    if op.shape == "none":
        if value is not None:
            reading.fail(f"{pointer}/value", "unexpected-value", "This comparison takes no value. Remove it.")
        return PropertyCondition(name, op, None)
    if op.shape == "texts":
        if not isinstance(value, list) or not 1 <= len(value) <= 100:
            reading.fail(f"{pointer}/value", "invalid-value", "Expected a list of 1 to 100 texts.")
            return None
        return PropertyCondition(name, op, tuple(reading.item(v, f"{pointer}/value/{i}") for i, v in enumerate(value)))
    read = reading.number if op.shape == "number" else reading.item
    return PropertyCondition(name, op, read(value, f"{pointer}/value"))

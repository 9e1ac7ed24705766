"""The parser's part for events: conditions on what happened, sequences, and filters by an event's properties."""

from __future__ import annotations

import difflib
from typing import Any, Protocol

from accounts.fields import Owner, Rows, Vocabulary
from accounts.fields.properties import read_test
from accounts.fields.values import read_span
from accounts.fields.windows import OF_ACCOUNT, Window, read_window
from core.intake import short
from core.spans import Span, ValueProblem
from segments.rules.events import (
    EVENT_OPERATORS,
    PROPERTIES,
    SEQUENCE_OPERATORS,
    EventOperator,
    Measure,
    read_event_value,
    read_measure,
    read_property,
)
from segments.rules.nodes import Condition, Group, Happened, Sequence, Step

PREFIX = "event."
WITHIN_UNITS = ("hour", "day", "week")


class Reader(Protocol):
    """What is needed of the parser."""

    vocabulary: Vocabulary

    def fail(self, pointer: str, code: str, message: str, allowed: tuple[str, ...] = ()) -> Any:
        """Note a problem."""

    def group(self, data: dict[str, Any], pointer: str, inside: Rows | None, depth: int) -> Group | None:
        """Read a group."""


def read_happened(
    reader: Reader, data: dict[str, Any], pointer: str, inside: Rows | None, depth: int
) -> Happened | None:
    """An event with an operator, a measure, a window and filters."""
    name, where = _event(reader, data, pointer, inside, depth)
    op = _operator(reader, data.get("op"), f"{pointer}/op", EVENT_OPERATORS)
    try:
        measure = read_measure(data.get("measure"))
    except ValueProblem as problem:
        return reader.fail(f"{pointer}/measure{problem.below}", problem.code, str(problem), problem.allowed)  # type: ignore[no-any-return]
    window = _window(reader, data, pointer, inside)
    anywhere = _anywhere(reader, data, pointer)
    if op is None or window is None or name is None:
        return None
    _check_fit(reader, op, measure, window, pointer)
    try:
        value = read_event_value(op, measure, data.get("value"))
    except ValueProblem as problem:
        return reader.fail(f"{pointer}/value{problem.below}", problem.code, str(problem), problem.allowed)  # type: ignore[no-any-return]
    return Happened(name, op, value, measure, window, where, anywhere, pointer)


def _check_fit(reader: Reader, op: EventOperator, measure: Measure, window: Window, pointer: str) -> None:
    if not op.measured and measure != Measure():
        reader.fail(f"{pointer}/measure", "unexpected-value", f"“{op.words}” compares no measure. Remove it.")
    if op.needs == "last" and window.kind != "last":
        message = f"“{op.words}” compares with the time before; give a window like {{“last”: 30, “unit”: “day”}}."
        reader.fail(f"{pointer}/window", "wrong-window", message)
    if op.needs == "start" and window.kind == "ever":
        reader.fail(f"{pointer}/window", "wrong-window", f"“{op.words}” needs a window that begins somewhere.")


def read_sequence(
    reader: Reader, data: dict[str, Any], pointer: str, inside: Rows | None, depth: int
) -> Sequence | None:
    """Two events, the second within a span after the first."""
    steps = data["sequence"]
    if not isinstance(steps, list) or len(steps) != 2 or not all(isinstance(step, dict) for step in steps):
        message = "Expected two events: [{“event”: …}, {“event”: …}]."
        return reader.fail(f"{pointer}/sequence", "invalid-value", message)  # type: ignore[no-any-return]
    found = []
    for place, step in enumerate(steps):
        below = f"{pointer}/sequence/{place}"
        for extra in sorted(set(map(str, step)) - {"event", "where"}):
            reader.fail(f"{below}/{short(extra)}", "unknown-key", "This key is not known here. Remove it.")
        name, where = _event(reader, step, below, inside, depth)
        found.append(Step(name or "", where))
    op = _operator(reader, data.get("op"), f"{pointer}/op", SEQUENCE_OPERATORS)
    window, within = _window(reader, data, pointer, inside), _within(reader, data.get("within"), f"{pointer}/within")
    anywhere = _anywhere(reader, data, pointer)
    if op is None or window is None or within is None:
        return None
    return Sequence(found[0], found[1], op, within, window, anywhere, pointer)


def _event(
    reader: Reader, data: dict[str, Any], pointer: str, inside: Rows | None, depth: int
) -> tuple[str | None, Group | None]:
    """The name of an event that there is, and the filter by its properties."""
    if inside not in (None, Rows.USERS, Rows.IN_ACCOUNTS):
        return reader.fail(pointer, "invalid-node", f"An event cannot be named inside a group about {inside}."), None
    name, where = data.get("event"), data.get("where")
    names = reader.vocabulary.event_names
    if not isinstance(name, str) or name not in names:
        near = tuple(difflib.get_close_matches(name, names, 5, 0.5)) if isinstance(name, str) else ()
        message = f"There is no event “{short(name)}”. An event can be named once it was received."
        reader.fail(f"{pointer}/event", "unknown-event", message, near)
        name = None
    if where is None:
        return name, None
    if not isinstance(where, dict) or "match" not in where:
        message = "Expected a group: {“match”: …, “rules”: [ … ]}."
        return reader.fail(f"{pointer}/where", "invalid-node", message), None
    return name, reader.group(where, f"{pointer}/where", Rows.EVENTS, depth + 1)


def _operator(reader: Reader, key: Any, pointer: str, table: dict[str, EventOperator]) -> EventOperator | None:
    found = table.get(key) if isinstance(key, str) else None
    if found is None:
        allowed = tuple(table)
        reader.fail(pointer, "unknown-operator", f"Use one of {', '.join(allowed)}.", allowed)
    return found


def _anywhere(reader: Reader, data: dict[str, Any], pointer: str) -> bool:
    """The switch that counts what the account's users did in any account."""
    found = data.get("anywhere", False)
    if not isinstance(found, bool):
        reader.fail(f"{pointer}/anywhere", "wrong-type", "Say true or false.")
    return bool(found)


def owners_of_dates(vocabulary: Vocabulary, inside: Rows | None) -> tuple[Owner, ...]:
    """Whose dates a window may begin with: the account's, and where a condition is about one user, theirs."""
    return OF_ACCOUNT if inside is None else tuple(dict.fromkeys([*OF_ACCOUNT, *vocabulary.row_sets[inside].owners]))


def _window(reader: Reader, data: dict[str, Any], pointer: str, inside: Rows | None) -> Window | None:
    try:
        return read_window(data.get("window"), reader.vocabulary, owners_of_dates(reader.vocabulary, inside))
    except ValueProblem as problem:
        return reader.fail(f"{pointer}/window{problem.below}", problem.code, str(problem), problem.allowed)  # type: ignore[no-any-return]


def _within(reader: Reader, data: Any, pointer: str) -> Span | None:
    """The time between two events is exact: a day is 24 hours."""
    try:
        span = read_span(data, hours=True)
    except ValueProblem as problem:
        return reader.fail(f"{pointer}{problem.below}", problem.code, str(problem), problem.allowed)  # type: ignore[no-any-return]
    if span.unit not in WITHIN_UNITS:
        message = f"The unit is one of {', '.join(WITHIN_UNITS)}."
        return reader.fail(f"{pointer}/unit", "wrong-type", message, WITHIN_UNITS)  # type: ignore[no-any-return]
    return span


def read_condition_on(reader: Reader, data: dict[str, Any], pointer: str) -> Condition | None:
    """A condition on a property of the event."""
    key = data.get("field")
    try:
        name = read_property(key.removeprefix(PREFIX) if isinstance(key, str) and key.startswith(PREFIX) else None)
    except ValueProblem:
        if key == PREFIX + PROPERTIES:
            return reader.fail(f"{pointer}/field", "required", "Name the property to compare.")  # type: ignore[no-any-return]
        message = "Inside an event, name its properties like “event.properties.pages”."
        return reader.fail(f"{pointer}/field", "wrong-field", message)  # type: ignore[no-any-return]
    try:
        found = read_test(name, data.get("op"), data.get("value"), reader.vocabulary)
    except ValueProblem as problem:
        return reader.fail(f"{pointer}{problem.below}", problem.code, str(problem), problem.allowed)  # type: ignore[no-any-return]
    return Condition(found.field, found.op, found.value, pointer)

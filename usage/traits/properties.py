"""Conditions on the properties of an event, and reading one of them, as SQL on the row `e` of `usage_event`.

The conditions are those of rules (`accounts.fields.properties`): the same comparisons, read and compiled by the same
code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

from accounts.fields.patterns import PATTERNED, wrong_pattern
from accounts.fields.properties import PropertyTest, read_test
from core.clock import Moment
from core.spans import ValueProblem
from usage.models import Event
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


def number_of(name: str) -> Sql:
    """A property as a number; NULL if it is something else or beyond 20 digits."""
    return _NUMBER, [name] * 3


def text_of(name: str) -> Sql:
    """A property as a text of at most 255 characters; NULL if it is empty, a list or an object."""
    return _TEXT, [name] * 2


MOST_CONDITIONS = 10


def property_sql(test: PropertyTest, moment: Moment) -> Sql:
    """A condition on the event `e`."""
    query = Event.objects.order_by().filter(test.compiled(moment)).query
    query.change_aliases({Event._meta.db_table: "e"})
    sql, params = query.get_compiler(connection=connection).compile(query.where)
    return f"({sql})", list(params)


def read_conditions(reading: Reading) -> tuple[PropertyTest, ...]:
    """The `where` of a definition: [{"property": "plan", "op": "is", "value": "pro"}], all of which must hold."""
    data = reading.raw("where")
    if data is None:
        return ()
    if not isinstance(data, list) or len(data) > MOST_CONDITIONS:
        reading.fail("/where", "invalid-value", f"Expected a list of at most {MOST_CONDITIONS} conditions.")
        return ()
    read = [(f"/where/{i}", _condition(reading, item, f"/where/{i}")) for i, item in enumerate(data)]
    found = {pointer: test for pointer, test in read if test is not None}
    wrong = wrong_pattern((pointer, test.value) for pointer, test in found.items() if test.op.key in PATTERNED)
    if wrong is not None:
        pointer, problem = wrong
        reading.fail(f"{pointer}/value", problem.code, str(problem))
    return tuple(found.values())


def _condition(reading: Reading, data: Any, pointer: str) -> PropertyTest | None:
    if not isinstance(data, Mapping) or not {"property", "op"} <= set(data) <= {"property", "op", "value"}:
        reading.fail(pointer, "invalid-value", "Expected {“property”: …, “op”: …, “value”: …}.")
        return None
    name = reading.item(data["property"], f"{pointer}/property")
    try:
        return read_test(name, data["op"], data.get("value"), reading.vocabulary)
    except ValueProblem as problem:
        reading.fail(f"{pointer}{problem.below}", problem.code, str(problem), problem.allowed)
        return None

"""The properties of events as fields: texts by their folds, numbers and booleans where they are such."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.db import connection, models
from django.db.models import F, Func

from accounts.fields import Category, Field, Kind, Owner
from accounts.fields.attributes import TypedKey
from usage.models import EventName

RECENT = 5_000
_KINDS = {"string": Kind.TEXT, "number": Kind.NUMBER, "boolean": Kind.BOOLEAN}
_RECENT = """
SELECT n.name, p.key, jsonb_typeof(p.value), count(*)
FROM (SELECT name_id, properties FROM usage_event ORDER BY id DESC LIMIT %s) AS e
JOIN usage_eventname AS n ON n.id = e.name_id
LEFT JOIN jsonb_each(e.properties) AS p ON jsonb_typeof(p.value) IN ('string', 'number', 'boolean')
GROUP BY 1, 2, 3 ORDER BY 1, 2, 4 DESC, 3
"""


class FoldOf(Func):
    """The fold of a property that is a text; NULL if it is blank or something else."""

    output_field = models.TextField()  # type: ignore[assignment]

    def __init__(self, name: str, folded: str = "folded") -> None:
        self.name = name
        super().__init__(F(folded))

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """`folded ->> name`; the name is a parameter and never a place in a list."""
        column, params = compiler.compile(self.source_expressions[0])
        return f"({column} #>> %s)", [*params, [self.name]]


class AnyValue(Func):
    """A property of any type as JSON, a text by its fold; NULL if there is none or it is blank.

    JSON numbers that are equal are one value however they are written (1 and 1.0).
    """

    output_field = models.JSONField()  # type: ignore[assignment]

    def __init__(self, name: str, properties: str = "properties", folded: str = "folded") -> None:
        self.name = name
        super().__init__(F(properties), F(folded))

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """The fold for texts, the value itself for the rest."""
        (value, of_value), (folded, of_folded) = (compiler.compile(part) for part in self.source_expressions)
        sql = (
            f"(CASE WHEN jsonb_typeof({value} #> %s) = 'string' THEN {folded} #> %s"
            f" ELSE nullif({value} #> %s, 'null'::jsonb) END)"
        )
        return sql, [*of_value, [self.name], *of_folded, [self.name], *of_value, [self.name]]


@lru_cache(maxsize=4096)
def property_field(name: str, kind: Kind | None) -> Field:
    """A property as a field of one kind; of None it may have any type, to ask whether there is one."""

    def value(prefix: str) -> Any:
        if kind is None:
            return AnyValue(name, f"{prefix}properties", f"{prefix}folded")
        if kind is Kind.TEXT:
            return FoldOf(name, f"{prefix}folded")
        return TypedKey(f"{prefix}properties", name, kind=kind)

    return Field(
        key=f"event.properties.{name}",
        label=name,
        category=Category.EVENTS,
        kind=kind or Kind.TEXT,
        owner=Owner.EVENT,
        value=value,
    )


def number(name: str) -> Any:
    """A property as a number."""
    return TypedKey("properties", name, kind=Kind.NUMBER)


def distinct(name: str) -> Any:
    """A property in the form in which its different values are told apart."""
    return AnyValue(name)


def event_names() -> Mapping[str, int]:
    """The events there are, with their numbers."""
    return dict(EventName.objects.values_list("name", "pk"))


def recent_properties() -> dict[str, dict[str, tuple[Kind, ...]]]:
    """For each event among the newest the properties that it had, with their kinds, what most of them were first."""
    found: dict[str, dict[str, tuple[Kind, ...]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, [RECENT])
        for event, name, kind, _ in cursor.fetchall():
            mine = found.setdefault(event, {})
            if name is not None:
                mine[name] = (*mine.get(name, ()), _KINDS[kind])
    return found

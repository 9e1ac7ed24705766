"""Boolean SQL that keeps rules two-valued.

A comparison with NULL is neither true nor false in SQL. AND and OR of such comparisons are true exactly where the
two-valued rule is, so only negation needs care: `NotTrue` is the complement of "is true", and the only negation used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import BooleanField, Func, Value


class Truth(Func):
    """An SQL condition made of expressions in a template of their joiner."""

    output_field = BooleanField()  # type: ignore[assignment]
    template = "(%(expressions)s)"


class AllOf(Truth):
    """Every one holds."""

    arg_joiner = " AND "


class AnyOf(Truth):
    """At least one holds."""

    arg_joiner = " OR "


class NotTrue(Truth):
    """It does not hold: false, or not known."""

    template = "((%(expressions)s) IS NOT TRUE)"


class Not(Truth):
    """Plain negation, for what is never NULL: PostgreSQL makes an anti-join of NOT EXISTS, but not of IS NOT TRUE."""

    template = "(NOT %(expressions)s)"


class Known(Truth):
    """There is a value."""

    template = "(%(expressions)s IS NOT NULL)"


class Always(Truth):
    """Holds for every row."""

    template = "TRUE"


class Never(Truth):
    """Holds for no row."""

    template = "FALSE"


class Infix(Truth):
    """Two expressions with an operator between them."""

    def __init__(self, left: Any, operator: str, right: Any) -> None:
        super().__init__(left, right, arg_joiner=f" {operator} ")


class In(Truth):
    """The left one is among the given values, of which there is at least one."""

    def __init__(self, left: Any, values: Sequence[Any]) -> None:
        super().__init__(left, *[value if hasattr(value, "resolve_expression") else Value(value) for value in values])

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """`left IN (a, b)`; one value is compared plainly."""
        parts = [compiler.compile(part) for part in self.source_expressions]
        params = [param for _, bound in parts for param in bound]
        (left, _), rest = parts[0], ", ".join(sql for sql, _ in parts[1:])
        return (f"({left} = {rest})" if len(parts) == 2 else f"({left} IN ({rest}))"), params


class Call(Truth):
    """An SQL function that yields a boolean."""

    def __init__(self, function: str, *arguments: Any) -> None:
        super().__init__(*arguments, function=function, template="%(function)s(%(expressions)s)")


class EndsWith(Truth):
    """The text ends with another; not LIKE, in whose pattern some characters would mean something."""

    template = "(%(expressions)s)"

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        """`right(text, length(end)) = end`."""
        (text, bound), (end, ended) = (compiler.compile(part) for part in self.source_expressions)
        return f"(right({text}, length({end})) = {end})", [*bound, *ended, *ended]


def all_of(parts: Sequence[Any]) -> Any:
    """Every part holds; of none, always."""
    return parts[0] if len(parts) == 1 else AllOf(*parts) if parts else Always()


def any_of(parts: Sequence[Any]) -> Any:
    """A part holds; of none, never."""
    return parts[0] if len(parts) == 1 else AnyOf(*parts) if parts else Never()

"""How far a row is from meeting a group, as an expression: so that of many rows the decisive ones can be picked."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

from django.db.models import Case, ExpressionWrapper, IntegerField, Q, Value, When
from django.db.models.functions import Least

from accounts.fields import RowSet
from segments.rules.compiler import Context, compile_node
from segments.rules.nodes import Group, Node


def away(node: Node, context: Context, rows: RowSet) -> Any:
    """How many conditions at least would have to turn out otherwise for the node to hold in a row; 0 where it does.

    The same count as `Outcome.away`: of "all" the sum, of "any" the least, of "none" those that hold.
    """
    if not isinstance(node, Group):
        return _one_if(node, context, rows, met=0, unmet=1)
    if node.match == "none":
        return _sum([_one_if(child, context, rows, met=1, unmet=0) for child in node.rules])
    parts = [away(child, context, rows) for child in node.rules]
    return _sum(parts) if node.match == "all" or len(parts) == 1 else Least(*parts)


def _one_if(node: Node, context: Context, rows: RowSet, *, met: int, unmet: int) -> Any:
    truth = Q(compile_node(node, context, rows))
    return Case(When(truth, then=Value(met)), default=Value(unmet), output_field=IntegerField())


def _sum(parts: list[Any]) -> Any:
    return ExpressionWrapper(reduce(add, parts), output_field=IntegerField())

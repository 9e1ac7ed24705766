"""What each condition and group of a rule matches by itself, as far as there is time to count."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet, Subquery

from segments.limits import in_time
from segments.rules.compiler import compile_node
from segments.rules.nodes import about_same_row

if TYPE_CHECKING:
    from segments.questions import Question

ALONE_LIMIT_MS = 800  # it is told besides


def alone(question: Question, base: QuerySet[Any], count: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """What each condition and group matches by itself, by JSON pointer; the pointers for which there was no time.

    Plain comparisons share one pass over the accounts. One about other rows is counted by a query of its own, because
    PostgreSQL can join for a WHERE but must look row by row for a FILTER; these together have a time limit.
    """
    rule = question.rule
    nodes = [node for node in about_same_row(rule) if node.pointer]
    if len(rule.rules) == len(nodes) == 1 and rule.match != "none":
        return {nodes[0].pointer: count}, ()
    plain: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for node in nodes:
        condition = compile_node(node, question.context)
        apart = any(isinstance(part, Subquery | Q) for part in _parts(condition))
        (others if apart else plain)[node.pointer] = condition
    counts = {f"alone_{i}": question.members.counted(condition) for i, condition in enumerate(plain.values())}
    sums = base.order_by().aggregate(**counts) if counts else {}
    found = {pointer: sums[f"alone_{i}"] for i, pointer in enumerate(plain)}
    until = time.monotonic() + ALONE_LIMIT_MS / 1000
    for pointer, condition in others.items():
        number = in_time(until, partial(question.members.count, base.filter(condition)))
        if number is not None:
            found[pointer] = number
    return found, tuple(pointer for pointer in others if pointer not in found)


def _parts(condition: Any) -> Iterator[Any]:
    yield condition
    for part in condition.get_source_expressions() if hasattr(condition, "get_source_expressions") else []:
        yield from _parts(part)

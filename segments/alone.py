"""What each condition and group of a rule matches by itself, as far as there is time to count."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet, Subquery

from segments.limits import in_time
from segments.rules.compiler import compile_node
from segments.rules.nodes import Group, Node, Quantified, about_same_row

if TYPE_CHECKING:
    from segments.questions import Question

# It is told besides, and what stands inside groups about other rows last of all.
ALONE_LIMIT_MS, WITHIN_LIMIT_MS = 800, 300


def alone(question: Question, base: QuerySet[Any], count: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """What each condition and group matches by itself, by JSON pointer; the pointers for which there was no time.

    `count` is what the whole rule matches. A condition in a group about users or subscriptions matches those of whom it
    is true of any; these are counted last, and have less time.
    """
    rule = question.rule
    nodes = [node for node in about_same_row(rule) if node.pointer]
    if len(rule.rules) == len(nodes) == 1 and rule.match != "none":
        found, late = {nodes[0].pointer: count}, dict[str, Any]()
    else:
        found, late = _of_what_is_asked(question, base, nodes)
    until = time.monotonic() + ALONE_LIMIT_MS / 1000
    _count(question, base, late, found, until)
    within = {}
    for group in nodes:
        if isinstance(group, Quantified):
            for part in _parts_of(group):
                if _is_alone(group, part) and group.pointer in found:
                    found[part.pointer] = found[group.pointer]
                else:
                    within[part.pointer] = compile_node(_any(group, part), question.context)
    _count(question, base, within, found, min(until, time.monotonic() + WITHIN_LIMIT_MS / 1000))
    return found, tuple(pointer for pointer in (*late, *within) if pointer not in found)


def _of_what_is_asked(
    question: Question, base: QuerySet[Any], nodes: Sequence[Node]
) -> tuple[dict[str, int], dict[str, Any]]:
    """Plain comparisons, which share one pass over the accounts; and what is left to count. A condition about other
    rows is counted by a query of its own, because PostgreSQL can join for a WHERE but must look row by row for a
    FILTER."""
    plain: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for node in nodes:
        condition = compile_node(node, question.context)
        apart = any(isinstance(part, Subquery | Q) for part in _expressions(condition))
        (others if apart else plain)[node.pointer] = condition
    counts = {f"alone_{i}": question.members.counted(condition) for i, condition in enumerate(plain.values())}
    sums = base.order_by().aggregate(**counts) if counts else {}
    return {pointer: sums[f"alone_{i}"] for i, pointer in enumerate(plain)}, others


def _parts_of(group: Quantified) -> list[Node]:
    """The conditions and groups in a group about rows, but for the two that hold them all."""
    whole = [part for part in (group.of, group.where) if part is not None]
    return [node for part in whole for node in about_same_row(part) if node is not part]


def _is_alone(group: Quantified, part: Node) -> bool:
    """Whether a group about rows asks for any row with this part, and for nothing else."""
    where = group.where
    return group.quantifier == "any" and group.of is None and where.match != "none" and where.rules == (part,)


def _any(group: Quantified, part: Node) -> Quantified:
    return replace(group, quantifier="any", amount=None, of=None, where=Group("all", (part,)))


def _count(
    question: Question, base: QuerySet[Any], conditions: Mapping[str, Any], found: dict[str, int], until: float
) -> None:
    """Count one after the other into `found`, as long as there is time."""
    for pointer, condition in conditions.items():
        number = in_time(until, partial(question.members.count, base.filter(condition)))
        if number is not None:
            found[pointer] = number


def _expressions(condition: Any) -> Iterator[Any]:
    yield condition
    for part in condition.get_source_expressions() if hasattr(condition, "get_source_expressions") else []:
        yield from _expressions(part)

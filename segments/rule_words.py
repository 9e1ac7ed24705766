"""What each node of a rule says in words, and which days a relative condition means today, for the builder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from accounts.fields import Kind
from accounts.fields.dates import Days, days_meant
from core.spans import Span
from segments.questions import Reader
from segments.rules.nodes import Condition, Happened, InSegment, Node, Sequence
from segments.rules.tree import RuleError, walk

if TYPE_CHECKING:
    from segments.rule_view import NodeView


def put_words(nodes: Mapping[str, NodeView], tree: Any, reader: Reader, personal: bool) -> None:
    """Put them at the nodes, by their pointers; a tree that cannot be read has none."""
    try:
        question = reader.read(tree, personal=personal)
    except RuleError:
        return
    for node in walk(question.rule):
        if node.pointer in nodes and node.pointer:
            nodes[node.pointer].words = reader.words.node(node)
            nodes[node.pointer].days = days_of(node, reader.moment.today)


def days_of(node: Node, today: dt.date) -> str:
    """The days that a relative condition means today: of a date those for which it holds, of an event its window, and
    with what that is compared, of "entered" and "left" those on which it was: "since 23 Oct 2026", "until 24 Feb 2027",
    "1 Nov 2026 to 30 Nov 2026". Empty for another condition, for fixed dates, and for hours, which are no days."""
    if isinstance(node, Condition):
        return _of_condition(node, today)
    if isinstance(node, InSegment):
        return (
            ""
            if node.value is None or node.value.unit == "hour"
            else _said(days_meant("within_last", node.value, today), today)
        )
    if not isinstance(node, Happened | Sequence) or node.window.kind not in ("last", "between") or node.window.by_hours:
        return ""
    found = _said(node.window.days(today), today)
    before = node.window.days_before(today)
    if isinstance(node, Sequence) or node.op.needs != "last" or before is None:
        return found
    return f"{found}; the time before: {_said(before, today)}"


def _of_condition(node: Condition, today: dt.date) -> str:
    if node.field.kind not in (Kind.DATE, Kind.DATETIME):
        return ""
    period = node.value is None and node.op.key.split("_")[0] in _PERIODS
    if not period and not (isinstance(node.value, Span) and node.value.unit != "hour"):
        return ""
    return _said(days_meant(node.op.key, node.value, today), today)


def _said(days: Days, today: dt.date) -> str:
    first, last = days
    if first is not None and first == last:
        return f"on {day_words(first)}"
    if first is None or (first == today and last is not None):
        return f"until {day_words(last)}" if last else ""
    if last is None:
        return f"from {day_words(first)}"
    if last == today:
        return f"since {day_words(first)}"
    return f"{day_words(first)} to {day_words(last)}"


_PERIODS = ("this", "last", "next")


def day_words(day: dt.date) -> str:
    """A day as it is written everywhere."""
    return f"{day.day} {day:%b %Y}"

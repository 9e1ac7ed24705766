"""What each node of a rule says in words, and which days a relative condition means today, for the builder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from accounts.fields import Kind
from accounts.fields.dates import days_meant
from core.spans import Span
from segments.questions import Reader
from segments.rules.nodes import Condition
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
            if isinstance(node, Condition):
                nodes[node.pointer].days = days_of(node, reader.moment.today)


def days_of(node: Condition, today: dt.date) -> str:
    """The days for which a relative condition on a date holds today: "since 23 Oct 2026", "until 24 Feb 2027", "1 Nov
    2026 to 30 Nov 2026"; empty for another condition, for fixed dates, and for hours, which are no days."""
    if node.field.kind not in (Kind.DATE, Kind.DATETIME):
        return ""
    period = node.value is None and node.op.key.split("_")[0] in _PERIODS
    if not period and not (isinstance(node.value, Span) and node.value.unit != "hour"):
        return ""
    first, last = days_meant(node.op.key, node.value, today)
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

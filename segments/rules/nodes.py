"""The nodes of a rule tree: frozen, so that a tree that was read stays as it was judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as declared
from decimal import Decimal
from typing import Any

from accounts.fields import Field, Rows, Subject
from accounts.fields.operators import Operator
from accounts.fields.values import Between, write_value
from accounts.fields.windows import Window, write_window
from core.spans import Span
from segments.rules.events import EventOperator, Measure, write_event_value, write_measure
from segments.rules.operators import SegmentOperator


@dataclass(frozen=True)
class Condition:
    """A field compared with a value."""

    field: Field
    op: Operator
    value: Any
    pointer: str = declared(default="", compare=False)


@dataclass(frozen=True)
class InSegment:
    """Membership of another segment, now or entered or left within a span; `about` says what that one's members are."""

    key: str
    op: SegmentOperator
    value: Span | None
    pointer: str = declared(default="", compare=False)
    about: Subject = Subject.ACCOUNT


@dataclass(frozen=True)
class Quantified:
    """How many of the account's users or subscriptions meet a group; all conditions are about the same one.

    `quantifier` is "any", "all", "none", "at_least" or "at_least_percent"; `amount` goes with the last two. `of` says
    which users are looked at; None: all of the account's.
    """

    rows: Rows
    quantifier: str
    amount: Decimal | None
    where: Group
    pointer: str = declared(default="", compare=False)
    of: Group | None = None


@dataclass(frozen=True)
class Group:
    """Nodes of which all, any or none must hold. The empty root is every live account."""

    match: str
    rules: tuple[Node, ...]
    pointer: str = declared(default="", compare=False)


@dataclass(frozen=True)
class Happened:
    """An event of the account (inside a users group: of that user in the account) measured over a window.

    `where` narrows the events by their properties; all of it is about the same event. `anywhere` counts what the
    account's users did in any account.
    """

    event: str
    op: EventOperator
    value: Decimal | Between | None
    measure: Measure
    window: Window
    where: Group | None = None
    anywhere: bool = False
    pointer: str = declared(default="", compare=False)


@dataclass(frozen=True)
class Step:
    """One event of a sequence, narrowed by its properties."""

    event: str
    where: Group | None = None


@dataclass(frozen=True)
class Sequence:
    """The first event in the window, and then, or then not, the second one within a span after it.

    `anywhere` takes what the account's users did in any account.
    """

    first: Step
    second: Step
    op: EventOperator
    within: Span
    window: Window
    anywhere: bool = False
    pointer: str = declared(default="", compare=False)


Node = Group | Condition | Quantified | InSegment | Happened | Sequence
EVERY_ACCOUNT = Group("all", ())


@dataclass(frozen=True)
class Belongs:
    """That the account, or the user, of the row in hand matches a rule about it. It stands in for "in segment X" where
    X is only thought of (what would change if it were saved); it has no written form."""

    about: Subject
    rule: Group
    pointer: str = declared(default="", compare=False)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in the order of the tree."""
    yield node
    if isinstance(node, Group):
        for child in node.rules:
            yield from walk(child)
    elif isinstance(node, Quantified):
        yield from walk(node.of) if node.of is not None else ()
        yield from walk(node.where)
    elif isinstance(node, Happened) and node.where is not None:
        yield from walk(node.where)
    elif isinstance(node, Sequence):
        for step in (node.first, node.second):
            yield from walk(step.where) if step.where is not None else ()


def about_same_row(group: Group) -> list[Node]:
    """A group and what is below it about the same row: without what is about users, subscriptions or single events."""
    start = len(group.pointer)
    return [node for node in walk(group) if not set(node.pointer[start:].split("/")) & {"where", "of", "sequence"}]


def to_json(node: Node) -> dict[str, Any]:
    """The JSON form of a node, which parses to an equal one."""
    if isinstance(node, Group):
        return {"match": node.match, "rules": [to_json(child) for child in node.rules]}
    if isinstance(node, Quantified):
        plain = node.quantifier if node.amount is None else {node.quantifier: write_value(node.amount)}
        of = {} if node.of is None else {"of": to_json(node.of)}
        return {node.rows.value: plain, **of, "where": to_json(node.where)}
    if isinstance(node, Happened):
        return _happened_json(node)
    found: dict[str, Any]
    if isinstance(node, Sequence):
        steps = [{"event": step.event} | _where_json(step.where) for step in (node.first, node.second)]
        within = write_value(node.within)
        found = {"sequence": steps, "op": node.op.key, "within": within, "window": write_window(node.window)}
        return found | _anywhere_json(node)
    if isinstance(node, InSegment):
        found = {"segment": node.key, "op": node.op.key}
        return found if node.value is None else found | {"value": write_value(node.value)}
    found = {"field": node.field.key, "op": node.op.key}
    return found if node.value is None else found | {"value": write_value(node.value)}


def _where_json(where: Group | None) -> dict[str, Any]:
    return {} if where is None else {"where": to_json(where)}


def _happened_json(node: Happened) -> dict[str, Any]:
    found: dict[str, Any] = {"event": node.event, "op": node.op.key}
    if node.value is not None:
        found["value"] = write_event_value(node.op, node.value)
    if node.op.measured:
        found["measure"] = write_measure(node.measure)
    found["window"] = write_window(node.window)
    return found | _where_json(node.where) | _anywhere_json(node)


def _anywhere_json(node: Happened | Sequence) -> dict[str, Any]:
    return {"anywhere": True} if node.anywhere else {}


def fingerprint(node: Node) -> str:
    """The same text for rules that mean the same but for order and repetition within a group."""
    if isinstance(node, Group):
        return f"{node.match}({','.join(sorted({fingerprint(child) for child in node.rules}))})"
    if isinstance(node, Quantified):
        of = "" if node.of is None else f" of {fingerprint(node.of)}"
        return f"{node.rows}:{node.quantifier}:{node.amount}{of}({fingerprint(node.where)})"
    return json.dumps(to_json(node), sort_keys=True)


def fields_in(node: Node) -> list[Field]:
    """The fields that one node itself reads: of its percentage, and of the start of its window."""
    if isinstance(node, Condition):
        of = getattr(node.value, "of", None)
        return [node.field] if of is None else [node.field, of]
    if isinstance(node, Happened | Sequence) and node.window.field is not None:
        return [node.window.field]
    return []


def fields_of(node: Node) -> set[str]:
    """The keys of the fields that a rule reads, those of percentages included."""
    return {field.key for item in walk(node) for field in fields_in(item)}


def events_of(node: Node) -> set[str]:
    """The names of the events that a rule reads."""
    found: set[str] = set()
    for item in walk(node):
        found |= {item.event} if isinstance(item, Happened) else set()
        found |= {item.first.event, item.second.event} if isinstance(item, Sequence) else set()
    return found


def segments_of(node: Node) -> set[str]:
    """The keys of the segments that a rule reads."""
    return {item.key for item in walk(node) if isinstance(item, InSegment)}


def changes_with_time(node: Node) -> bool:
    """True if the answer can change though no data does."""
    return any(
        (isinstance(item, Condition) and item.op.clock)
        or (isinstance(item, InSegment) and item.op.span)
        or (isinstance(item, Happened) and item.window.kind in ("last", "between"))
        or isinstance(item, Sequence)
        for item in walk(node)
    )

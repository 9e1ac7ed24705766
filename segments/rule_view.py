"""A rule as the builder shows it: nodes with their controls, words and mistakes. Built from JSON, so that a tree which
does not parse (a deleted attribute, a missing value) is shown as it stands and can be mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from accounts.fields import Category, Choice, Field, Kind, Rows, Subject, Vocabulary
from accounts.fields.operators import OPERATORS, Shape, operators_for
from accounts.fields.properties import kind_meant, property_operators
from accounts.in_rules import retired_names
from core.refusals import Problem
from segments.event_form import PROPERTY_FIELD
from segments.event_view import EventView, event_view, operators
from segments.questions import Reader
from segments.rule_controls import Control, control_for, fill_span
from segments.rule_form import OF, OF_PATH, Place, Tree, children, negates_in_place
from segments.rule_words import put_words
from segments.rules.event_reader import owners_of_dates
from segments.rules.operators import SEGMENT_OPERATORS
from segments.rules.tree import MATCHES

OFFERED_LEVELS, OFFERED_CONDITIONS = 3, 50
ICONS = {
    Category.ACCOUNTS: "building", Category.CUSTOM: "tag", Category.TEAM: "users", Category.SUBSCRIPTION: "cycle",
    Category.USERS: "user", Category.RELATIONSHIP: "user", Category.USAGE: "pulse", Category.SEGMENTS: "layers",
    Category.EVENTS: "bolt",
}  # fmt: skip
QUANTIFIERS = {
    "users": [("any", "any user"), ("all", "every user"), ("none", "no user"), ("at_least", "at least … users"),
              ("at_least_percent", "at least … % of users")],
    "subscriptions": [("any", "any subscription"), ("all", "every subscription"), ("none", "no subscription")],
}  # fmt: skip


@dataclass
class NodeView:
    """One node. `kind` is condition, segment, event, property, group or quantified; `dom` is its path as an id, `days`
    what a relative condition means today ("since 23 Oct 2026"), `depth` its level, 1 for the root. `in_group` says that
    it can move out to the level above; it cannot leave a group about users or subscriptions, where it would come to
    mean something else. `may_copy` and `may_negate` say what a screen offers of it."""

    kind: str
    path: str
    place: Place
    pointer: str
    joiner: str
    first: bool = False
    last: bool = False
    in_group: bool = False
    may_copy: bool = True
    may_negate: bool = True
    depth: int = 1
    named: Field | None = None
    key: str = ""
    icon: str = ""
    category: str = ""
    label: str = ""
    ops: list[tuple[str, str]] = field(default_factory=list)
    op: str = ""
    control: Control | None = None
    event: EventView | None = None
    value_kind: str = ""
    match: str = ""
    rows: str = ""
    quantifier: str = ""
    quantifiers: list[tuple[str, str]] = field(default_factory=list)
    amount: str = ""
    nodes: list[NodeView] = field(default_factory=list)
    of: NodeView | None = None
    errors: list[str] = field(default_factory=list)
    words: str = ""
    days: str = ""
    alone: int | None = None

    @property
    def dom(self) -> str:
        """The path in a form that ids and selectors take."""
        return self.path.replace(".", "-")

    @property
    def matches(self) -> tuple[str, ...]:
        """How the nodes of a group may combine."""
        return MATCHES

    @property
    def may_nest(self) -> bool:
        """True if a screen offers another group inside; deeper ones made elsewhere are kept and shown."""
        return self.depth < OFFERED_LEVELS and not self.rows

    @property
    def may_wrap(self) -> bool:
        """True if a screen offers a group around it, which would put it a level deeper."""
        return self.depth + self.levels <= OFFERED_LEVELS

    @property
    def levels(self) -> int:
        """How many levels of groups it is, itself included; 0 for a condition."""
        grouped = self.kind in ("group", "quantified")
        return 1 + max((node.levels for node in self.nodes), default=0) if grouped else 0

    @property
    def conditions(self) -> int:
        """How many conditions it is, or has in it."""
        below = [*self.nodes, self.of] if self.of else self.nodes
        return (self.kind not in ("group", "quantified")) + sum(node.conditions for node in below)


@dataclass
class RuleView:
    """The builder's contents: the root, whether it is empty, mistakes of no node, how many conditions."""

    root: NodeView
    reader: Reader
    errors: list[str]
    conditions: int

    @property
    def full(self) -> bool:
        """True if no further condition is offered here."""
        return self.conditions >= OFFERED_CONDITIONS

    def by_pointer(self) -> dict[str, NodeView]:
        """Every node by its JSON pointer."""
        found: dict[str, NodeView] = {}
        stack = [self.root]
        while stack:
            node = stack.pop()
            found[node.pointer] = node
            stack.extend([*node.nodes, node.of] if node.of else node.nodes)
        return found


def rule_view(
    tree: Tree, reader: Reader, *, root: str = "n", problems: Iterable[Problem] = (), personal: bool = False
) -> RuleView:
    """Build what the builder shows of a tree, with the parser's problems at their nodes."""
    builder = _Builder(reader, root, personal)
    top = builder.group(tree if "rules" in tree else {"match": "all", "rules": []}, (), "", "", 1)
    view = RuleView(top, reader, [], builder.conditions)
    nodes = view.by_pointer()
    for node in nodes.values():
        node.may_copy = view.conditions + node.conditions <= OFFERED_CONDITIONS
    for problem in problems:
        pointer = problem.pointer
        while pointer and pointer not in nodes:
            pointer = pointer.rpartition("/")[0]
        (nodes[pointer].errors if pointer else view.errors).append(problem.message)
    put_words(nodes, tree, reader, personal)
    return view


class _Builder:
    """Walks a tree that may be wrong anywhere and never fails."""

    def __init__(self, reader: Reader, root: str, personal: bool) -> None:
        self.reader, self.root, self.personal = reader, root, personal
        self.vocabulary: Vocabulary = reader.vocabulary
        self.conditions = 0

    @cached_property
    def retired(self) -> Mapping[str, str]:
        """The names of attributes that are fields no more; read when a condition names no field."""
        return retired_names()

    def path(self, place: Place) -> str:
        """The form's path of a place."""
        return ".".join([self.root, *(OF_PATH if step == OF else str(step) for step in place)])

    def node(self, data: Any, place: Place, pointer: str, joiner: str, depth: int) -> NodeView:
        """Any node."""
        tree: Tree = data if isinstance(data, dict) else {"field": ""}
        if "match" in tree:
            return self.group(tree, place, pointer, joiner, depth)
        if "users" in tree or "subscriptions" in tree:
            return self.quantified(tree, place, pointer, joiner, depth)
        self.conditions += 1
        if "event" in tree or "sequence" in tree:
            return self.event(tree, place, pointer, joiner, depth)
        if str(tree.get("field", "")).startswith(PROPERTY_FIELD):
            return self.property_row(tree, place, pointer, joiner)
        return (
            self.segment(tree, place, pointer, joiner)
            if "segment" in tree
            else self.condition(tree, place, pointer, joiner)
        )

    def group(self, tree: Tree, place: Place, pointer: str, joiner: str, depth: int) -> NodeView:
        """A group with its nodes."""
        found = NodeView("group", self.path(place), place, pointer, joiner, depth=depth, match=str(tree.get("match")))
        self.fill(found, tree, f"{pointer}/rules", found.match, depth)
        return found

    def quantified(self, tree: Tree, place: Place, pointer: str, joiner: str, depth: int) -> NodeView:
        """A users or subscriptions group."""
        rows = "users" if "users" in tree else "subscriptions"
        said, where = tree[rows], tree.get("where")
        quantifier, amount = next(iter(said.items()), ("any", "")) if isinstance(said, dict) else (said, "")
        match = str(where.get("match")) if isinstance(where, dict) else "all"
        found = NodeView(
            "quantified", self.path(place), place, pointer, joiner, depth=depth, match=match, rows=rows,
            quantifier=str(quantifier), quantifiers=QUANTIFIERS[rows], amount="" if amount is None else str(amount),
        )  # fmt: skip
        self.fill(found, tree, f"{pointer}/where/rules", match, depth)
        if isinstance(of := tree.get("of"), dict):
            found.of = self.group(of, (*place, OF), f"{pointer}/of", "", OFFERED_LEVELS)
            found.of.rows = rows
        return found

    def fill(self, found: NodeView, tree: Tree, pointer: str, match: str, depth: int) -> None:
        """Add the nodes below."""
        below = children(tree)
        word = "and" if match == "all" else "or"
        for i, child in enumerate(below):
            node = self.node(child, (*found.place, i), f"{pointer}/{i}", word if i else "When", depth + 1)
            node.first, node.last = i == 0, i == len(below) - 1
            node.in_group = found.kind == "group" and bool(found.place) and found.place[-1] != OF
            node.depth = depth + 1
            node.may_negate = node.may_wrap or negates_in_place(child)
            found.nodes.append(node)

    def segment(self, tree: Tree, place: Place, pointer: str, joiner: str) -> NodeView:
        """Membership of a segment."""
        op, key = str(tree.get("op", "in")), str(tree.get("segment") or "")
        choices = self.segments_named(users=_about_one_user(pointer))
        if key and key not in self.reader.segments:
            choices.append(Choice(key, f"{key} (deleted)"))
        known = SEGMENT_OPERATORS.get(op)
        control = Control("segment", chosen=key, choices=choices)
        if known and known.span:
            control.shape = "segment_span"
            fill_span(control, tree.get("value"), hours=True)
        return NodeView(
            "segment", self.path(place), place, pointer, joiner, key="segment", icon="layers", category="Segments",
            label="Member of segment", ops=[(o.key, o.words) for o in SEGMENT_OPERATORS.values()],
            op=op, control=control,
        )  # fmt: skip

    def segments_named(self, *, users: bool) -> list[Choice]:
        """The segments that can be named here: of accounts, those of users inside a group about users; a rule about
        users names both."""
        reader, found = self.reader, []
        for key, (_, name) in reader.segments.items():
            about = reader.subjects.get(key, Subject.ACCOUNT)
            if reader.subject is Subject.USER:
                found.append(Choice(key, name if about == Subject.USER else f"{name} (accounts)"))
            elif users == (about == Subject.USER):
                found.append(Choice(key, name))
        return found

    def event(self, tree: Tree, place: Place, pointer: str, joiner: str, depth: int) -> NodeView:
        """What happened, with its property filters below."""
        inside = Rows.USERS if _about_one_user(pointer) else None
        if self.reader.subject is Subject.USER:
            inside = Rows.IN_ACCOUNTS
        view = event_view(tree, self.vocabulary, owners_of_dates(self.vocabulary, inside))
        found = NodeView(
            "event", self.path(place), place, pointer, joiner, depth=depth, key=f"event:{view.name}", icon="bolt",
            category="Events" if view.name in self.vocabulary.event_names else "",
            label=view.name, ops=operators(), op=str(tree.get("op", "")), event=view,
        )  # fmt: skip
        if not view.first_filter:
            self.fill(found, tree, f"{pointer}/where/rules", view.filter, depth)
        return found

    def property_row(self, tree: Tree, place: Place, pointer: str, joiner: str) -> NodeView:
        """A filter by a property of the event around it."""
        name = str(tree["field"]).removeprefix(PROPERTY_FIELD)
        node = NodeView(
            "property", self.path(place), place, pointer, joiner, key=name, label=name, op=str(tree.get("op", ""))
        )
        node.ops = [(op.key, op.words) for op in property_operators()]
        op, value = OPERATORS.get(node.op), tree.get("value")
        if op is None or node.op not in dict(node.ops):
            return node
        lately = self.vocabulary.event_properties.values()
        seen = {seen[name][0] for seen in lately if name in seen}
        numbers = seen == {Kind.NUMBER} if value is None else not any(isinstance(item, str) for item in _items(value))
        kind = kind_meant(op, [0] if numbers else None)
        node.value_kind = kind.value
        node.control = self.control(op.shape(kind), self.vocabulary.events.field(name, kind), value)
        return node

    def condition(self, tree: Tree, place: Place, pointer: str, joiner: str) -> NodeView:
        """A condition; one on a field that is gone says so."""
        key = str(tree.get("field") or "")
        node = NodeView("condition", self.path(place), place, pointer, joiner, key=key)
        found = self.vocabulary.get(key)
        if found is None:
            node.label = f"{self.retired.get(key, key)} (deleted)" if key else ""
            node.op = str(tree.get("op", ""))
            node.control = Control("deleted", value="" if tree.get("value") is None else str(tree.get("value")))
            return node
        node.named, node.label, node.category = found, found.label, found.category.value
        node.icon = ICONS.get(found.category, "tag")
        node.ops = [(op.key, op.words) for op in operators_for(found.kind) if self.personal or op.key != "is_me"]
        node.op = str(tree.get("op", ""))
        op = OPERATORS.get(node.op)
        if op and found.kind in op.shapes:
            node.control = self.control(op.shape(found.kind), found, tree.get("value"))
        return node

    def control(self, shape: Shape, found: Field, value: Any) -> Control:
        """The widget for a value of this shape."""
        return control_for(shape, found, value, self.vocabulary, self.reader.currency)


def _about_one_user(pointer: str) -> bool:
    """Whether a place is inside a group about users."""
    return bool({"where", "of"} & set(pointer.split("/")))


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

"""The rule tree: nodes that cannot exist in an invalid state, and the parser that is the only way to make them.

The grammar is that of the rules page in the manual. `parse` collects every problem with the JSON pointer of its place,
so that a person or a program can mend all of them at once; a tree with a problem is never returned.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from accounts.fields import Field, Rows, Subject, Vocabulary
from accounts.fields.operators import OPERATORS, operators_for
from accounts.fields.values import read_number, read_span, read_value
from core.intake import short
from core.refusals import Problem, Unusable
from core.spans import ValueProblem
from segments.rules.event_reader import read_condition_on, read_happened, read_sequence
from segments.rules.nodes import (
    EVERY_ACCOUNT,
    Condition,
    Group,
    Happened,
    InSegment,
    Node,
    Quantified,
    Sequence,
    events_of,
    fields_of,
    fingerprint,
    segments_of,
    to_json,
    walk,
)
from segments.rules.operators import SEGMENT_OPERATORS

__all__ = [
    "EVERY_ACCOUNT",
    "Condition",
    "Group",
    "Happened",
    "InSegment",
    "Node",
    "Problem",
    "Quantified",
    "RuleError",
    "Sequence",
    "events_of",
    "fields_of",
    "fingerprint",
    "parse",
    "segments_of",
    "to_json",
    "walk",
]
MAX_DEPTH, MAX_CONDITIONS, MAX_BYTES = 6, 100, 64 * 1024
MATCHES = ("all", "any", "none")
ABOUT_USERS = (
    "In a segment of users every condition is about the user already: take these out of the group. For a condition on "
    "the other users of the account, make a segment of accounts and name it here."
)
IN_GROUP = "Put it inside a group about users: {“users”: “any”, “where”: …}."
OUT_OF_GROUP = "Inside a group about users only segments of users can be named; take it out of the group."
QUANTIFIERS = ("any", "all", "none")
COUNTED = ("at_least", "at_least_percent")
NODE_KEYS = {
    "match": {"match", "rules"},
    "field": {"field", "op", "value"},
    "users": {"users", "of", "where"},
    "subscriptions": {"subscriptions", "where"},
    "segment": {"segment", "op", "value"},
    "event": {"event", "op", "value", "measure", "window", "where", "anywhere"},
    "sequence": {"sequence", "op", "within", "window", "anywhere"},
}


class RuleError(Unusable):
    """The rule cannot be used."""


def parse(
    data: Any,
    vocabulary: Vocabulary,
    *,
    segments: Collection[str] | None = None,
    personal: bool = True,
    subject: Subject = Subject.ACCOUNT,
) -> Group:
    """Read a rule as it was sent or stored.

    `segments` are the keys that may be referred to (None: any well-formed key), with what each is about if it is a
    mapping; `personal` allows "is me", which means nothing in a stored segment; `subject` is what the rule is about.
    Raises RuleError with every problem found.
    """
    reader = _Reader(vocabulary, segments, personal)
    if data in (None, {}):
        return EVERY_ACCOUNT
    try:
        size = len(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))
    except (TypeError, ValueError, RecursionError):
        raise RuleError([Problem("", "rule-too-large", "The rule is not JSON, or nested too deep to read.")]) from None
    if size > MAX_BYTES:
        raise RuleError([Problem("", "rule-too-large", f"The rule is {size:,} bytes; at most {MAX_BYTES:,} are kept.")])
    root = reader.node(data, "", Rows.IN_ACCOUNTS if subject is Subject.USER else None, 1)
    if not reader.problems and not isinstance(root, Group):
        reader.fail("", "invalid-node", "The rule must begin with a group: {“match”: “all”, “rules”: [ … ]}.")
    if reader.problems:
        raise RuleError(reader.problems)
    assert isinstance(root, Group)
    return root


class _Reader:
    """The parser's state: what may be named, how many conditions came by, what is wrong so far."""

    def __init__(self, vocabulary: Vocabulary, segments: Collection[str] | None, personal: bool) -> None:
        self.vocabulary, self.segments, self.personal = vocabulary, segments, personal
        self.problems: list[Problem] = []
        self.conditions = 0

    def fail(self, pointer: str, code: str, message: str, allowed: tuple[str, ...] = ()) -> Any:
        """Note a problem and give None in place of a node; the tree is refused at the end."""
        if len(self.problems) < 50:
            self.problems.append(Problem(pointer, code, message, allowed))
        return None

    def node(self, data: Any, pointer: str, inside: Rows | None, depth: int) -> Node | None:
        """Any node; `inside` is the row set that conditions here are about (None: accounts)."""
        if not isinstance(data, dict):
            return self.fail(pointer, "invalid-node", f"Expected an object, got {short(data)}.")
        kind = next((name for name in NODE_KEYS if name in data), None)
        if kind is None:
            known = tuple(NODE_KEYS)
            return self.fail(pointer, "unknown-node", f"A node has one of the keys {', '.join(known)}.", known)
        for extra in sorted(set(map(str, data)) - NODE_KEYS[kind]):
            self.fail(f"{pointer}/{short(extra)}", "unknown-key", "This key is not known here. Remove it.")
        if kind == "match":
            return self.group(data, pointer, inside, depth)
        if kind in (Rows.USERS, Rows.SUBSCRIPTIONS):
            return self.quantified(Rows(kind), data, pointer, inside, depth)
        self.conditions += 1
        if self.conditions == MAX_CONDITIONS + 1:
            self.fail(pointer, "rule-too-large", f"The rule has more than {MAX_CONDITIONS} conditions.")
        if kind == "event":
            return read_happened(self, data, pointer, inside, depth)
        if kind == "sequence":
            return read_sequence(self, data, pointer, inside, depth)
        return self.segment(data, pointer, inside) if kind == "segment" else self.condition(data, pointer, inside)

    def group(self, data: dict[str, Any], pointer: str, inside: Rows | None, depth: int) -> Group | None:
        """A group; only the root may be empty."""
        match, rules = data.get("match"), data.get("rules")
        if depth > MAX_DEPTH:
            return self.fail(pointer, "rule-too-deep", f"Groups are nested more than {MAX_DEPTH} levels deep.")
        if not isinstance(match, str) or match not in MATCHES:
            self.fail(f"{pointer}/match", "invalid-value", "Say all, any or none.", MATCHES)
        if not isinstance(rules, list):
            return self.fail(f"{pointer}/rules", "invalid-value", "Expected a list of conditions.")
        if not rules and depth > 1:
            self.fail(f"{pointer}/rules", "empty-group", "This group has no condition. Add one or remove the group.")
        found = [self.node(item, f"{pointer}/rules/{i}", inside, depth + 1) for i, item in enumerate(rules[:1000])]
        return Group(str(match), tuple(item for item in found if item is not None), pointer)

    def quantified(
        self, rows: Rows, data: dict[str, Any], pointer: str, inside: Rows | None, depth: int
    ) -> Quantified | None:
        """A users or subscriptions node."""
        if inside is Rows.IN_ACCOUNTS and rows is Rows.USERS:
            return self.fail(pointer, "wrong-subject", ABOUT_USERS)
        if inside not in (None, Rows.IN_ACCOUNTS):
            return self.fail(pointer, "invalid-node", f"Conditions on {rows} cannot stand inside another such group.")
        quantifier, amount = self.quantifier(rows, data[rows.value], f"{pointer}/{rows}")
        where, of = data.get("where"), None
        if data.get("of") is not None:
            of = self.restriction(rows, data["of"], f"{pointer}/of", depth)
        if not isinstance(where, dict) or "match" not in where:
            return self.fail(f"{pointer}/where", "invalid-node", "Expected a group: {“match”: …, “rules”: [ … ]}.")
        group = self.group(where, f"{pointer}/where", rows, depth + 1)
        return None if group is None else Quantified(rows, quantifier, amount, group, pointer, of)

    def restriction(self, rows: Rows, data: Any, pointer: str, depth: int) -> Group | None:
        """Which users are looked at."""
        if not isinstance(data, dict) or "match" not in data:
            return self.fail(pointer, "invalid-node", "Expected a group: {“match”: …, “rules”: [ … ]}.")
        return self.group(data, pointer, rows, depth + 1)

    def quantifier(self, rows: Rows, data: Any, pointer: str) -> tuple[str, Decimal | None]:
        """ "any", or {"at_least": 2}."""
        if isinstance(data, str) and data in QUANTIFIERS:
            return data, None
        if rows is Rows.USERS and isinstance(data, dict) and len(data) == 1 and next(iter(data)) in COUNTED:
            name = next(iter(data))
            try:
                amount = read_number(data[name])
                whole = name == "at_least_percent" or amount == amount.to_integral_value()
                if amount > 0 and whole and (name == "at_least" or amount <= 100):
                    return name, amount
            except ValueProblem:
                pass
            self.fail(f"{pointer}/{name}", "out-of-range", "Give a whole number from 1, or a percentage up to 100.")
            return name, None
        allowed = QUANTIFIERS + (COUNTED if rows is Rows.USERS else ())
        self.fail(pointer, "invalid-value", f"Say one of {', '.join(allowed)}.", allowed)
        return "any", None

    def condition(self, data: dict[str, Any], pointer: str, inside: Rows | None) -> Condition | None:
        """A field, an operator that fits it, and a value that fits both."""
        if inside is Rows.EVENTS:
            return read_condition_on(self, data, pointer)
        found = self.field(data.get("field"), f"{pointer}/field", inside)
        if found is None:
            return None
        fitting = operators_for(found.kind)
        op = OPERATORS.get(data["op"]) if isinstance(data.get("op"), str) else None
        if op is None or found.kind not in op.shapes:
            allowed = tuple(item.key for item in fitting)
            code = "unknown-operator" if op is None else "wrong-operator"
            message = f"“{short(data.get('op'))}” does not fit {found.label} ({found.kind}). Use {', '.join(allowed)}."
            return self.fail(f"{pointer}/op", code, message, allowed)
        if op.key == "is_me" and not self.personal:
            return self.fail(f"{pointer}/op", "personal", "“is me” differs from person to person. Name the person.")
        try:
            value = read_value(op.shape(found.kind), data.get("value"), found, self.vocabulary)
        except ValueProblem as problem:
            return self.fail(f"{pointer}/value{problem.below}", problem.code, str(problem), problem.allowed)
        return Condition(found, op, value, pointer)

    def field(self, key: Any, pointer: str, inside: Rows | None) -> Field | None:
        """A field by its key, if its rows can be reached from here."""
        found = self.vocabulary.get(key) if isinstance(key, str) else None
        if found is None:
            return self.fail(pointer, "unknown-field", f"There is no field “{short(key)}”. It may have been deleted.")
        if inside not in (None, Rows.IN_ACCOUNTS) and found.owner not in self.vocabulary.row_sets[inside].owners:
            fits = ", ".join(self.vocabulary.row_sets[inside].owners)
            return self.fail(pointer, "wrong-field", f"{found.label} is not about {inside}; use a field of: {fits}.")
        return found

    def about(self, key: str, inside: Rows | None) -> Subject:
        """What a segment's members are; where that is not told, what fits."""
        told = self.segments.get(key) if isinstance(self.segments, Mapping) else None
        return Subject(told) if told else Subject.USER if inside is Rows.USERS else Subject.ACCOUNT

    def segment(self, data: dict[str, Any], pointer: str, inside: Rows | None) -> InSegment | None:
        """Membership of another segment."""
        key, op = data["segment"], data.get("op")
        if inside not in (None, Rows.USERS, Rows.IN_ACCOUNTS):
            return self.fail(pointer, "invalid-node", f"A segment cannot be named inside a group about {inside}.")
        if not isinstance(key, str) or not key or (self.segments is not None and key not in self.segments):
            return self.fail(f"{pointer}/segment", "unknown-segment", f"There is no segment “{short(key)}”.")
        about = self.about(key, inside)
        if inside is None and about is Subject.USER:
            return self.fail(f"{pointer}/segment", "wrong-subject", f"“{key}” is a segment of users. {IN_GROUP}")
        if inside is Rows.USERS and about is Subject.ACCOUNT:
            return self.fail(pointer, "invalid-node", f"“{key}” is a segment of accounts. {OUT_OF_GROUP}")
        operator = SEGMENT_OPERATORS.get(op) if isinstance(op, str) else None
        if operator is None:
            allowed = tuple(SEGMENT_OPERATORS)
            return self.fail(f"{pointer}/op", "unknown-operator", f"Use one of {', '.join(allowed)}.", allowed)
        if not operator.span:
            if data.get("value") is not None:
                self.fail(f"{pointer}/value", "unexpected-value", f"“{operator.words}” takes no value. Remove it.")
            return InSegment(key, operator, None, pointer, about)
        try:
            return InSegment(key, operator, read_span(data.get("value"), hours=True), pointer, about)
        except ValueProblem as problem:
            return self.fail(f"{pointer}/value{problem.below}", problem.code, str(problem), problem.allowed)

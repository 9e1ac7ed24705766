"""What is odd about a rule: it can never hold, it always holds, or it says the same thing twice.

Only what follows from the rule itself is told, never from the data, and never by guessing: where a case is not
understood, nothing is said.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence as Several
from dataclasses import dataclass, field

from accounts.fields import Owner, Subject
from accounts.fields.properties import OF_ANY_KIND
from segments.rules.describe import Words
from segments.rules.event_lint import contradictions, cover, of_nothing, verdict_of
from segments.rules.nodes import Condition, Group, Happened, InSegment, Node, Quantified, Sequence, fingerprint
from segments.rules.ranges import can_hold


@dataclass(frozen=True)
class Note:
    """One remark: where (a JSON pointer), a stable code, a sentence."""

    pointer: str
    code: str
    message: str


# The owners of whose values there is one in what a rule is asked of.
_ONE = {
    Subject.ACCOUNT: frozenset({Owner.ACCOUNT}),
    Subject.USER: frozenset({Owner.ACCOUNT, Owner.USER, Owner.RELATIONSHIP}),
}

_THEIR = {Subject.ACCOUNT: "its", Subject.USER: "their"}


def lint(rule: Group, words: Words, today: dt.date, subject: Subject = Subject.ACCOUNT) -> list[Note]:
    """The remarks on a rule, in the order of the tree; "today" decides what relative dates leave room for."""
    linter = _Linter(words, today, _ONE[subject])
    verdict = linter.verdict(rule, inside=False) if rule.rules else None
    if verdict is False and not any(note.pointer == rule.pointer for note in linter.notes):
        linter.note(rule, "never-true", f"No {subject} can ever match.")
    if verdict is True:
        linter.note(rule, "always-true", f"Every {subject} matches, whatever {_THEIR[subject]} data.")
    return sorted(dict.fromkeys(linter.notes), key=lambda note: note.pointer)


def opposed(one: Node, other: Node) -> bool:
    """Whether one node is the exact opposite of the other, so that always one of the two holds."""
    return _denies(one, other) or _denies(other, one)


def _denies(negative: Node, positive: Node) -> bool:
    if isinstance(negative, Condition) and isinstance(positive, Condition):
        same = (negative.field.key, negative.value) == (positive.field.key, positive.value)
        return same and bool(negative.op.negates) and negative.op.negates == positive.op.key
    if isinstance(negative, InSegment) and isinstance(positive, InSegment):
        same_segment = (negative.key, negative.value) == (positive.key, positive.value)
        return same_segment and bool(negative.op.negates) and negative.op.negates == positive.op.key
    if isinstance(negative, Group) and negative.match == "none" and len(negative.rules) == 1:
        return fingerprint(negative.rules[0]) == fingerprint(positive)
    return False


@dataclass
class _Linter:
    words: Words
    today: dt.date
    one: frozenset[Owner]
    notes: list[Note] = field(default_factory=list)

    def note(self, node: Node, code: str, message: str) -> None:
        """Remember a remark."""
        self.notes.append(Note(node.pointer, code, message))

    def verdict(self, node: Node, *, inside: bool) -> bool | None:
        """False if the node can never hold, True if it always does, None if it depends. `inside` a group about users or
        subscriptions every condition is about the same row."""
        if isinstance(node, Quantified):
            return self.quantified(node)
        if isinstance(node, Happened):
            return self.happened(node)
        if isinstance(node, Sequence):
            return self.followed(node)
        if not isinstance(node, Group):
            return None
        below = [self.verdict(child, inside=inside) for child in node.rules]
        self.repeated(node)
        if node.match == "all":
            return self.every(node, below, inside=inside)
        some = self.some(node, below)
        return some if node.match == "any" or some is None else not some

    def happened(self, node: Happened) -> bool | None:
        """A condition on one event: a count is a whole number from 0; of events that cannot be there is none."""
        unmet = self.impossible(node.where)
        verdict = of_nothing(node) if unmet else verdict_of(node)
        if verdict is not None:
            code, says = ("always-true", "always holds") if verdict else ("never-true", "can never hold")
            why = "no event can meet its filter" if unmet else "a count is a whole number from 0"
            self.note(node, code, f"“{self.said(node)}” {says}: {why}.")
        return verdict

    def followed(self, node: Sequence) -> bool | None:
        """One event after another: without a first one it never holds, without a second one nothing ever follows."""
        first, second = (self.impossible(step.where) for step in (node.first, node.second))
        if not first and not (second and node.op.key == "then"):
            return None
        self.note(node, "never-true", f"“{self.said(node)}” can never hold: no event can meet its filter.")
        return False

    def impossible(self, where: Group | None) -> bool:
        """Whether no event can meet a filter; one that every event meets is remarked on."""
        if where is None:
            return False
        verdict = self.verdict(where, inside=True)
        if verdict is True:
            self.note(where, "always-true", "Every event meets this filter, whatever its properties.")
        return verdict is False

    def quantified(self, node: Quantified) -> bool | None:
        """A group about rows: a user who cannot exist is never found, and never stands in the way of "no user"."""
        below = [self.verdict(group, inside=True) for group in (node.of, node.where) if group is not None]
        if False not in below:
            return None
        verdict = node.quantifier == "none"
        self.note(node, "always-true" if verdict else "never-true", f"{self.said(node)}: nobody can meet this.")
        return verdict

    def every(self, group: Group, below: Several[bool | None], *, inside: bool) -> bool | None:
        """All of the parts, those of groups of "all" inside counted as its own."""
        if False in below:
            return False
        parts = list(_joined(group))
        for one, other in _pairs(parts):
            if opposed(one, other):
                self.note(group, "never-true", f"“{self.said(one)}” and “{self.said(other)}” cannot both hold.")
                return False
        for conditions in self.by_field(parts, inside=inside):
            if not can_hold(conditions, self.today):
                listed = "; ".join(self.said(one) for one in conditions)
                self.note(group, "never-true", f"No value of {conditions[0].field.label} meets all of this: {listed}.")
                return False
        for alike in contradictions(parts):
            together = "; ".join(self.said(one) for one in alike)
            self.note(group, "never-true", f"These cannot hold together: {together}.")
            return False
        return True if below and all(item is True for item in below) else None

    def some(self, group: Group, below: Several[bool | None]) -> bool | None:
        """At least one of the parts."""
        if True in below:
            return True
        for one, other in _pairs(group.rules):
            if opposed(one, other) or cover(one, other):
                code = "never-true" if group.match == "none" else "always-true"
                self.note(group, code, f"One of “{self.said(one)}” and “{self.said(other)}” always holds.")
                return True
        return False if below and all(item is False for item in below) else None

    def repeated(self, group: Group) -> None:
        """The same condition twice in one group."""
        seen: set[str] = set()
        for child in group.rules:
            mark = fingerprint(child)
            if mark in seen:
                self.note(child, "twice", f"“{self.said(child)}” stands here twice.")
            seen.add(mark)

    def by_field(self, parts: Iterable[Node], *, inside: bool) -> list[list[Condition]]:
        """Conditions that are about the same value of the same row, those of one field together. What is asked of a
        property of an event as a text and as a number is asked of two values; whether it is there, of either."""
        found: dict[tuple[str, str], list[Condition]] = defaultdict(list)
        there: dict[str, list[Condition]] = defaultdict(list)
        for part in parts:
            if not isinstance(part, Condition) or not (inside or part.field.owner in self.one):
                continue
            if part.field.owner is Owner.EVENT and part.op.key in OF_ANY_KIND:
                there[part.field.key].append(part)
            else:
                found[part.field.key, part.field.kind].append(part)
        together = [listed + there.get(key, []) for (key, _), listed in found.items()]
        return [listed for listed in together if len(listed) > 1]

    def said(self, node: Node) -> str:
        """A node in words, at the beginning of a sentence."""
        text = self.words.node(node)
        return text[:1].upper() + text[1:]


def _joined(group: Group) -> Iterable[Node]:
    for child in group.rules:
        if isinstance(child, Group) and child.match == "all":
            yield from _joined(child)
        else:
            yield child


def _pairs(nodes: Several[Node]) -> Iterable[tuple[Node, Node]]:
    return ((one, other) for place, one in enumerate(nodes) for other in nodes[place + 1 :])

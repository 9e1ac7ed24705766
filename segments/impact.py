"""What saving a rule would change besides its own segment: the segments built on it, before anything is saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from accounts.fields import Rows, Subject
from segments.limits import bounded
from segments.models import Segment
from segments.ordering import with_dependents
from segments.questions import PREVIEW_LIMIT_MS, Question, Reader
from segments.rules.compiler import compile_rule
from segments.rules.nodes import Belongs, Group, InSegment, Node, Quantified
from segments.rules.tree import RuleError
from segments.subjects import members_of, subject_of
from segments.uses import Consequence, Use, consequences_of, uses_above

MOST = 20
NOBODY = Group("any", ())


@dataclass(frozen=True)
class Knock:
    """A segment that names the one being changed, at once or by way of others: how many would join and leave.

    `certain` is False if it asks who entered or left the segment lately, which only the refresh can answer. `uses` are
    what is touched further on, because it uses that segment: health configs, alert rules, playbooks, milestones.
    `effects` tells what happens to those who leave: "2 open alerts end".
    """

    segment: Segment
    joins: int
    leaves: int
    certain: bool = True
    uses: tuple[Use, ...] = ()
    effects: tuple[str, ...] = ()


def knock_on(segment: Segment, question: Question, reader: Reader, viewer: Any = None) -> list[Knock]:
    """The segments built on this one, as they would be with the rule of `question`, among what a colleague may see
    (None: all).

    At most 20 are counted, by their rules; their pins stay what they are. Raises PreviewTooSlow past two seconds a
    statement.
    """
    dependents = [one for one in with_dependents({segment.key}, Segment.everything.all()) if one.pk != segment.pk]
    if not dependents:
        return []
    rules: dict[str, Group] = {segment.key: question.rule}
    follows = consequences_of(dependents[:MOST])
    found = []
    with bounded(PREVIEW_LIMIT_MS):
        for one in dependents[:MOST]:
            try:
                read = reader.read(one.rule, subject=one.subject)
            except RuleError:
                continue
            replaced = put_in(read.rule, rules, plain=subject_of(one) is Subject.ACCOUNT)
            assert isinstance(replaced, Group)
            rules[one.key] = replaced if one.active else NOBODY
            if one.active:
                certain = not _asks_lately(read.rule, rules)
                found.append(_counted(one, replaced, read, viewer, follows[one.pk], certain=certain))
    used = uses_above([knock.segment for knock in found])
    return [replace(knock, uses=tuple(used[knock.segment.pk])) for knock in found]


def _counted(
    segment: Segment, rule: Group, read: Question, viewer: Any, follows: Iterable[Consequence], *, certain: bool
) -> Knock:
    members = members_of(segment)
    base = members.live() if viewer is None else members.seen_by(viewer)
    stored = {f"{members.pk}__in": members.inside(segment)}
    matched = base.order_by().filter(compile_rule(rule, read.context))
    kept = members.count(matched.filter(**stored))
    leaves = members.count(base.filter(**stored)) - kept
    effects = []
    for one in follows if leaves else ():
        theirs, still = (rows.filter(**stored).filter(pk__in=one.accounts).count() for rows in (base, matched))
        if number := theirs - still:
            effects.append(one.words(number))
    return Knock(segment, members.count(matched) - kept, leaves, certain, effects=tuple(effects))


def put_in(node: Node, rules: Mapping[str, Group], *, plain: bool) -> Node:
    """The node with "in segment X" replaced by the rule of X where one is given, so that no membership is read.

    `plain`: accounts are in hand, so the rule of a segment of accounts can stand there as it is.
    """
    if isinstance(node, Group):
        return replace(node, rules=tuple(put_in(child, rules, plain=plain) for child in node.rules))
    if isinstance(node, Quantified) and node.rows is Rows.USERS:
        where, of = (None if it is None else put_in(it, rules, plain=False) for it in (node.where, node.of))
        assert isinstance(where, Group) and (of is None or isinstance(of, Group))
        return replace(node, where=where, of=of)
    if isinstance(node, InSegment) and node.value is None and node.key in rules:
        rule = rules[node.key]
        if not plain:
            belongs: Any = Belongs(node.about, rule)
            return Group("none" if node.op.negates else "all", (belongs,), node.pointer)
        # The rule without conditions is everybody, which as a part of another is "none of nothing".
        inner = rule if rule.rules else Group("none", ())
        return Group("none", (inner,), node.pointer) if node.op.negates else replace(inner, pointer=node.pointer)
    return node


def _asks_lately(node: Node, rules: Mapping[str, Group]) -> bool:
    if isinstance(node, Group):
        return any(_asks_lately(child, rules) for child in node.rules)
    if isinstance(node, Quantified):
        return any(_asks_lately(group, rules) for group in (node.where, node.of) if group is not None)
    return isinstance(node, InSegment) and node.value is not None and node.key in rules

"""What saving a rule would change besides its own segment: the segments built on it, before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db.models import QuerySet

from accounts.models import Account
from segments.models import AccountMembership, Segment
from segments.ordering import with_dependents
from segments.questions import PREVIEW_LIMIT_MS, Question, Reader, bounded
from segments.rules.compiler import compile_rule
from segments.rules.tree import Group, InSegment, Node, RuleError

MOST = 20
NOBODY = Group("any", ())


@dataclass(frozen=True)
class Knock:
    """A segment that names the one being changed, at once or by way of others: how many accounts would join and leave.

    `certain` is False if it asks who entered or left the segment lately, which only the refresh can answer.
    """

    segment: Segment
    joins: int
    leaves: int
    certain: bool = True


def knock_on(segment: Segment, question: Question, reader: Reader, base: QuerySet[Account]) -> list[Knock]:
    """The segments built on this one, as they would be with the rule of `question`, among the accounts of the base.

    At most 20 are counted, by their rules; their pins stay what they are. Raises PreviewTooSlow past two seconds a
    statement.
    """
    dependents = [one for one in with_dependents({segment.key}, Segment.everything.all()) if one.pk != segment.pk]
    if not dependents:
        return []
    rules: dict[str, Group] = {segment.key: question.rule}
    found = []
    with bounded(PREVIEW_LIMIT_MS):
        for one in dependents[:MOST]:
            try:
                read = reader.read(one.rule)
            except RuleError:
                continue
            replaced = put_in(read.rule, rules)
            assert isinstance(replaced, Group)
            rules[one.key] = replaced if one.active else NOBODY
            if one.active and one.subject == Segment.Subject.ACCOUNT:
                found.append(_counted(one, replaced, read, base, certain=not _asks_lately(read.rule, rules)))
    return found


def _counted(segment: Segment, rule: Group, read: Question, base: QuerySet[Account], *, certain: bool) -> Knock:
    stored = AccountMembership.objects.filter(segment=segment, left_at__isnull=True).values("account_id")
    matched = base.order_by().filter(compile_rule(rule, read.context))
    members = base.order_by().filter(pk__in=stored)
    kept = matched.filter(pk__in=stored).count()
    return Knock(segment, matched.count() - kept, members.count() - kept, certain)


def put_in(node: Node, rules: Mapping[str, Group]) -> Node:
    """The node with "in segment X" replaced by the rule of X where one is given, so that no membership is read."""
    if isinstance(node, Group):
        return replace(node, rules=tuple(put_in(child, rules) for child in node.rules))
    if isinstance(node, InSegment) and node.value is None and node.key in rules:
        rule = rules[node.key]
        # The rule without conditions is everybody, which as a part of another is "none of nothing".
        inner = rule if rule.rules else Group("none", ())
        return Group("none", (inner,), node.pointer) if node.op.negates else replace(inner, pointer=node.pointer)
    return node


def _asks_lately(node: Node, rules: Mapping[str, Group]) -> bool:
    if isinstance(node, Group):
        return any(_asks_lately(child, rules) for child in node.rules)
    return isinstance(node, InSegment) and node.value is not None and node.key in rules

"""Whether the Good and the Poor rule of a measure can hold for one account: by the rules themselves where they are
equal or rest on one field, else by the accounts that there are.

Two rules over different fields may overlap for an account that is not there yet; a scoring counts and flags those.
"""

from __future__ import annotations

import datetime as dt

from django.db import DataError, transaction

from accounts.fields import Owner
from accounts.models import Account
from core.refusals import Problem
from health.definition import Definition, Measure
from segments.questions import Reader
from segments.rules.compiler import compile_rule
from segments.rules.nodes import Condition, Group, Node, fingerprint
from segments.rules.ranges import holding

MOST_WAYS = 200
_BOTH = "Good and Poor both hold for"
Ways = list[list[Condition]]


def overlaps(definition: Definition, reader: Reader) -> list[Problem]:
    """The measures whose Good and Poor rules can hold for one account, with the place of the Good one. A statement is
    run for rules of which that does not follow from what they say."""
    problems = []
    for d, dimension in enumerate(definition.dimensions):
        for m, measure in enumerate(dimension.measures):
            if text := _always(measure, reader.moment.today) or _now(measure, reader):
                problems.append(Problem(f"/dimensions/{d}/measures/{m}/good", "bands-overlap", text))
    return problems


def both_hold(number: int) -> str:
    """What is said of a measure whose rules both hold for so many accounts."""
    them = "1 account, which counts" if number == 1 else f"{number:,} accounts, which count"
    return f"{_BOTH} {them} as Poor. Narrow one of them."


def is_overlap(problem: str) -> bool:
    """Whether a problem of a measure is that; it is scored all the same."""
    return problem.startswith(_BOTH)


def _always(measure: Measure, today: dt.date) -> str:
    """Why the rules overlap whatever accounts there are; "" if that is not known."""
    if measure.good_rule is None or measure.poor_rule is None:
        return ""
    good, poor = measure.good_rule.rule, measure.poor_rule.rule
    if fingerprint(good) == fingerprint(poor):
        return "Good and Poor are the same rule. Narrow one of them."
    ways, other = _ways(good), _ways(poor)
    if ways is None or other is None or len(ways) * len(other) > MOST_WAYS:
        return ""
    fields = {one.field.key: one.field for way in (*ways, *other) for one in way}
    if len(fields) != 1:
        return ""
    name = next(iter(fields.values())).label
    if any(holding([*mine, *theirs], today) for mine in ways for theirs in other):
        return f"Good and Poor overlap: one value of {name} can meet both. Narrow one of them."
    return ""


def _ways(node: Node) -> Ways | None:
    """The conditions that meet a rule together, one list for each way to do so; None if it asks for anything else than
    values of the account, or for what must not be."""
    if isinstance(node, Condition):
        return [[node]] if node.field.owner is Owner.ACCOUNT else None
    if not isinstance(node, Group) or node.match not in ("all", "any"):
        return None
    found: Ways = [] if node.match == "any" else [[]]
    for child in node.rules:
        ways = _ways(child)
        if ways is None:
            return None
        found = found + ways if node.match == "any" else [[*mine, *theirs] for mine in found for theirs in ways]
        if len(found) > MOST_WAYS:
            return None
    return found


def _now(measure: Measure, reader: Reader) -> str:
    """For which live accounts both rules hold at present; "" if for none, or where the database cannot say: a scoring
    leaves such a measure out and flags it."""
    if measure.good_rule is None or measure.poor_rule is None:
        return ""
    both = Account.objects.live()
    for question in (measure.good_rule, measure.poor_rule):
        both = both.filter(compile_rule(question.rule, reader.context))
    try:
        with transaction.atomic():
            names = list(both.order_by("name_folded").values_list("name", flat=True)[:1])
            more = both.count() - 1 if names else 0
    except DataError:
        return ""
    if not names:
        return ""
    others = f" and {more:,} more account{'' if more == 1 else 's'}" if more > 0 else ""
    return f"Good and Poor overlap: both hold for {names[0]}{others}. Narrow one of them."

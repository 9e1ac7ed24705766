"""A rule read against the present: what it means now, whom it matches, what it would change.

Reads only. Saved segments, previews and list filters all pass through `read_rule`, so that they cannot differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DataError, connection
from django.db.models import Count, Q, QuerySet, Subquery
from django.utils import timezone

from accounts.fields import Vocabulary, vocabulary
from accounts.models import Account
from core.clock import Moment
from core.deadline import TooSlow, time_limit
from core.models import Workspace
from segments.models import AccountMembership, Segment
from segments.pins import PinEffect, pin_effect
from segments.rules.compiler import Context, compile_node, compile_rule
from segments.rules.describe import Words
from segments.rules.tree import Condition, Group, Problem, RuleError, parse, walk

PREVIEW_LIMIT_MS = 2_000
PATTERN_LIMIT_MS = 2_000  # for all patterns of a rule together
PROBE = "a1 " * 300
ALONE_LIMIT_MS = 800  # for what each condition matches alone, which is told besides

Answer = TypeVar("Answer")


class PreviewTooSlow(Exception):
    """The question took longer than a preview may; saving it is still possible."""


@dataclass(frozen=True)
class Question:
    """A rule with everything it is read against: fields, moment, segments, and who "me" is."""

    rule: Group
    context: Context
    words: str

    def accounts(self, base: QuerySet[Account] | None = None) -> QuerySet[Account]:
        """The accounts of the base (every live one) that match, in no particular order."""
        found = Account.objects.live() if base is None else base
        return found.filter(compile_rule(self.rule, self.context))


@dataclass(frozen=True)
class Reader:
    """Loads what rules are read against once, for one rule or for all of a refresh."""

    vocabulary: Vocabulary
    moment: Moment
    segments: dict[str, tuple[int, str]]
    currency: str
    me: str = ""

    @classmethod
    def now(cls, at: Moment | None = None, me: str = "") -> Reader:
        """Everything as it is at this moment."""
        named = {key: (pk, name) for key, pk, name in Segment.everything.values_list("key", "pk", "name")}
        workspace = Workspace.get()
        present = at or Moment(timezone.now(), workspace.zone)
        return cls(vocabulary(), present, named, workspace.currency, me)

    @property
    def context(self) -> Context:
        """What rules are compiled against."""
        return Context(self.vocabulary, self.moment, {key: pk for key, (pk, _) in self.segments.items()}, self.me)

    @property
    def words(self) -> Words:
        """Describes rules with the names of today."""
        return Words({key: name for key, (_, name) in self.segments.items()}, self.currency, self.moment.zone)

    def read(self, data: Any, *, personal: bool = False, segments: Collection[str] | None = None) -> Question:
        """The question that a rule asks. Raises RuleError with every problem found."""
        rule = parse(data, self.vocabulary, segments=self.segments if segments is None else segments, personal=personal)
        check_patterns(rule)
        return Question(rule, self.context, self.words.rule(rule))


def read_rule(data: Any, *, personal: bool = True, viewer: Any = None) -> Question:
    """One rule, as sent by a person or a program. `viewer` is the log-in that "is me" means."""
    member = getattr(viewer, "member", None)
    return Reader.now(me=member.key if member else "").read(data, personal=personal)


def check_patterns(rule: Group) -> None:
    """Refuse a regular expression that PostgreSQL cannot read, or not in time, before a refresh meets it.

    Matching takes time in proportion to the text, but nested repetitions can take for ever to be read.
    """
    end = time.monotonic() + PATTERN_LIMIT_MS / 1000
    for node in walk(rule):
        if not (isinstance(node, Condition) and node.op.key in ("matches", "not_matches")):
            continue
        left = max(1, round(1000 * (end - time.monotonic())))
        try:
            with bounded(left), connection.cursor() as cursor:
                cursor.execute("SELECT %s ~* %s", [PROBE, node.value])
        except DataError as error:
            reason = str(error).splitlines()[0]
            problem = Problem(f"{node.pointer}/value", "invalid-regex", f"The pattern cannot be read: {reason}.")
            raise RuleError([problem]) from error
        except PreviewTooSlow as error:
            text = "The pattern takes too long. Use fewer repetitions inside repetitions."
            raise RuleError([Problem(f"{node.pointer}/value", "invalid-regex", text)]) from error


@dataclass(frozen=True)
class Preview:
    """What a rule matches now. `joins` and `leaves` are against the stored members of the segment being edited, with
    its pins; `pins` says how many accounts those bring in and keep out besides. `alone` gives the count for the JSON
    pointer of each condition and group, `uncounted` the pointers for which there was no time; `mrr` is a month's
    worth."""

    total: int
    count: int
    mrr: Decimal
    joins: int
    leaves: int
    alone: dict[str, int]
    stages: dict[str, int]
    sample: list[Account]
    pins: PinEffect = PinEffect()
    uncounted: tuple[str, ...] = ()


_PREVIEW = """
WITH matched AS MATERIALIZED (
    SELECT answer.*, stored.account_id IS NULL AS joins
    FROM ({matched}) AS answer (id, mrr, kind, name)
    LEFT JOIN {table} AS stored ON stored.account_id = answer.id AND stored.segment_id = %s AND stored.left_at IS NULL
)
SELECT
    (SELECT json_agg(of_kind) FROM (
        SELECT coalesce(kind, '') AS kind, count(*) AS n, coalesce(sum(mrr), 0)::text AS mrr,
               count(*) FILTER (WHERE joins) AS joins
        FROM matched GROUP BY 1
    ) AS of_kind),
    ARRAY(SELECT id FROM matched ORDER BY mrr DESC NULLS LAST, name, id LIMIT 5)
"""


def preview(question: Question, *, base: QuerySet[Account], segment: Segment | None = None) -> Preview:
    """Count what a question matches among the accounts of `base`. Raises PreviewTooSlow past two seconds a statement.

    The whole rule is evaluated once; what each condition matches alone is counted besides.
    """
    with bounded(PREVIEW_LIMIT_MS):
        total = base.order_by().count()
        kinds, ids = _matched(question, base, segment)
        count = sum(kind["n"] for kind in kinds)
        joins = sum(kind["joins"] for kind in kinds) if segment else 0
        alone, uncounted = _alone(question, base, count)
        kept = _members(base, segment)
        today = question.context.moment.today
        pins = pin_effect(segment, question.accounts(base), base, today) if segment else PinEffect()
        found = Account.objects.select_related("stage").in_bulk(ids)
    return Preview(
        total=total,
        count=count,
        mrr=sum((Decimal(kind["mrr"]) for kind in kinds), Decimal(0)),
        joins=joins + pins.joins,
        leaves=kept - (count - joins) - pins.stays if segment else 0,
        alone=alone,
        stages={kind["kind"]: kind["n"] for kind in kinds},
        sample=[found[pk] for pk in ids if pk in found],
        pins=pins,
        uncounted=uncounted,
    )


def _matched(
    question: Question, base: QuerySet[Account], segment: Segment | None
) -> tuple[list[dict[str, Any]], list[int]]:
    """Count, MRR and joiners by kind of stage; the ids of the five with the largest MRR."""
    rows = question.accounts(base).order_by().values_list("pk", "mrr", "stage__kind", "name_folded")
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:
        return [], []
    statement = _PREVIEW.format(matched=sql, table=AccountMembership._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, segment.pk if segment else 0])
        kinds, ids = cursor.fetchone()
    return kinds or [], ids


def _members(base: QuerySet[Account], segment: Segment | None) -> int:
    """The stored members that can be seen from the base."""
    if segment is None:
        return 0
    stored = AccountMembership.objects.filter(segment=segment, left_at__isnull=True)
    return base.order_by().filter(pk__in=stored.values("account_id")).count()


def _alone(question: Question, base: QuerySet[Account], count: int) -> tuple[dict[str, int], tuple[str, ...]]:
    """What each condition and group matches by itself, by JSON pointer; the pointers for which there was no time.

    Plain comparisons share one pass over the accounts. One about other rows is counted by a query of its own, because
    PostgreSQL can join for a WHERE but must look row by row for a FILTER; these together have a time limit.
    """
    rule = question.rule
    nodes = [node for node in walk(rule) if node.pointer and "/where" not in node.pointer]
    if len(rule.rules) == len(nodes) == 1 and rule.match != "none":
        return {nodes[0].pointer: count}, ()
    plain: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for node in nodes:
        condition = compile_node(node, question.context)
        apart = any(isinstance(part, Subquery | Q) for part in _parts(condition))
        (others if apart else plain)[node.pointer] = condition
    counts = {f"alone_{i}": Count("pk", filter=Q(condition)) for i, condition in enumerate(plain.values())}
    sums = base.order_by().aggregate(**counts) if counts else {}
    found = {pointer: sums[f"alone_{i}"] for i, pointer in enumerate(plain)}
    until = time.monotonic() + ALONE_LIMIT_MS / 1000
    for pointer, condition in others.items():
        number = _in_time(until, base.order_by().filter(condition).count)
        if number is not None:
            found[pointer] = number
    return found, tuple(pointer for pointer in others if pointer not in found)


def _in_time(until: float, ask: Callable[[], Answer]) -> Answer | None:
    """The answer to one statement; None if it does not come in time."""
    left = int((until - time.monotonic()) * 1000)
    if left <= 0:
        return None
    try:
        with bounded(left):
            return ask()
    except PreviewTooSlow:
        if time.monotonic() < until:
            raise  # not the time limit: somebody ended it
        return None


def _parts(condition: Any) -> Iterator[Any]:
    yield condition
    for part in condition.get_source_expressions() if hasattr(condition, "get_source_expressions") else []:
        yield from _parts(part)


@contextmanager
def bounded(milliseconds: int) -> Iterator[None]:
    """Give the statements of a block so much time each; past it the database ends them. Raises PreviewTooSlow."""
    try:
        with time_limit(milliseconds):
            yield
    except TooSlow as error:
        raise PreviewTooSlow from error


def users_of_segment(key: str, among: Iterable[Segment] | None = None) -> list[Segment]:
    """The segments whose rules name a segment, in the company's order."""
    found = Segment.everything.in_tab_order() if among is None else among
    return [segment for segment in found if key in named_in(segment.rule)]


def named_in(data: Any) -> set[str]:
    """The keys of segments that a stored rule names, read without parsing, so that a broken rule is seen too."""
    if isinstance(data, dict):
        own = {data["segment"]} if isinstance(data.get("segment"), str) else set()
        return own.union(*(named_in(item) for item in data.values()))
    return set().union(*(named_in(item) for item in data)) if isinstance(data, list) else set()

"""A rule read against the present: what it means now, whom it matches, what it would change.

Reads only. Saved segments, previews and list filters all pass through `read_rule`, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import DataError, OperationalError, connection, transaction
from django.db.models import Count, Q, QuerySet, Sum

from accounts.fields import Vocabulary, vocabulary
from accounts.models import Account
from core.clock import Moment, moment
from core.models import Workspace
from segments.models import AccountMembership, Segment
from segments.rules.compiler import Context, compile_node, compile_rule
from segments.rules.describe import Words
from segments.rules.tree import Condition, Group, Problem, RuleError, parse, walk

PREVIEW_LIMIT_MS = 2_000


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
        return cls(vocabulary(), at or moment(), named, Workspace.get().currency, me)

    @property
    def words(self) -> Words:
        """Describes rules with the names of today."""
        return Words({key: name for key, (_, name) in self.segments.items()}, self.currency)

    def read(self, data: Any, *, personal: bool = False, segments: Collection[str] | None = None) -> Question:
        """The question that a rule asks. Raises RuleError with every problem found."""
        rule = parse(data, self.vocabulary, segments=self.segments if segments is None else segments, personal=personal)
        check_patterns(rule)
        ids = {key: pk for key, (pk, _) in self.segments.items()}
        return Question(rule, Context(self.vocabulary, self.moment, ids, self.me), self.words.rule(rule))


def read_rule(data: Any, *, personal: bool = True, viewer: Any = None) -> Question:
    """One rule, as sent by a person or a program. `viewer` is the log-in that "is me" means."""
    member = getattr(viewer, "member", None)
    return Reader.now(me=member.key if member else "").read(data, personal=personal)


def check_patterns(rule: Group) -> None:
    """Refuse a regular expression that PostgreSQL cannot read, before a refresh meets it."""
    for node in walk(rule):
        if not (isinstance(node, Condition) and node.op.key in ("matches", "not_matches")):
            continue
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT '' ~* %s", [node.value])
        except DataError as error:
            reason = str(error).splitlines()[0]
            problem = Problem(f"{node.pointer}/value", "invalid-regex", f"The pattern cannot be read: {reason}.")
            raise RuleError([problem]) from error


@dataclass(frozen=True)
class Preview:
    """What a rule matches now. `joins` and `leaves` are against the stored members of the segment being edited;
    `alone` gives the count for the JSON pointer of each condition and group; `mrr` is a month's worth."""

    total: int
    count: int
    mrr: Decimal
    joins: int
    leaves: int
    alone: dict[str, int]
    stages: dict[str, int]
    sample: list[Account]


def preview(question: Question, *, base: QuerySet[Account], segment: Segment | None = None) -> Preview:
    """Count what a question matches among the accounts of `base`, in three queries. Raises PreviewTooSlow."""
    matched = Q(compile_rule(question.rule, question.context))
    nodes = [node for node in walk(question.rule) if node.pointer and "/where" not in node.pointer]
    alone = {f"alone_{i}": Count("pk", filter=Q(compile_node(node, question.context))) for i, node in enumerate(nodes)}
    with bounded(PREVIEW_LIMIT_MS):
        sums = base.order_by().aggregate(
            of_all=Count("pk"), matching=Count("pk", filter=matched), worth=Sum("mrr", filter=matched), **alone
        )
        stages = base.filter(matched).order_by().values("stage__kind").annotate(n=Count("pk"))
        by_stage = {row["stage__kind"] or "": row["n"] for row in stages}
        sample = list(base.filter(matched).select_related("stage").order_by("-mrr", "name_folded", "pk")[:5])
        joins, leaves = _against_saved(base, matched, segment)
    counts = {node.pointer: sums[f"alone_{i}"] for i, node in enumerate(nodes)}
    return Preview(
        sums["of_all"], sums["matching"], sums["worth"] or Decimal(0), joins, leaves, counts, by_stage, sample
    )


def _against_saved(base: QuerySet[Account], matched: Q, segment: Segment | None) -> tuple[int, int]:
    if segment is None or segment.pk is None:
        return 0, 0
    stored = AccountMembership.objects.filter(segment=segment, left_at__isnull=True).values("account_id")
    seen = base.order_by()
    return (
        seen.filter(matched).exclude(pk__in=stored).count(),
        seen.filter(pk__in=stored).exclude(pk__in=base.filter(matched).order_by().values("pk")).count(),
    )


@contextmanager
def bounded(milliseconds: int) -> Iterator[None]:
    """Give the statements of a block so much time each; past it the database ends them."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == "57014":
            raise PreviewTooSlow from error
        raise
    finally:
        _reset_timeout()


def _reset_timeout() -> None:
    """A timeout set inside an outer transaction would last to its end; give the connection its own back."""
    if connection.in_atomic_block and not connection.needs_rollback:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', reset_val, true)"
                " FROM pg_settings WHERE name = 'statement_timeout'"
            )


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

"""A rule read against the present: what it means now, whom it matches, what it would change.

Reads only. Saved segments, previews and list filters all pass through `read_rule`, so that they cannot differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet, Value
from django.utils import timezone

from accounts.fields import Subject, Vocabulary, vocabulary
from accounts.fields.patterns import PATTERNED, wrong_pattern
from accounts.models import Account
from core.clock import Moment
from core.models import Workspace
from core.refusals import Problem
from segments.alone import alone
from segments.limits import bounded
from segments.models import Segment
from segments.pins import PinEffect, pin_effect
from segments.rules.compiler import Context, compile_rule
from segments.rules.describe import Words
from segments.rules.tree import Condition, Group, RuleError, parse, walk
from segments.subjects import ABOUT, Members, members_of

PREVIEW_LIMIT_MS = 2_000
FEW = 32


@dataclass(frozen=True)
class Question:
    """A rule with everything it is read against: fields, moment, segments, and who "me" is."""

    rule: Group
    context: Context
    words: str

    @property
    def members(self) -> Members:
        """What the rule is about."""
        return ABOUT[self.context.subject]

    def matching(self, base: QuerySet[Any] | None = None) -> QuerySet[Any]:
        """The rows that match, of those that the rule is asked of: accounts, or users in accounts."""
        found = self.members.live() if base is None else base
        return found.filter(compile_rule(self.rule, self.context))

    def accounts(self, base: QuerySet[Account] | None = None) -> QuerySet[Account]:
        """The accounts of the base (every live one) that match, in no particular order."""
        return self.matching(base)


@dataclass(frozen=True)
class Reader:
    """Loads what rules are read against once, for one rule or for all of a refresh."""

    vocabulary: Vocabulary
    moment: Moment
    segments: dict[str, tuple[int, str]]
    currency: str
    me: str = ""
    subjects: Mapping[str, str] = field(default_factory=dict)
    accounts: Sequence[int] | None = None  # the only ones that are asked about

    @classmethod
    def now(cls, at: Moment | None = None, me: str = "", workspace: Workspace | None = None) -> Reader:
        """Everything as it is at this moment; the workspace where it was read already."""
        rows = list(Segment.everything.values_list("key", "pk", "name", "subject"))
        named = {key: (pk, name) for key, pk, name, _ in rows}
        about = {key: subject for key, _, _, subject in rows}
        workspace = workspace or Workspace.get()
        present = at or Moment(timezone.now(), workspace.zone)
        return cls(vocabulary(), present, named, workspace.currency, me, about)

    @property
    def context(self) -> Context:
        """What rules are compiled against."""
        ids = {key: pk for key, (pk, _) in self.segments.items()}
        return Context(self.vocabulary, self.moment, ids, self.me, accounts=self.accounts, subject=self.subject)

    @property
    def words(self) -> Words:
        """Describes rules with the names of today."""
        return Words({key: name for key, (_, name) in self.segments.items()}, self.currency, self.moment.zone)

    @property
    def subject(self) -> Subject:
        """What rules are about where nothing else is said."""
        return self.vocabulary.subject

    def about(self, subject: str) -> Reader:
        """The same, for rules about a subject."""
        return replace(self, vocabulary=self.vocabulary.about(Subject(str(subject))))

    def read(self, data: Any, *, personal: bool = False, subject: str | None = None) -> Question:
        """The question that a rule about a subject asks. Raises RuleError with every problem found."""
        about = Subject(str(subject or self.subject))
        vocabulary = self.vocabulary.about(about)
        rule = parse(data, vocabulary, segments=self.subjects, personal=personal, subject=about)
        check_patterns(rule)
        return Question(rule, self.about(about).context, self.words.rule(rule, about))


def read_rule(data: Any, *, personal: bool = True, viewer: Any = None, subject: str = Subject.ACCOUNT) -> Question:
    """One rule, as sent by a person or a program. `viewer` is the log-in that "is me" means."""
    member = getattr(viewer, "member", None)
    return Reader.now(me=member.key if member else "").read(data, personal=personal, subject=subject)


def check_patterns(rule: Group) -> None:
    """Refuse a regular expression that PostgreSQL cannot read, or not in time, before a refresh meets it."""
    nodes = (node for node in walk(rule) if isinstance(node, Condition) and node.op.key in PATTERNED)
    wrong = wrong_pattern((node.pointer, node.value) for node in nodes)
    if wrong is not None:
        pointer, problem = wrong
        raise RuleError([Problem(f"{pointer}/value", problem.code, str(problem))]) from problem


@dataclass(frozen=True)
class Preview:
    """What a rule matches now, in members (accounts, or users). `joins` and `leaves` are against the stored members of
    the segment being edited, with its pins; `pins` says how many those bring in and keep out besides. `alone` gives the
    count for the JSON pointer of each condition and group (inside one about other rows: of any such row), `uncounted`
    the pointers for which there was no time; `mrr` is a month's worth. A rule about users has no `stages`; `accounts`
    says in how many accounts they match, and `mrr` is that of those. `health` says how many are in which band, where
    health is known; `some` are the ids of a few that
    match, drawn from all of them."""

    total: int
    count: int
    mrr: Decimal
    joins: int
    leaves: int
    alone: dict[str, int]
    stages: dict[str, int]
    sample: list[Any]
    pins: PinEffect = PinEffect()
    accounts: int = 0
    uncounted: tuple[str, ...] = ()
    health: dict[str, int] = field(default_factory=dict)
    some: Sequence[int] = ()

    @property
    def contract_value(self) -> Decimal:
        """A year's worth, as a saved segment has it."""
        return self.mrr * 12


_PREVIEW = """
WITH matched AS MATERIALIZED (
    SELECT answer.*, stored.account_id IS NULL AS joins
    FROM ({matched}) AS answer (id, mrr, kind, name, band)
    LEFT JOIN {table} AS stored ON stored.account_id = answer.id AND stored.segment_id = %s AND stored.left_at IS NULL
)
SELECT
    (SELECT json_agg(part) FROM (
        SELECT coalesce(kind, '') AS kind, band, count(*) AS n, coalesce(sum(mrr), 0)::text AS mrr,
               count(*) FILTER (WHERE joins) AS joins
        FROM matched GROUP BY kind, band
    ) AS part),
    ARRAY(SELECT id FROM matched ORDER BY mrr DESC NULLS LAST, name, id LIMIT 5),
    (SELECT count(*) FROM ({kept}) AS kept),
    ARRAY(SELECT id FROM matched ORDER BY hashint8(id) LIMIT {few})
"""
_PREVIEW_USERS = """
WITH matched AS MATERIALIZED (
    SELECT answer.*, stored.user_id IS NULL AS joins
    FROM ({matched}) AS answer (id, account, mrr, name)
    LEFT JOIN {table} AS stored ON stored.user_id = answer.id AND stored.segment_id = %s AND stored.left_at IS NULL
)
SELECT
    (SELECT json_build_array(json_build_object(
        'kind', '', 'band', '', 'n', count(DISTINCT id), 'joins', count(DISTINCT id) FILTER (WHERE joins),
        'accounts', count(DISTINCT account),
        'mrr', (SELECT coalesce(sum(mrr), 0)::text FROM (SELECT DISTINCT account, mrr FROM matched) AS behind)
    )) FROM matched),
    ARRAY(SELECT id FROM (SELECT DISTINCT name, id FROM matched ORDER BY name, id LIMIT 5) AS first),
    (SELECT count(*) FROM ({kept}) AS kept),
    ARRAY(SELECT id FROM (SELECT DISTINCT id FROM matched) AS each ORDER BY hashint8(id) LIMIT {few})
"""
BAND = "health.band"  # declared by an app above; where it is not, nothing is said of health


def preview(question: Question, *, base: QuerySet[Any], segment: Segment | None = None) -> Preview:
    """Count what a question matches among the rows of `base`, of those that it is asked of. Raises PreviewTooSlow past
    two seconds a statement.

    The whole rule is evaluated once; what each condition matches alone is counted besides.
    """
    members = question.members
    with bounded(PREVIEW_LIMIT_MS):
        total = members.count(base)
        parts, ids, kept, some = _matched(question, base, segment)
        count = sum(part["n"] for part in parts)
        joins = sum(part["joins"] for part in parts) if segment else 0
        today = question.context.moment.today
        pins = pin_effect(segment, question.matching(base), base, today) if segment else PinEffect()
        found = members.shown().in_bulk(ids)
        each, uncounted = alone(question, base, count)
    return Preview(
        total=total,
        count=count,
        mrr=sum((Decimal(part["mrr"]) for part in parts), Decimal(0)),
        joins=joins + pins.joins,
        leaves=kept - (count - joins) - pins.stays if segment else 0,
        alone=each,
        stages=_by(parts, "kind") if members.subject is Subject.ACCOUNT else {},
        sample=[found[pk] for pk in ids if pk in found],
        pins=pins,
        accounts=sum(part.get("accounts", 0) for part in parts),
        uncounted=uncounted,
        health=_by(parts, "band") if members.subject is Subject.ACCOUNT else {},
        some=some,
    )


def _by(parts: Iterable[Mapping[str, Any]], what: str) -> dict[str, int]:
    """How many there are of each kind of stage, or in each band of health."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts[part[what]] += part["n"]
    return dict(counts)


def _matched(
    question: Question, base: QuerySet[Any], segment: Segment | None
) -> tuple[list[dict[str, Any]], list[int], int, list[int]]:
    """Count, MRR and joiners by kind of stage and band of health; the ids of the five with the largest MRR; how many
    stored members can be seen; and a few drawn ids. Of users all in one, and the first five by name.

    One statement, because a refresh that ends between two would have all of them join and leave.
    """
    columns: tuple[str, ...]
    if question.members.subject is Subject.ACCOUNT:
        statement, columns = _PREVIEW, ("pk", "mrr", "stage__kind", "name_folded", "band_now")
    else:
        statement, columns = _PREVIEW_USERS, ("user_id", "account_id", "account__mrr", "user__name_folded")
    band = question.context.vocabulary.get(BAND)
    health = {"band_now": band.value("") if band else Value("none")} if "band_now" in columns else {}
    rows = question.matching(base).order_by().annotate(**health).values_list(*columns)
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:
        return [], [], seen_members(base, segment).count() if segment else 0, []
    kept, theirs = seen_members(base, segment).query.sql_with_params() if segment else ("SELECT 1 WHERE FALSE", ())
    table = question.members.memberships._meta.db_table
    statement = statement.format(matched=sql, table=table, kept=kept, few=FEW)
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, segment.pk if segment else 0, *theirs])
        parts, ids, count, some = cursor.fetchone()
    return parts or [], ids, count, some


def seen_members(base: QuerySet[Any], segment: Segment) -> QuerySet[Any]:
    """The ids of the stored members that can be seen from the base, each once."""
    members = members_of(segment)
    return members.ids(base.filter(**{f"{members.pk}__in": members.inside(segment)})).distinct()


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

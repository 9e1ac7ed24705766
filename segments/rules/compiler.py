"""From a rule tree to one SQL condition on accounts.

Rows that hang on an account are asked about with EXISTS, never joined, so no account is counted twice and no DISTINCT
is needed. Siblings about the same rows are merged into one EXISTS where the logic allows it: thirty of them under one
"any" were seen to cost ten times as much apart (the SQL shapes in the architecture page).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, Value

from accounts.fields import Field, Rows, RowSet, Subject, Vocabulary
from accounts.fields.comparing import positive
from accounts.fields.dates import days_meant, instants_meant
from accounts.fields.sql import Always, Infix, Not, NotTrue, all_of, any_of
from core.clock import Moment
from core.ids import OneOf
from core.spans import ONE_DAY
from segments.rules.counting import Counting, happened, measured
from segments.rules.nodes import Belongs, Condition, Group, Happened, InSegment, Node, Quantified
from segments.rules.nodes import Sequence as EventSequence
from segments.rules.sequences import followed, traced

Binding = Callable[[Field, str], Any]


def base_tables(field: Field, prefix: str) -> Any:
    """The binding that reads values where they live. A facts table built for a full refresh would be another."""
    return field.value(prefix)


@dataclass(frozen=True)
class Context:
    """What a rule is compiled against: the fields, the moment it means, who "me" is, the ids of segments by key, and
    what the rule is about (a rule about users is asked of each user in each of their accounts).

    `accounts` says that only these (primary keys) are asked about. What is counted once for all accounts is then
    counted for them alone; the caller asks about no others.
    """

    vocabulary: Vocabulary
    moment: Moment
    segments: Mapping[str, int]
    me: str = ""
    binding: Binding = base_tables
    accounts: Sequence[int] | None = None
    subject: Subject = Subject.ACCOUNT

    @property
    def asked(self) -> RowSet | None:
        """The rows that the rule is asked of; None for accounts."""
        return self.vocabulary.rows_asked(self.subject)

    def value(self, field: Field, prefix: str) -> Any:
        """The value of a field as of the moment."""
        return field.at(prefix, self.moment) if field.at else self.binding(field, prefix)


@dataclass(frozen=True)
class Some:
    """That some row of a set meets a condition, not yet written as EXISTS so that siblings can share one."""

    rows: RowSet
    narrowed: Q | None
    condition: Any
    of: str = "pk"

    def exists(self) -> Exists:
        """The EXISTS, correlated with the account (or the user) `of` the row in hand."""
        return Exists(rows_of(self.rows, self.of, self.narrowed).filter(self.condition))


def rows_of(rows: RowSet, of: str, narrowed: Q | None = None) -> Any:
    """The rows of a set that belong to what `of` names in the row in hand."""
    found = rows.rows().filter(**{rows.link: OuterRef(of)})
    return found.filter(narrowed) if narrowed is not None else found


def memberships_of(node: InSegment, context: Context, inside: RowSet | None) -> tuple[RowSet, str]:
    """The stored membership that a node asks about, and what names the member in the row in hand."""
    if node.about is Subject.USER:
        return context.vocabulary.row_sets[Rows.USER_MEMBERSHIPS], "user_id"
    return context.vocabulary.row_sets[Rows.MEMBERSHIPS], account_in(inside)


def account_in(inside: RowSet | None) -> str:
    """What names the account in the row in hand."""
    return "pk" if inside is None else "account_id"


def compile_rule(root: Group, context: Context) -> Any:
    """The condition on what the rule is asked of; the empty root holds for each. What cannot be compiled raises, it
    never widens."""
    return Always() if not root.rules else compile_node(root, context)


def compile_node(node: Node, context: Context, inside: RowSet | None = None) -> Any:
    """The condition of one node alone, on what the rule is asked of ("matches alone") or on the rows of a set."""
    compiler = _Compiler(context)
    return compiler.sql(compiler.node(node, inside or context.asked))


def compared(node: Condition, context: Context, prefix: str) -> Any:
    """The comparison in one row that has the field; of a negative operator, that of its positive twin."""
    return _Compiler(context).compare(node.op.negates or node.op.key, node, prefix)


def measure_of(node: Happened | EventSequence, context: Context, inside: RowSet | None = None) -> Any:
    """What an event node measures in the row in hand, or how far a sequence got, to be shown beside the condition."""
    compiler = _Compiler(context)
    counting = compiler.counting(inside or context.asked)
    if isinstance(node, EventSequence):
        return traced(node, compiler.wheres(node), counting)
    return measured(node, compiler.where(node.where), counting)


class _Compiler:
    """One pass over a tree. `inside` is the row set in hand, None for the account itself."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def sql(self, found: Any) -> Any:
        """A finished condition."""
        return found.exists() if isinstance(found, Some | Negated) else found

    def node(self, node: Node | Belongs, inside: RowSet | None) -> Any:
        """A condition, or a `Some` that may still be merged with its siblings."""
        if isinstance(node, Group):
            return self.group(node, inside)
        if isinstance(node, Condition):
            return self.condition(node, inside)
        if isinstance(node, Quantified):
            return self.quantified(node, inside)
        if isinstance(node, Happened):
            return happened(node, self.where(node.where), self.counting(inside))
        if isinstance(node, EventSequence):
            return followed(node, self.wheres(node), self.counting(inside))
        return self.belongs(node, inside) if isinstance(node, Belongs) else self.segment(node, inside)

    def counting(self, inside: RowSet | None) -> Counting:
        """What events are counted against."""
        return Counting(self.context.vocabulary, self.context.moment, inside is not None, self.context.accounts)

    def where(self, where: Group | None) -> Any:
        """The condition of a filter by properties, on an event."""
        if where is None:
            return None
        return self.sql(self.group(where, self.context.vocabulary.row_sets[Rows.EVENTS]))

    def wheres(self, node: EventSequence) -> tuple[Any, Any]:
        """The filters of both events of a sequence."""
        return self.where(node.first.where), self.where(node.second.where)

    def group(self, group: Group, inside: RowSet | None) -> Any:
        """All, any or none. "None of a, b" is "not (a or b)", which merges like any."""
        found = [self.node(child, inside) for child in group.rules]
        if group.match == "all":
            return all_of([self.sql(part) for part in _merge_negated(found)])
        merged = _merge(found)
        if group.match == "any":
            return merged[0] if len(merged) == 1 else any_of([self.sql(part) for part in merged])
        return Negated(merged[0]) if _is_some(merged) else NotTrue(any_of([self.sql(part) for part in merged]))

    def condition(self, node: Condition, inside: RowSet | None) -> Any:
        """A comparison; about other rows than those in hand it means "some row does", its negative twin "none does"."""
        here = inside is not None and node.field.owner in inside.owners
        rows = None if here else self.context.vocabulary.rows_of(node.field.owner)
        found: Any
        if rows is None:
            prefix = "" if inside is None else inside.owners[node.field.owner]
            found = compared(node, self.context, prefix)
        else:
            there = compared(node, self.context, rows.owners[node.field.owner])
            found = Some(rows, node.field.rows, there, account_in(inside))
        if not node.op.negates:
            return found
        return Negated(found) if isinstance(found, Some) else NotTrue(found)

    def compare(self, op: str, node: Condition, prefix: str) -> Any:
        """The comparison in one row."""

        def bind(field: Field) -> Any:
            return self.context.value(field, prefix)

        if op == "is_me":
            return Infix(bind(node.field), "=", Value(self.context.me or "\x01nobody"))
        return positive(op, node.field, node.value, bind, self.context.moment)

    def quantified(self, node: Quantified, inside: RowSet | None) -> Any:
        """How many rows meet the group, of those that are looked at. "All" needs at least one such row; "none" is true
        without any."""
        rows = self.context.vocabulary.row_sets[node.rows]
        where = self.sql(self.group(node.where, rows))
        among = None if node.of is None else self.sql(self.group(node.of, rows))
        of = account_in(inside)

        def meeting(condition: Any) -> Some:
            return Some(rows, None, condition if among is None else all_of([among, condition]), of)

        some = meeting(where)
        if node.quantifier == "any":
            return some
        if node.quantifier == "none":
            return Negated(some)
        if node.quantifier == "all":
            there = Exists(rows_of(rows, of)) if among is None else Some(rows, None, among, of).exists()
            return all_of([there, Not(meeting(NotTrue(where)).exists())])
        return self.counted(rows, node, where, among)

    def counted(self, rows: RowSet, node: Quantified, where: Any, among: Any = None) -> Any:
        """At least so many, or so many percent, of the rows (that are looked at; none is not enough)."""
        assert node.amount is not None
        met = Count("pk", filter=Q(where))
        found = rows.rows() if among is None else rows.rows().filter(among)
        if self.context.accounts is not None:
            found = found.filter(OneOf(F(rows.link), self.context.accounts))
        groups = found.values(rows.link).order_by().annotate(met=met, of=Count("pk"))
        if node.quantifier == "at_least":
            enough = groups.filter(met__gte=int(node.amount))
        else:
            enough = groups.annotate(
                share=Infix(met * Value(100), ">=", Count("pk") * Value(node.amount)),
            ).filter(share=True)
        # IN, not EXISTS: counted once for all accounts instead of once for each.
        return Q(pk__in=enough.values(rows.link))

    def segment(self, node: InSegment, inside: RowSet | None) -> Any:
        """Membership as it is stored; a rule never looks into another rule."""
        rows, member = memberships_of(node, self.context, inside)
        of = Q(segment_id=self.context.segments[node.key])
        if not node.op.span:
            found = Some(rows, of, Q(left_at__isnull=True), member)
            return Negated(found) if node.op.negates else found
        column = "entered_at" if node.op.key == "entered" else "left_at"
        return Some(rows, of, self.window(column, node), member)

    def belongs(self, node: Belongs, inside: RowSet | None) -> Any:
        """The account, or the user, in hand is among those that match another rule."""
        context = replace(self.context, subject=node.about, vocabulary=self.context.vocabulary.about(node.about))
        matching = compile_rule(node.rule, context)
        rows = context.asked
        if rows is None:
            accounts = self.context.vocabulary.row_sets[Rows.ACCOUNTS].rows()
            return Q(**{f"{account_in(inside)}__in": accounts.filter(matching).values("pk")})
        return Q(user_id__in=rows.rows().filter(matching).values("user_id"))

    def window(self, column: str, node: InSegment) -> Q:
        """Entered or left in the last so many days, by local calendar days; hours are exact."""
        assert node.value is not None
        moment = self.context.moment
        if node.value.unit == "hour":
            start, end = instants_meant("within_last", node.value, moment.now)
            return Q(**{f"{column}__gte": start, f"{column}__lte": end})
        first, last = days_meant("within_last", node.value, moment.today)
        assert first is not None and last is not None
        return Q(**{f"{column}__gte": moment.start_of(first), f"{column}__lt": moment.start_of(last + ONE_DAY)})


@dataclass(frozen=True)
class Negated:
    """That no row of a set meets a condition; under "all", siblings share one NOT EXISTS."""

    some: Some

    def exists(self) -> Any:
        """The finished condition."""
        return Not(self.some.exists())


def _is_some(parts: Sequence[Any]) -> bool:
    return len(parts) == 1 and isinstance(parts[0], Some)


def _merge(parts: Sequence[Any]) -> list[Any]:
    """Under "any": (some row a) or (some row b) is (some row a or b)."""
    return _shared(parts, lambda part: part if isinstance(part, Some) else None, lambda some: some)


def _merge_negated(parts: Sequence[Any]) -> list[Any]:
    """Under "all": (no row a) and (no row b) is (no row a or b)."""
    return _shared(parts, lambda part: part.some if isinstance(part, Negated) else None, Negated)


def _shared(parts: Sequence[Any], some_of: Callable[[Any], Some | None], wrap: Callable[[Some], Any]) -> list[Any]:
    groups: dict[tuple[Rows, str], list[Some]] = {}
    rest: list[Any] = []
    for part in parts:
        some = some_of(part)
        if some is None:
            rest.append(part.exists() if isinstance(part, Negated) else part)
        else:
            groups.setdefault((some.rows.name, str(some.narrowed)), []).append(some)
    for group in groups.values():
        first = group[0]
        rest.append(wrap(Some(first.rows, first.narrowed, any_of([some.condition for some in group]), first.of)))
    return rest

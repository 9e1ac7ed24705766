"""Why an account is in, or why not: the tree with true or false, what is, and what was needed.

The answer comes from the same compiled conditions as the refresh, selected instead of filtered by, so the two cannot
disagree; there is no second evaluator. One statement answers for any number of accounts, two more for each group about
users or subscriptions, so that what a rule counts is counted once and not for each account.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Count, ExpressionWrapper, F, Q, QuerySet, Subquery, Value, Window
from django.db.models.functions import Coalesce, RowNumber

from accounts.fields import Field, Owner, RowSet
from accounts.fields.values import Percent
from segments.rules.compiler import Context, account_in, compile_node, measure_of, memberships_of, rows_of
from segments.rules.describe import Words, field_name
from segments.rules.event_words import told_words, traced_words
from segments.rules.nodes import Condition, Group, Happened, InSegment, Node, Quantified, about_same_row
from segments.rules.nodes import Sequence as EventSequence

SHOWN_ROWS, SHOWN_VALUES = 3, 5


@dataclass(frozen=True)
class RowOutcome:
    """A user or subscription that was looked at: its name, whether it meets the group, and each condition of it."""

    title: str
    met: bool
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Outcome:
    """One node explained.

    `actual` is the value as people read it ("" where it goes without saying), `missing` that there was none. For a
    group about rows, `of` is how many rows there are, `meeting` how many meet it, `rows` those that come closest.
    `needed` is the condition in words. `known_at` is when the value was last told, if that is recorded.
    """

    pointer: str
    kind: str
    needed: str
    met: bool
    actual: str = ""
    missing: bool = False
    known_at: str = ""
    match: str = ""
    meeting: int = 0
    of: int = 0
    rows: tuple[RowOutcome, ...] = ()
    outcomes: tuple[Outcome, ...] = field(default=())

    @property
    def away(self) -> int:
        """How many conditions at least would have to turn out otherwise for this node to be met; 0 if it is."""
        if self.met:
            return 0
        distances = [outcome.away for outcome in self.outcomes]
        if self.kind != "group" or not distances:
            return 1
        if self.match == "none":
            return sum(outcome.met for outcome in self.outcomes)
        return sum(distances) if self.match == "all" else min(distances)

    @property
    def met_below(self) -> int:
        """How many of the conditions directly below are met, for "4 of 5 conditions are met"."""
        return sum(outcome.met for outcome in self.outcomes)


def explain(root: Group, context: Context, words: Words, rows: QuerySet[Any]) -> dict[int, Outcome]:
    """Explain a rule for each of the rows that it is asked of, by the row's id: accounts, or users in accounts."""
    reading = _Reading(context, words, context.asked)
    nodes = about_same_row(root) if root.rules else []
    picked = [node for node in nodes if "/where" not in node.pointer]
    marked = rows.annotate(**reading.annotations(picked), **reading.known())
    found = {row["pk"]: row for row in marked.values("pk", *reading.names, *reading.known())}
    if not root.rules:
        return {pk: Outcome(root.pointer, "group", words.rule(root, context.subject), True) for pk in found}
    accounts = {row["of_account"] for row in found.values()} - {None}
    about = {node.pointer: _rows_of(node, reading, accounts) for node in picked if isinstance(node, Quantified)}
    return {pk: _Teller(reading, row, about).outcome(root) for pk, row in found.items()}


@dataclass
class _Reading:
    """What is selected for each node, on what the rule is asked of or on the rows of a set."""

    context: Context
    words: Words
    inside: RowSet | None
    names: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def annotations(self, nodes: Sequence[Node]) -> dict[str, Any]:
        """The truth of every node, and the value of every condition."""
        found: dict[str, Any] = {}
        for number, node in enumerate(nodes):
            self.numbers[node.pointer] = number
            truth = Q(compile_node(node, self.context, self.inside))
            found[f"met_{number}"] = Coalesce(ExpressionWrapper(truth, BooleanField()), Value(False))
            value = self.value(node)
            if value is not None:
                found[f"is_{number}"] = value
            found |= self.share(node, number)
        self.names = list(found)
        return found

    def known(self) -> dict[str, Any]:
        """The account in hand, and when the values of each owner in hand were told."""
        owners = {Owner.ACCOUNT: ""} if self.inside is None else self.inside.owners
        return {"of_account": F(account_in(self.inside))} | {
            f"known_{owner}": F(f"{prefix}stamps") for owner, prefix in owners.items()
        }

    def here(self, field: Field) -> str | None:
        """The prefix of a field of the row in hand; None for one that other rows have."""
        if self.inside is not None and field.owner in self.inside.owners:
            return self.inside.owners[field.owner]
        return None if self.context.vocabulary.rows_of(field.owner) is not None else ""

    def share(self, node: Node, number: int) -> dict[str, Any]:
        """For "at least 70% of licences": both numbers, so that the share can be told."""
        if not isinstance(node, Condition) or not isinstance(node.value, Percent):
            return {}
        prefix = self.here(node.field)
        if prefix is None:
            return {}  # several rows, each with a share of its own
        sides = {"part": node.field, "whole": node.value.of}
        return {f"{name}_{number}": side.value(prefix) for name, side in sides.items()}

    def value(self, node: Node) -> Any:
        """The expression of what there is: one value, the values of an account's rows, what happened, the entry."""
        if isinstance(node, Happened | EventSequence):
            return measure_of(node, self.context, self.inside)
        if isinstance(node, InSegment):
            mine = rows_of(*memberships_of(node, self.context, self.inside))
            mine = mine.filter(segment_id=self.context.segments[node.key], left_at__isnull=True)
            return Subquery(mine.values("entered_at")[:1])
        if not isinstance(node, Condition):
            return None
        shown = node.field.shown or node.field.value
        prefix = self.here(node.field)
        if prefix is not None:
            return shown(prefix)
        rows = self.context.vocabulary.rows_of(node.field.owner)
        assert rows is not None
        theirs = rows_of(rows, account_in(self.inside), node.field.rows)
        listed = theirs.annotate(is_shown=shown(rows.owners[node.field.owner])).order_by("pk")
        return ArraySubquery(listed.values("is_shown")[:SHOWN_VALUES])


@dataclass(frozen=True)
class _Looked:
    """How many rows an account has, how many meet a group, and those that meet it or come closest."""

    of: int = 0
    meeting: int = 0
    rows: tuple[RowOutcome, ...] = ()


def _rows_of(node: Quantified, reading: _Reading, accounts: Collection[int]) -> dict[int, _Looked]:
    """What was looked at for a group about users or subscriptions, by account; accounts without rows are left out."""
    context = reading.context
    rows = context.vocabulary.row_sets[node.rows]
    met = Coalesce(ExpressionWrapper(Q(compile_node(node.where, context, rows)), BooleanField()), Value(False))
    each: dict[str, Any] = {"partition_by": F(rows.link)}
    counted = (
        rows.rows()
        .filter(**{f"{rows.link}__in": list(accounts)})
        .annotate(is_met=met)
        .annotate(
            place=Window(RowNumber(), order_by=["-is_met", "pk"], **each),
            of=Window(Count("pk"), **each),
            meeting=Window(Count("pk", filter=Q(is_met=True)), **each),
        )
        .filter(place__lte=SHOWN_ROWS)
        .order_by("place")
        .values_list(rows.link, "pk", "of", "meeting")
    )
    shown: defaultdict[int, list[int]] = defaultdict(list)
    counts = {}
    for account, pk, of, meeting in counted:
        shown[account].append(pk)
        counts[account] = of, meeting
    told = _told_rows(node, _Reading(context, reading.words, rows), [pk for pks in shown.values() for pk in pks])
    return {account: _Looked(*counts[account], tuple(told[pk] for pk in pks)) for account, pks in shown.items()}


def _told_rows(node: Quantified, reading: _Reading, wanted: Sequence[int]) -> dict[int, RowOutcome]:
    """The wanted rows with each condition of the group."""
    assert reading.inside is not None
    below = about_same_row(node.where)
    theirs = reading.inside.rows().filter(pk__in=wanted)
    marked = theirs.annotate(**reading.annotations(below), title_shown=reading.inside.title)
    return {
        row["pk"]: RowOutcome(str(row["title_shown"]), outcome.met, (outcome,))
        for row in marked.values("pk", "title_shown", *reading.names)
        for outcome in (_Teller(reading, row, {}).outcome(node.where),)
    }


@dataclass
class _Teller:
    """Turns a selected row into outcomes; `about` is what was looked at for each group about rows, by its pointer."""

    reading: _Reading
    row: Mapping[str, Any]
    about: Mapping[str, Mapping[int, _Looked]]

    def outcome(self, node: Node) -> Outcome:
        """One node with everything below it."""
        number = self.reading.numbers[node.pointer]
        met, words = bool(self.row[f"met_{number}"]), self.reading.words
        if isinstance(node, Group):
            below = tuple(self.outcome(child) for child in node.rules)
            return Outcome(node.pointer, "group", words.group(node), met, match=node.match, outcomes=below)
        if isinstance(node, Quantified):
            return self.quantified(node, met)
        value = self.row[f"is_{number}"]
        if isinstance(node, Happened | EventSequence):
            zone = words.zone
            actual = told_words(node, value, zone) if isinstance(node, Happened) else traced_words(node, value, zone)
            return Outcome(node.pointer, "event", words.node(node), met, actual, missing=value is None)
        if isinstance(node, InSegment):
            actual = f"in since {words.day(value)}" if value else "not in it"
            return Outcome(node.pointer, "segment", words.node(node), met, actual, match=node.op.key)
        values = [item for item in value if item not in (None, "")] if isinstance(value, list) else value
        missing = values in (None, "", [])
        actual = f"{words.label(node.field)} is not known" if missing else self.said(node.field, values)
        actual += self.of_whole(node, number, missing)
        return Outcome(node.pointer, "condition", words.node(node), met, actual, missing, self.known_at(node.field))

    def said(self, field: Field, value: Any) -> str:
        """A value as people read it; of several rows, each once."""
        items = value if isinstance(value, list) else [value]
        return ", ".join(dict.fromkeys(self.reading.words.actual(field, item) for item in items))

    def of_whole(self, node: Condition, number: int, missing: bool) -> str:
        """Behind a number that was compared with a share of another: ", 88% of 48 licences"."""
        if not isinstance(node.value, Percent) or missing or f"whole_{number}" not in self.row:
            return ""
        part, whole = self.row[f"part_{number}"], self.row[f"whole_{number}"]
        if whole is None:
            return f"; {field_name(node.value.of)} is not known"
        share = f", {round(100 * Decimal(part) / Decimal(whole)):,}%" if part is not None and whole else ","
        return f"{share} of {self.reading.words.actual(node.value.of, Decimal(whole))} {field_name(node.value.of)}"

    def known_at(self, field: Field) -> str:
        """When the value was last told, from the stamps of the row that has it."""
        stamps = self.row.get(f"known_{field.owner}") or {}
        stamp = stamps.get(field.key.split(".", 1)[1])
        return str(stamp[0]) if stamp else ""

    def quantified(self, node: Quantified, met: bool) -> Outcome:
        """A group about users or subscriptions: how many meet it, and the rows that meet it or come closest."""
        looked = self.about[node.pointer].get(self.row["of_account"], _Looked())
        return Outcome(
            node.pointer,
            node.rows.value,
            self.reading.words.node(node),
            met,
            actual=f"{looked.meeting:,} of {looked.of:,}",
            match=node.quantifier,
            meeting=looked.meeting,
            of=looked.of,
            rows=looked.rows,
        )

"""Why an account is in, or why not: the tree with true or false, what is, and what was needed.

The answer comes from the same compiled conditions as the refresh, selected instead of filtered by, so the two cannot
disagree; there is no second evaluator. One statement answers for any number of accounts, two more for each group about
users or subscriptions, so that what a rule counts is counted once and not for each account.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import BooleanField, Count, ExpressionWrapper, F, Max, Q, QuerySet, Subquery, Value, Window
from django.db.models.functions import Coalesce, JSONObject, RowNumber

from accounts.fields import Field, RowSet
from accounts.fields.attributes import stamped
from accounts.fields.values import Percent
from segments.rules.compiler import Context, account_in, compared, compile_node, measure_of, memberships_of, rows_of
from segments.rules.describe import Words, field_name
from segments.rules.event_words import told_words, traced_words
from segments.rules.nearness import away
from segments.rules.nodes import Condition, Group, Happened, InSegment, Node, Quantified, about_same_row
from segments.rules.nodes import Sequence as EventSequence
from segments.rules.outcome import Outcome, RowOutcome

SHOWN_ROWS, SHOWN_VALUES = 3, 5


def explain(
    root: Group, context: Context, words: Words, rows: QuerySet[Any], *, named: bool = True
) -> dict[int, Outcome]:
    """Explain a rule for each of the rows that it is asked of, by the row's id: accounts, or users in accounts.

    Unless `named`, users and subscriptions are counted as ever, but none is told by name.
    """
    reading = _Reading(context, words, context.asked)
    nodes = about_same_row(root) if root.rules else []
    picked = nodes
    marked = rows.annotate(**reading.annotations(picked), of_account=F(account_in(reading.inside)))
    found = {row["pk"]: row for row in marked.values("pk", "of_account", *reading.names)}
    if not root.rules:
        return {pk: Outcome(root.pointer, "group", words.rule(root, context.subject), True) for pk in found}
    look = _rows_of if named else _counts_of
    about = {
        node.pointer: look(node, reading, {row["of_account"]: bool(row[f"met_{number}"]) for row in found.values()})
        for number, node in enumerate(picked)
        if isinstance(node, Quantified)
    }
    return {pk: _Teller(reading, row, about).outcome(root) for pk, row in found.items()}


@dataclass
class _Reading:
    """What is selected for each node, on what the rule is asked of or on the rows of a set."""

    context: Context
    words: Words
    inside: RowSet | None
    names: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def needed(self, node: Node) -> str:
        """A node in words, which are the same for every row."""
        if node.pointer not in self.said:
            self.said[node.pointer] = self.words.node(node)
        return self.said[node.pointer]

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
            known = self.known(node) if isinstance(node, Condition) else None
            if known is not None:
                found[f"known_{number}"] = known
            found |= self.share(node, number)
        self.names = list(found)
        return found

    def known(self, node: Condition) -> Any:
        """When the value was told or worked out; of several rows, that of the row whose value is shown first."""
        prefix = self.here(node.field)
        if prefix is not None:
            return known_of(node.field, prefix)
        theirs, prefix = self.theirs(node)
        known = known_of(node.field, prefix)
        return None if known is None else Subquery(theirs.annotate(is_known=known).values("is_known")[:1])

    def theirs(self, node: Condition) -> tuple[Any, str]:
        """The rows of the account that have the field, and its prefix there: those that the comparison holds for first
        (of a negative operator, its positive twin), because they decide."""
        rows = self.context.vocabulary.rows_of(node.field.owner)
        assert rows is not None
        prefix = rows.owners[node.field.owner]
        holds = ExpressionWrapper(Q(compared(node, self.context, prefix)), BooleanField())
        found = rows_of(rows, account_in(self.inside), node.field.rows)
        return found.annotate(is_that=Coalesce(holds, Value(False))).order_by("-is_that", "pk"), prefix

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
            mine = mine.filter(segment_id=self.context.segments[node.key]).order_by().values("segment_id")
            now = Max("entered_at", filter=Q(left_at__isnull=True))
            stays = JSONObject(now=now, entered=Max("entered_at"), left=Max("left_at"))
            return Subquery(mine.annotate(stays=stays).values("stays"))
        if not isinstance(node, Condition):
            return None
        shown = node.field.shown or node.field.value
        prefix = self.here(node.field)
        if prefix is not None:
            return shown(prefix)
        theirs, prefix = self.theirs(node)
        listed = theirs.annotate(is_shown=shown(prefix))
        return ArraySubquery(listed.values("is_shown")[:SHOWN_VALUES])


def known_of(field: Field, prefix: str) -> Any:
    """When a value was told or worked out, in the row that has it; None if nothing records that."""
    if field.known is not None:
        return field.known(prefix)
    return stamped(field.stamp)(prefix) if field.stamp else None


@dataclass(frozen=True)
class _Looked:
    """How many rows an account has, how many meet a group, and the decisive ones."""

    of: int = 0
    meeting: int = 0
    rows: tuple[RowOutcome, ...] = ()


def _counts_of(node: Quantified, reading: _Reading, accounts: Iterable[int | None]) -> dict[int, _Looked]:
    """How many rows of each account were looked at for a group, and how many meet it."""
    looked_at, holds = _looked_at(node, reading, accounts)
    link = reading.context.vocabulary.row_sets[node.rows].link
    counts = {"of": Count("pk"), "meeting": Count("pk", filter=Q(holds))}
    counted = looked_at.order_by().values(of_account=F(link)).annotate(**counts)
    return {row["of_account"]: _Looked(row["of"], row["meeting"]) for row in counted}


def _looked_at(node: Quantified, reading: _Reading, accounts: Iterable[int | None]) -> tuple[QuerySet[Any], Any]:
    """The rows of some accounts that a group is about, and whether one meets it."""
    context = reading.context
    rows = context.vocabulary.row_sets[node.rows]
    looked_at = rows.rows().filter(**{f"{rows.link}__in": [pk for pk in accounts if pk is not None]})
    if node.of is not None:
        looked_at = looked_at.filter(Q(compile_node(node.of, context, rows)))
    truth = ExpressionWrapper(Q(compile_node(node.where, context, rows)), BooleanField())
    return looked_at, Coalesce(truth, Value(False))


def _rows_of(node: Quantified, reading: _Reading, met_by: Mapping[int | None, bool]) -> dict[int, _Looked]:
    """What was looked at for a group about users or subscriptions, by account; accounts without rows are left out.

    `met_by` says of which accounts the group is met. Where it is, or where it fails for those who meet it ("no user"),
    these are shown first; where more would have to meet it, those that do not, the nearest first.
    """
    context = reading.context
    rows = context.vocabulary.row_sets[node.rows]
    looked_at, holds = _looked_at(node, reading, met_by)
    each: dict[str, Any] = {"partition_by": F(rows.link)}
    counted = (
        looked_at.annotate(is_met=holds, is_away=away(node.where, context, rows))
        .annotate(
            meeting_first=Window(RowNumber(), order_by=["-is_met", "is_away", "pk"], **each),
            failing_first=Window(RowNumber(), order_by=["is_met", "is_away", "pk"], **each),
            of=Window(Count("pk"), **each),
            meeting=Window(Count("pk", filter=Q(is_met=True)), **each),
        )
        .filter(Q(meeting_first__lte=SHOWN_ROWS) | Q(failing_first__lte=SHOWN_ROWS))
        .values("pk", "of", "meeting", "meeting_first", "failing_first", of_account=F(rows.link))
    )
    shown: defaultdict[int, dict[int, int]] = defaultdict(dict)
    counts = {}
    for row in counted:
        account = row["of_account"]
        first = "meeting_first" if met_by[account] or node.quantifier == "none" else "failing_first"
        if row[first] <= SHOWN_ROWS:
            shown[account][row[first]] = row["pk"]
        counts[account] = row["of"], row["meeting"]
    wanted = [pk for places in shown.values() for pk in places.values()]
    told = _told_rows(node, _Reading(context, reading.words, rows), wanted)
    return {
        account: _Looked(*counts[account], tuple(told[places[place]] for place in sorted(places)))
        for account, places in shown.items()
    }


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
        met, needed = bool(self.row[f"met_{number}"]), self.reading.needed(node)
        if isinstance(node, Group):
            below = tuple(self.outcome(child) for child in node.rules)
            return Outcome(node.pointer, "group", needed, met, match=node.match, outcomes=below)
        if isinstance(node, Quantified):
            return self.quantified(node, met)
        words = self.reading.words
        value = self.row[f"is_{number}"]
        if isinstance(node, Happened | EventSequence):
            zone = words.zone
            actual = told_words(node, value, zone) if isinstance(node, Happened) else traced_words(node, value, zone)
            last = str((value or {}).get("last") or "")
            return Outcome(node.pointer, "event", needed, met, actual, value is None, last)
        if isinstance(node, InSegment):
            actual = stay_words(node, value or {}, words)
            return Outcome(node.pointer, "segment", needed, met, actual, match=node.op.key)
        values = [item for item in value if item not in (None, "")] if isinstance(value, list) else value
        missing = values in (None, "", [])
        actual = f"{words.label(node.field)} is not known" if missing else self.said(node.field, values)
        actual += self.of_whole(node, number, missing)
        return Outcome(node.pointer, "condition", needed, met, actual, missing, self.known_at(number))

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

    def known_at(self, number: int) -> str:
        """When the value was told or worked out."""
        known = self.row.get(f"known_{number}")
        return known.isoformat() if isinstance(known, dt.date) else str(known or "")

    def quantified(self, node: Quantified, met: bool) -> Outcome:
        """A group about users or subscriptions: how many meet it, and the decisive rows."""
        looked = self.about[node.pointer].get(self.row["of_account"], _Looked())
        return Outcome(
            node.pointer,
            node.rows.value,
            self.reading.needed(node),
            met,
            actual=f"{looked.meeting:,} of {looked.of:,}",
            match=node.quantifier,
            meeting=looked.meeting,
            of=looked.of,
            rows=looked.rows,
        )


def stay_words(node: InSegment, stays: Mapping[str, Any], words: Words) -> str:
    """What there is of a membership: since when it lasts, or for "entered" and "left" when that last happened."""
    moment = stays.get({"entered": "entered", "left": "left"}.get(node.op.key, "now"))
    said = words.time if node.value is not None and node.value.unit == "hour" else words.day
    if node.op.key == "left":
        return f"left on {said(moment)}" if moment else "never left it" if stays else "never in it"
    if node.op.key == "entered":
        return f"entered on {said(moment)}" if moment else "never in it"
    return f"in since {said(moment)}" if moment else "not in it"

"""Recording who belongs to which account, since when and until when.

For each pair of user and account, sightings ("belongs at t") and ends ("left at t") lie on one line of time. A period
begins at the first sighting after an end and lasts until the next end. A row keeps its first and last sighting and its
first and last end, so that a message that comes late still lands where it belongs: an end that arrives before its start
is kept as a period of no length, and an end between two sightings splits the period.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.facts.base import Outcome, Reject, instant
from accounts.facts.lending import LENT, OWN, Mark, kept, marks_in, take_back
from accounts.facts.merge import Change, Read, changes_after, log_changes, merge
from accounts.facts.rows import account_ids, ensure_accounts, ensure_users
from accounts.facts.shapes import RELATIONSHIP
from accounts.facts.values import Reader
from accounts.models import EndUser, Relationship
from accounts.privacy.gate import erased_among
from accounts.touching import touch
from core.intake import BadValue, clean_id, clean_text, short

IN, OUT = 0, 1  # at the same instant a sighting comes before an end
Pair = tuple[int, int]
LAST_IN, LAST_OUT, NO_START = "seen", "left", "no_start"
MARKS = (LAST_IN, LAST_OUT, NO_START, OWN, LENT)


@dataclass(frozen=True, slots=True)
class RelationshipFact:
    """That a user belongs to an account at an instant, or that it ended.

    `values` holds role and `custom.<key>`s; `started_at` is when the belonging began, `at` if it is not given. One that
    is `lent` may be taken back later.
    """

    user: str
    account: str
    at: dt.datetime
    values: Mapping[str, Any] = field(default_factory=dict)
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    lent: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
    """That a user left every account at an instant, those too of which is heard later."""

    user: str
    at: dt.datetime


@dataclass(slots=True)
class Period:
    """A span of belonging on the line of time; `starts` is None if only its end is known."""

    starts: dt.datetime | None
    last_in: dt.datetime | None = None
    ends: dt.datetime | None = None
    last_out: dt.datetime | None = None


def periods(marks: Iterable[Mark]) -> list[Period]:
    """The periods of belonging that the marks describe."""
    found: list[Period] = []
    for at, kind in sorted(set(marks)):
        last = found[-1] if found else None
        if kind == IN:
            if last is None or last.ends is not None:
                found.append(Period(at, at))
            else:
                last.last_in = at
        elif last is None:
            found.append(Period(None, None, at, at))
        else:
            last.ends = last.ends or at
            last.last_out = at
    return found


def with_departures(marks: Iterable[Mark], departures: Iterable[dt.datetime]) -> set[Mark]:
    """The marks, and an end at each departure from a period that goes on then."""
    found = set(marks)
    for at in sorted(departures):
        before = [mark for mark in found if mark[0] <= at]
        if before and max(before)[1] == IN:
            found.add((at, OUT))
    return found


@transaction.atomic
def record_relationships(
    facts: Sequence[RelationshipFact],
    *,
    source: str,
    create_missing: bool = False,
    departures: Sequence[Departure] = (),
    withdrawn: Sequence[RelationshipFact] = (),
) -> Outcome:
    """Record facts about who belongs to which account; `create_missing` makes unknown accounts and users.

    Departures are of users who exist. Lent facts that are withdrawn are taken back; what else was lent to these users
    must be told again. Role and attributes belong to the pair's newest period; a period that begins anew takes them
    over.
    """
    source, outcome, now = clean_text(source, 80), Outcome(), timezone.now()
    if create_missing:
        ensure_accounts([(fact.account, fact.at) for fact in facts], source)
        ensure_users([(fact.user, fact.at) for fact in facts], source)
    by_pair = _read(facts, outcome)
    back = _read(withdrawn, Outcome()) if withdrawn else {}
    for pair in back:
        by_pair.setdefault(pair, [])
    departed, leaving = _departures({user for user, _ in by_pair}, departures)
    rows: dict[Pair, list[Relationship]] = defaultdict(list)
    concerned = Q(user__in=departed, account__in={account for _, account in by_pair}) | Q(user__in=leaving)
    for row in Relationship.objects.filter(concerned).order_by("started_at", "id"):
        rows[row.user_id, row.account_id].append(row)
        if row.user_id in leaving:
            by_pair.setdefault((row.user_id, row.account_id), [])
    new: list[Relationship] = []
    old: list[Relationship] = []
    gone: list[Relationship] = []
    log: list[Change] = []
    for pair, items in by_pair.items():
        taken = back.get(pair, ())
        placed, surplus = _place(pair, rows[pair], items, departed.get(pair[0], ()), taken)
        if placed:
            log += _fold(placed[-1], items, source, outcome, taken, now)
        gone += surplus
        for row in placed:
            (new if row.pk is None else old).append(row)
    _save(new, old, gone, outcome)
    changed = {change.row.pk for change in log} - outcome.created
    outcome.updated |= changed
    outcome.unchanged -= outcome.touched
    log_changes(RELATIONSHIP, log, source, now)
    touch([row.account_id for row in (*new, *old) if row.pk in outcome.touched] + [row.account_id for row in gone])
    return outcome


def _departures(users: set[int], departures: Sequence[Departure]) -> tuple[dict[int, list[dt.datetime]], set[int]]:
    """When each of these users, and of those who depart, has left everything; and who does so at an instant that is
    new. The users' rows are the locks: whoever writes about the same person waits here, in one order."""
    told: dict[str, set[str]] = defaultdict(set)
    for one in departures:
        told[one.user].add(instant(one.at))
    found: dict[int, list[dt.datetime]] = {}
    leaving = set()
    wanted = Q(pk__in=users) | Q(external_id__in=told) if told else Q(pk__in=users)
    people = EndUser.objects.filter(wanted).select_for_update(no_key=True).order_by("external_id")
    for user in people.only("external_id", "departed"):
        known = set(user.departed or ())
        if new := told.get(user.external_id, set()) - known:
            user.departed = sorted(known | new)
            user.save(update_fields=["departed"])
            leaving.add(user.pk)
        found[user.pk] = [dt.datetime.fromisoformat(at) for at in user.departed or ()]
    return found, leaving


def _read(facts: Sequence[RelationshipFact], outcome: Outcome) -> dict[Pair, list[tuple[RelationshipFact, Read]]]:
    reader = Reader(RELATIONSHIP)
    accounts = account_ids(fact.account for fact in facts)
    ids = {fact.user for fact in facts if isinstance(fact.user, str)}
    clean = [text.strip() for text in ids if "\x00" not in text]
    users = dict(EndUser.objects.filter(external_id__in=clean).values_list("external_id", "pk"))
    erased = erased_among({"user": clean, "account": {fact.account for fact in facts if isinstance(fact.account, str)}})
    found: dict[Pair, list[tuple[RelationshipFact, Read]]] = defaultdict(list)
    for index, fact in enumerate(facts):
        gone = [(what, erased.get((what, getattr(fact, what)))) for what in ("user", "account")]
        problems = [Reject(index, what, reason) for what, reason in gone if reason]
        if problems:
            outcome.rejected += problems
            continue
        values: dict[str, Any] = {}
        account = _known(accounts, fact.account, "account", index, problems)
        user = _known(users, fact.user, "user", index, problems)
        if fact.ended_at and fact.ended_at < (fact.started_at or fact.ended_at):
            problems.append(
                Reject(index, "ended_at", f"ended_at ({fact.ended_at}) lies before started_at ({fact.started_at}).")
            )
        for key, value in fact.values.items():
            try:
                values[key] = reader.read(key, value)
            except BadValue as error:
                problems.append(Reject(index, key, str(error)))
        if problems or account is None or user is None:
            outcome.rejected += problems
        else:
            found[user, account].append((fact, Read(index, fact.user, values, fact.at, fact.lent)))
    return found


def _known(ids: Mapping[str, int], value: Any, what: str, index: int, problems: list[Reject]) -> int | None:
    try:
        external_id = clean_id(value)
        if external_id not in ids:
            raise BadValue(f"There is no {what} “{short(external_id)}”. Load {what}s first.")
        return ids[external_id]
    except BadValue as error:
        problems.append(Reject(index, what, str(error)))
        return None


def _marks_of_rows(rows: Iterable[Relationship]) -> Iterable[Mark]:
    for row in rows:
        if NO_START not in row.stamps:
            yield row.started_at, IN
        for key, kind in ((LAST_IN, IN), (LAST_OUT, OUT)):
            if key in row.stamps:
                yield dt.datetime.fromisoformat(row.stamps[key][0]), kind
        if row.ended_at:
            yield row.ended_at, OUT


def _marks_of_facts(facts: Iterable[RelationshipFact]) -> Iterable[Mark]:
    for fact in facts:
        if fact.started_at or not fact.ended_at:
            yield fact.started_at or fact.at, IN
        if fact.started_at and not fact.ended_at and fact.at > fact.started_at:
            yield fact.at, IN
        if fact.ended_at:
            yield fact.ended_at, OUT


def _place(
    pair: Pair,
    rows: list[Relationship],
    items: list[tuple[RelationshipFact, Read]],
    departures: Sequence[dt.datetime],
    taken: Iterable[tuple[RelationshipFact, Read]],
) -> tuple[list[Relationship], list[Relationship]]:
    """The rows that stand for the pair's periods, in order, and the rows that stand for none any more."""
    own, lent = marks_of(rows)
    own |= set(_marks_of_facts(fact for fact, _ in items if not fact.lent))
    lent -= set(_marks_of_facts(fact for fact, _ in taken))
    lent |= set(_marks_of_facts(fact for fact, _ in items if fact.lent))
    apart = {OWN: kept(_outermost(own)), LENT: kept(lent)} if lent else {}
    wanted = periods(with_departures(own | lent, departures))
    left = list(rows)
    placed: list[Relationship] = []
    for period in wanted:
        starts = period.starts or period.ends
        row = next(
            (row for row in left if row.started_at == starts), left[0] if len(left) == len(rows) and left else None
        )
        if row is None:
            above = placed[-1] if placed else (rows[0] if rows else None)
            row = Relationship(user_id=pair[0], account_id=pair[1])
            if above is not None:
                row.role, row.attributes = above.role, dict(above.attributes)
                row.stamps = {key: stamp for key, stamp in above.stamps.items() if key not in MARKS}
        else:
            left.remove(row)
        _shape_row(row, period, {} if placed else apart)
        placed.append(row)
    return placed, left


def marks_of(rows: Iterable[Relationship]) -> tuple[set[Mark], set[Mark]]:
    """The marks of a pair of user and account: its own, and those that are lent."""
    found = list(rows)
    lent = set().union(*(marks_in(row.stamps, LENT) for row in found))
    if not lent:
        return set(_marks_of_rows(found)), lent
    return set().union(*(marks_in(row.stamps, OWN) for row in found)), lent


def _outermost(marks: Iterable[Mark]) -> Iterable[Mark]:
    """Of the marks of each period the first and the last."""
    for period in periods(marks):
        for at, kind in ((period.starts, IN), (period.last_in, IN), (period.ends, OUT), (period.last_out, OUT)):
            if at is not None:
                yield at, kind


def _shape_row(row: Relationship, period: Period, apart: dict[str, Any]) -> None:
    before = (row.started_at, row.ended_at, {key: row.stamps.get(key) for key in MARKS})
    row.started_at = period.starts or period.ends or row.started_at
    row.ended_at = period.ends
    row.stamps = {key: stamp for key, stamp in row.stamps.items() if key not in MARKS} | apart
    if period.starts is None:
        row.stamps[NO_START] = []
    if period.last_in and period.last_in != period.starts:
        row.stamps[LAST_IN] = [instant(period.last_in)]
    if period.last_out and period.last_out != period.ends:
        row.stamps[LAST_OUT] = [instant(period.last_out)]
    after = (row.started_at, row.ended_at, {key: row.stamps.get(key) for key in MARKS})
    row.moved = before[:2] != after[:2]  # type: ignore[attr-defined]
    row.touched = before != after  # type: ignore[attr-defined]


def _fold(
    row: Relationship,
    items: list[tuple[RelationshipFact, Read]],
    source: str,
    outcome: Outcome,
    withdrawn: Iterable[tuple[RelationshipFact, Read]],
    now: dt.datetime,
) -> list[Change]:
    changes: list[Change] = []
    taken = take_back(RELATIONSHIP, row, (read for _, read in withdrawn))
    for read in sorted((read for _, read in items), key=lambda item: (item.at, item.index)):
        found, written = merge(RELATIONSHIP, row, read, source)
        changes += found
        row.touched |= written  # type: ignore[attr-defined]
    if taken:
        row.touched = True  # type: ignore[attr-defined]
        changes = changes_after(RELATIONSHIP, row, taken, changes, now)
    return changes


def _save(new: list[Relationship], old: list[Relationship], gone: list[Relationship], outcome: Outcome) -> None:
    """Remove, then close, then open: in this order a pair never has two open rows."""
    if gone:
        Relationship.objects.filter(pk__in=[row.pk for row in gone]).delete()
    written = [row for row in old if row.touched]  # type: ignore[attr-defined]
    if written:
        names = ["role", "attributes", "stamps", "folded", "started_at", "ended_at", "updated_at"]
        Relationship.objects.bulk_create([*written], update_conflicts=True, unique_fields=["id"], update_fields=names)
    Relationship.objects.bulk_create(new)
    outcome.created |= {row.pk for row in new}
    outcome.updated |= {row.pk for row in old if row.moved}  # type: ignore[attr-defined]
    outcome.unchanged |= {row.pk for row in old if not row.moved}  # type: ignore[attr-defined]

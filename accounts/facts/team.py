"""Recording which colleague plays which part for an account."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.facts.base import Outcome, Reject
from accounts.facts.rows import account_ids
from accounts.models import Account, Assignment, AssignmentRole, TeamMember
from accounts.touching import touch
from core.intake import BadValue, clean_id, clean_text, fold, short

Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class AssignmentFact:
    """That a colleague (by key, name or e-mail) has a part in an account from an instant on; None: nobody has."""

    account: str
    role: str
    member: str | None
    at: dt.datetime


@transaction.atomic
def record_assignments(facts: Sequence[AssignmentFact]) -> Outcome:
    """Record facts about the team. Each part of an account is a line of time on which every fact is a mark.

    Changes may come in any order. What changes nothing leaves no trace: the same colleague once more, or "nobody" where
    there was nobody; so an older change that comes after it counts on from its own instant.
    """
    outcome = Outcome()
    by_place = _read(facts, outcome)
    accounts = {account for account, _ in by_place}
    list(
        Account.objects.filter(pk__in=accounts).select_for_update(no_key=True).order_by("external_id").values_list("pk")
    )
    rows: dict[Place, list[Assignment]] = defaultdict(list)
    for row in Assignment.objects.filter(account__in=accounts).order_by("started_at", "id"):
        rows[row.account_id, row.role_id].append(row)
    old: list[Assignment] = []
    new: list[Assignment] = []
    for place, marks in by_place.items():
        for row in _place(place, rows[place], marks):
            (new if row.pk is None else old).append(row)
    changed = [row for row in old if row.moved]  # type: ignore[attr-defined]
    kept = {row.pk for row in old}
    gone = [row for place in by_place for row in rows[place] if row.pk not in kept]
    Assignment.objects.filter(pk__in=[row.pk for row in gone]).delete()
    Assignment.objects.bulk_update(changed, ["member", "ended_at"])
    Assignment.objects.bulk_create(new)
    outcome.created = {row.pk for row in new}
    outcome.updated = {row.pk for row in changed}
    outcome.unchanged = kept - outcome.updated
    touch(row.account_id for row in (*new, *changed, *gone))
    return outcome


def _read(facts: Sequence[AssignmentFact], outcome: Outcome) -> dict[Place, dict[dt.datetime, int | None]]:
    accounts = account_ids(fact.account for fact in facts)
    members = _members()
    roles = {fold(text): role.key for role in AssignmentRole.objects.all() for text in (role.name, role.key)}
    found: dict[Place, dict[dt.datetime, int | None]] = defaultdict(dict)
    for index, fact in enumerate(facts):
        key = "account"
        try:
            account = accounts.get(clean_id(fact.account))
            if account is None:
                raise BadValue(f"There is no account “{short(fact.account)}”. Load accounts first.")
            key = "role"
            role = roles.get(fold(clean_text(fact.role, 255)))
            if role is None:
                raise BadValue(
                    f"“{short(fact.role)}” is not a known role. Allowed: {', '.join(sorted(set(roles.values())))}."
                )
            key = "member"
            member = members.get(fold(clean_text(fact.member, 255))) if fact.member else None
            if fact.member and member is None:
                raise BadValue(f"Nobody in the team is “{short(fact.member)}”.")
            rival = found[account, role].get(fact.at, 0)
            found[account, role][fact.at] = max(rival or 0, member or 0) or None
        except BadValue as error:
            outcome.rejected.append(Reject(index, key, str(error)))
    return {place: marks for place, marks in found.items() if marks}


def _members() -> Mapping[str, int]:
    found: dict[str, Any] = {}
    for member in TeamMember.objects.select_related("user").order_by("-pk"):
        for text in (member.name, member.user.email, member.user.get_username(), member.key):
            if text:
                found[fold(text)] = member.pk
    return found


def _place(place: Place, rows: list[Assignment], marks: Mapping[dt.datetime, int | None]) -> Iterable[Assignment]:
    """The rows that the marks ask for: those that exist keep their start, a new mark cuts the row it falls into."""
    line: dict[dt.datetime, int | None] = {row.ended_at: None for row in rows if row.ended_at}
    line |= {row.started_at: row.member_id for row in rows}
    line |= marks
    by_start = {row.started_at: row for row in rows}
    current: Assignment | None = None
    for at in sorted(line):
        member = line[at]
        if current is not None and current.member_id == member and at not in by_start:
            continue
        if current is not None:
            yield _end(current, at)
            current = None
        if member is not None:
            current = by_start.get(at) or Assignment(account_id=place[0], role_id=place[1], started_at=at)
            current.moved = current.member_id not in (None, member)  # type: ignore[attr-defined]
            current.member_id = member
    if current is not None:
        yield _end(current, None)


def _end(row: Assignment, at: dt.datetime | None) -> Assignment:
    row.moved = row.moved or row.ended_at != at  # type: ignore[attr-defined]
    row.ended_at = at
    return row

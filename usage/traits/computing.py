"""Computing traits: each in one transaction of its own, those that others read before these.

A trait that cannot be computed keeps its last values and says why; the others go on.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction

from accounts.fields import Kind, Vocabulary, vocabulary
from accounts.fields.uses import tell_of_fields, texts_in
from accounts.models import Account, EndUser, Relationship
from accounts.touching import touch
from core.api.access import is_administrator
from core.clock import Moment, moment
from core.deadline import TooSlow, time_limit
from core.ids import Ids
from core.locks import xact_lock
from core.refusals import Problem
from usage.traits.days import note_day
from usage.traits.definitions import METHODS, Definition, Scope, read_definition
from usage.traits.models import Trait
from usage.traits.reading import TraitError, TraitFailed
from usage.traits.storing import count_values, fold_values, forget_values, write_values

log = logging.getLogger(__name__)
LIMIT_MS, PREVIEW_MS = 60_000, 5_000
SAMPLE = 10
PASSING = ("", "08", "40", "53")  # the database went away, a deadlock, disk or memory full


def refresh_traits(present: Moment | None = None, accounts: Collection[int] | None = None) -> list[Trait]:
    """Bring every active trait up to date, of every account or of some; returns the traits in the order of the work.

    Of some accounts, a trait that has failed waits for the next time that all are computed, or for its next save.
    """
    words, now = vocabulary(), present or moment()
    traits = in_order(list(Trait.objects.filter(active=True)))
    for trait in traits:
        if accounts is None or not trait.error:
            compute(trait, now, words, accounts)
    return traits


def compute(
    trait: Trait,
    present: Moment | None = None,
    words: Vocabulary | None = None,
    accounts: Collection[int] | None = None,
) -> set[int]:
    """Compute one trait and record how it went; returns the accounts whose value changed.

    Where a value may depend on other accounts, a change of some moves all; those others are marked for an evaluation.
    """
    started = time.perf_counter()
    fields = words or vocabulary()
    now = present or moment()
    changed: set[int] = set()
    try:
        with time_limit(LIMIT_MS):
            xact_lock("trait", trait.pk)
            found = read_definition(trait.subject, trait.method, trait.definition, fields)
            wanted = None if METHODS[trait.method].together else accounts
            source = found.source(Scope(trait.subject, now, fields, None if wanted is None else Ids.of(wanted)))
            changed = write_values(trait.subject, trait.key, source, wanted)
            if accounts is not None:
                touch(changed - set(accounts))
            if found.kind in (Kind.TEXT, Kind.CHOICE, Kind.LIST):
                fold_values(trait.subject, trait.key, wanted)
            if changed or accounts is None:
                trait.values_count = count_values(trait.subject, trait.key)
            if found.kind.numeric and trait.subject == Trait.Subject.ACCOUNT:
                note_day(trait, now.today, changed)
            trait.error = ""
    except (TraitError, TooSlow, DatabaseError, TraitFailed) as error:
        if isinstance(error, OperationalError) and (getattr(error.__cause__, "sqlstate", "") or "")[:2] in PASSING:
            raise  # nothing is wrong with the trait: whoever asked comes again
        trait.error, changed = reason_of(error), set()
        log.warning("trait not computed", extra={"trait": trait.field_key, "reason": trait.error})
    trait.computed_at, trait.duration_ms = now.now, (time.perf_counter() - started) * 1000
    Trait.objects.filter(pk=trait.pk).update(
        error=trait.error, computed_at=trait.computed_at, duration_ms=trait.duration_ms, values_count=trait.values_count
    )
    return changed


def compute_for_all(trait: Trait, *, redefined: bool) -> None:
    """Compute one trait because somebody changed it (`redefined`) or asked for it, then the traits that read it, and
    have evaluated again what names one of those that changed."""
    words, now = vocabulary(), moment()
    moved: set[str] = set()
    with transaction.atomic():
        for one in in_order([trait, *Trait.objects.filter(active=True).exclude(pk=trait.pk)]):
            first = one.pk == trait.pk
            if (first or texts_in(one.definition) & moved) and (compute(one, now, words) or (first and redefined)):
                moved |= {one.field_key, one.band_key}  # bands may be new where no score is
        if moved:
            tell_of_fields(moved, redefined=redefined)


def reason_of(error: Exception) -> str:
    """Why a computation failed, in a line."""
    if isinstance(error, TooSlow):
        return f"The computation took longer than {LIMIT_MS // 1000} s."
    return str(error).splitlines()[0][:500]


def forget(trait: Trait) -> None:
    """Take a trait's values away."""
    with transaction.atomic():
        xact_lock("trait", trait.pk)
        forget_values(trait.subject, trait.key)
    Trait.objects.filter(pk=trait.pk).update(values_count=0)


def in_order(traits: list[Trait]) -> list[Trait]:
    """The traits so that each comes after those that its definition reads."""
    by_key = {trait.field_key: trait for trait in traits}
    done: dict[str, Trait] = {}

    def visit(trait: Trait, path: tuple[str, ...]) -> None:
        for key in sorted(texts_in(trait.definition)):
            other = by_key.get(key)
            if other is not None and key not in done and key not in path:
                visit(other, (*path, key))
        done.setdefault(trait.field_key, trait)

    for trait in traits:
        visit(trait, (trait.field_key,))
    return list(done.values())


def check_author(author: Any, *methods: str) -> None:
    """Some methods are for administrators alone; without an author it is the application itself that asks."""
    wanted = [METHODS[key].label for key in methods if key in METHODS and METHODS[key].administrators]
    if wanted and author is not None and not is_administrator(author):
        raise TraitError([Problem("/method", "forbidden", f"{wanted[0]}: only they may define, change or try it.")])


@dataclass(frozen=True)
class Found:
    """One value of a preview: whose it is and what it is."""

    account: Account
    user: EndUser | None
    value: Any


@dataclass(frozen=True)
class TraitPreview:
    """What a definition gives now: for how many of how many, some of the values, how long it took, in words."""

    words: str
    kind: Kind
    count: int
    total: int
    milliseconds: float
    sample: list[Found]


def preview_trait(subject: str, method: str, data: Any, *, visible: Any = None, author: Any = None) -> TraitPreview:
    """Compute a definition without storing anything. Raises TraitError, TraitFailed, or TooSlow past five seconds."""
    check_author(author, method)
    fields = vocabulary()
    found = read_definition(subject, method, data, fields)
    return preview_of(found, Scope(subject, moment(), fields), visible)


def preview_of(found: Definition, scope: Scope, visible: Any = None) -> TraitPreview:
    """The preview of a definition that was read; `visible` narrows whose values may be shown."""
    accounts: Any = Account.objects.live() if visible is None else visible
    started = time.perf_counter()
    columns = "account_id, value" if scope.subject == "account" else "account_id, user_id, value"
    with time_limit(PREVIEW_MS), connection.cursor() as cursor:
        sql, params = found.source(scope)
        seen, bound = accounts.order_by().values("pk").query.sql_with_params()
        cursor.execute(
            f"SELECT {columns}, count(*) OVER () FROM ({sql}) AS s ({columns})"  # noqa: S608 - parameters are bound
            f" WHERE value IS NOT NULL AND value <> 'null'::jsonb AND account_id IN ({seen})"
            f" ORDER BY value DESC, 1 LIMIT {SAMPLE}",
            [*params, *bound],
        )
        rows = cursor.fetchall()
    took = (time.perf_counter() - started) * 1000
    if scope.subject == "account":
        total = accounts.order_by().count()
    else:
        total = Relationship.objects.open().filter(account__in=accounts.order_by().values("pk")).count()
    people = EndUser.objects.in_bulk([row[1] for row in rows] if scope.subject == "user" else [])
    named = Account.objects.in_bulk([row[0] for row in rows])
    sample = [
        Found(named[row[0]], people.get(row[1]) if scope.subject == "user" else None, json.loads(row[-2]))
        for row in rows
    ]
    return TraitPreview(found.words, found.kind, rows[0][-1] if rows else 0, total, took, sample)

"""Recording accounts, users and subscriptions: rows that are named by an external id."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.facts.base import Fact, Outcome, Reject
from accounts.facts.lending import take_back
from accounts.facts.merge import Change, Read, changes_after, check_spans, log_changes, merge
from accounts.facts.money import ensure_base_rate, price
from accounts.facts.shapes import ACCOUNT, SUBSCRIPTION, USER, Shape
from accounts.facts.values import Reader
from accounts.models import Account
from accounts.privacy.gate import erased_among
from accounts.touching import touch, touch_users
from core.intake import BadValue, clean_id, clean_text
from core.locks import xact_lock

Finish = Callable[[list[Any]], None]


@transaction.atomic
def record_accounts(facts: Sequence[Fact], *, source: str) -> Outcome:
    """Record facts about accounts. An account without a name is shown by its id.

    A parent may come in the same batch as its child; a circle of parents is rejected.
    """
    named = [fact for fact in facts if "parent" in fact.values]
    if not named:
        return _record(ACCOUNT, facts, source, finish=_name_accounts)
    parents = account_ids(fact.values["parent"] for fact in named)
    coming = {_maybe_id(fact.external_id) for fact in facts}
    bad = {place for place, fact in enumerate(facts) if _is_orphan(fact, parents, coming)}
    # An orphan goes through with its parent, so that it is refused as a whole; of the others the parent waits.
    plain = [
        fact if place in bad else replace(fact, values={k: v for k, v in fact.values.items() if k != "parent"})
        for place, fact in enumerate(facts)
    ]
    outcome = _record(ACCOUNT, plain, source, accounts=parents, finish=_name_accounts)
    xact_lock("accounts.parents")
    bad |= {reject.index for reject in outcome.rejected}
    places = [place for place, fact in enumerate(facts) if "parent" in fact.values and place not in bad]
    links = [replace(facts[place], values={"parent": facts[place].values["parent"]}) for place in places]
    accounts = account_ids(fact.values["parent"] for fact in links if fact.values["parent"])
    second = _record(ACCOUNT, links, source, accounts=accounts, check=_circle_check())
    second.rejected = [replace(reject, index=places[reject.index]) for reject in second.rejected]
    outcome.add(second)
    return outcome


def _is_orphan(fact: Fact, parents: dict[str, int], coming: set[str]) -> bool:
    """True if the fact names a parent that neither exists nor comes with the batch."""
    parent = fact.values.get("parent")
    return bool(parent) and _maybe_id(parent) not in parents.keys() | (coming - {""})


def record_users(facts: Sequence[Fact], *, source: str, withdrawn: Sequence[Fact] = ()) -> Outcome:
    """Record facts about end users. Lent ones that are withdrawn are taken back first; what else was lent to these
    users must be told again."""
    return _record(USER, facts, source, withdrawn=withdrawn)


@transaction.atomic
def record_subscriptions(facts: Sequence[Fact], *, source: str, create_missing: bool = False) -> Outcome:
    """Record facts about subscriptions. A new one must name its account (`create_missing` makes an unknown one).

    Without more it is active, free and in the workspace's currency.
    """
    named = [fact.values["account"] for fact in facts if fact.values.get("account")]
    if create_missing:
        ensure_accounts([(fact.values["account"], fact.at) for fact in facts if fact.values.get("account")], source)
    currency = ensure_base_rate()

    def start(row: Any) -> None:
        row.status_id, row.currency, row.mrr = "active", currency, 0

    return _record(SUBSCRIPTION, facts, source, accounts=account_ids(named), start=start, finish=price)


def account_ids(external_ids: Iterable[Any]) -> dict[str, int]:
    """The primary keys of the accounts that exist among these ids; what is no id is left out."""
    return _primary_keys("accounts_account", external_ids)


def user_ids(external_ids: Iterable[Any]) -> dict[str, int]:
    """The primary keys of the users that exist among these ids; what is no id is left out."""
    return _primary_keys("accounts_enduser", external_ids)


def external_ids(accounts: Iterable[int]) -> dict[int, str]:
    """The external ids of accounts by their primary keys."""
    return dict(Account.objects.filter(pk__in=set(accounts)).values_list("pk", "external_id"))


def _primary_keys(table: str, external_ids: Iterable[Any]) -> dict[str, int]:
    """By an array and not by IN, which costs several times as much for hundreds of ids."""
    wanted = {text for text in map(_maybe_id, external_ids) if text}
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT external_id, id FROM {table} WHERE external_id = ANY(%s)", [list(wanted)])  # noqa: S608
        return dict(cursor.fetchall())


def ensure_accounts(named: Iterable[tuple[Any, dt.datetime]], source: str) -> None:
    """Make the accounts that do not exist yet; ids that cannot be ids are left to the caller's own check."""
    known = {text: at for value, at in named if (text := _maybe_id(value))}
    missing = known.keys() - account_ids(known).keys()
    if missing:
        record_accounts([Fact(text, {}, known[text]) for text in sorted(missing)], source=source)


def ensure_users(named: Iterable[tuple[Any, dt.datetime]], source: str) -> None:
    """Make the users that do not exist yet."""
    known = {text: at for value, at in named if (text := _maybe_id(value))}
    missing = known.keys() - user_ids(known).keys()
    if missing:
        record_users([Fact(text, {}, known[text]) for text in sorted(missing)], source=source)


def _maybe_id(value: Any) -> str:
    try:
        return clean_id(value)
    except BadValue:
        return ""


def _name_accounts(rows: list[Any]) -> None:
    for row in rows:
        row.name = row.name or row.external_id


def read_facts(reader: Reader, facts: Sequence[Fact], outcome: Outcome) -> dict[str, list[Read]]:
    """The facts that can be taken, by external id and in the order of their time; the others are rejected."""
    found: dict[str, list[Read]] = defaultdict(list)
    for index, fact in enumerate(facts):
        problems = []
        values: dict[str, Any] = {}
        external_id = ""
        try:
            external_id = clean_id(fact.external_id)
        except BadValue as error:
            problems.append(Reject(index, "external_id", str(error)))
        for key, value in fact.values.items():
            try:
                values[key] = reader.read(key, value)
                if values[key] is None and key == "name" and reader.shape is ACCOUNT:
                    values[key] = external_id  # an account always has something to be called by
                if values[key] is None and key in reader.shape.required:
                    raise BadValue(f"A {reader.shape.subject.label.lower()} must have a value here.")
            except BadValue as error:
                problems.append(Reject(index, key, str(error)))
        if not problems:
            try:
                check_spans(reader.shape, values)
            except BadValue as error:
                problems.append(Reject(index, reader.shape.spans[0][1], str(error)))
        if problems:
            outcome.rejected += problems
        else:
            found[external_id].append(Read(index, external_id, values, fact.at, fact.lent))
    for items in found.values():
        items.sort(key=lambda item: (item.at, item.index))
    return found


def _record(
    shape: Shape,
    facts: Sequence[Fact],
    source: str,
    *,
    accounts: dict[str, int] | None = None,
    start: Callable[[Any], None] | None = None,
    finish: Finish | None = None,
    check: Callable[[Any], None] | None = None,
    withdrawn: Sequence[Fact] = (),
) -> Outcome:
    """Insert what is missing, lock the rest in the order of its ids, fold the facts in, write the rows that changed."""
    source, outcome, now = clean_text(source, 80), Outcome(), timezone.now()
    with transaction.atomic():
        by_id = read_facts(Reader(shape, accounts), facts, outcome)
        if shape is not SUBSCRIPTION:
            _refuse_erased(shape, by_id, outcome)
        manager: Any = shape.model._default_manager  # of three models with the same columns
        back = _by_id(withdrawn)
        named = by_id.keys() | back.keys()
        known = set(manager.filter(external_id__in=named).values_list("external_id", flat=True))
        new, changes = _new_rows(shape, by_id, known, source, start, outcome)
        if finish:
            finish(list(new.values()))
        manager.bulk_create([new[key] for key in sorted(new)], ignore_conflicts=True)
        rows = list(manager.filter(external_id__in=named).select_for_update(no_key=True).order_by("external_id"))
        log, pending = [], []
        ours = {
            row.external_id
            for row in rows
            if row.external_id in new and row.created_at == new[row.external_id].created_at
        }
        for row in rows:
            if row.external_id in ours:
                outcome.created.add(row.pk)
                log += [replace(change, row=row) for change in changes[row.external_id]]
                continue
            taken = take_back(shape, row, back[row.external_id])
            found, written = _fold_all(shape, row, by_id.get(row.external_id, ()), source, outcome, check)
            found = changes_after(shape, row, taken, found, now)
            log += found
            (outcome.updated if found else outcome.unchanged).add(row.pk)
            if written or taken:
                pending.append(row)
        if finish:
            finish(pending)
        write_rows(shape, pending)
        log_changes(shape, log, source, now)
        _touch(shape, rows, log, outcome)
    return outcome


def _by_id(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.external_id].append(fact)
    return found


def _refuse_erased(shape: Shape, by_id: dict[str, list[Read]], outcome: Outcome) -> None:
    """Reject what is about an id that was erased."""
    for (_, external_id), reason in erased_among({shape.subject.value: by_id}).items():
        outcome.rejected += [Reject(fact.index, "external_id", reason) for fact in by_id.pop(external_id)]


def _touch(shape: Shape, rows: Iterable[Any], log: Iterable[Change], outcome: Outcome) -> None:
    """Have the accounts evaluated that the changes are about; of a subscription that moved, both."""
    if shape is USER:
        touch_users(outcome.updated)
    elif shape is ACCOUNT:
        touch(outcome.touched)
    else:
        owners = {row.account_id for row in rows if row.pk in outcome.touched}
        touch(owners | {change.old for change in log if change.key == "account" and change.old})


def _new_rows(
    shape: Shape,
    by_id: dict[str, list[Read]],
    known: set[str],
    source: str,
    start: Callable[[Any], None] | None,
    outcome: Outcome,
) -> tuple[dict[str, Any], dict[str, list[Change]]]:
    """The rows that do not exist yet, with all their facts folded in; one without what it must have is rejected."""
    rows: dict[str, Any] = {}
    changes: dict[str, list[Change]] = {}
    for external_id in sorted(by_id.keys() - known):
        row: Any = shape.model(external_id=external_id)
        if start:
            start(row)
        found, _ = _fold_all(shape, row, by_id[external_id], source, outcome, None)
        if "account" in shape.required and row.account_id is None:
            reason = "A new subscription must name its account."
            outcome.rejected += [Reject(fact.index, "account", reason) for fact in by_id.pop(external_id)]
            continue
        rows[external_id], changes[external_id] = row, found
    return rows, changes


def _fold_all(
    shape: Shape,
    row: Any,
    facts: Iterable[Read],
    source: str,
    outcome: Outcome,
    check: Callable[[Any], None] | None,
) -> tuple[list[Change], bool]:
    changes: list[Change] = []
    written = False
    for fact in facts:
        before = (dict(row.stamps), getattr(row, "parent_id", None))
        try:
            found, touched = merge(shape, row, fact, source)
            if check and found:
                check(row)
        except BadValue as error:
            row.stamps = before[0]
            if check:
                row.parent_id = before[1]
            outcome.rejected.append(Reject(fact.index, next(iter(fact.values), ""), str(error)))
            continue
        changes += found
        written |= touched
    return changes, written


def _circle_check() -> Callable[[Any], None]:
    """A check that knows the links of its batch before they are written; raises BadValue for a circle."""
    links: dict[int, int | None] = {}

    def refuse_circle(row: Account) -> None:
        above, seen = row.parent_id, {row.pk}
        while above is not None and above not in seen:
            seen.add(above)
            if above not in links:
                links[above] = Account.objects.filter(pk=above).values_list("parent_id", flat=True).first()
            above = links[above]
        if above is not None:
            raise BadValue("The parent lies below this account already, which would make a circle.")
        links[row.pk] = row.parent_id

    return refuse_circle


def write_rows(shape: Shape, rows: list[Any]) -> None:
    """Write rows that exist: one statement, through the fields' `pre_save`, so that folds and `updated_at` follow."""
    if rows:
        left_out = {"id", "external_id", "created_at"}
        names = [field.name for field in shape.model._meta.concrete_fields if field.name not in left_out]
        shape.model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=names)

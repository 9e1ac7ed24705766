"""Undoing an import: what it made goes, what it changed becomes what it was, unless somebody else has changed it since.

It works backwards, batch by batch, each in a transaction that also forgets the batch, so that it can stop anywhere and
go on. Values are taken back by their stamps; a row that others have written to, or that something of others hangs on,
stays.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from django.db import models, transaction
from django.db.models import Count, Max, Q, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.facts import SHAPES
from accounts.facts.rewind import Earlier, remove, rewind
from accounts.models import Relationship, Subject
from core.working import Superseded
from integrations.imports.bookkeeping import EVENT
from integrations.models import Import, ImportedRow
from usage.models import Event
from usage.store import PostgresStore

# What the application computes itself goes with the row.
DERIVED = {
    "segments.AccountMembership", "segments.UserMembership", "usage.AccountTraits", "usage.AccountUsage",
    "usage.UserTraits", "usage.UserActivity", "usage.DailyUsage", "usage.ActiveMonth",
    "usage.FirstUse", "usage.TraitDay",
}  # fmt: skip
CHANGED = "changed_since"


def outlook(job: Import) -> dict[str, Any]:
    """What undoing would do, to be told beforehand: counts by what, and why it cannot be done (empty if it can)."""
    rows = ImportedRow.objects.filter(job=job)
    kinds = rows.exclude(subject=EVENT).values("subject", "created").annotate(n=Count("id")).order_by("subject")
    events = rows.filter(subject=EVENT).aggregate(n=Sum(Cast(KT("before__count"), models.BigIntegerField())))["n"] or 0
    made = {str(Subject(item["subject"]).label).lower(): item["n"] for item in kinds if item["created"]}
    changed = {str(Subject(item["subject"]).label).lower(): item["n"] for item in kinds if not item["created"]}
    if events:
        made["event"] = events
    return {"made": made, "changed": changed, "why_not": _why_not(job, bool(made or changed))}


def _why_not(job: Import, anything: bool) -> str:
    if job.state in Import.WORKING:
        return "It is still being worked on. Cancel it first."
    if job.state in (Import.State.DRAFT, Import.State.UNDONE):
        return "There is nothing to undo."
    if not job.stored:
        return "What it changed is not kept any more, because its time is up."
    return "" if anything else "It changed nothing, so there is nothing to undo."


def undo_batch(job: Import) -> bool:
    """Take one batch back; False if there is none left. Raises Superseded if the import is not ours any more."""
    with transaction.atomic():
        current = Import.objects.select_for_update(no_key=True).get(pk=job.pk)
        if current.claim != job.claim or current.state != Import.State.UNDOING:
            raise Superseded
        batch = ImportedRow.objects.filter(job=job).aggregate(last=Max("batch"))["last"]
        if batch is None:
            return False
        report = Counter(current.undo_report)
        rows = list(ImportedRow.objects.filter(job=job, batch=batch))
        by_subject: dict[str, list[ImportedRow]] = defaultdict(list)
        for row in rows:
            by_subject[row.subject].append(row)
        _events(job, by_subject.pop(EVENT, []), report)
        _relationships(job, by_subject.pop(Subject.RELATIONSHIP, []), report)
        for subject in (Subject.SUBSCRIPTION, Subject.USER, Subject.ACCOUNT):
            _named_rows(job, subject, by_subject.get(subject, []), report)
        ImportedRow.objects.filter(job=job, batch=batch).delete()
        current.undo_report, current.beat_at, current.attempts = dict(+report), timezone.now(), 0
        current.save(update_fields=["undo_report", "beat_at", "attempts"])
        return True


def _events(job: Import, rows: list[ImportedRow], report: Counter[str]) -> None:
    for row in rows:
        received, first, last = (dt.datetime.fromisoformat(row.before[name]) for name in ("received", "first", "last"))
        report["removed"] += PostgresStore().withdraw(job.source, received, first, last)


def _named_rows(job: Import, subject: Subject, rows: list[ImportedRow], report: Counter[str]) -> None:
    shape = SHAPES[subject]
    wanted = {
        row.object_id: {key: Earlier(*parts) for key, parts in row.before.items()} for row in rows if not row.created
    }
    if wanted:
        done = rewind(shape, wanted, source=f"undo of {job.source}"[:80])
        report["restored"] += len(done.changed)
        report[CHANGED] += len(done.kept)
    made = [row.object_id for row in rows if row.created]
    if made:
        gone = remove(shape, made, allowed=_only_ours(job, report))
        report["removed"] += len(gone)


def _only_ours(job: Import, report: Counter[str]) -> Callable[[list[Any]], set[int]]:
    """Which rows may go: nobody else has written to them, and nothing of others hangs on them."""

    def allowed(rows: list[Any]) -> set[int]:
        ours = {row.pk for row in rows if all(stamp[1] == job.source for stamp in row.stamps.values() if stamp)}
        report[CHANGED] += len(rows) - len(ours)
        held = dependants(type(rows[0]), ours) if ours else set()
        report["in_use"] += len(held)
        return ours - held

    return allowed


def dependants(model: type[models.Model], pks: Iterable[int]) -> set[int]:
    """Those of the rows on which something hangs that is neither computed nor harmless to lose."""
    wanted, held = set(pks), set()
    for relation in model._meta.related_objects:
        label = relation.related_model._meta.label
        if label not in DERIVED and (relation.on_delete is not models.SET_NULL or label == model._meta.label):
            name = f"{relation.field.name}_id"
            found = relation.related_model._base_manager.filter(**{f"{name}__in": wanted})
            held |= set(found.values_list(name, flat=True).distinct())
    column = {"accounts.Account": "account_id", "accounts.EndUser": "user_id"}.get(model._meta.label)
    if column:
        held |= set(Event.objects.filter(**{f"{column}__in": wanted - held}).values_list(column, flat=True).distinct())
    return held


def _relationships(job: Import, rows: list[ImportedRow], report: Counter[str]) -> None:
    """Those that were made go first, so that an older one can be open again."""
    after = {row.object_id: dt.datetime.fromisoformat(row.before["after"]) for row in rows}
    before = {row.object_id: row.before["was"] for row in rows if not row.created and row.before.get("was")}

    def untouched(found: list[Any]) -> set[int]:
        same = {row.pk for row in found if row.updated_at == after[row.pk]}
        report[CHANGED] += len(found) - len(same)
        return same

    made = [row.object_id for row in rows if row.created]
    shape = SHAPES[Subject.RELATIONSHIP]
    report["removed"] += len(remove(shape, made, allowed=untouched)) if made else 0
    found = list(Relationship.objects.filter(pk__in=before).select_for_update(no_key=True).order_by("id"))
    same = untouched(found)
    for row in found:
        rivals = Q(user=row.user_id, account=row.account_id, ended_at__isnull=True)
        was = before[row.pk]
        if row.pk not in same:
            continue
        if was["ended_at"] is None and Relationship.objects.filter(rivals).exclude(pk=row.pk).exists():
            report[CHANGED] += 1
            continue
        _restore(row, was)
        report["restored"] += 1


def _restore(row: Relationship, was: dict[str, Any]) -> None:
    row.started_at = dt.datetime.fromisoformat(was["started_at"])
    row.ended_at = dt.datetime.fromisoformat(was["ended_at"]) if was["ended_at"] else None
    row.role, row.attributes, row.stamps = was["role"], was["attributes"], was["stamps"]
    row.save()
    # The time of its last change is what tells an earlier import that nobody has touched the row since.
    Relationship.objects.filter(pk=row.pk).update(updated_at=dt.datetime.fromisoformat(was["updated_at"]))

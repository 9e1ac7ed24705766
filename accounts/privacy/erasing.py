"""Erasing: asked for in one transaction, done in batches by whoever comes by, and repeated until nothing is left.

An erasure is a row with its state, so a crash leaves it unfinished and the next wake-up goes on. Each batch commits
what it removed together with the count of it. The record itself goes last, in the transaction that also empties the
external id; if something about it was stored in between, the database refuses and everything is looked through again.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import Account, EndUser, Relationship
from accounts.models.privacy import DataSubject, Erasure
from accounts.privacy.digests import digest, digests, key_mark, key_marks
from accounts.privacy.gate import close_gate
from accounts.privacy.holdings import (
    ACCOUNT,
    LAST,
    USER,
    Holding,
    Subject,
    counted,
    delete_rows,
    erase_batch,
    find_subject,
    holdings,
    names_held,
    other_ids,
)
from accounts.privacy.ledger import Entry, read_ledger, write_ledger
from core.intake import clean_id
from core.jobs import enqueue

BATCH = 5_000
ATTEMPTS = 10
TASK = "accounts.tasks.continue_erasures"
State = Erasure.State


class NothingHeld(LookupError):
    """Nothing is held about such an id."""


@dataclass(frozen=True)
class Plan:
    """What an erasure would remove: rows of each kind (label and number), and the people who belong to no other
    account, for an account."""

    subject: Subject
    rows: list[tuple[str, int]]
    only_here: list[str]

    @property
    def total(self) -> int:
        """All rows."""
        return sum(number for _, number in self.rows)


def plan_erasure(kind: str, external_id: str) -> Plan:
    """A dry run. Raises BadValue for what cannot be an id."""
    subject = find_subject(kind, clean_id(external_id))
    people = only_here(subject.pk) if kind == ACCOUNT and subject.pk else []
    return Plan(subject, [(item.label, number) for item, number in counted(subject)], people)


def only_here(account: int) -> list[str]:
    """The external ids of the users who belong, or belonged, to this account and to no other."""
    others = Count("pk", filter=~Q(account=account))
    pairs = Relationship.objects.filter(user__relationships__account=account).order_by().values("user__external_id")
    found = pairs.annotate(others=others).filter(others=0)
    return sorted(found.values_list("user__external_id", flat=True))


def request_erasure(kind: str, external_id: str, *, by: str, with_users: bool = False) -> Erasure:
    """Ask for a user or an account to be erased, once; `with_users` takes those who belong to no other account too.

    An id of which nothing is held, and that was not erased either, raises NothingHeld. An erasure in force is the
    answer again, and is repeated if rows have come back. Raises BadValue for what cannot be an id.
    """
    wanted = [(kind, clean_id(external_id))]
    if with_users and kind == ACCOUNT:
        subject = find_subject(kind, wanted[0][1])
        wanted += [(USER, user) for user in only_here(subject.pk)] if subject.pk else []
    # Counted before the gate is closed: a writer may wait for it with tables locked that a count would wait for.
    subjects = [find_subject(*one) for one in wanted]
    rows = [sum(number for _, number in counted(one)) for one in subjects]
    others = {(one.kind, other): place for place, one in enumerate(subjects) for other in other_ids(one)}
    with transaction.atomic():
        close_gate()
        found = [_request(*one, number, by) for one, number in zip(wanted, rows, strict=True)]
        for other in sorted(others.keys() - set(wanted)):
            _request(*other, 0, by, other_of=found[others[other]])
        enqueue(TASK)
    return found[0]


def _request(kind: str, external_id: str, rows: int, by: str, *, other_of: Erasure | None = None) -> Erasure:
    """The row of an erasure, to be begun or gone on with if there are rows to erase; that of another id of the same
    subject (whose erasure is `other_of`) is begun anyhow, so that the id is kept out."""
    known = Erasure.objects.filter(kind=kind, digest__in=digests(kind, external_id), lifted_at__isnull=True).first()
    if known is None and not rows and other_of is None:
        raise NothingHeld(f"Nothing is held about a {kind} with this id.")
    made = Erasure(
        kind=kind, digest=digest(kind, external_id), key_mark=key_mark(), requested_by=by[:150], other_of=other_of
    )
    found = known or made
    if rows or known is None:
        found.external_id, found.state, found.expected = external_id, State.WAITING, found.rows + rows
        found.save()
    return found


def unfinished() -> bool:
    """Whether there is something to go on with."""
    return Erasure.objects.exclude(state=State.DONE).exists()


def continue_erasures(seconds: float = math.inf) -> int:
    """Go on with every erasure that is not done; how many were finished. One that fails says why and comes again.

    After so many seconds it stops between two batches; the next wake-up goes on.
    """
    until = time.monotonic() + seconds
    done, failed = 0, None
    for erasure in Erasure.objects.exclude(state=State.DONE).order_by("pk"):
        try:
            done += erase(erasure, until).state == State.DONE
        except Exception as error:
            failed = error
            Erasure.objects.filter(pk=erasure.pk).update(error=(str(error) or repr(error)).splitlines()[0][:500])
    if failed is not None:
        raise failed
    return done


def erase(erasure: Erasure, until: float = math.inf) -> Erasure:
    """Erase in batches until nothing is left, or until an instant of the monotonic clock. Two at once share the work;
    the counts stay exact."""
    write_ledger("erased", erasure)
    Erasure.objects.filter(pk=erasure.pk, state=State.WAITING).update(state=State.RUNNING)
    for _ in range(ATTEMPTS):
        if not _still_open(erasure.pk):
            break
        subject = find_subject(erasure.kind, erasure.external_id)
        for item in holdings(erasure.kind):
            if item.order < LAST:
                while _batch(erasure.pk, item, subject):
                    if time.monotonic() > until:
                        return erasure
        try:
            if _finish(erasure.pk, subject):
                break
        except IntegrityError:
            continue  # something about it was stored since; look through everything again
    else:
        raise RuntimeError("Rows about the erased id keep coming. It is tried again in a minute.")
    erasure.refresh_from_db()
    write_ledger("done", erasure)
    return erasure


def _still_open(pk: int) -> bool:
    return Erasure.objects.filter(pk=pk).exclude(state=State.DONE).exists()


@transaction.atomic
def _batch(pk: int, item: Holding, subject: Subject) -> bool:
    """One batch of one kind; False if there was nothing left."""
    removed = erase_batch(item, subject, BATCH)
    _add(pk, removed)
    return bool(removed.total())


@transaction.atomic
def _finish(pk: int, subject: Subject) -> bool:
    """Remove the record itself, and with it the last place where the id stands."""
    left = [item for item in holdings(subject.kind) if item.order < LAST]
    if any(item.find[subject.kind](subject).exists() for item in left):
        return False
    if subject.pk:
        model: Any = EndUser if subject.kind == USER else Account
        _add(pk, Counter({subject.kind: delete_rows(model, [subject.pk])}))
    Erasure.objects.filter(pk=pk).update(external_id="", state=State.DONE, finished_at=timezone.now(), error="")
    return True


def _add(pk: int, removed: Counter[str]) -> None:
    if removed.total():
        row = Erasure.objects.select_for_update().get(pk=pk)
        row.removed = dict(Counter(row.removed) + removed)
        row.save(update_fields=["removed"])


def lift(erasure: Erasure, *, by: str) -> Erasure:
    """Take messages about the id again, and about the other ids that were kept out with it; not before all of them are
    erased. What was erased stays erased."""
    with transaction.atomic():
        rows = list(
            Erasure.objects.select_for_update().filter(Q(pk=erasure.pk) | Q(other_of=erasure.pk)).order_by("pk")
        )
        if all(row.state == State.DONE for row in rows):
            for row in rows:
                if row.lifted_at is None:
                    row.lifted_at, row.lifted_by = timezone.now(), by[:150]
                    row.save(update_fields=["lifted_at", "lifted_by"])
    for row in rows:
        if row.lifted_at is not None:
            write_ledger("lifted", row)  # repeated if the first time failed; the file may say it twice
    return next(row for row in rows if row.pk == erasure.pk)


def unknown_keys() -> set[str]:
    """The marks of keys that erasures in force were made with and that are not known any more."""
    used = Erasure.objects.filter(lifted_at__isnull=True).order_by().values_list("key_mark", flat=True).distinct()
    return set(used) - key_marks()


@dataclass(frozen=True)
class Reapplied:
    """What was done after a restore: erasures in the file, those that the database did not know, those whose data was
    there again, and those that cannot be compared because their key is not known."""

    entries: int
    added: int
    erased: int
    unreadable: int


def reapply_erasures() -> Reapplied:
    """Erase again what an older backup brought back, by the file. Running it again changes nothing."""
    entries, lifted = read_ledger()
    # Lifted after the backup was made.
    Erasure.objects.filter(uid__in=lifted, lifted_at__isnull=True, state=State.DONE).update(
        lifted_at=timezone.now(), lifted_by="reapply_erasures"
    )
    known = key_marks()
    readable = [entry for entry in entries if entry.key_mark in known]
    added = sum(_remember(entry) for entry in entries)
    back: dict[Erasure, str] = {}
    for kind in DataSubject.values:
        wanted = {entry.digest for entry in readable if entry.kind == kind}
        for external_id in _ids_held(kind) if wanted else ():
            for made in digests(kind, external_id):
                if made in wanted:
                    wanted.discard(made)
                    found = Erasure.objects.filter(kind=kind, digest=made, lifted_at__isnull=True).first()
                    back |= {found: external_id} if found else {}
    erased = 0
    for erasure, external_id in back.items():
        rows = sum(number for _, number in counted(find_subject(erasure.kind, external_id)))
        if rows:
            erase(_request(erasure.kind, external_id, rows, "reapply_erasures"))
            erased += 1
    return Reapplied(len(entries), added, erased, len(entries) - len(readable))


def _ids_held(kind: str) -> Any:
    model: Any = EndUser if kind == USER else Account
    yield from model.objects.order_by().values_list("external_id", flat=True).iterator()
    yield from names_held(kind)


def _remember(entry: Entry) -> bool:
    """Have the database know an erasure of the file, so that it keeps the id out; True if it did not."""
    same = Q(kind=entry.kind, digest=entry.digest, lifted_at__isnull=True) | Q(uid=entry.uid)
    if Erasure.objects.filter(same).exists():
        return False
    Erasure.objects.create(
        uid=uuid.UUID(entry.uid), kind=entry.kind, digest=entry.digest, key_mark=entry.key_mark,
        requested_by=entry.by, state=State.DONE, finished_at=timezone.now(),
        other_of=Erasure.objects.filter(uid=entry.of).first() if entry.of else None,
    )  # fmt: skip
    return True

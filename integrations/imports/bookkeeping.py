"""The account that an import keeps: how far it came, which rows it rejected, and what it did to each row.

Everything is written in the transaction of the batch, so that it is true whenever a process ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import Max
from django.utils import timezone

from accounts.facts import SHAPES, Outcome
from accounts.facts.rows import account_ids
from accounts.facts.shapes import Shape
from accounts.facts.values import canonical, jsonable
from accounts.models import Account, EndUser, Relationship, Subject
from accounts.privacy.gate import Refusal
from core.intake import BadValue, clean_id
from core.working import Superseded
from integrations.ledger import Ledger, Progress, Summary
from integrations.mapping import SUBJECT_OF
from integrations.models import Import, ImportedRow, ImportReject
from usage.store import Appended

MOST_REJECTS = 50_000
LONGEST_ROW, LONGEST_CELL = 64 * 1024, 1_000
EVENT = "event"
NAMES_ERASED = "names_erased"  # in the options: the file does not outlive the import
_COUNTS = ("rows", "created", "updated", "unchanged", "bad_rows", "homeless")


class ImportLedger(Ledger):
    """The ledger of one attempt to work on an import."""

    def __init__(self, job: Import) -> None:
        super().__init__()
        self.job, self.position = job, job.position
        self.summary = Summary(**{name: getattr(job, name) for name in _COUNTS})
        self._batch = (ImportedRow.objects.filter(job=job).aggregate(last=Max("batch"))["last"] or 0) + 1
        self._rejects: list[ImportReject] = []
        self._kept = ImportReject.objects.filter(job=job).count()
        self._before: dict[int, dict[str, Any]] = {}
        self._known: dict[str, set[str]] = {}
        self._facts: Sequence[Any] = ()
        self._rows: list[ImportedRow] = []

    def alive(self) -> None:
        """A sign of life, so that nobody takes the import over while its file is read up to where it was."""
        mine = Import.objects.filter(pk=self.job.pk, claim=self.job.claim, state=Import.State.RUNNING)
        if not mine.update(beat_at=timezone.now()):
            raise Superseded

    def begin(self) -> None:
        """Make sure that the import is still ours, and keep it so until the commit."""
        current = Import.objects.select_for_update(no_key=True).get(pk=self.job.pk)
        if current.claim != self.job.claim or current.state != Import.State.RUNNING:
            raise Superseded
        self._rejects, self._rows = [], []

    def facts(self, kind: str, facts: Sequence[Any], lines: Sequence[int]) -> None:
        """Look at the rows as they are before the facts come, locked, so that nobody changes them in between."""
        self._facts, self._before = facts, {}
        self._known = {} if kind in ("accounts", "users") else _named(facts)
        subject = SUBJECT_OF.get(kind)
        if subject is None:
            return
        if subject == Subject.RELATIONSHIP:
            self._before = _relationships(facts)
            return
        shape = SHAPES[subject]
        ids = {text for fact in facts if (text := _id(fact.external_id))}
        manager: Any = shape.model._default_manager
        for row in manager.filter(external_id__in=ids).select_for_update(no_key=True).order_by("external_id"):
            self._before[row.pk] = _state(shape, row)

    def recorded(self, outcome: Outcome) -> None:
        """Keep what became another value, and which rows are new."""
        self._keep_made()
        subject = SUBJECT_OF[self.job.kind]
        if subject == Subject.RELATIONSHIP:
            self._keep_relationships(outcome)
            return
        shape = SHAPES[subject]
        manager: Any = shape.model._default_manager
        for row in manager.filter(pk__in=outcome.touched).order_by("pk"):
            if row.pk in outcome.created:
                self._row(subject, row.pk, created=True)
                continue
            old, new = self._before.get(row.pk, {}), _state(shape, row)
            changed = {
                key: [old.get(key, (None, None))[0], old.get(key, (None, None))[1], stamp]
                for key, (value, stamp) in new.items()
                if canonical(old.get(key, (None, None))[0]) != canonical(value)
            }
            self._row(subject, row.pk, before=changed)

    def _keep_relationships(self, outcome: Outcome) -> None:
        for row in Relationship.objects.filter(pk__in=outcome.touched).order_by("pk"):
            after = row.updated_at.isoformat()
            if row.pk in outcome.created:
                self._row(Subject.RELATIONSHIP, row.pk, created=True, before={"after": after})
            else:
                self._row(Subject.RELATIONSHIP, row.pk, before={"after": after, "was": self._before.get(row.pk)})

    def _keep_made(self) -> None:
        """Accounts and users that came to be because a row names them."""
        for name, model in (("account", Account), ("user", EndUser)):
            missing = self._known.get(name)
            if missing:
                for pk in model._default_manager.filter(external_id__in=missing).values_list("pk", flat=True):
                    self._row(name, pk, created=True)

    def appended(self, result: Appended) -> None:
        """Keep when the batch was received and between which times its events lie."""
        self._keep_made()
        if result.stored and result.received_at:
            times = [fact.at for fact in self._facts]
            span = {"received": result.received_at, "first": min(times), "last": max(times)}
            before = {name: at.isoformat() for name, at in span.items()} | {"count": result.stored}
            self._row(EVENT, 0, created=True, before=before)

    def _row(self, subject: str, pk: int, *, created: bool = False, before: dict[str, Any] | None = None) -> None:
        self._rows.append(
            ImportedRow(
                job=self.job, batch=self._batch, subject=subject, object_id=pk, created=created, before=before or {}
            )
        )

    def reject(self, line: int, column: str, reason: str, cells: list[str]) -> None:
        """Keep the row for the file of rejects."""
        if isinstance(reason, Refusal):
            self.job.options = {**self.job.options, NAMES_ERASED: True}
        if self._kept >= MOST_REJECTS:
            return
        self._kept += 1
        texts = [_storable(cell) for cell in cells]
        if sum(map(len, texts)) > LONGEST_ROW:
            texts = [text[:LONGEST_CELL] for text in texts]
        self._rejects.append(
            ImportReject(job=self.job, line=line, column=_storable(column)[:300], reason=_storable(reason), cells=texts)
        )

    def end(self, progress: Progress, position: int) -> None:
        """Write everything down, and a sign of life with it."""
        ImportReject.objects.bulk_create(self._rejects)
        ImportedRow.objects.bulk_create(self._rows)
        counts: dict[str, Any] = {name: getattr(self.summary, name) for name in _COUNTS}
        counts |= {"options": self.job.options, "position": position, "place": progress.place, "size": progress.size}
        Import.objects.filter(pk=self.job.pk).update(**counts, beat_at=timezone.now(), attempts=0, error="")
        self._batch += 1


def _state(shape: Shape, row: Any) -> dict[str, tuple[Any, Any]]:
    """Every value that facts have set, in JSON form, with its stamp."""
    return {
        key: (jsonable(shape.read(row, key)), stamp)
        for key, stamp in row.stamps.items()
        if key in shape.columns or key.startswith("custom.")
    }


def _relationships(facts: Sequence[Any]) -> dict[int, dict[str, Any]]:
    users = {text for fact in facts if (text := _id(fact.user))}
    list(EndUser.objects.filter(external_id__in=users).select_for_update(no_key=True).order_by("external_id"))
    accounts = account_ids(fact.account for fact in facts).values()
    rows = Relationship.objects.filter(user__external_id__in=users, account__in=accounts)
    return {row.pk: state_of(row) for row in rows}


def state_of(row: Relationship) -> dict[str, Any]:
    """All of a relationship that an import can change."""

    def text(at: dt.datetime | None) -> str | None:
        return at.isoformat() if at else None

    return {
        "started_at": text(row.started_at), "ended_at": text(row.ended_at), "role": row.role,
        "attributes": row.attributes, "stamps": row.stamps, "updated_at": text(row.updated_at),
    }  # fmt: skip


def _named(facts: Sequence[Any]) -> dict[str, set[str]]:
    """External ids that rows name and that do not exist yet."""
    accounts, users = set(), set()
    for fact in facts:
        values = getattr(fact, "values", {})
        accounts.add(_id(getattr(fact, "account", None) or values.get("account") or ""))
        users.add(_id(getattr(fact, "user", None) or ""))
    known = set(EndUser.objects.filter(external_id__in=users).values_list("external_id", flat=True))
    return {"account": accounts - account_ids(accounts).keys() - {""}, "user": users - known - {""}}


def _id(value: Any) -> str:
    try:
        return clean_id(value)
    except BadValue:
        return ""


def _storable(text: str) -> str:
    """A text without what PostgreSQL cannot keep."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\x00", "\ufffd")

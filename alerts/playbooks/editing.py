"""Every way to change a playbook. Each is one transaction; who is in it goes on under the version they came in with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.text import slugify

from accounts.fields.uses import FieldUse, find_field_uses_with, texts_in
from alerts.milestones.redefined import field_keys
from alerts.models import AlertRule, Enrolment, Milestone, Playbook, PlaybookVersion
from alerts.playbooks.definition import read_definition
from core.intake import BadValue, clean_text, fold
from core.jobs import enqueue
from core.locks import xact_lock
from core.versions import Stale
from health.definition import DefinitionError
from segments.models import Segment
from segments.questions import Reader, named_in
from segments.rules.tree import Problem
from segments.uses import Use, find_uses_with

TASK = "alerts.tasks.run_playbooks"
MOST_DAYS = 3650


@dataclass(frozen=True)
class Coming:
    """What brings accounts in: joining a segment, an alert of a rule, a milestone reached (or `overdue`), or else a
    person only. `existing`: also accounts as they are. `again` says when one comes in again, `days` after
    its end."""

    segment: Segment | None = None
    rule: AlertRule | None = None
    existing: bool = False
    again: str = Playbook.Again.NEVER
    days: int = 0
    milestone: Milestone | None = None
    overdue: bool = False

    @classmethod
    def of(cls, playbook: Playbook) -> Coming:
        """As it is saved."""
        return cls(
            playbook.segment, playbook.rule, playbook.include_existing, playbook.again, playbook.again_days,
            playbook.milestone, playbook.entry == Playbook.Entry.OVERDUE,
        )  # fmt: skip

    @property
    def entry(self) -> str:
        """The kind of entry."""
        by = Playbook.Entry
        if self.milestone:
            return str(by.OVERDUE if self.overdue else by.REACHED)
        return str(by.SEGMENT if self.segment else by.ALERT if self.rule else by.HAND)

    def ways(self) -> tuple[Any, ...]:
        """What is compared with what was stored: who comes in by something new comes in from now on."""
        return self.entry, _pk(self.segment), _pk(self.rule), _pk(self.milestone)


def save_playbook(
    playbook: Playbook | None,
    *,
    name: str,
    definition: Any,
    coming: Coming | None = None,
    description: str = "",
    active: bool = True,
    key: str = "",
    author: Any = None,
    reason: str = "",
    expected_version: int | None = None,
) -> Playbook:
    """Make or change a playbook. A version is kept whenever steps, goal or exit differ.

    Only entries from now on count when what brings accounts in is new, unless accounts as they are count too. Raises
    DefinitionError with every problem, and Stale if `expected_version` is not the present one.
    """
    coming = coming or Coming()
    with transaction.atomic():
        xact_lock("playbooks")
        found = Playbook(author=_person(author)) if playbook is None else Playbook.objects.get(pk=playbook.pk)
        if expected_version is not None and found.version != expected_version:
            raise Stale(found)
        problems = [*_named(found, name, description, key), *_unfit(coming)]
        try:
            read_definition(definition, Reader.now())
        except DefinitionError as error:
            problems += [Problem(f"/definition{p.pointer}", p.code, p.message, p.allowed) for p in error.problems]
        if problems:
            raise DefinitionError(problems)
        same_way = coming.ways() == (found.entry, found.segment_id, found.rule_id, found.milestone_id)
        if not found.pk or not same_way or (active and not found.active):
            found.since = timezone.now()
        different = not found.version or found.definition != definition
        found.entry, found.segment, found.rule = coming.entry, coming.segment, coming.rule
        found.milestone = coming.milestone
        found.include_existing, found.again = coming.existing, str(Playbook.Again(coming.again))
        found.again_days = coming.days if found.again == Playbook.Again.AFTER else 0
        found.active, found.definition, found.error = active, definition, ""
        found.version += different
        found.save()
        if different:
            PlaybookVersion.objects.create(
                playbook=found, number=found.version, definition=definition, author=_person(author),
                reason=clean_text(reason, 255),
            )  # fmt: skip
        enqueue(TASK)
    return found


def set_playbook_active(playbook: Playbook, active: bool) -> None:
    """Switch a playbook on or off. Off, nobody comes in and who is in it stands still; on, they go on, and entries from
    now on count."""
    with transaction.atomic():
        xact_lock("playbooks")
        found = Playbook.objects.get(pk=playbook.pk)
        if found.active != active:
            found.active, found.since = active, timezone.now()
            found.save(update_fields=["active", "since", "updated_at"])
            enqueue(TASK)


def delete_playbook(playbook: Playbook) -> None:
    """Delete a playbook with its history; the tasks that it made stay."""
    with transaction.atomic():
        xact_lock("playbooks")
        Playbook.objects.filter(pk=playbook.pk).delete()


def free_key(name: str) -> str:
    """A slug of the name that no playbook has."""
    base = slugify(name)[:70] or "playbook"
    taken = set(Playbook.objects.filter(key__startswith=base).values_list("key", flat=True))
    return next(found for found in _numbered(base) if found not in taken)


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1


def _named(playbook: Playbook, name: str, description: str, key: str) -> list[Problem]:
    """Set name, description and key; what is wrong is returned."""
    problems = []
    try:
        playbook.name, playbook.description = clean_text(name, 120), clean_text(description, 2_000)
    except BadValue as error:
        return [Problem("/name", "invalid-text", str(error))]
    others = Playbook.objects.exclude(pk=playbook.pk)
    if not playbook.name:
        problems.append(Problem("/name", "required", "Enter a name, for example Renewal in 90 days."))
    elif others.filter(name_folded=fold(playbook.name)).exists():
        text = f"There is already a playbook named “{playbook.name}”. Choose another name."
        problems.append(Problem("/name", "name-taken", text))
    if not playbook.key:
        playbook.key = key or free_key(playbook.name)
        if slugify(playbook.key) != playbook.key.lower() or len(playbook.key) > 80:
            problems.append(Problem("/key", "invalid-key", "The key is made of small letters, digits and -."))
        elif others.filter(key=playbook.key).exists():
            problems.append(Problem("/key", "key-taken", f"There is already a playbook with the key {playbook.key}."))
    return problems


def _unfit(coming: Coming) -> list[Problem]:
    problems = []
    segment = coming.segment
    if sum(one is not None for one in (segment, coming.rule, coming.milestone)) > 1:
        text = "Choose a segment, an alert rule or a milestone, not several of them."
        problems.append(Problem("/milestone" if coming.milestone else "/rule", "two-entries", text))
    if segment is not None and (segment.subject != Segment.Subject.ACCOUNT or segment.internal):
        text = f"{segment.name} is not a segment of accounts. Playbooks are for accounts."
        problems.append(Problem("/segment", "wrong-subject", text))
    if coming.again == Playbook.Again.AFTER and not 1 <= coming.days <= MOST_DAYS:
        text = f"Say after how many days, from 1 to {MOST_DAYS}."
        problems.append(Problem("/again_days", "out-of-range", text))
    return problems


def _person(author: Any) -> Any:
    return author if getattr(author, "pk", None) else None


def _pk(row: Any) -> int | None:
    return row.pk if row is not None else None


def _definitions() -> Iterator[tuple[Playbook, Any]]:
    """Every definition by which accounts go on, with its playbook: the present ones, and those of who is in it."""
    inside = Exists(Enrolment.objects.running().filter(version=OuterRef("pk")))
    for version in PlaybookVersion.objects.filter(Q(number=F("playbook__version")) | inside).select_related("playbook"):
        yield version.playbook, version.definition


@find_uses_with
def playbooks_of_segments(segments: Collection[Segment]) -> list[tuple[Segment, Use]]:
    """The playbooks that segments bring accounts into, or whose rules name one."""
    read = [(playbook, named_in(definition)) for playbook, definition in _definitions()]
    found = {
        (segment.pk, playbook.pk): (segment, Use("playbook", playbook.name, playbook.pk))
        for segment in segments
        for playbook, named in read
        if playbook.segment_id == segment.pk or segment.key in named
    }
    return list(found.values())


@find_field_uses_with
def playbooks_that_name() -> Iterator[tuple[FieldUse, set[str]]]:
    """The playbooks with the texts of their definitions. A field that one sets is called there without its owner, a
    milestone by its key alone."""
    for playbook, definition in _definitions():
        texts = texts_in(definition)
        named = {f"account.{text}" for text in texts} | set(_milestones_in(definition))
        yield FieldUse("playbook", playbook.name, playbook.pk), texts | named


def _milestones_in(definition: Any) -> Iterator[str]:
    """The fields of the milestones with which tasks are done."""
    for step in definition.get("steps") or []:
        if key := step.get("done_when"):
            yield field_keys(key)[0]

"""Every way to change a milestone. Each is one transaction; its question is refreshed after it, and its accounts looked
at."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils.text import slugify

from accounts.fields import Stage, Subject
from accounts.fields.uses import FieldUse, find_field_uses_with, texts_in, uses_of_field
from alerts.milestones.redefined import field_keys, tell_redefined
from alerts.milestones.starting import dates_to_count_from
from alerts.models import AccountMilestone, Milestone, MilestoneVersion
from alerts.models.milestone import State
from core.intake import BadValue, NameTaken, clean_text
from core.jobs import enqueue
from core.locks import xact_lock
from core.refusals import Problem
from core.versions import Stale
from segments.editing import free_key, save_segment
from segments.models import Segment
from segments.questions import Question, Reader, named_in
from segments.rules.nodes import Condition, walk
from segments.rules.tree import RuleError, to_json
from segments.stages import stages_of
from segments.uses import Consequence, Use, find_uses_with, foresee_with

TASK = "alerts.milestones.tasks.look_at_milestones"
LONGEST = 3_650
TAKEN_KEYS = ("new", "do", "preview")  # addresses of the pages


class MilestoneInUse(Exception):
    """The milestone cannot go while a rule reads its fields; `uses` says which."""

    def __init__(self, milestone: Milestone, uses: list[FieldUse]) -> None:
        self.milestone, self.uses = milestone, uses
        listed = ", ".join(f"{use.kind} “{use.name}”" for use in uses)
        super().__init__(f"{milestone.name} is used by {listed}. Remove it there first.")


@dataclass(frozen=True)
class Expected:
    """Within how many local days it is to be reached (None: whenever), and from which day they are counted."""

    days: int | None = None
    start: str = Milestone.Start.ACCOUNT
    field: str = ""


def save_milestone(
    milestone: Milestone | None,
    *,
    name: str,
    condition: Any,
    key: str = "",
    description: str = "",
    segments: Iterable[Segment] = (),
    expected: Expected | None = None,
    sticky: bool = True,
    active: bool = True,
    author: Any = None,
    reason: str = "",
    expected_version: int | None = None,
) -> Milestone:
    """Make or change a milestone and have its question refreshed. A version is kept whenever its definition differs.

    A new one gets the last place, and a key from its name where none is given; the key never changes. Raises RuleError
    (pointers begin with /condition or /segments), BadValue, NameTaken, and Stale if
    `expected_version` is not the present one.
    """
    with transaction.atomic():
        xact_lock("milestones")
        found = Milestone() if milestone is None else Milestone.objects.select_related("watch").get(pk=milestone.pk)
        if expected_version is not None and found.version != expected_version:
            raise Stale(found)
        found.name, found.description = _name(name), clean_text(description, 500)
        switched = found.active != active
        if switched:
            found.live_version = 0  # what is found when it is on again is not the accounts' doing
        found.sticky, found.active = sticky, active
        reader, targets = Reader.now(), sorted(segments, key=lambda one: one.pk)
        question = _question(condition, targets, reader)
        _expect(found, expected or Expected(), reader)
        found.condition = to_json(question.rule)
        if milestone is None:
            found.key, found.position = _key(key, found.name), _last() + 1
            found.author = author if getattr(author, "pk", None) else None
        _watch(found, author, reason)
        _store(found, targets, question.words, author, reason)
        if switched:
            tell_redefined(found.key)
        enqueue(TASK)
    return found


def set_milestone_active(milestone: Milestone, active: bool) -> None:
    """Switch a milestone on or off. Off, nothing is looked at and its accounts stay as they are; what it finds when it
    is on again counts as the definition's doing."""
    with transaction.atomic():
        xact_lock("milestones")
        if Milestone.objects.filter(pk=milestone.pk).exclude(active=active).update(active=active, live_version=0):
            tell_redefined(milestone.key)
        enqueue(TASK)


def delete_milestone(milestone: Milestone) -> None:
    """Delete a milestone with what accounts have reached. Raises MilestoneInUse."""
    with transaction.atomic():
        xact_lock("milestones")
        xact_lock("milestone", milestone.pk)
        uses = uses_of_milestone(milestone)
        if uses:
            raise MilestoneInUse(milestone, uses)
        Milestone.objects.filter(pk=milestone.pk).delete()
        tell_redefined(milestone.key)
        Segment.everything.filter(pk=milestone.watch_id).delete()


def move_milestone(milestone: Milestone, by: int) -> int:
    """Move a milestone up (-1) or down (1) among the others; its new place, counted from 1."""
    with transaction.atomic():
        xact_lock("milestones")
        order = list(Milestone.objects.order_by("position", "pk").values_list("pk", flat=True))
        place = max(0, min(order.index(milestone.pk) + by, len(order) - 1))
        order.remove(milestone.pk)
        order.insert(place, milestone.pk)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE alerts_milestone AS m SET position = o.place"
                " FROM unnest(%s::bigint[]) WITH ORDINALITY AS o (id, place)"
                " WHERE m.id = o.id AND m.position <> o.place",
                [order],
            )
    return place + 1


def uses_of_milestone(milestone: Milestone) -> list[FieldUse]:
    """The rules that read one of its fields, each once."""
    found = [use for key in field_keys(milestone.key) for use in uses_of_field(key)]
    return list(dict.fromkeys(found))


def _question(condition: Any, targets: list[Segment], reader: Reader) -> Question:
    """The condition, read; all problems of it and of the target at once."""
    problems: list[Problem] = []
    question: Question | None = None
    try:
        question = reader.read(condition, subject=Subject.ACCOUNT)
    except RuleError as error:
        problems += [Problem(f"/condition{p.pointer}", p.code, p.message, p.allowed) for p in error.problems]
    else:
        problems += _unfit(question)
    stages = stages_of(Segment.everything.all(), reader.vocabulary)
    for key in sorted(named_in(to_json(question.rule)) if question else ()):
        if stages.get(key, Stage.FACTS) >= Stage.MILESTONES:
            text = f"The members of {reader.segments[key][1]} are only known after milestones are reached."
            problems.append(Problem("/condition", "later-stage", text))
    for place, segment in enumerate(targets):
        at = f"/segments/{place}"
        if segment.subject != Segment.Subject.ACCOUNT or segment.internal:
            text = f"{segment.name} is not a segment of accounts. Milestones are about accounts."
            problems.append(Problem(at, "wrong-subject", text))
        elif stages.get(segment.key, Stage.FACTS) >= Stage.MILESTONES:
            text = f"The members of {segment.name} are only known after milestones are reached."
            problems.append(Problem(at, "later-stage", text))
    if problems:
        raise RuleError(problems)
    assert question is not None
    return question


def _unfit(question: Question) -> list[Problem]:
    """What a question cannot be a milestone's for: nothing asked, or something that is known only later."""
    if not question.rule.rules:
        text = "The condition is empty, so every account would have reached it. Add one."
        return [Problem("/condition", "empty-group", text)]
    return [
        Problem(f"/condition{node.pointer}", "later-stage",
                f"{node.field.label} is only known after milestones are reached.")
        for node in walk(question.rule)
        if isinstance(node, Condition) and node.field.stage >= Stage.MILESTONES
    ]  # fmt: skip


def _expect(milestone: Milestone, expected: Expected, reader: Reader) -> None:
    days = expected.days
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= LONGEST):
        raise BadValue(f"The expected days are a whole number from 0 to {LONGEST:,}, or none.")
    if expected.start not in Milestone.Start.values:
        raise BadValue(f"Count the days from one of: {', '.join(Milestone.Start.values)}.")
    by_field = expected.start == Milestone.Start.FIELD
    if by_field and expected.field not in dates_to_count_from(reader.vocabulary):
        raise BadValue("Choose the date of the account from which the days are counted.")
    milestone.expected_days, milestone.start = days, expected.start
    milestone.start_field = expected.field if by_field else ""


def _watch(milestone: Milestone, author: Any, reason: str) -> None:
    """Save the condition as an internal segment of its own."""
    watch = milestone.watch if milestone.watch_id else None
    milestone.watch = save_segment(
        watch, name=f"Milestone: {milestone.name}"[:120], rule=milestone.condition, visible=False, author=author,
        reason=reason, internal=True, key="" if watch else free_key(f"milestone-{milestone.key}"),
    )  # fmt: skip


def _store(milestone: Milestone, targets: list[Segment], words: str, author: Any, reason: str) -> None:
    """Write the milestone, and a version of it if what decides about accounts differs from the newest one."""
    definition = {
        "segments": [one.key for one in targets], "condition": milestone.condition, "start": milestone.start,
        "start_field": milestone.start_field, "expected_days": milestone.expected_days, "sticky": milestone.sticky,
    }  # fmt: skip
    newest = milestone.versions.first() if milestone.pk else None
    different = newest is None or newest.definition != definition
    milestone.version += different
    try:
        with transaction.atomic():
            milestone.save()
    except IntegrityError as error:
        if "milestone_name_unique" in str(error):
            text = f"There is already a milestone named “{milestone.name}”. Choose another name."
            raise NameTaken(text) from error
        raise
    milestone.segments.set(targets)
    if different:
        MilestoneVersion.objects.create(
            milestone=milestone, number=milestone.version, definition=definition, words=words,
            author=author if getattr(author, "pk", None) else None, reason=clean_text(reason, 255),
        )  # fmt: skip


def _name(name: str) -> str:
    found = clean_text(name, 80)
    if not found:
        raise BadValue("Enter a name, for example First login.")
    return found


def _key(wanted: str, name: str) -> str:
    """The key that was asked for, or a slug of the name that no milestone has."""
    base = slugify(wanted or name)[:50] or "milestone"
    if wanted and (base != wanted or base in TAKEN_KEYS or Milestone.objects.filter(key=base).exists()):
        raise BadValue("The key is made of small letters, digits and hyphens, and no other milestone has it.")
    taken = {*TAKEN_KEYS, *Milestone.objects.filter(key__startswith=base).values_list("key", flat=True)}
    found, number = base, 2
    while found in taken:
        found, number = f"{base}-{number}", number + 1
    return found


def _last() -> int:
    return Milestone.objects.aggregate(last=Max("position"))["last"] or 0


@find_uses_with
def milestones_of_segments(segments: Collection[Segment]) -> list[tuple[Segment, Use]]:
    """The milestones that aim at segments, or whose conditions name one."""
    found = list(Milestone.objects.prefetch_related("segments"))
    return [
        (segment, Use("milestone", one.name, one.pk))
        for segment in segments
        for one in found
        if segment in one.segments.all() or segment.key in named_in(one.condition)
    ]


@find_field_uses_with
def milestones_that_read() -> list[tuple[FieldUse, set[str]]]:
    """The milestones with the texts of their condition and the field that they count their days from."""
    found = Milestone.objects.all()
    return [
        (FieldUse("milestone", one.name, one.pk), texts_in(one.condition) | texts_in(one.start_field)) for one in found
    ]


@foresee_with
def milestones_that_would_be_lost(segments: Collection[Segment]) -> list[tuple[Segment, Consequence]]:
    """Who has reached a milestone that can be lost again, by its own doing."""
    reached = AccountMilestone.objects.filter(state=State.REACHED, by_hand=False)
    return [
        (
            one.watch,
            Consequence("account loses it", "accounts lose it", reached.filter(milestone=one).values("account_id")),
        )
        for one in Milestone.objects.filter(watch__in=segments, active=True, sticky=False).select_related("watch")
    ]

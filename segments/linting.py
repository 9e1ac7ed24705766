"""What is odd about segments: rules that cannot hold, fields that nothing feeds, segments alike, unused ones.

Remarks about a rule alone are pure (`segments.rules.lint`); here is what needs the data: whether a field has any value,
and how the stored members of the segments overlap today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Exists, QuerySet

from accounts.fields import Field, Owner, Subject
from accounts.fields.sql import Known
from accounts.models import Account
from segments.alike import alike
from segments.limits import bounded
from segments.models import Segment
from segments.questions import PREVIEW_LIMIT_MS, Preview, Question, Reader, named_in
from segments.rules.describe import field_name
from segments.rules.lint import Note, lint
from segments.rules.nodes import Group, fields_in, walk
from segments.rules.tree import RuleError
from segments.subjects import members_of, subject_of
from segments.unseen import unseen_properties
from segments.uses import uses_of

OVERLAP_LIMIT_MS = 20_000
_OVERLAP = """
SELECT one.segment_id, other.segment_id, count(*)
FROM {table} AS one JOIN {table} AS other ON other.{member} = one.{member} AND other.left_at IS NULL
JOIN ({live}) AS live (id) ON live.id = one.{member}
WHERE one.left_at IS NULL AND one.segment_id = ANY(%s) AND other.segment_id = ANY(%s)
GROUP BY 1, 2
"""


def note_preview(
    question: Question, reader: Reader, seen: Preview, base: QuerySet[Any], segment: Segment | None = None
) -> list[Note]:
    """The remarks on a rule that is being edited, with its preview: those on the rule, and the segments that have all
    of what it matches among the rows of `base`, as far as there is time. Raises PreviewTooSlow past two seconds a
    statement."""
    notes, many = note_rule(question.rule, reader, question.members.subject), question.members.subject.many
    for other, same in alike(question, seen, base, segment):
        if same:
            said = f"The {seen.count:,} {many} that match are just those of {other.name} today."
            notes.append(Note("", "identical", said))
        elif not _is_everybody(other):
            notes.append(Note("", "contained", f"All {seen.count:,} {many} that match are in {other.name} too, today."))
    return notes


def note_rule(rule: Group, reader: Reader, subject: str = Subject.ACCOUNT) -> list[Note]:
    """The remarks on a rule, saved or not: those that follow from it, the fields that no account has a value of,
    and the properties that no newest event has.

    Raises PreviewTooSlow past two seconds a statement.
    """
    notes = lint(rule, reader.words, reader.moment.today, Subject(str(subject)))
    notes += unseen_properties(rule, reader.vocabulary)
    read = {field.key: (field, node) for node in walk(rule) for field in fields_in(node)}
    listed = [(field, node) for field, node in read.values() if field.owner is not Owner.EVENT]
    if not listed:
        return notes
    fed = {f"fed_{number}": Exists(_values(field, reader)) for number, (field, _) in enumerate(listed)}
    with bounded(PREVIEW_LIMIT_MS):
        found = Account.objects.live().order_by("pk").annotate(**fed).values(*fed).first()
    if found is None:
        return notes  # where there is no account yet, nothing can have a value
    return notes + [_unfed(*read) for number, read in enumerate(listed) if not found[f"fed_{number}"]]


def _unfed(field: Field, node: Any) -> Note:
    name = field_name(field)
    return Note(node.pointer, "no-data", f"Nothing has a value of {name} yet. Check the source that should send it.")


def _values(field: Field, reader: Reader) -> QuerySet[Any]:
    """The live accounts, or the rows of accounts, that have a value."""
    rows = reader.vocabulary.about(Subject.ACCOUNT).rows_of(field.owner)
    fed = field.fed or field.value
    if rows is None:
        return Account.objects.live().filter(Known(fed("")))
    found = rows.rows().filter(Known(fed(rows.owners[field.owner])))
    return found.filter(field.rows) if field.rows is not None else found


@dataclass(frozen=True)
class Overlap:
    """Segments, and how many accounts each two share today; a segment with itself gives its size."""

    segments: list[Segment]
    shared: Mapping[tuple[int, int], int]

    def size(self, segment: Segment) -> int:
        """How many members a segment has."""
        return self.shared.get((segment.pk, segment.pk), 0)


def overlap(segments: Iterable[Segment]) -> Overlap:
    """Count, by the stored members, of segments about one subject. Raises PreviewTooSlow past twenty seconds."""
    listed = list(segments)
    if not listed:
        return Overlap([], {})
    ids, members = [segment.pk for segment in listed], members_of(listed[0])
    live, params = members.ids(members.live()).distinct().query.sql_with_params()
    column, table = f"{members.column}_id", members.memberships._meta.db_table
    with bounded(OVERLAP_LIMIT_MS), connection.cursor() as cursor:
        cursor.execute(_OVERLAP.format(table=table, member=column, live=live), [*params, ids, ids])
        return Overlap(listed, {(one, other): count for one, other, count in cursor.fetchall()})


@dataclass(frozen=True)
class Checked:
    """A segment with the remarks on it."""

    segment: Segment
    notes: list[Note]


def check_segments(reader: Reader | None = None) -> list[Checked]:
    """Every segment that there is something to say about, in the company's order."""
    reader = reader or Reader.now()
    segments = list(Segment.objects.in_tab_order())
    active = [segment for segment in segments if segment.active]
    by_subject = {about: overlap(one for one in active if one.subject == about) for about in Subject}
    found = []
    for segment in segments:
        notes = _of_rule(segment, reader) + _of_use(segment) + _of_members(segment, by_subject[subject_of(segment)])
        if notes:
            found.append(Checked(segment, notes))
    return found


def _of_rule(segment: Segment, reader: Reader) -> list[Note]:
    try:
        rule = reader.read(segment.rule, subject=segment.subject).rule
    except RuleError as error:
        return [Note(problem.pointer, "broken", problem.message) for problem in error.problems]
    frozen = [Note("", "frozen", f"Frozen with its last members: {segment.error}")] if segment.frozen else []
    return frozen + note_rule(rule, reader, segment.subject)


def _of_use(segment: Segment) -> list[Note]:
    if not segment.active:
        return [Note("", "off", "It is switched off. Delete it if nobody misses it.")]
    if not segment.visible and not uses_of(segment):
        return [Note("", "unused", "It is not shown among the tabs, and nothing uses it.")]
    return []


def _of_members(segment: Segment, counted: Overlap) -> list[Note]:
    """Segments with the same members today, or all of this one's and more; those that name each other are meant so."""
    if not segment.active or segment.due:
        return []
    size = counted.size(segment)
    if not size:
        return [Note("", "empty", f"No {segment.subject} is in it today.")]
    found = []
    for other in counted.segments:
        related = other.key in named_in(segment.rule) or segment.key in named_in(other.rule)
        if other.pk == segment.pk or related or other.due or counted.shared.get((segment.pk, other.pk)) != size:
            continue
        if counted.size(other) == size:
            found.append(Note("", "identical", f"It has the same {size:,} members as {other.name} today."))
        elif not _is_everybody(other):
            found.append(Note("", "contained", f"All of its {size:,} members are in {other.name} too, today."))
    return found


def _is_everybody(segment: Segment) -> bool:
    """A segment without conditions contains every other one; there is nothing to say about that."""
    return not (isinstance(segment.rule, dict) and segment.rule.get("rules"))


TITLES = {
    "never-true": "Never true",
    "always-true": "Always true",
    "twice": "Said twice",
    "no-data": "No data",
    "broken": "Broken",
    "frozen": "Frozen",
    "off": "Off",
    "unused": "Unused",
    "empty": "Empty",
    "identical": "Identical",
    "contained": "Contained",
}

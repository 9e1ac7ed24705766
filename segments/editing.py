"""Every way to change a segment. Each is one transaction that ends with the refresh asked for."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils.text import slugify

from accounts.fields import Subject
from core.intake import BadValue, NameTaken, clean_text
from core.locks import xact_lock
from core.names import free_name
from core.refusals import Problem
from core.versions import Stale
from segments.models import Segment, SegmentVersion
from segments.ordering import CircularSegments, edges_of, topological
from segments.questions import Reader
from segments.refresh import request_refresh
from segments.rules.tree import RuleError, segments_of, to_json
from segments.uses import SegmentInUse, uses_of

__all__ = [
    "SegmentInUse",
    "clone_segment",
    "delete_segment",
    "move_segment",
    "place_segment",
    "reorder_segments",
    "save_segment",
    "set_active",
    "set_visible",
]


def save_segment(
    segment: Segment | None,
    *,
    name: str,
    rule: Any,
    description: str = "",
    visible: bool = True,
    active: bool = True,
    author: Any = None,
    reason: str = "",
    expected_version: int | None = None,
    key: str = "",
    subject: str = Subject.ACCOUNT,
    internal: bool = False,
) -> Segment:
    """Make or change a segment and ask for its refresh, also when nothing changed.

    A version is kept when the rule differs from the saved one. `expected_version` is the version the editor started
    from; another one stored meanwhile raises Stale. `key` names a new segment in place of a slug of its name,
    `subject` says what a new one is about; it never changes. An `internal` one is the saved question of something
    else (an alert, a milestone) and appears among no segments.
    Raises RuleError, NameTaken, SegmentInUse (when switching off) and BadValue (an empty or endless name).
    """
    name = _name(name)
    with transaction.atomic():
        xact_lock("segments")
        current = None if segment is None else Segment.everything.select_for_update().get(pk=segment.pk)
        if current is not None and expected_version is not None and expected_version != current.version:
            raise Stale(current)
        target = current or _new(key or free_key(name), subject, author, internal)
        question = Reader.now().read(rule, subject=target.subject)
        _refuse_circle(target, segments_of(question.rule))
        if current is not None and current.active and not active:
            _refuse_use(current)
        switched = current is not None and current.active != active
        target.name, target.description = name, clean_text(description, 2_000)
        target.visible, target.active = visible, active
        written = to_json(question.rule)
        changed = current is None or target.rule != written
        target.rule = written
        target.version += int(changed)
        _store(target)
        if changed:
            _keep_version(target, question.words, author, reason)
        request_refresh([target], redefined=changed or switched)
    target.refresh_from_db()
    return target


def _keep_version(segment: Segment, words: str, author: Any, reason: str) -> None:
    SegmentVersion.objects.create(
        segment=segment, number=segment.version, rule=segment.rule, words=words, author=_known(author),
        reason=clean_text(reason, 255),
    )  # fmt: skip


def _new(key: str, subject: str, author: Any, internal: bool) -> Segment:
    return Segment(key=key, subject=str(subject), position=_last() + 1, created_by=_known(author), internal=internal)


def clone_segment(segment: Segment, *, author: Any = None) -> Segment:
    """A hidden copy right under the original, with a name of its own and the same rule."""
    with transaction.atomic():
        xact_lock("segments")
        original = Segment.everything.get(pk=segment.pk)
        copy = save_segment(
            None,
            name=free_name(f"{original.name[:105]} (copy)", Segment.objects.all()),
            rule=original.rule,
            subject=original.subject,
            description=original.description,
            visible=False,
            author=author,
            reason=f"Cloned from {original.name}",
        )
        order = [pk for pk in _order() if pk != copy.pk]
        order.insert(order.index(original.pk) + 1, copy.pk)
        _write_order(order)
    copy.refresh_from_db()
    return copy


def delete_segment(segment: Segment) -> None:
    """Delete a segment with its history. Raises SegmentInUse with the list of what uses it."""
    with transaction.atomic():
        xact_lock("segments")
        xact_lock("segment", segment.pk)
        _refuse_use(segment)
        Segment.everything.filter(pk=segment.pk).delete()


def set_visible(segment: Segment, visible: bool) -> None:
    """Show a segment among the tabs, or only use it elsewhere."""
    Segment.everything.filter(pk=segment.pk).update(visible=visible)


def set_active(segment: Segment, active: bool) -> None:
    """Switch a segment on or off; off, it keeps its rule and has no members. Raises SegmentInUse when switching off."""
    with transaction.atomic():
        xact_lock("segments")
        if not active:
            _refuse_use(segment)
        # Joins and leaves of a segment that is switched on or off are not the customers' doing.
        switched = Segment.everything.filter(pk=segment.pk).exclude(active=active).update(active=active)
        request_refresh([segment], redefined=bool(switched))


def move_segment(segment: Segment, by: int) -> int:
    """Move a segment up (-1) or down (1) among its neighbours; its new place, counted from 1."""
    with transaction.atomic():
        xact_lock("segments")
        order = _order()
        at = order.index(segment.pk)
        return _place(order, segment.pk, at + by)


def place_segment(segment: Segment, place: int) -> int:
    """Put a segment at a place counted from 1; what it became (within the list)."""
    with transaction.atomic():
        xact_lock("segments")
        return _place(_order(), segment.pk, place - 1)


def reorder_segments(ids: list[int]) -> None:
    """Put the given segments into the given order, in the places that they hold together; others stay.

    Raises ValueError for an id that is not a segment or comes twice.
    """
    with transaction.atomic():
        xact_lock("segments")
        order = _order()
        if len(set(ids)) != len(ids) or not set(ids) <= set(order):
            raise ValueError("The order names a segment twice, or one that does not exist.")
        given = iter(ids)
        _write_order([next(given) if pk in set(ids) else pk for pk in order])


def free_key(name: str) -> str:
    """A slug of the name that no segment has."""
    base = slugify(name)[:70] or "segment"
    taken = set(Segment.everything.filter(key__startswith=base).values_list("key", flat=True))
    found, number = base, 2
    while found in taken:
        found, number = f"{base}-{number}", number + 1
    return found


def _name(name: str) -> str:
    found = clean_text(name, 120)
    if not found:
        raise BadValue("Enter a name, for example Enterprise.")
    return found


def _store(segment: Segment) -> None:
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        if "segment_name_unique" in str(error):
            raise NameTaken(f"There is already a segment named “{segment.name}”. Choose another name.") from error
        raise


def _refuse_use(segment: Segment) -> None:
    users = uses_of(segment)
    if users:
        raise SegmentInUse(segment, users)


def _refuse_circle(segment: Segment, named: set[str]) -> None:
    stored = list(Segment.everything.exclude(pk=segment.pk))
    edges = edges_of(stored) | {segment.key: named}
    try:
        topological({key: found & edges.keys() for key, found in edges.items()})
    except CircularSegments as circle:
        names = {item.key: item.name for item in stored} | {segment.key: segment.name or segment.key}
        start = circle.path.index(segment.key) if segment.key in circle.path else 0
        path = circle.path[start:-1] + circle.path[:start] + [circle.path[start]]
        text = " → ".join(names[key] for key in path)
        raise RuleError([Problem("", "cycle", f"The segments would depend on each other: {text}.")]) from circle


def _known(author: Any) -> Any:
    return author if getattr(author, "pk", None) else None


def _last() -> int:
    return Segment.everything.aggregate(last=Max("position"))["last"] or 0


def _order() -> list[int]:
    return list(Segment.objects.in_tab_order().values_list("pk", flat=True))


def _place(order: list[int], pk: int, index: int) -> int:
    order = [other for other in order if other != pk]
    index = max(0, min(index, len(order)))
    order.insert(index, pk)
    _write_order(order)
    return index + 1


def _write_order(ids: list[int]) -> None:
    """Number the public segments 1, 2, 3, …; internal ones have no place among them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segments_segment AS s SET position = o.place"
            " FROM unnest(%s::bigint[]) WITH ORDINALITY AS o (id, place)"
            " WHERE s.id = o.id AND s.position <> o.place",
            [ids],
        )

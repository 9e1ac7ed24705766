"""Applying a file of segments: what would be made, changed or deleted, in words; then all of it or nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from accounts.fields import Subject
from core.intake import BadValue, NameTaken
from segments.editing import SegmentInUse, delete_segment, reorder_segments, save_segment
from segments.models import Segment
from segments.ordering import CircularSegments, in_order, topological
from segments.questions import Reader, named_in
from segments.rules.tree import RuleError
from segments.textform import TextError, Written


@dataclass
class Applied:
    """What was done (or would be): keys by kind, and a line for each thing that differs."""

    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def apply_segments(
    written: list[Written], *, prune: bool = False, dry_run: bool = False, author: Any = None, reason: str = ""
) -> Applied:
    """Make the company's segments those of a file, in one transaction; what is the same is not touched.

    Among those of the file the order is the file's; others keep their places. Nothing is deleted unless `prune` asks
    for it. `dry_run` does all of it and takes it back, so it refuses what the real thing would. Raises TextError.
    """
    applied = Applied()
    with transaction.atomic():
        stored = {segment.key: segment for segment in Segment.objects.all()}
        reader = Reader.now()
        if hidden := (reader.segments.keys() - stored.keys()) & {one.key for one in written}:
            raise TextError(
                f"{', '.join(sorted(hidden))}: the key belongs to a question of csbox's own. Choose another."
            )
        for one in _dependent_last(written):
            with _said(one.key):
                _apply_one(one, stored.get(one.key), reader, applied, author=author, reason=reason)
            reader = Reader.now() if one.key in applied.made else reader
        if prune:
            _prune(stored, {one.key for one in written}, applied)
        _put_in_order([one.key for one in written], stored.keys(), applied)
        transaction.set_rollback(dry_run)
    return applied


def _apply_one(
    one: Written, current: Segment | None, reader: Reader, applied: Applied, *, author: Any, reason: str
) -> None:
    if current is not None and current.subject != one.subject:
        raise TextError(f"{one.key}: its members are {current.subject}s, and that is fixed. Choose another key.")
    differences = list(_differences(one, current, reader))
    if not differences:
        applied.kept.append(one.key)
        return
    (applied.changed if current else applied.made).append(one.key)
    applied.lines += [f"{'~' if current else '+'} {one.key}", *(f"    {line}" for line in differences)]
    save_segment(
        current,
        key=one.key,
        name=one.name,
        rule=one.rule,
        description=one.description,
        visible=one.visible,
        active=one.active,
        subject=one.subject,
        author=author,
        reason=reason,
    )


def _differences(one: Written, current: Segment | None, reader: Reader) -> Iterator[str]:
    words = reader.read(one.rule, subject=one.subject).words
    if current is None:
        about = "" if one.subject == Subject.ACCOUNT else f" (of {one.subject}s)"
        yield f"{one.name}{about}: {words}"
        return
    for name in ("name", "description"):
        before, after = getattr(current, name), getattr(one, name)
        if before != after:
            yield f"{name}: “{before}” becomes “{after}”"
    for name, yes, no in (("visible", "shown", "hidden"), ("active", "switched on", "switched off")):
        if getattr(current, name) != getattr(one, name):
            yield f"{yes if getattr(one, name) else no}"
    if _same(one.rule, reader, one.subject) != _same(current.rule, reader, one.subject):
        yield f"rule: {_words(current.rule, reader, one.subject)}"
        yield f"becomes: {words}"


def _same(rule: Any, reader: Reader, subject: str) -> Any:
    """The rule as it is compared: read, so that spellings of a number or a short root do not count; else as it is."""
    try:
        return reader.read(rule, subject=subject).rule
    except RuleError:
        return rule


def _words(rule: Any, reader: Reader, subject: str) -> str:
    try:
        return reader.read(rule, subject=subject).words
    except RuleError:
        return "a rule that cannot be read any more"


def _dependent_last(written: list[Written]) -> list[Written]:
    by_key = {one.key: one for one in written}
    try:
        order = topological({key: named_in(one.rule) & by_key.keys() for key, one in by_key.items()})
    except CircularSegments as circle:
        raise TextError(f"The segments would depend on each other: {circle}.") from circle
    return [by_key[key] for key in order]


def _prune(stored: dict[str, Segment], kept: set[str], applied: Applied) -> None:
    gone = [segment for key, segment in stored.items() if key not in kept]
    for segment in reversed(in_order(Segment.objects.filter(pk__in=[one.pk for one in gone]))):
        with _said(segment.key):
            delete_segment(segment)
        applied.deleted.append(segment.key)
        applied.lines.append(f"- {segment.key} ({segment.name})")


def _put_in_order(written: list[str], stored: Collection[str], applied: Applied) -> None:
    """Give the places that those of the file have to them in the file's order, and say which of the old ones moved."""
    ids = dict(Segment.objects.in_tab_order().values_list("key", "pk"))
    before = [key for key in ids if key in set(written)]
    if before == written:
        return
    reorder_segments([ids[key] for key in written])
    old, new = ([key for key in keys if key in stored] for keys in (before, written))
    applied.moved = [key for key, other in zip(new, old, strict=True) if key != other]
    if applied.moved:
        applied.lines.append(f"~ order: {', '.join(new)}")


@contextmanager
def _said(key: str) -> Iterator[None]:
    """Turn what saving and deleting refuse into an error that names the segment."""
    try:
        yield
    except RuleError as error:
        told = "; ".join(f"rule{problem.pointer}: {problem.message}" for problem in error.problems[:10])
        raise TextError(f"{key}: {told}") from error
    except (NameTaken, SegmentInUse, BadValue) as error:
        raise TextError(f"{key}: {error}") from error

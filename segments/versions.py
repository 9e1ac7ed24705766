"""The definitions of a segment through time: what changed from one to the next, in words, and how to go back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from accounts.fields import Subject
from core.versions import Change, VersionChange, tell_versions, version_of
from segments.editing import save_segment
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import RuleError

_MATCH = {"all": "all conditions", "any": "any condition", "none": "none of the conditions"}


def versions_of(segment: Segment, reader: Reader, numbers: Iterable[int] | None = None) -> list[VersionChange]:
    """The versions of a segment (or those of some numbers), newest first, each with what changed in it."""
    rows = segment.versions.select_related("author__member", "segment")
    return tell_versions(
        rows, lambda before, after: differences(before.rule, after.rule, reader, segment.subject), numbers
    )


def differences(before: Any, after: Any, reader: Reader, subject: str = Subject.ACCOUNT) -> list[Change]:
    """What was removed, changed and added between two stored rules; they need not be valid any more.

    A condition on the same field that has another operator or value is a change; a group about users or subscriptions
    counts as one condition. Conditions that only moved into other groups are told as one regrouping.
    """
    old, new = list(_conditions(before)), list(_conditions(after))
    gone, come = _without(old, new), _without(new, old)
    found = []
    for condition in list(gone):
        twin = next((other for other in come if _about(other) == _about(condition)), None)
        if twin is not None:
            gone.remove(condition)
            come.remove(twin)
            found.append(Change("changed", f"{words(condition, reader, subject)} → {words(twin, reader, subject)}"))
    found = [Change("removed", words(condition, reader, subject)) for condition in gone] + found
    found += [Change("added", words(condition, reader, subject)) for condition in come]
    was, now = _match(before), _match(after)
    if was != now and old and new:
        found.append(Change("regrouped", f"{_MATCH.get(was, was)} → {_MATCH.get(now, now)}"))
    elif not found and _text(before) != _text(after):
        found.append(Change("regrouped", "the same conditions, grouped or ordered in another way"))
    return found


def restore_version(segment: Segment, number: int, *, author: Any = None) -> Segment:
    """Make an earlier definition the present one, as a version of its own. Raises UnknownVersion, and RuleError if the
    definition names something that is gone."""
    earlier = version_of(segment, number)
    return save_segment(
        segment,
        name=segment.name,
        rule=earlier.rule,
        description=segment.description,
        visible=segment.visible,
        active=segment.active,
        author=author,
        reason=f"Version {number} restored",
        expected_version=segment.version,
    )


def words(condition: dict[str, Any], reader: Reader, subject: str = Subject.ACCOUNT) -> str:
    """A stored condition in plain English; one that cannot be read any more as far as it can be named."""
    try:
        return reader.read({"match": "all", "rules": [condition]}, personal=True, subject=subject).words
    except RuleError:
        value = condition.get("value")
        shown = "" if value is None else f" {value if isinstance(value, str) else json.dumps(value)}"
        return f"{_about(condition).partition(':')[2]} {condition.get('op', '')}{shown} (cannot be read any more)"


def _conditions(node: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(node, dict):
        return
    if "match" in node:
        for child in node.get("rules") or []:
            yield from _conditions(child)
    elif node:
        yield node


def _about(condition: dict[str, Any]) -> str:
    """What a condition is about: two of the same are one that changed."""
    for kind in ("field", "segment", "event"):
        if isinstance(condition.get(kind), str):
            return f"{kind}:{condition[kind]}"
    return next((f"rows:{kind}" for kind in ("users", "subscriptions", "sequence") if kind in condition), "other:?")


def _without(conditions: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conditions less those that the other list has too, each as often as it has them."""
    left = Counter(map(_text, others))
    kept = []
    for condition in conditions:
        if left[_text(condition)]:
            left[_text(condition)] -= 1
        else:
            kept.append(condition)
    return kept


def _match(node: Any) -> str:
    return str(node.get("match", "all")) if isinstance(node, dict) else "all"


def _text(node: Any) -> str:
    return json.dumps(node, sort_keys=True, default=str)

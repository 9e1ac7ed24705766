"""The definitions of an alert rule through time: what changed from one to the next, in words, and how to go back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alerts.definition import stored_definition
from alerts.editing import save_alert_rule
from alerts.models import AlertRule
from core.versions import Change, VersionChange, tell_versions, version_of
from segments.models import Segment
from segments.questions import Reader
from segments.versions import differences

_TIMES = {"hold_days": "Hold", "cooldown_days": "Cool-down"}
EMPTY = {"match": "all", "rules": []}


def versions_of(rule: AlertRule, reader: Reader, numbers: Iterable[int] | None = None) -> list[VersionChange]:
    """The versions of a rule (or those of some numbers), newest first, each with what changed in it."""
    names = {key: name for key, (_, name) in reader.segments.items()}
    return tell_versions(
        rule.versions.select_related("author__member"),
        lambda before, after: changes_between(before.definition, after.definition, reader, names),
        numbers,
    )


def changes_between(before: Any, after: Any, reader: Reader, names: dict[str, str]) -> list[Change]:
    """What differs between two stored definitions, in words; they need not be valid any more."""
    found = differences(before["condition"], after["condition"], reader)
    old, new = before.get("clear") or EMPTY, after.get("clear") or EMPTY
    found += [Change(one.kind, f"To clear: {one.words}") for one in differences(old, new, reader)]
    was, now = (aimed(one.get("segments") or [], names) for one in (before, after))
    if was != now:
        found.append(Change("changed", f"For: {was} → {now}"))
    for name, label in _TIMES.items():
        if before.get(name) != after.get(name):
            found.append(Change("changed", f"{label}: {before.get(name)} → {after.get(name)} days"))
    if before.get("refire") != after.get("refire"):
        labels = dict(AlertRule.Refire.choices)
        was, now = (str(labels.get(one.get("refire"), one.get("refire"))) for one in (before, after))
        found.append(Change("changed", f"Again: {was} → {now}"))
    return found


def restore_version(rule: AlertRule, number: int, *, author: Any = None) -> AlertRule:
    """Make an earlier definition the present one, as a version of its own; the rest of the rule stays. Raises
    UnknownVersion, Stale, and RuleError if the definition names something that is gone."""
    earlier = version_of(rule, number)
    stored_definition(earlier.definition)
    data = dict(earlier.definition)
    data["segments"] = list(Segment.objects.filter(key__in=data["segments"]))
    return save_alert_rule(
        rule,
        name=rule.name,
        message=rule.message,
        type=rule.type,
        severity=rule.severity,
        active=rule.active,
        include_existing=rule.include_existing,
        author=author,
        reason=f"Version {number} restored",
        expected_version=rule.version,
        **data,
    )


def aimed(keys: list[str], names: dict[str, str]) -> str:
    """The names of the segments with these keys, in a row."""
    return ", ".join(names.get(key, key) for key in keys) or "all accounts"

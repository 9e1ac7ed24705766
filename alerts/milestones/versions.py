"""The definitions of a milestone through time: what changed from one to the next, in words, and how to go back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alerts.milestones.editing import Expected, save_milestone
from alerts.models import Milestone
from alerts.versions import aimed
from core.refusals import Problem
from core.versions import Change, VersionChange, tell_versions, version_of
from segments.models import Segment
from segments.questions import Reader
from segments.rules.tree import RuleError
from segments.versions import differences


def versions_of(milestone: Milestone, reader: Reader, numbers: Iterable[int] | None = None) -> list[VersionChange]:
    """The versions of a milestone (or those of some numbers), newest first, each with what changed in it."""
    rows = milestone.versions.select_related("author__member")
    return tell_versions(
        rows, lambda before, after: changes_between(before.definition, after.definition, reader), numbers
    )


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any], reader: Reader) -> list[Change]:
    """What differs between two stored definitions, in words; they need not be valid any more."""
    found = differences(before["condition"], after["condition"], reader)
    names = {key: name for key, (_, name) in reader.segments.items()}
    for label, tell in (
        ("For", lambda one: aimed(one["segments"], names)),
        ("Expected within", _expected),
        ("Counted from", lambda one: _counted(one, reader)),
        ("Once reached", lambda one: "it stays reached" if one["sticky"] else "it can be lost"),
    ):
        was, now = tell(before), tell(after)
        if was != now:
            found.append(Change("changed", f"{label}: {was} → {now}"))
    return found


def _expected(definition: Mapping[str, Any]) -> str:
    days = definition["expected_days"]
    return "whenever" if days is None else f"{days:,} day{'' if days == 1 else 's'}"


def _counted(definition: Mapping[str, Any], reader: Reader) -> str:
    if definition["start"] == Milestone.Start.FIELD:
        named = reader.vocabulary.get(definition["start_field"])
        return named.label if named else str(definition["start_field"])
    return Milestone.Start(definition["start"]).label


def restore_version(milestone: Milestone, number: int, *, author: Any = None) -> Milestone:
    """Make an earlier definition the present one, as a version of its own; what a person marked
    stays. Raises UnknownVersion, Stale, and RuleError or BadValue if the definition names something that is gone."""
    earlier = version_of(milestone, number).definition
    targets = {one.key: one for one in Segment.objects.filter(key__in=earlier["segments"])}
    if gone := [key for key in earlier["segments"] if key not in targets]:
        text = f"There is no segment “{gone[0]}”. It may have been deleted."
        raise RuleError([Problem("/segments", "unknown-segment", text)])
    return save_milestone(
        milestone, name=milestone.name, condition=earlier["condition"], description=milestone.description,
        segments=targets.values(), sticky=earlier["sticky"], active=milestone.active, author=author,
        expected=Expected(earlier["expected_days"], earlier["start"], earlier["start_field"]),
        reason=f"Version {number} restored", expected_version=milestone.version,
    )  # fmt: skip

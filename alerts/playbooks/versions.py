"""The definitions of a playbook through time: what changed from one to the next, in words, and how to go back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alerts.models import Playbook
from alerts.playbooks.definition import words_of_steps
from alerts.playbooks.editing import Coming, save_playbook
from core.versions import Change, VersionChange, tell_versions, version_of
from segments.questions import Reader
from segments.versions import differences

EMPTY = {"match": "all", "rules": []}
RULES = {"goal": "Goal", "exit": "Leaves when"}
# What a step says that its sentence does not.
_UNSAID = {"text": "the text", "next": "what follows", "otherwise": "what follows otherwise", "rule": "the rule"}


def versions_of(playbook: Playbook, reader: Reader, numbers: Iterable[int] | None = None) -> list[VersionChange]:
    """The versions of a playbook (or those of some numbers), newest first, each with what changed in it."""
    rows = playbook.versions.select_related("author__member")
    return tell_versions(
        rows, lambda before, after: changes_between(before.definition, after.definition, reader), numbers
    )


def changes_between(before: Any, after: Any, reader: Reader) -> list[Change]:
    """What differs between two stored definitions, in words; they need not be valid any more. A step is known again by
    its key."""
    old, new = (_steps(one) for one in (before, after))
    words_old, words_new = (words_of_steps(one, reader) for one in (before, after))
    found = [Change("removed", f"{key}: {words_old[key]}") for key in old if key not in new]
    for key in [key for key in new if key in old and old[key] != new[key]]:
        found.append(Change("changed", f"{key}: {_change(old[key], new[key], words_old[key], words_new[key])}"))
    found += [Change("added", f"{key}: {words_new[key]}") for key in new if key not in old]
    kept = [key for key in new if key in old]
    if kept != [key for key in old if key in new]:
        found.append(Change("regrouped", f"the order of the steps: {', '.join(kept)}"))
    for name, label in RULES.items():
        rules = differences(before.get(name) or EMPTY, after.get(name) or EMPTY, reader)
        found += [Change(one.kind, f"{label}: {one.words}") for one in rules]
    return found


def restore_version(playbook: Playbook, number: int, *, author: Any = None) -> Playbook:
    """Make an earlier definition the present one, as a version of its own; what brings accounts in stays, and who is in
    it goes on as they came in. Raises UnknownVersion, Stale, and DefinitionError if the definition names
    something that is gone."""
    earlier = version_of(playbook, number)
    return save_playbook(
        playbook, name=playbook.name, description=playbook.description, active=playbook.active,
        definition=earlier.definition, coming=Coming.of(playbook), author=author, reason=f"Version {number} restored",
        expected_version=playbook.version,
    )  # fmt: skip


def _steps(definition: Any) -> dict[str, dict[str, Any]]:
    return {str(step.get("key")): step for step in definition.get("steps") or [] if isinstance(step, dict)}


def _change(old: dict[str, Any], new: dict[str, Any], was: str, now: str) -> str:
    """Both sentences, or what else the step says where these are the same."""
    if was != now:
        return f"{was} → {now}"
    parts = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f"{now} ({', '.join(_UNSAID.get(name, name) for name in parts)})"

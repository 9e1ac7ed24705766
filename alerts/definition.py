"""What decides whether an alert is opened or ended: conditions, whom they are asked of, and how long they must hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from accounts.fields import Stage, Subject
from alerts.models import AlertRule
from core.intake import BadValue, short
from core.refusals import Problem
from segments.models import Segment
from segments.questions import Question, Reader
from segments.rules.nodes import Condition, walk
from segments.rules.tree import RuleError, to_json

LONGEST = 365


@dataclass(frozen=True)
class Definition:
    """A rule's definition, read. `segments` are the ones it aims at, none for all accounts; times are in days."""

    segments: tuple[Segment, ...]
    condition: Question
    clear: Question | None
    hold_days: int = 0
    cooldown_days: int = 0
    refire: str = AlertRule.Refire.ENTRY

    def data(self) -> dict[str, Any]:
        """As it is stored with a version."""
        return {
            "segments": [one.key for one in self.segments],
            "condition": to_json(self.condition.rule),
            "clear": to_json(self.clear.rule) if self.clear else None,
            "hold_days": self.hold_days,
            "cooldown_days": self.cooldown_days,
            "refire": self.refire,
        }


def scoped(condition: Any, segments: Iterable[Segment]) -> dict[str, Any]:
    """The rule of the accounts that an alert is about: of one of the segments, and with the condition."""
    targets = [{"segment": one.key, "op": "in"} for one in segments]
    scope = [{"match": "any", "rules": targets}] if targets else []
    return {"match": "all", "rules": [*scope, condition]}


def read_definition(
    condition: Any,
    clear: Any = None,
    segments: Iterable[Segment] = (),
    *,
    hold_days: Any = 0,
    cooldown_days: Any = 0,
    refire: str = AlertRule.Refire.ENTRY,
    reader: Reader | None = None,
) -> Definition:
    """Read and judge a definition. Raises RuleError with every problem of both conditions and of the segments (pointers
    begin with /condition, /clear or /segments), and BadValue for the times."""
    hold, cool, again = _days(hold_days, "hold"), _days(cooldown_days, "cool-down"), str(AlertRule.Refire(refire))
    if again == AlertRule.Refire.LASTING and not cool:
        raise BadValue("An alert that comes again while the condition lasts needs a cool-down of at least a day.")
    targets = tuple(sorted(segments, key=lambda one: one.pk))
    asked, clearing = _questions(condition, clear, targets, reader or Reader.now())
    return Definition(targets, asked, clearing, hold, cool, again)


def stored_definition(data: Any, reader: Reader | None = None) -> Definition:
    """Read a definition as it is stored, its segments by their keys. Raises as `read_definition` does."""
    given = data if isinstance(data, dict) else {}
    keys = [str(key) for key in given.get("segments") or []]
    found = {one.key: one for one in Segment.objects.filter(key__in=keys)}
    for place, key in enumerate(keys):
        if key not in found:
            text = f"There is no segment “{short(key)}” any more."
            raise RuleError([Problem(f"/segments/{place}", "unknown-segment", text)])
    times = {name: given[name] for name in ("hold_days", "cooldown_days", "refire") if name in given}
    return read_definition(given.get("condition"), given.get("clear"), found.values(), reader=reader, **times)


def _questions(
    condition: Any, clear: Any, targets: tuple[Segment, ...], reader: Reader
) -> tuple[Question, Question | None]:
    """The condition and the clear condition, read; all problems of both at once."""
    problems: list[Problem] = []
    read: dict[str, Question | None] = {"condition": None, "clear": None}
    for name, data in (("condition", condition), ("clear", clear)):
        if name == "clear" and not data:
            continue
        try:
            read[name] = question = reader.read(data, subject=Subject.ACCOUNT)
        except RuleError as error:
            problems += [Problem(f"/{name}{p.pointer}", p.code, p.message, p.allowed) for p in error.problems]
            continue
        problems += _unfit(question, f"/{name}")
    for place, segment in enumerate(targets):
        if segment.subject != Segment.Subject.ACCOUNT or segment.internal:
            text = f"{segment.name} is not a segment of accounts. Alerts are about accounts."
            problems.append(Problem(f"/segments/{place}", "wrong-subject", text))
    if problems:
        raise RuleError(problems)
    found = read["condition"]
    assert found is not None
    return found, read["clear"]


def _unfit(question: Question, at: str) -> list[Problem]:
    """What a question cannot be an alert's for: nothing asked, or something asked that alerts themselves decide."""
    if not question.rule.rules:
        return [Problem(at, "empty-group", "The condition is empty, so it would hold for every account. Add one.")]
    return [
        Problem(at + node.pointer, "later-stage", f"{node.field.label} is only known after alerts are raised.")
        for node in walk(question.rule)
        if isinstance(node, Condition) and node.field.stage >= Stage.ALERTS
    ]


def _days(value: Any, of: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LONGEST:
        raise BadValue(f"The {of} is a whole number of days from 0 to {LONGEST}.")
    return value

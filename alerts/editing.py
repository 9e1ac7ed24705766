"""Every way to change an alert rule. Each is one transaction; the rule's questions are refreshed after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.fields import Stage, Subject
from accounts.models import AssignmentRole, TeamMember
from alerts.messages import check_message
from alerts.models import AlertRule, AlertRuleVersion
from alerts.models.alert import Severity
from core.intake import BadValue, clean_text
from core.jobs import enqueue
from core.locks import xact_lock
from segments.editing import free_key, save_segment
from segments.models import Segment
from segments.questions import Question, Reader, named_in
from segments.rules.nodes import Condition, walk
from segments.rules.tree import Problem, RuleError, to_json
from segments.uses import Use, find_uses_with

TASK = "alerts.tasks.raise_alerts"
LONGEST = 365


class RuleNameTaken(ValueError):
    """Another alert rule has this name (compared without case)."""


class StaleRule(Exception):
    """Somebody saved the rule since it was read; `current` is what they saved."""

    def __init__(self, current: AlertRule) -> None:
        self.current = current
        super().__init__(f"{current.name} was changed meanwhile (version {current.version}).")


@dataclass(frozen=True)
class Assigning:
    """Whose a new alert is: whoever plays a part for the account, else these in turn, else the fallback."""

    role: AssignmentRole | None = None
    round_robin: tuple[TeamMember, ...] = ()
    fallback: TeamMember | None = None


def save_alert_rule(
    rule: AlertRule | None,
    *,
    name: str,
    condition: Any,
    clear: Any = None,
    segments: Iterable[Segment] = (),
    message: str = "",
    type: str = "Risk",
    severity: str = Severity.MEDIUM,
    active: bool = True,
    hold_days: int = 0,
    cooldown_days: int = 0,
    refire: str = AlertRule.Refire.ENTRY,
    include_existing: bool = False,
    assigning: Assigning | None = None,
    author: Any = None,
    reason: str = "",
    expected_version: int | None = None,
) -> AlertRule:
    """Make or change a rule and have its questions refreshed. A version is kept whenever its definition differs.

    Raises RuleError (pointers begin with /condition, /clear or /segments), BadValue, RuleNameTaken, and StaleRule if
    `expected_version` is not the present one.
    """
    with transaction.atomic():
        xact_lock("alert rules")
        found = (
            AlertRule() if rule is None else AlertRule.objects.select_related("watch", "clear_watch").get(pk=rule.pk)
        )
        if expected_version is not None and found.version != expected_version:
            raise StaleRule(found)
        found.name, found.message = _name(name), check_message(message)
        found.type, found.severity = clean_text(type, 40) or "Risk", str(Severity(severity))
        found.include_existing, found.active = include_existing, active
        _times(found, hold_days, cooldown_days, refire)
        targets = sorted(segments, key=lambda one: one.pk)
        question, clearing = _questions(condition, clear, targets)
        found.condition = to_json(question.rule)
        found.clear = to_json(clearing.rule) if clearing else None
        if assigning is not None:
            found.role, found.fallback = assigning.role, assigning.fallback
        found.author = found.author or (author if getattr(author, "pk", None) else None)
        _watch(found, targets, author, reason)
        _store(found, targets, question.words, author, reason)
        if assigning is not None:
            found.round_robin.set(assigning.round_robin)
        enqueue(TASK)
    return found


def set_rule_active(rule: AlertRule, active: bool, *, author: Any = None) -> None:
    """Switch a rule on or off. Off, it opens no alert and ends those that are open; on, nobody counts as new."""
    with transaction.atomic():
        xact_lock("alert rules")
        found = AlertRule.objects.select_related("watch", "clear_watch").get(pk=rule.pk)
        found.active = active
        _watch(found, list(found.segments.all()), author, "")
        AlertRule.objects.filter(pk=found.pk).update(active=active)
        enqueue(TASK)


def delete_alert_rule(rule: AlertRule) -> None:
    """Delete a rule with its alerts and its questions."""
    with transaction.atomic():
        xact_lock("alert rules")
        watches = [pk for pk in (rule.watch_id, rule.clear_watch_id) if pk]
        AlertRule.objects.filter(pk=rule.pk).delete()
        Segment.everything.filter(pk__in=watches).delete()


def _questions(condition: Any, clear: Any, targets: list[Segment]) -> tuple[Question, Question | None]:
    """The condition and the clear condition, read; all problems of both at once."""
    reader, problems = Reader.now(), []
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


def _watch(rule: AlertRule, targets: list[Segment], author: Any, reason: str) -> None:
    """Save a rule’s questions as internal segments: whom it aims at and holds for, and who is clear."""
    scope = [{"match": "any", "rules": [{"segment": one.key, "op": "in"} for one in targets]}] if targets else []
    asked: Mapping[str, Any] = {"match": "all", "rules": [*scope, rule.condition]}
    common = {"visible": False, "active": rule.active, "author": author, "reason": reason, "internal": True}
    watch = rule.watch if rule.watch_id else None
    name = f"Alert rule: {rule.name}"[:120]
    key = "" if watch else free_key(f"alert-{slugify(rule.name)}")
    rule.watch = save_segment(watch, name=name, rule=asked, key=key, **common)
    if rule.clear is not None:
        before = rule.clear_watch if rule.clear_watch_id else None
        key = "" if before else free_key(f"alert-clear-{slugify(rule.name)}")
        rule.clear_watch = save_segment(before, name=f"{name[:110]} (clear)", rule=rule.clear, key=key, **common)
    elif rule.clear_watch is not None:
        gone, rule.clear_watch = rule.clear_watch, None
        if rule.pk:
            AlertRule.objects.filter(pk=rule.pk).update(clear_watch=None)
        gone.delete()


def _store(rule: AlertRule, targets: list[Segment], words: str, author: Any, reason: str) -> None:
    """Write the rule, and a version of it if what decides about alerts differs from the newest one."""
    definition = {
        "segments": [one.key for one in targets],
        "condition": rule.condition,
        "clear": rule.clear,
        "hold_days": rule.hold_days,
        "cooldown_days": rule.cooldown_days,
        "refire": rule.refire,
    }
    newest = rule.versions.first() if rule.pk else None
    different = newest is None or newest.definition != definition
    rule.version += different
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError as error:
        if "alert_rule_name_unique" in str(error):
            raise RuleNameTaken(f"There is already an alert rule named “{rule.name}”. Choose another name.") from error
        raise
    rule.segments.set(targets)
    if different:
        AlertRuleVersion.objects.create(
            rule=rule, number=rule.version, definition=definition, words=words,
            author=author if getattr(author, "pk", None) else None, reason=clean_text(reason, 255),
        )  # fmt: skip


def _times(rule: AlertRule, hold_days: int, cooldown_days: int, refire: str) -> None:
    """Set how long the condition must hold, and when there may be another alert."""
    rule.hold_days, rule.cooldown_days = _days(hold_days, "hold"), _days(cooldown_days, "cool-down")
    rule.refire = str(AlertRule.Refire(refire))
    if rule.refire == AlertRule.Refire.LASTING and not rule.cooldown_days:
        raise BadValue("An alert that comes again while the condition lasts needs a cool-down of at least a day.")


def _name(name: str) -> str:
    found = clean_text(name, 120)
    if not found:
        raise BadValue("Enter a name, for example Adoption drop.")
    return found


def _days(value: Any, of: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LONGEST:
        raise BadValue(f"The {of} is a whole number of days from 0 to {LONGEST}.")
    return value


@find_uses_with
def rules_of_segment(segment: Segment) -> list[Use]:
    """The alert rules that aim at a segment, or whose conditions name it."""
    rules = AlertRule.objects.select_related("watch", "clear_watch")
    return [
        Use("alert rule", rule.name, rule.pk)
        for rule in rules
        if any(segment.key in named_in(one.rule) for one in (rule.watch, rule.clear_watch) if one is not None)
    ]

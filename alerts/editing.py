"""Every way to change an alert rule. Each is one transaction; the rule's questions are refreshed after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from accounts.fields.uses import tell_of_fields
from accounts.models import AssignmentRole, TeamMember
from alerts.definition import Definition, read_definition, scoped
from alerts.messages import check_message
from alerts.models import Alert, AlertEntry, AlertRule, AlertRuleVersion
from alerts.models.alert import Severity
from alerts.raising import OF_ALERTS
from core.intake import BadValue, NameTaken, clean_text
from core.jobs import enqueue
from core.locks import xact_lock
from core.versions import Stale
from segments.editing import free_key, save_segment
from segments.models import Segment
from segments.questions import named_in
from segments.uses import Consequence, Use, find_uses_with, foresee_with

TASK = "alerts.tasks.raise_alerts"


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

    Raises RuleError (pointers begin with /condition, /clear or /segments), BadValue, NameTaken, and Stale if
    `expected_version` is not the present one.
    """
    with transaction.atomic():
        xact_lock("alert rules")
        found = (
            AlertRule() if rule is None else AlertRule.objects.select_related("watch", "clear_watch").get(pk=rule.pk)
        )
        if expected_version is not None and found.version != expected_version:
            raise Stale(found)
        found.name, found.message = _name(name), check_message(message)
        found.type, found.severity = clean_text(type, 40) or "Risk", str(Severity(severity))
        found.include_existing, found.active = include_existing, active
        definition = read_definition(
            condition, clear, segments, hold_days=hold_days, cooldown_days=cooldown_days, refire=refire
        )
        _take(found, definition)
        if assigning is not None:
            found.role, found.fallback = assigning.role, assigning.fallback
        found.author = found.author or (author if getattr(author, "pk", None) else None)
        _watch(found, definition.segments, author, reason)
        _store(found, definition, author, reason)
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


def delete_alert_rule(rule: AlertRule, *, author: Any = None) -> None:
    """Delete a rule with its questions. Its alerts are kept: those that were open end, because the rule is gone."""
    by, now = author if getattr(author, "pk", None) else None, timezone.now()
    with transaction.atomic():
        xact_lock("alert rules")
        xact_lock("alert rule", rule.pk)
        found = AlertRule.objects.filter(pk=rule.pk).first()
        if found is None:
            return
        alerts = list(Alert.objects.select_for_update().open().filter(rule=found).order_by("pk"))
        for alert in alerts:
            alert.ended_at, alert.ending = max(now, alert.opened_at), Alert.Ending.DELETED
        Alert.objects.bulk_update(alerts, ["ended_at", "ending"])
        AlertEntry.objects.bulk_create(
            AlertEntry(alert=one, kind=AlertEntry.Kind.ENDED, at=now, by=by, text="The rule was deleted.")
            for one in alerts
        )
        if alerts:
            tell_of_fields(OF_ALERTS, redefined=True)
        watches = [pk for pk in (found.watch_id, found.clear_watch_id) if pk]
        changes = {"deleted_at": now, "active": False, "watch": None, "clear_watch": None}
        AlertRule.objects.filter(pk=found.pk).update(**changes)
        Segment.everything.filter(pk__in=watches).delete()


def _take(rule: AlertRule, definition: Definition) -> None:
    """Take over what decides."""
    for name, value in definition.data().items():
        if name != "segments":
            setattr(rule, name, value)


def _watch(rule: AlertRule, targets: Iterable[Segment], author: Any, reason: str) -> None:
    """Save a rule’s questions as internal segments: whom it aims at and holds for, and who is clear."""
    asked = scoped(rule.condition, targets)
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


def _store(rule: AlertRule, read: Definition, author: Any, reason: str) -> None:
    """Write the rule, and a version of it if what decides about alerts differs from the newest one."""
    definition = read.data()
    newest = rule.versions.first() if rule.pk else None
    different = newest is None or newest.definition != definition
    rule.version += different
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError as error:
        if "alert_rule_name_unique" in str(error):
            raise NameTaken(f"There is already an alert rule named “{rule.name}”. Choose another name.") from error
        raise
    rule.segments.set(read.segments)
    if different:
        AlertRuleVersion.objects.create(
            rule=rule, number=rule.version, definition=definition, words=read.condition.words,
            author=author if getattr(author, "pk", None) else None, reason=clean_text(reason, 255),
        )  # fmt: skip


def _name(name: str) -> str:
    found = clean_text(name, 120)
    if not found:
        raise BadValue("Enter a name, for example Adoption drop.")
    return found


@find_uses_with
def rules_of_segments(segments: Collection[Segment]) -> list[tuple[Segment, Use]]:
    """The alert rules that aim at segments, or whose conditions name one."""
    rules = list(AlertRule.objects.select_related("watch", "clear_watch"))
    return [
        (segment, Use("alert rule", rule.name, rule.pk))
        for segment in segments
        for rule in rules
        if any(segment.key in named_in(one.rule) for one in (rule.watch, rule.clear_watch) if one is not None)
    ]


@foresee_with
def alerts_that_would_end(segments: Collection[Segment]) -> list[tuple[Segment, Consequence]]:
    """The open alerts about the members of a rule's question; a changed definition ends them, whatever is clear."""
    return [
        (rule.watch, Consequence("open alert ends", "open alerts end", about))
        for rule in AlertRule.objects.filter(watch__in=segments).select_related("watch")
        for about in [Alert.objects.open().filter(rule=rule).values("account_id")]
        if rule.watch is not None
    ]

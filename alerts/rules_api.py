"""Alert rules over the API: read by every colleague, written by administrators and managers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import AssignmentRole, TeamMember
from alerts.consequences import TASK_DAYS, NewTask, consequences_of, save_consequences, shared_channels
from alerts.definition import LONGEST
from alerts.editing import Assigning, delete_alert_rule, save_alert_rule
from alerts.models import AlertRule, Playbook
from alerts.models.alert import Severity
from alerts.problems_api import explained
from alerts.versions import restore_version, versions_of
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Tree, Whole, YesNo
from core.api.versions import VersionActions
from core.versions import VersionChange
from segments.models import Segment
from segments.questions import Reader

# What follows from an alert, with what one of each is called in a problem.
FOLLOWS = {"members": "colleague", "channels": "channel", "playbooks": "playbook"}


class AlertTaskSerializer(StrictSerializer):
    """A task for whoever the alerts are given to: its title, which may name fields, due in so many working days."""

    title = Text(max_length=150)
    days = Whole(min_value=0, max_value=LONGEST, default=TASK_DAYS)


class AlertRuleSerializer(StrictSerializer):
    """What raises an alert, for how long it must hold, what ends it, and whose it is (colleagues and parts by key).
    Besides its assignee an alert tells `members` (by key) and `channels` (by id), and its account comes into
    `playbooks` (by key; one that begins with something else is refused). `task` asks for a task with every alert: it
    makes a playbook of one step, one of the `playbooks` from then on; asked for again, it is not made again."""

    id = serializers.IntegerField(read_only=True)
    name = Text(max_length=120)
    message = Text(max_length=500, required=False, allow_blank=True)
    type = Text(max_length=40, required=False)
    severity = serializers.ChoiceField(Severity.choices, required=False)
    active = YesNo(required=False)
    segments = serializers.ListField(child=Text(max_length=80), required=False, max_length=100)
    condition = Tree()
    clear = Tree(required=False, allow_null=True)
    hold_days = serializers.IntegerField(required=False, min_value=0, max_value=365)
    cooldown_days = serializers.IntegerField(required=False, min_value=0, max_value=365)
    refire = serializers.ChoiceField(AlertRule.Refire.choices, required=False)
    include_existing = YesNo(required=False)
    role = Text(max_length=80, required=False, allow_null=True)
    round_robin = serializers.ListField(child=Text(max_length=80), required=False, max_length=100)
    fallback = Text(max_length=80, required=False, allow_null=True)
    members = serializers.ListField(child=Text(max_length=80), required=False, max_length=100)
    channels = serializers.ListField(child=Whole(), required=False, max_length=100)
    playbooks = serializers.ListField(child=Text(max_length=80), required=False, max_length=100)
    task = AlertTaskSerializer(required=False, allow_null=True, write_only=True)
    reason = Text(max_length=255, required=False, allow_blank=True, write_only=True)
    version = serializers.IntegerField(read_only=True)

    def to_representation(self, instance: AlertRule) -> dict[str, Any]:
        """Segments, parts and colleagues by their keys."""
        names = ("id", "name", "message", "type", "severity", "active", "condition", "clear", "hold_days",
                 "cooldown_days", "refire", "include_existing", "version")  # fmt: skip
        told = getattr(instance, "notices", None)
        return {name: getattr(instance, name) for name in names} | {
            "segments": [one.key for one in instance.segments.all()],
            "role": instance.role_id,
            "round_robin": [one.key for one in instance.round_robin.all()],
            "fallback": instance.fallback.key if instance.fallback else None,
            "members": [one.key for one in told.members.all()] if told else [],
            "channels": [one.pk for one in told.channels.all()] if told else [],
            "playbooks": [one.key for one in instance.playbooks.all()],
        }


class AlertRuleViewSet(VersionActions):
    """Alert rules. Administrators and managers write."""

    serializer_class = AlertRuleSerializer
    orderings: ClassVar[dict[str, str]] = {"name": "name_folded", "id": "id"}
    default_ordering = "name"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post", "patch", "delete"]

    def get_queryset(self) -> QuerySet[AlertRule]:
        """All of them."""
        found = AlertRule.objects.select_related("fallback", "notices")
        return found.prefetch_related("segments", "round_robin", "playbooks", "notices__members", "notices__channels")

    def told(self, record: AlertRule, numbers: list[int]) -> list[VersionChange]:
        """The versions of these numbers."""
        return versions_of(record, Reader.now(), numbers)

    def restored(self, record: AlertRule, number: int) -> AlertRule:
        """What it decides about accounts as they are opens no alert."""
        return restore_version(record, number, author=self.request.user)

    def refusing(self) -> AbstractContextManager[None]:
        """As every save of a rule is refused."""
        return explained()

    def create(self, request: Request) -> Response:
        """Make a rule; accounts for which it holds already are left alone unless `include_existing` is true."""
        data = self.read_body()
        with explained():
            made = _save(None, data, request.user)
        return self.answer(self.get_queryset().get(pk=made.pk), 201)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a rule. What a new definition decides about accounts as they are opens no alert."""
        with transaction.atomic(), explained():
            found = self.matching()
            data = self.read_body(partial=True)
            made = _save(found, data, request.user)
        return self.answer(self.get_queryset().get(pk=made.pk))

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a rule. Its alerts are kept; those that were open end."""
        with transaction.atomic():
            delete_alert_rule(self.matching(), author=request.user)
        return Response(status=204)


def _save(rule: AlertRule | None, data: dict[str, Any], author: Any) -> AlertRule:
    """Save the rule, and what follows from its alerts where that was sent."""
    follow = {name: data.pop(name) for name in FOLLOWS if name in data}
    asked = data.pop("task", None)
    # A part of a change may leave out what has a default, too.
    task = NewTask(asked.get("title", ""), asked.get("days", TASK_DAYS)) if asked else None
    with transaction.atomic():
        made = save_alert_rule(rule, author=author, **given(data, rule))
        if follow or task:
            now = consequences_of(made)
            rows = {
                "members": TeamMember.objects.filter(user__is_active=True), "channels": shared_channels(),
                "playbooks": Playbook.objects.all(),
            }  # fmt: skip
            chosen = {name: tuple(by_key(rows[name], wanted, name, FOLLOWS[name])) for name, wanted in follow.items()}
            save_consequences(made, replace(now, **chosen), task=task, author=author)
    return made


def given(data: dict[str, Any], rule: AlertRule | None) -> dict[str, Any]:
    """What to save: what was sent, over what is there."""
    shown = AlertRuleSerializer().to_representation(rule) if rule else {}
    whole = {name: value for name, value in shown.items() if name not in ("id", "version", *FOLLOWS)} | data
    whole["segments"] = by_key(Segment.objects.all(), whole.get("segments", []), "segments", "segment")
    members = TeamMember.objects.filter(user__is_active=True)
    roles = by_key(AssignmentRole.objects.all(), [whole.pop("role", None)], "role", "part")
    fallback = by_key(members, [whole.pop("fallback", None)], "fallback", "colleague")
    turn = by_key(members, whole.pop("round_robin", []), "round_robin", "colleague")
    whole["assigning"] = Assigning(roles[0] if roles else None, tuple(turn), fallback[0] if fallback else None)
    return whole


def by_key(rows: QuerySet[Any], keys: list[Any], at: str, called: str) -> list[Any]:
    """The rows of these keys (of channels by id); 422 with the place for one that does not exist."""
    wanted = [key for key in keys if key]
    by = "pk" if at == "channels" else "key"
    found = {getattr(row, by): row for row in rows.filter(**{f"{by}__in": wanted})}
    for key in wanted:
        if key not in found:
            text = f"There is no {called} “{str(key)[:60]}”."
            raise ApiProblem(f"unknown-{called}", text, 422, [Fault(text, f"unknown-{called}", f"/{at}")])
    return [found[key] for key in dict.fromkeys(wanted)]

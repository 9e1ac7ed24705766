"""Alerts over the API: rules, and the alerts of the accounts that you may see, with what can be done about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, AssignmentRole, TeamMember
from alerts import handling
from alerts.consequences import consequences_of, save_consequences, shared_channels
from alerts.editing import Assigning, RuleNameTaken, StaleRule, delete_alert_rule, save_alert_rule
from alerts.models import Alert, AlertEntry, AlertRule, Playbook
from alerts.models.alert import Severity
from core.api.access import ColleaguesWrite, IsMember
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Whole, YesNo, plain
from core.api.views import ApiViewSet, taken
from core.clock import moment
from core.intake import BadValue
from segments.models import Segment
from segments.rules.tree import RuleError

# What follows from an alert, with what one of each is called in a problem.
FOLLOWS = {"members": "colleague", "channels": "channel", "playbooks": "playbook"}


@contextmanager
def explained() -> Iterator[None]:
    """Turn what alerts refuse into problems."""
    try:
        yield
    except RuleError as error:
        faults = [Fault(p.message, p.code, p.pointer, None, p.allowed[:100]) for p in error.problems]
        code = faults[0].code if len(faults) == 1 else "invalid-rule"
        raise ApiProblem(code, "The rule cannot be used; “errors” says where and why.", 422, faults) from error
    except StaleRule as error:
        raise ApiProblem("stale", f"{error} Read it again and send its ETag.", 412) from error
    except RuleNameTaken as error:
        raise taken(str(error)) from error
    except BadValue as error:
        raise ApiProblem("validation", str(error), 400) from error


class TreeField(serializers.JSONField):
    """A rule of the one language; read by the engine, whose problems come back as 422."""

    def to_internal_value(self, data: Any) -> Any:
        """With plain numbers."""
        return plain(data)


class AlertRuleSerializer(StrictSerializer):
    """What raises an alert, for how long it must hold, what ends it, and whose it is (colleagues and parts by key).
    Besides its assignee an alert tells `members` (by key) and `channels` (by id), and its account comes into
    `playbooks` (by key; one that begins with something else is refused)."""

    id = serializers.IntegerField(read_only=True)
    name = Text(max_length=120)
    message = Text(max_length=500, required=False, allow_blank=True)
    type = Text(max_length=40, required=False)
    severity = serializers.ChoiceField(Severity.choices, required=False)
    active = YesNo(required=False)
    segments = serializers.ListField(child=Text(max_length=80), required=False, max_length=100)
    condition = TreeField()
    clear = TreeField(required=False, allow_null=True)
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


class AlertRuleViewSet(ApiViewSet):
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
    with transaction.atomic():
        made = save_alert_rule(rule, author=author, **given(data, rule))
        if follow:
            now = consequences_of(made)
            rows = {
                "members": TeamMember.objects.filter(user__is_active=True), "channels": shared_channels(),
                "playbooks": Playbook.objects.all(),
            }  # fmt: skip
            chosen = {name: tuple(_by_key(rows[name], wanted, name, FOLLOWS[name])) for name, wanted in follow.items()}
            save_consequences(made, replace(now, **chosen), author=author)
    return made


def given(data: dict[str, Any], rule: AlertRule | None) -> dict[str, Any]:
    """What to save: what was sent, over what is there."""
    shown = AlertRuleSerializer().to_representation(rule) if rule else {}
    whole = {name: value for name, value in shown.items() if name not in ("id", "version", *FOLLOWS)} | data
    whole["segments"] = _by_key(Segment.objects.all(), whole.get("segments", []), "segments", "segment")
    members = TeamMember.objects.filter(user__is_active=True)
    roles = _by_key(AssignmentRole.objects.all(), [whole.pop("role", None)], "role", "part")
    fallback = _by_key(members, [whole.pop("fallback", None)], "fallback", "colleague")
    turn = _by_key(members, whole.pop("round_robin", []), "round_robin", "colleague")
    whole["assigning"] = Assigning(roles[0] if roles else None, tuple(turn), fallback[0] if fallback else None)
    return whole


def _by_key(rows: QuerySet[Any], keys: list[Any], at: str, called: str) -> list[Any]:
    """The rows of these keys (of channels by id); 422 with the place for one that does not exist."""
    wanted = [key for key in keys if key]
    by = "pk" if at == "channels" else "key"
    found = {getattr(row, by): row for row in rows.filter(**{f"{by}__in": wanted})}
    for key in wanted:
        if key not in found:
            text = f"There is no {called} “{str(key)[:60]}”."
            raise ApiProblem(f"unknown-{called}", text, 422, [Fault(text, f"unknown-{called}", f"/{at}")])
    return [found[key] for key in dict.fromkeys(wanted)]


class AlertSerializer(StrictSerializer):
    """One alert: about which account, why, whose, and how it ended."""

    id = serializers.IntegerField()
    rule = serializers.IntegerField(source="rule_id")
    name = serializers.CharField(source="rule.name")
    type = serializers.CharField(source="rule.type")
    severity = serializers.ChoiceField(Severity.choices)
    account = serializers.CharField(source="account.external_id")
    message = serializers.CharField()
    began_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField()
    held_at = serializers.DateTimeField(
        allow_null=True, help_text="When an open one's condition was found to hold for the last time."
    )
    assignee = serializers.CharField(source="assignee.key", allow_null=True, default=None)
    snoozed_until = serializers.DateField(allow_null=True)
    snoozed_till_worse = serializers.BooleanField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ending = serializers.CharField()
    outcome = serializers.CharField()


class EntrySerializer(StrictSerializer):
    """Something that happened to an alert."""

    kind = serializers.ChoiceField(AlertEntry.Kind.choices)
    at = serializers.DateTimeField()
    by = serializers.CharField(source="by.username", allow_null=True, default=None)
    text = serializers.CharField()


class WholeAlertSerializer(AlertSerializer):
    """With the explanation of the moment at which it was opened, the proof of its end, and its log."""

    why = serializers.DictField()
    proof = serializers.DictField()
    entries = EntrySerializer(many=True)


class AlertFilters(StrictFilterSet):
    """By state, rule, account, severity, type, assignee."""

    state = django_filters.ChoiceFilter(
        choices=[("open", "Open"), ("snoozed", "Snoozed"), ("ended", "Ended")], method="by_state"
    )
    rule = django_filters.NumberFilter(field_name="rule_id")
    account = django_filters.CharFilter(field_name="account__external_id")
    severity = django_filters.ChoiceFilter(choices=Severity.choices)
    type = django_filters.CharFilter(field_name="rule__type")
    assignee = django_filters.CharFilter(field_name="assignee__key")

    def by_state(self, rows: Any, name: str, value: str) -> Any:
        """Open means that somebody is asked for; snoozed ones sleep."""
        today = moment().today
        ways = {"open": rows.waiting(today), "snoozed": rows.snoozed(today)}
        return ways.get(value, rows.filter(ended_at__isnull=False))


class AssignBody(StrictSerializer):
    """A colleague by key; null for nobody."""

    to = Text(max_length=80, allow_null=True)


class SnoozeBody(StrictSerializer):
    """Until the end of a local day, or until the account's health is worse, or whichever comes first."""

    until = serializers.DateField(required=False, allow_null=True)
    till_worse = YesNo(required=False)
    reason = Text(max_length=255, required=False, allow_blank=True)


class CloseBody(StrictSerializer):
    """How it went, if that is known."""

    outcome = serializers.ChoiceField(Alert.Outcome.choices, required=False, allow_blank=True)
    reason = Text(max_length=255, required=False, allow_blank=True)


class CommentBody(StrictSerializer):
    """What to say."""

    text = Text(max_length=2_000)


class AlertViewSet(ApiViewSet):
    """Alerts of the accounts that you may see."""

    permission_classes: Any = [IsMember, ColleaguesWrite]
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    orderings: ClassVar[dict[str, str]] = {"opened": "opened_at", "id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Alert]:
        """Of the accounts that may be seen."""
        seen = Account.objects.visible_to(self.request.user).order_by()
        return Alert.objects.filter(account__in=seen).select_related("account", "rule", "assignee").with_last_held()

    @extend_schema(responses=WholeAlertSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With why, proof and log."""
        return Response(WholeAlertSerializer(self.get_object()).data)

    @extend_schema(request=AssignBody, responses=WholeAlertSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: str) -> Response:
        """Give it to a colleague."""
        key = self.body(AssignBody)["to"]
        members = TeamMember.objects.filter(user__is_active=True)
        to = _by_key(members, [key], "to", "colleague")
        return self.done(handling.assign, to=to[0] if to else None)

    @extend_schema(request=SnoozeBody, responses=WholeAlertSerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Request, pk: str) -> Response:
        """Let it sleep."""
        return self.done(handling.snooze, **self.body(SnoozeBody))

    @extend_schema(request=None, responses=WholeAlertSerializer)
    @action(detail=True, methods=["post"])
    def wake(self, request: Request, pk: str) -> Response:
        """Wake it."""
        return self.done(handling.wake)

    @extend_schema(request=CloseBody, responses=WholeAlertSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Close it, with an outcome or without."""
        return self.done(handling.close, **self.body(CloseBody))

    @extend_schema(request=CommentBody, responses=WholeAlertSerializer)
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: str) -> Response:
        """Say something about it."""
        found = self.get_object()
        with explained():
            handling.comment(found, self.body(CommentBody)["text"], by=request.user)
        return Response(WholeAlertSerializer(self.get_object()).data)

    def body(self, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """The validated body of an action."""
        made = serializer(data=self.request.data)
        made.is_valid(raise_exception=True)
        return dict(made.validated_data)

    def done(self, work: Any, **given: Any) -> Response:
        """Do it to the addressed alert. One that has ended answers 409."""
        found = self.get_object()
        if found.ended_at is not None:
            raise ApiProblem("ended", "The alert has ended. Nothing was changed.", 409)
        with explained():
            work([found], by=self.request.user, **given)
        return Response(WholeAlertSerializer(self.get_object()).data)

"""Alerts over the API: those of the accounts that you may see, with what can be done about them."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account, TeamMember
from alerts import handling
from alerts.models import Alert, AlertEntry
from alerts.models.alert import Severity
from alerts.raising import explained_now
from alerts.rules_api import by_key
from core.api.access import ColleaguesWrite, IsMember
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer, Text, YesNo
from core.api.views import ApiViewSet
from core.clock import moment
from segments.questions import Reader


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
    now = serializers.SerializerMethodField(help_text="The explanation as things are now, of one that is open.")
    proof = serializers.DictField()
    entries = EntrySerializer(many=True)

    def get_now(self, alert: Alert) -> dict[str, Any]:
        """Empty where it has ended or cannot be explained."""
        return explained_now(alert, Reader.now())


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


class OutcomeBody(StrictSerializer):
    """How it went."""

    outcome = serializers.ChoiceField(Alert.Outcome.choices)


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
        to = by_key(members, [key], "to", "colleague")
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

    @extend_schema(request=OutcomeBody, responses=WholeAlertSerializer)
    @action(detail=True, methods=["post"])
    def outcome(self, request: Request, pk: str) -> Response:
        """Say how one that has ended went. One that is open answers 409."""
        found = self.get_object()
        if found.ended_at is None:
            raise ApiProblem("open", "The alert is open. Close it with an outcome.", 409)
        handling.say_outcome([found], self.body(OutcomeBody)["outcome"], by=request.user)
        return Response(WholeAlertSerializer(self.get_object()).data)

    @extend_schema(request=CommentBody, responses=WholeAlertSerializer)
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: str) -> Response:
        """Say something about it."""
        found = self.get_object()
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
        work([found], by=self.request.user, **given)
        return Response(WholeAlertSerializer(self.get_object()).data)

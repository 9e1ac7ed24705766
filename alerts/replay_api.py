"""Replays of alert rules over the API: start one, read how far it is and its report, cancel it."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from alerts.definition import stored_definition
from alerts.models import AlertReplay, AlertRule
from alerts.replaying.running import DAYS, LONGEST, SHORTEST, NotNow, cancel_replay, start_replay
from alerts.rules_api import TreeField, explained
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Whole, YesNo
from core.api.views import ApiViewSet


class AlertReplaySerializer(StrictSerializer):
    """A definition asked of past days. With `rule` alone that one's is replayed as it is saved; `condition` makes a
    draft of it, to which the other fields belong. The report is there once the state is done; the manual's page on
    alerts says what stands in it."""

    id = serializers.IntegerField(read_only=True)
    rule = Whole(source="rule_id", required=False, allow_null=True)
    days = Whole(required=False, min_value=SHORTEST, max_value=LONGEST, write_only=True)
    condition = TreeField(required=False, write_only=True)
    clear = TreeField(required=False, allow_null=True, write_only=True)
    segments = serializers.ListField(child=Text(max_length=80), required=False, max_length=100, write_only=True)
    hold_days = Whole(required=False, min_value=0, max_value=365, write_only=True)
    cooldown_days = Whole(required=False, min_value=0, max_value=365, write_only=True)
    refire = serializers.ChoiceField(AlertRule.Refire.choices, required=False, write_only=True)
    include_existing = YesNo(required=False, write_only=True)
    definition = serializers.DictField(read_only=True)
    first_day = serializers.DateField(read_only=True)
    last_day = serializers.DateField(read_only=True)
    state = serializers.ChoiceField(AlertReplay.State.choices, read_only=True)
    steps = serializers.IntegerField(read_only=True)
    done = serializers.IntegerField(read_only=True)
    error = serializers.CharField(read_only=True)
    author = serializers.CharField(read_only=True, source="author.username", default=None)
    created_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)


class AlertReplayReportSerializer(AlertReplaySerializer):
    """The same with the report; accounts stand in it by their external ids, those that you may see."""

    report = serializers.SerializerMethodField()

    def get_report(self, replay: AlertReplay) -> dict[str, Any]:
        """The report as it was stored, with ids that a caller knows."""
        report = dict(replay.report)
        if not report:
            return {}
        rows = report["raised"]
        seen = Account.objects.visible_to(self.context["request"].user).order_by().filter(pk__in={r[0] for r in rows})
        ids = dict(seen.values_list("pk", "external_id"))
        return report | {"raised": [[ids[row[0]], *row[1:]] for row in rows if row[0] in ids]}


class AlertReplayFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    rule = django_filters.NumberFilter(field_name="rule_id")
    state = ValuesFilter(field_name="state")


class AlertReplayViewSet(ApiViewSet):
    """Replays, newest first; administrators and managers start and cancel them."""

    serializer_class = AlertReplaySerializer
    filterset_class = AlertReplayFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"\d{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[AlertReplay]:
        """All of them; the list leaves the report out."""
        found = AlertReplay.objects.select_related("author")
        return found.defer("report") if self.action == "list" else found

    @extend_schema(responses=AlertReplayReportSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One replay with its report."""
        return Response(AlertReplayReportSerializer(self.get_object(), context=self.get_serializer_context()).data)

    def create(self, request: Request) -> Response:
        """Start one; it works in the background."""
        data = self.read_body()
        rule = _rule(data.pop("rule_id", None))
        days, existing = data.pop("days", DAYS), data.pop("include_existing", rule.include_existing if rule else False)
        if rule is None and "condition" not in data:
            text = "Name a rule, or send a condition."
            raise ApiProblem("required", text, 422, [Fault(text, "required", "/condition")])
        saved = rule.versions.first() if rule else None
        with explained():
            definition = stored_definition((saved.definition if saved else {}) | data)
        try:
            made = start_replay(definition, rule=rule, include_existing=existing, days=days, author=request.user)
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(made, 201)

    @extend_schema(request=None, responses=AlertReplaySerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop after the day in hand; 409 if it is not running."""
        try:
            cancel_replay(self.get_object())
        except NotNow as error:
            raise ApiProblem("conflict", str(error), 409) from error
        return self.answer(self.get_object())


def _rule(pk: int | None) -> AlertRule | None:
    if pk is None:
        return None
    found = AlertRule.objects.filter(pk=pk).first()
    if found is None:
        text = f"There is no alert rule {pk}."
        raise ApiProblem("unknown-rule", text, 422, [Fault(text, "unknown-rule", "/rule")])
    return found

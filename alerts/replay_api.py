"""Replays of alert rules over the API: start one, read how far it is and its report, cancel it."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers

from accounts.reported import ReportOfAccounts
from alerts.definition import stored_definition
from alerts.models import AlertReplay, AlertRule
from alerts.problems_api import explained
from alerts.replaying.running import DAYS, LONGEST, SHORTEST, start_replay
from core.api.filters import StrictFilterSet, ValuesFilter
from core.api.problems import ApiProblem, Fault
from core.api.reports import ProgressSerializer, ReportViewSet
from core.api.strict import Text, Tree, Whole, YesNo


class AlertReplaySerializer(ProgressSerializer):
    """A definition asked of past days. With `rule` alone that one's is replayed as it is saved; `condition` makes a
    draft of it, to which the other fields belong. The report is there once the state is done; the manual's page on
    alerts says what stands in it."""

    rule = Whole(source="rule_id", required=False, allow_null=True)
    days = Whole(required=False, min_value=SHORTEST, max_value=LONGEST, write_only=True)
    condition = Tree(required=False, write_only=True)
    clear = Tree(required=False, allow_null=True, write_only=True)
    segments = serializers.ListField(child=Text(max_length=80), required=False, max_length=100, write_only=True)
    hold_days = Whole(required=False, min_value=0, max_value=365, write_only=True)
    cooldown_days = Whole(required=False, min_value=0, max_value=365, write_only=True)
    refire = serializers.ChoiceField(AlertRule.Refire.choices, required=False, write_only=True)
    include_existing = YesNo(required=False, write_only=True)
    definition = serializers.DictField(read_only=True)
    first_day = serializers.DateField(read_only=True)
    last_day = serializers.DateField(read_only=True)


class AlertReplayReportSerializer(ReportOfAccounts, AlertReplaySerializer):
    """The same with the report; accounts stand in it by their external ids, those that you may see."""

    lists = ("raised",)


class AlertReplayFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    rule = django_filters.NumberFilter(field_name="rule_id")
    state = ValuesFilter(field_name="state")


@extend_schema_view(retrieve=extend_schema(responses=AlertReplayReportSerializer))
class AlertReplayViewSet(ReportViewSet):
    """Replays, newest first; administrators and managers start and cancel them."""

    serializer_class = AlertReplaySerializer
    whole_serializer = AlertReplayReportSerializer
    filterset_class = AlertReplayFilters

    def get_queryset(self) -> QuerySet[AlertReplay]:
        """All of them."""
        return AlertReplay.objects.select_related("author")

    def started(self, data: dict[str, Any]) -> AlertReplay:
        """Start one; it works in the background."""
        rule = _rule(data.pop("rule_id", None))
        days, existing = data.pop("days", DAYS), data.pop("include_existing", rule.include_existing if rule else False)
        if rule is None and "condition" not in data:
            text = "Name a rule, or send a condition."
            raise ApiProblem("required", text, 422, [Fault(text, "required", "/condition")])
        saved = rule.versions.first() if rule else None
        with explained():
            definition = stored_definition((saved.definition if saved else {}) | data)
        return start_replay(
            definition, rule=rule, include_existing=existing, days=days, author=self.request.user
        )  # fmt: skip


def _rule(pk: int | None) -> AlertRule | None:
    if pk is None:
        return None
    found = AlertRule.objects.filter(pk=pk).first()
    if found is None:
        text = f"There is no alert rule {pk}."
        raise ApiProblem("unknown-rule", text, 422, [Fault(text, "unknown-rule", "/rule")])
    return found

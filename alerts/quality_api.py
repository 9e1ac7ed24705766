"""The quality of alert rules over the API."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alerts.models import AlertRule
from alerts.proposing import proposals_for
from alerts.quality import DAYS, USUAL, quality_of
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer
from core.api.views import ApiView
from core.clock import moment


class ProposalSerializer(StrictSerializer):
    """What to change, to how many days where it is a time, and the figures that speak for it."""

    change = serializers.ChoiceField(["hold", "cooldown", "condition", "retire"])
    days = serializers.IntegerField(allow_null=True)
    words = serializers.CharField()


class QualitySerializer(StrictSerializer):
    """What became of the alerts of a rule that were opened in the last `days`; `open` are all that are open now.
    `precision` is the share of the judged ones that were no false alarm, `noise` alerts a week for each colleague."""

    rule = serializers.IntegerField(source="rule.pk")
    name = serializers.CharField(source="rule.name")
    days = serializers.IntegerField()
    fired = serializers.IntegerField()
    open = serializers.IntegerField()
    cleared = serializers.IntegerField()
    success = serializers.IntegerField()
    failure = serializers.IntegerField()
    false = serializers.IntegerField()
    judged = serializers.IntegerField()
    precision = serializers.FloatField(allow_null=True)
    noise = serializers.FloatField(allow_null=True)
    proposals = serializers.SerializerMethodField()

    @extend_schema(responses=ProposalSerializer(many=True))
    def get_proposals(self, one: Any) -> Any:
        """What the figures speak for."""
        return ProposalSerializer(proposals_for(one), many=True).data


class AlertQualityView(ApiView):
    """What became of the alerts of each rule, and what to change."""

    takes: ClassVar[tuple[str, ...]] = ("days",)

    @extend_schema(parameters=[OpenApiParameter("days", int, enum=DAYS)], responses=QualitySerializer(many=True))
    def get(self, request: Request) -> Response:
        """Of all rules, by name; `days` back from now."""
        text = request.query_params.get("days", str(USUAL))
        if text not in map(str, DAYS):
            words = f"Give {', '.join(map(str, DAYS[:-1]))} or {DAYS[-1]} days."
            raise ApiProblem("out-of-range", words, 400, [Fault(words, "out-of-range", None, "days")])
        rows = quality_of(list(AlertRule.objects.all()), moment(), int(text))
        return Response(QualitySerializer(rows, many=True).data)

"""Explanations over the API: of a saved segment, and of a rule that is not saved."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text
from core.api.views import ApiViewSet
from core.intake import short
from segments.api.problems import explained
from segments.api.serializers import Rule
from segments.explaining import Explanation, explain_rule, explain_segment
from segments.questions import Reader
from segments.rules.explain import Outcome


class ExplainSerializer(StrictSerializer):
    """A rule, and the external id of the account to check against it."""

    rule = Rule()
    account = Text(max_length=255)


class OutcomeSerializer(StrictSerializer):
    """A node of the rule with what was found; the nodes below it are in `outcomes`, of a row in `rows`."""

    pointer = serializers.CharField()
    kind = serializers.CharField()
    match = serializers.CharField()
    needed = serializers.CharField()
    met = serializers.BooleanField()
    actual = serializers.CharField()
    missing = serializers.BooleanField()
    known_at = serializers.CharField()
    meeting = serializers.IntegerField()
    of = serializers.IntegerField()
    rows = serializers.ListField(child=serializers.DictField())
    outcomes = serializers.ListField(child=serializers.DictField())

    def to_representation(self, instance: Outcome) -> dict[str, Any]:
        """The node with everything below it, however deep."""
        return told(instance)


class ExplanationSerializer(StrictSerializer):
    """Whether an account matches, why, and since when it is a stored member."""

    account = serializers.CharField(source="account.external_id")
    name = serializers.CharField(source="account.name")
    met = serializers.BooleanField(source="outcome.met")
    member = serializers.BooleanField()
    pinned = serializers.CharField()
    headline = serializers.CharField()
    near_miss = serializers.BooleanField()
    away = serializers.IntegerField()
    member_since = serializers.DateTimeField(allow_null=True)
    outcome = OutcomeSerializer()


class ExplainActions(ApiViewSet):
    """Why an account is in a segment, or why not; mixed into the view of segments."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"explain": ("account",)}
    reading_actions: ClassVar[tuple[str, ...]] = ("explain_rule",)

    @extend_schema(
        parameters=[OpenApiParameter("account", OpenApiTypes.STR, required=True)], responses=ExplanationSerializer
    )
    @action(detail=True)
    def explain(self, request: Request, key: str) -> Response:
        """The segment's rule, condition by condition, for one account that you may see."""
        wanted = request.query_params.get("account", "")
        with explained():
            found = explain_segment(self.get_object(), self._one(request, wanted))
        return self._told(found, Fault(self._unknown(wanted), "unknown-account", parameter="account"))

    @extend_schema(request=ExplainSerializer, responses=ExplanationSerializer)
    @action(detail=False, methods=["post"], url_path="explain", url_name="explain-rule")
    def explain_rule(self, request: Request) -> Response:
        """A rule that need not be saved, condition by condition; “is me” is whoever asks."""
        made = ExplainSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        wanted = made.validated_data["account"]
        member = getattr(request.user, "member", None)
        reader = Reader.now(me=member.key if member else "")
        with explained():
            found = explain_rule(made.validated_data["rule"], self._one(request, wanted), reader=reader)
        return self._told(found, Fault(self._unknown(wanted), "unknown-account", "/account"))

    @staticmethod
    def _one(request: Request, external_id: str) -> Any:
        return Account.objects.visible_to(request.user).filter(external_id=external_id.replace("\x00", ""))

    @staticmethod
    def _unknown(wanted: str) -> str:
        return f"There is no account “{short(wanted)}” among those that you may see."

    @staticmethod
    def _told(found: Explanation | None, fault: Fault) -> Response:
        if found is None:
            raise ApiProblem("unknown-account", fault.detail, 400, [fault])
        return Response(ExplanationSerializer(found).data)


def told(outcome: Outcome) -> dict[str, Any]:
    """A node as JSON, with everything below it."""
    plain = ("pointer", "kind", "match", "needed", "met", "actual", "missing", "known_at", "meeting", "of")
    rows = [{"title": row.title, "met": row.met, "outcomes": [told(o) for o in row.outcomes]} for row in outcome.rows]
    return {name: getattr(outcome, name) for name in plain} | {
        "rows": rows,
        "outcomes": [told(one) for one in outcome.outcomes],
    }

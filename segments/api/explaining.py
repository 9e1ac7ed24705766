"""Explanations over the API: of a saved segment, and of a rule that is not saved."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.fields import Subject
from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text, Tree
from core.api.views import ApiViewSet
from core.intake import short
from segments.api.problems import explained
from segments.explaining import Explanation, explain_rule, explain_segment
from segments.models import Segment
from segments.questions import Reader
from segments.rules.outcome import Outcome
from segments.subjects import ABOUT, Members, members_of


class ExplainSerializer(StrictSerializer):
    """A rule, and the external id of the account to check against it; or of the user, for a rule about users."""

    rule = Tree()
    account = Text(max_length=255, required=False)
    user = Text(max_length=255, required=False)


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


class PlaceSerializer(StrictSerializer):
    """One of a user's accounts (null: the user has none), and what the rule says of them there."""

    account = serializers.CharField(source="account.external_id", default=None, allow_null=True)
    met = serializers.BooleanField(source="outcome.met")
    outcome = OutcomeSerializer()


class ExplanationSerializer(StrictSerializer):
    """Whether an account matches, why, and since when it is a stored member.

    Of a rule about users: whether `user` does, in each of their accounts (`places`, those that match first); `account`
    and `outcome` are those of the first.
    """

    account = serializers.CharField(source="account.external_id", default=None, allow_null=True)
    user = serializers.CharField(source="user.external_id", default=None, allow_null=True)
    name = serializers.SerializerMethodField()
    met = serializers.BooleanField(source="outcome.met")
    member = serializers.BooleanField()
    pinned = serializers.CharField()
    headline = serializers.CharField()
    near_miss = serializers.BooleanField()
    away = serializers.IntegerField()
    member_since = serializers.DateTimeField(allow_null=True)
    outcome = OutcomeSerializer()
    places = PlaceSerializer(many=True)

    def get_name(self, found: Explanation) -> str:
        """Of the account, or of the user."""
        return str(found.user or (found.account.name if found.account else ""))


class ExplainActions(ApiViewSet):
    """Why an account, or a user, is in a segment, or why not; mixed into the view of segments."""

    parameters: ClassVar[dict[str, tuple[str, ...]]] = {"explain": ("account", "user")}
    reading_actions: ClassVar[tuple[str, ...]] = ("explain_rule",)

    @extend_schema(
        parameters=[
            OpenApiParameter("account", OpenApiTypes.STR, description="For a segment of accounts."),
            OpenApiParameter("user", OpenApiTypes.STR, description="For a segment of users."),
        ],
        responses=ExplanationSerializer,
    )
    @action(detail=True)
    def explain(self, request: Request, key: str) -> Response:
        """The segment's rule, condition by condition, for one account (or one user) that you may see."""
        segment: Segment = self.get_object()
        about = members_of(segment)
        wanted = request.query_params.get(about.column, "")
        with explained():
            found = explain_segment(segment, self._one(request, about, wanted))
        return self._told(found, self._unknown(about, wanted, parameter=about.column))

    @extend_schema(request=ExplainSerializer, responses=ExplanationSerializer)
    @action(detail=False, methods=["post"], url_path="explain", url_name="explain-rule")
    def explain_rule(self, request: Request) -> Response:
        """A rule that need not be saved, condition by condition; “is me” is whoever asks."""
        made = ExplainSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        given = made.validated_data
        if ("account" in given) == ("user" in given):
            fault = Fault("Name one account, or one user for a rule about users.", "required", "/account")
            raise ApiProblem("validation", fault.detail, 400, [fault])
        about = ABOUT[Subject.ACCOUNT if "account" in given else Subject.USER]
        wanted = given[about.column]
        member = getattr(request.user, "member", None)
        reader = Reader.now(me=member.key if member else "")
        with explained():
            rows = self._one(request, about, wanted)
            found = explain_rule(given["rule"], rows, reader=reader, subject=about.subject)
        return self._told(found, self._unknown(about, wanted, f"/{about.column}"))

    @staticmethod
    def _one(request: Request, about: Members, external_id: str) -> Any:
        path = "external_id" if about.pk == "pk" else "user__external_id"
        return about.seen_by(request.user).filter(**{path: external_id.replace("\x00", "")})

    @staticmethod
    def _unknown(about: Members, wanted: str, pointer: str | None = None, parameter: str | None = None) -> Fault:
        text = f"There is no {about.column} “{short(wanted)}” among those that you may see."
        return Fault(text, f"unknown-{about.column}", pointer, parameter)

    @staticmethod
    def _told(found: Explanation | None, fault: Fault) -> Response:
        if found is None:
            raise ApiProblem(fault.code, fault.detail, 400, [fault])
        return Response(ExplanationSerializer(found).data)


def told(outcome: Outcome) -> dict[str, Any]:
    """A node as JSON, with everything below it."""
    plain = ("pointer", "kind", "match", "needed", "met", "actual", "missing", "known_at", "meeting", "of")
    rows = [{"title": row.title, "met": row.met, "outcomes": [told(o) for o in row.outcomes]} for row in outcome.rows]
    return {name: getattr(outcome, name) for name in plain} | {
        "rows": rows,
        "outcomes": [told(one) for one in outcome.outcomes],
    }

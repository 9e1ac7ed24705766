"""Ready-made segments over the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.problems import ApiProblem, Fault
from core.api.strict import StrictSerializer, Text
from core.api.views import ApiViewSet
from core.intake import short
from segments.api.problems import explained
from segments.api.serializers import SegmentSerializer
from segments.presets import offers, take_preset


class OfferSerializer(StrictSerializer):
    """A ready-made segment; `count` is null if counting took too long, `taken` the segment that has this rule."""

    key = serializers.CharField(read_only=True, source="preset.key")
    name = serializers.CharField(read_only=True, source="preset.name")
    group = serializers.CharField(read_only=True, source="preset.group")
    description = serializers.CharField(read_only=True, source="preset.description")
    subject = serializers.CharField(read_only=True, source="preset.subject")
    rule = serializers.JSONField(read_only=True, source="preset.rule")
    words = serializers.CharField(read_only=True)
    count = serializers.IntegerField(read_only=True, allow_null=True)
    taken = serializers.CharField(read_only=True, source="taken.key", default=None)


class TakeSerializer(StrictSerializer):
    """Which ready-made segment to make an ordinary one of."""

    key = Text(max_length=80)


class GalleryActions(ApiViewSet):
    """The gallery; mixed into the viewset of segments."""

    @extend_schema(methods=["get"], responses=OfferSerializer(many=True))
    @extend_schema(methods=["post"], request=TakeSerializer, responses={201: SegmentSerializer})
    @action(detail=False, methods=["get", "post"])
    def gallery(self, request: Request) -> Response:
        """GET: what is on offer, counted among what you may see. POST: take one."""
        if request.method == "GET":
            found = offers(request.user)
            return Response({"results": OfferSerializer(found, many=True).data})
        made = TakeSerializer(data=request.data)
        made.is_valid(raise_exception=True)
        key = made.validated_data["key"]
        try:
            with explained():
                return self.answer(take_preset(key, author=request.user), 201)
        except LookupError as error:
            text = f"There is no ready-made segment “{short(key)}”."
            raise ApiProblem("unknown-preset", text, 400, [Fault(text, "unknown-preset", "/key")]) from error

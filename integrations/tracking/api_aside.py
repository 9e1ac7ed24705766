"""Messages that were set aside, over the API: listed with their reasons, tried again, or discarded."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.access import IsMember, ManagersOnly
from core.api.filters import StrictFilterSet
from core.api.strict import StrictSerializer, Text
from core.api.views import ApiViewSet
from integrations.models import Message
from integrations.tracking.setting_aside import Tried, discard, retry, set_aside


class SetAsideSerializer(StrictSerializer):
    """A message that could not be recorded, and why."""

    id = serializers.IntegerField(read_only=True)
    source: Any = serializers.CharField(read_only=True, source="source.key")
    message_id = serializers.CharField(read_only=True)
    kind = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    user = serializers.CharField(read_only=True, source="user_ref")
    account = serializers.CharField(read_only=True, source="account_ref")
    reason = serializers.CharField(read_only=True)
    received_at = serializers.DateTimeField(read_only=True)
    payload = serializers.CharField(read_only=True)


class ReasonSerializer(StrictSerializer):
    """Which messages: all of a reason, of one source or of every one."""

    reason = Text(max_length=1_000)
    source: Any = Text(max_length=60, required=False, default="")


class TriedSerializer(StrictSerializer):
    """What became of messages that were tried again; `left` were too many for one call."""

    recorded = serializers.IntegerField(read_only=True)
    failed = serializers.IntegerField(read_only=True)
    left = serializers.IntegerField(read_only=True)


class DiscardedSerializer(StrictSerializer):
    """How many messages were given up."""

    discarded = serializers.IntegerField(read_only=True)


class SetAsideFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    source = django_filters.CharFilter(field_name="source__key")
    reason = django_filters.CharFilter(field_name="reason")


class SetAsideViewSet(ApiViewSet):
    """Messages that wait for somebody to decide, the newest first; for administrators and managers."""

    permission_classes: Any = [IsMember, ManagersOnly]
    serializer_class = SetAsideSerializer
    filterset_class = SetAsideFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Message]:
        """All of them."""
        return set_aside().select_related("source")

    @extend_schema(request=None, responses=TriedSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Record one message again."""
        return _tried(retry(set_aside().filter(pk=self.get_object().pk)))

    @extend_schema(request=None, responses=DiscardedSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:
        """Give one message up."""
        rows = set_aside().filter(pk=self.get_object().pk)
        return Response({"discarded": len(discard(rows, by=request.user.get_username()))})

    @extend_schema(request=ReasonSerializer, responses=TriedSerializer)
    @action(detail=False, methods=["post"], url_path="retry-all", serializer_class=ReasonSerializer)
    def retry_all(self, request: Request) -> Response:
        """Record all messages of a reason again, five hundred in a call."""
        return _tried(retry(set_aside(**self.read_body())))

    @extend_schema(request=ReasonSerializer, responses=DiscardedSerializer)
    @action(detail=False, methods=["post"], url_path="discard-all", serializer_class=ReasonSerializer)
    def discard_all(self, request: Request) -> Response:
        """Give all messages of a reason up."""
        return Response({"discarded": len(discard(set_aside(**self.read_body()), by=request.user.get_username()))})


def _tried(found: Tried) -> Response:
    return Response({"recorded": found.recorded, "failed": found.failed, "left": found.left})

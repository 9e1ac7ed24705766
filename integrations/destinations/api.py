"""Destinations over the API: to read, to try, to pause, and to choose what each is told. Addresses and keys are for the
page."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.access import IsMember, is_administrator
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer
from core.api.views import ApiViewSet
from core.intake import BadValue
from integrations.connections.api import ManagersOnly
from integrations.destinations.editing import add_item, end_item, go_on, pause, retry
from integrations.destinations.testing import send_test
from integrations.models import Destination, Outgoing, SyncItem


class OrAdministrators(BasePermission):
    """What leaves the company is for administrators to decide; managers look, pause and try again."""

    only_administrators = ("create", "destroy")

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether this may be done."""
        return view.action not in self.only_administrators or is_administrator(request.user)


class DestinationSerializer(StrictSerializer):
    """Where changes are sent to. `error` says why it was switched off, or what failed last; there is no way to read an
    address or a key."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(read_only=True)
    kind = serializers.ChoiceField(Destination.Kind.choices, read_only=True)
    active = serializers.BooleanField(read_only=True)
    groups = serializers.BooleanField(read_only=True)
    to_users = serializers.BooleanField(read_only=True)
    events = serializers.BooleanField(read_only=True)
    events_of_first = serializers.BooleanField(read_only=True)
    events_of_definition = serializers.BooleanField(read_only=True)
    entered_name = serializers.CharField(read_only=True)
    exited_name = serializers.CharField(read_only=True)
    computed_name = serializers.CharField(read_only=True)
    tools = serializers.ListField(child=serializers.CharField(), read_only=True)
    failures = serializers.IntegerField(read_only=True)
    failing_since = serializers.DateTimeField(read_only=True)
    rests_until = serializers.DateTimeField(read_only=True)
    sent_at = serializers.DateTimeField(read_only=True)
    error = serializers.CharField(read_only=True)


class TestAnswerSerializer(StrictSerializer):
    """What came of a test message."""

    taken = serializers.BooleanField(read_only=True)
    answer = serializers.CharField(read_only=True)


class DestinationViewSet(ApiViewSet):
    """Destinations by name."""

    permission_classes: Any = [IsMember, ManagersOnly]
    serializer_class = DestinationSerializer
    orderings: ClassVar[dict[str, str]] = {"name": "name", "id": "id"}
    default_ordering = "name"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Destination]:
        """Those that nobody has removed."""
        return Destination.objects.known()

    @extend_schema(request=None, responses=TestAnswerSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a test message now; what was answered."""
        taken, answer = send_test(self.get_object())
        return Response(TestAnswerSerializer({"taken": taken, "answer": answer}).data)

    @extend_schema(request=None, responses=DestinationSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Send nothing until it is resumed; what changes meanwhile is sent then."""
        pause(self.get_object())
        return Response(DestinationSerializer(self.get_object()).data)

    @extend_schema(request=None, responses=DestinationSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Send again: first what waits, then what changed meanwhile."""
        go_on(self.get_object())
        return Response(DestinationSerializer(self.get_object()).data)


class SyncItemSerializer(StrictSerializer):
    """A segment (by its key) or a field that a destination is told of; `key` is what it is called there, for good.
    `first_done_at` is when the first sync was written."""

    id = serializers.IntegerField(read_only=True)
    destination = serializers.PrimaryKeyRelatedField(queryset=Destination.objects.known())
    segment = serializers.CharField(source="segment.key", required=False, max_length=80, allow_null=True)
    field = serializers.CharField(required=False, max_length=120, allow_blank=True)
    key = serializers.CharField(required=False, max_length=80)
    first_done_at = serializers.DateTimeField(read_only=True)
    answered_at = serializers.DateTimeField(read_only=True)
    error = serializers.CharField(read_only=True)


class SyncItemFilters(StrictFilterSet):
    """What the list can be narrowed by."""

    destination = django_filters.NumberFilter(field_name="destination_id")


class SyncItemViewSet(ApiViewSet):
    """What destinations are told."""

    permission_classes: Any = [IsMember, ManagersOnly, OrAdministrators]
    serializer_class = SyncItemSerializer
    filterset_class = SyncItemFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id", "key": "key"}
    matched: ClassVar[tuple[str, ...]] = ()  # it is ended or not
    default_ordering = "id"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post", "delete"]

    def get_queryset(self) -> QuerySet[SyncItem]:
        """Those that are sent."""
        found = SyncItem.objects.filter(ended_at=None, destination__ended_at=None)
        return found.select_related("segment")

    def create(self, request: Request) -> Response:
        """Send a segment or a field; everything that is known goes first."""
        body = SyncItemSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        segment = (given.get("segment") or {}).get("key") or ""
        try:
            made = add_item(
                given["destination"], segment=segment, field=given.get("field", ""), key=given.get("key", "")
            )  # fmt: skip
        except BadValue as error:
            raise ApiProblem("invalid", str(error), 400) from error
        return Response(SyncItemSerializer(made).data, 201)

    def destroy(self, request: Request, pk: str) -> Response:
        """Send it no more; what waits is dropped, and its key stays taken."""
        end_item(self.get_object())
        return Response(status=204)


class OutgoingSerializer(StrictSerializer):
    """A message to a destination. `cause`: the first sync, new data, time, a changed definition, or by hand."""

    id = serializers.IntegerField(read_only=True)
    destination = serializers.IntegerField(read_only=True, source="destination_id")
    key = serializers.CharField(read_only=True, source="item.key")
    call = serializers.ChoiceField(Outgoing.Call.choices, read_only=True)
    account = serializers.CharField(read_only=True, source="account.external_id", allow_null=True, default=None)
    user = serializers.CharField(read_only=True, source="user.external_id", allow_null=True, default=None)
    value: Any = serializers.JSONField(read_only=True)
    cause = serializers.ChoiceField(Outgoing.CAUSES, read_only=True)
    at = serializers.DateTimeField(read_only=True)
    state = serializers.ChoiceField(Outgoing.State.choices, read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    status = serializers.IntegerField(read_only=True, allow_null=True)
    sent_at = serializers.DateTimeField(read_only=True)
    error = serializers.CharField(read_only=True)


class OutgoingFilters(StrictFilterSet):
    """What the list of messages can be narrowed by."""

    destination = django_filters.NumberFilter(field_name="destination_id")
    state = django_filters.ChoiceFilter(choices=Outgoing.State.choices)


class OutgoingViewSet(ApiViewSet):
    """Messages to destinations, the newest first. Sent ones are kept for 14 days."""

    permission_classes: Any = [IsMember, ManagersOnly]
    serializer_class = OutgoingSerializer
    filterset_class = OutgoingFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Outgoing]:
        """All of them."""
        return Outgoing.objects.select_related("item", "account", "user")

    @extend_schema(request=None, responses={202: OutgoingSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Send one again that failed, unless a newer value was written since."""
        found = self.get_object()
        if found.state != Outgoing.State.FAILED:
            raise ApiProblem("conflict", "Only a message that failed can be sent again.", 409)
        if not retry([found])[0]:
            raise ApiProblem("conflict", "A newer value was written since; sending this one would undo it.", 409)
        return Response(OutgoingSerializer(self.get_object()).data, 202)

"""Connections over the API: to read, and to run. Connecting and credentials are for the page."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.access import IsMember, may_manage
from core.api.filters import StrictFilterSet
from core.api.problems import ApiProblem
from core.api.strict import StrictSerializer, YesNo
from core.api.views import ApiViewSet
from integrations.connections.mapping import mapping_of
from integrations.connections.running import cancel, request_run, resume
from integrations.models import Connection, ConnectionRun


class ManagersOnly(BasePermission):
    """Reading too: problems name customers whom not everybody may see."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Administrators and managers."""
        return may_manage(request.user)


class ConnectionSerializer(StrictSerializer):
    """A connected system; `error` says why it cannot go on. There is no way to read a credential."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(read_only=True)
    kind = serializers.ChoiceField(Connection.Kind.choices, read_only=True)
    active = serializers.BooleanField(read_only=True)
    every_minutes = serializers.IntegerField(read_only=True)
    mapping: Any = serializers.SerializerMethodField()
    since = serializers.DateTimeField(read_only=True)
    full_at = serializers.DateTimeField(read_only=True)
    next_run_at = serializers.DateTimeField(read_only=True)
    error = serializers.CharField(read_only=True)

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_mapping(self, connection: Connection) -> dict[str, Any]:
        """What maps to what, defaults included."""
        return mapping_of(connection)


class ConnectionRunSerializer(StrictSerializer):
    """One fetch, and what it did; `problems` are the first thirty."""

    id = serializers.IntegerField(read_only=True)
    connection = serializers.IntegerField(read_only=True, source="connection_id")
    trigger = serializers.ChoiceField(ConnectionRun.Trigger.choices, read_only=True)
    full = serializers.BooleanField(read_only=True)
    state = serializers.ChoiceField(ConnectionRun.State.choices, read_only=True)
    step = serializers.CharField(read_only=True)
    attempts = serializers.IntegerField(read_only=True)
    next_attempt_at = serializers.DateTimeField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    started_at = serializers.DateTimeField(read_only=True)
    finished_at = serializers.DateTimeField(read_only=True)
    read = serializers.IntegerField(read_only=True)
    created = serializers.IntegerField(read_only=True)
    updated = serializers.IntegerField(read_only=True)
    unchanged = serializers.IntegerField(read_only=True)
    unmatched = serializers.IntegerField(read_only=True)
    gone = serializers.IntegerField(read_only=True)
    problem_count = serializers.IntegerField(read_only=True)
    problems = serializers.ListField(child=serializers.CharField(), read_only=True)
    error = serializers.CharField(read_only=True)


class RunRequestSerializer(StrictSerializer):
    """How to run: `full` reads everything instead of what changed."""

    full = YesNo(required=False)


class ConnectionViewSet(ApiViewSet):
    """Connected systems by name."""

    permission_classes: Any = [IsMember, ManagersOnly]
    serializer_class = ConnectionSerializer
    orderings: ClassVar[dict[str, str]] = {"name": "name", "id": "id"}
    default_ordering = "name"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[Connection]:
        """All of them."""
        return Connection.objects.all()

    @extend_schema(request=RunRequestSerializer, responses={202: ConnectionRunSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Ask for a run; the answer is the run, or the open one if there is one already."""
        found = self.get_object()
        body = RunRequestSerializer(data=request.data or {})
        body.is_valid(raise_exception=True)
        if found.error:
            raise ApiProblem("conflict", f"The connection cannot go on. {found.error}", 409)
        run = request_run(found, full=body.validated_data.get("full", False))
        return Response(ConnectionRunSerializer(run).data, 202)


class ConnectionRunFilters(StrictFilterSet):
    """What the list of runs can be narrowed by."""

    connection = django_filters.NumberFilter(field_name="connection_id")
    state = django_filters.ChoiceFilter(choices=ConnectionRun.State.choices)


class ConnectionRunViewSet(ApiViewSet):
    """Runs of connections, the newest first."""

    permission_classes: Any = [IsMember, ManagersOnly]
    serializer_class = ConnectionRunSerializer
    filterset_class = ConnectionRunFilters
    orderings: ClassVar[dict[str, str]] = {"id": "id"}
    default_ordering = "-id"
    lookup_value_regex = r"[0-9]{1,18}"
    http_method_names = ["get", "head", "options", "post"]

    def get_queryset(self) -> QuerySet[ConnectionRun]:
        """All of them."""
        return ConnectionRun.objects.all()

    @extend_schema(request=None, responses={202: ConnectionRunSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop a run after the page at hand; one that is over stays as it is."""
        cancel(self.get_object())
        return Response(ConnectionRunSerializer(self.get_object()).data, 202)

    @extend_schema(request=None, responses={202: ConnectionRunSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let a run that failed or was cancelled go on at its cursor."""
        found = self.get_object()
        if found.state not in (ConnectionRun.State.FAILED, ConnectionRun.State.CANCELLED):
            raise ApiProblem("conflict", "Only a run that failed or was cancelled can be resumed.", 409)
        return Response(ConnectionRunSerializer(resume(found)).data, 202)
